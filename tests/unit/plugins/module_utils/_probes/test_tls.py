# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tls probe against real OpenSSL servers on loopback, good and bad, and against peers that are no TLS servers."""
from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess
import time
import types

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._tls import certificate as _tls_certificate
from ansible_collections.connectivity.doctor.tests.support import scripted_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

V10, V12, V13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
NAME = "db.example.com"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Paths: ``ca`` (PEM), and certificate and key of each server."""
    directory = tmp_path_factory.mktemp("certificates")
    root = mint("Test Root", authority=True, ends_in_days=3650)
    middle = mint("Test Intermediate", issuer=root, authority=True)
    (directory / "ca.pem").write_bytes(root.pem)
    made = {
        "good": mint(NAME, [NAME, "127.0.0.1"], middle),
        "expired": mint(NAME, [NAME], middle, begins_in_days=-20, ends_in_days=-2),
        "future": mint(NAME, [NAME], middle, begins_in_days=5),
        "soon": mint(NAME, [NAME], middle, ends_in_days=10.5),
        "other_name": mint("other.example.com", ["other.example.com", "*.other.example.com"], middle),
        "self_signed": mint(NAME, [NAME]),
        "client": mint("client", issuer=root),
        "foreign_client": mint("client", issuer=mint("Foreign Root", authority=True)),
    }
    paths = {name: identity.write(directory, name) for name, identity in made.items()}
    paths["leaf_only"] = made["good"].write(directory, "leaf_only", chain=False)
    return types.SimpleNamespace(ca=str(directory / "ca.pem"), directory=directory, ders={n: i.der for n, i in made.items()}, **paths)


def serve(paths, behaviour=scripted_server.silent, before=None, **settings) -> ScriptedServer:
    return ScriptedServer(tls_server.speaks_tls(tls_server.context(*paths, **settings), behaviour, before))


def probe(server: ScriptedServer, **parameters) -> Result:
    return run_probe("tls", dict({"host": NAME, "address": server.address, "port": server.port, "timeout": 3.0}, **parameters))


def test_the_authorities_are_those_that_an_agent_is_told_to_trust(files, tmp_path):
    config = tmp_path / "agent.conf"
    config.write_text("[tls]\nca = %s\n" % files.ca)
    trust = {"files": [{"path": str(config), "format": "ini", "ca_file": ["tls.ca"]}]}
    with serve(files.good) as server:
        result = probe(server, agent_trust=trust)
    assert result.outcome == (True, {"verified": True})
    assert result.one("tls.verify")["data"]["ca_file"] == files.ca


def test_a_directory_of_authorities_has_hashed_names(files, tmp_path):
    folder, config = tmp_path / "authorities", tmp_path / "agent.conf"
    folder.mkdir()
    config.write_text("[tls]\nca = %s\n" % folder)
    trust = {"files": [{"path": str(config), "format": "ini", "ca_file": ["tls.ca"]}]}
    with serve(files.good) as server:
        empty = probe(server, agent_trust=trust)
        shutil.copy(files.ca, folder / "root.pem")
        subprocess.run(["openssl", "rehash", folder], check=True)
        filled = probe(server, agent_trust=trust)
        missing = probe(server, ca_file=str(tmp_path / "nowhere") + "/")
    assert empty.one("tls.verify")["data"]["error"] == "verify"
    assert (filled.outcome.passed, filled.one("tls.verify")["data"]["ca_file"]) == (True, str(folder) + "/")
    assert missing.one("tls.verify")["data"]["error"] == "ca_file_missing"


def test_a_good_server_passes_with_one_connection(files):
    with serve(files.good) as server:
        result = probe(server, ca_file=files.ca)
    assert server.connections == 1
    assert result.checks == ["tls.handshake", "tls.certificate", "tls.verify"]
    assert [observation["status"] for observation in result.observations] == ["ok", "ok", "ok"]
    assert result.outcome == (True, {"verified": True})
    data = result.one("tls.handshake")["data"]
    assert (data["version"], data["server_name"], data["error"], data["client_certificate_requested"]) == ("TLSv1.3", NAME, "", False)
    certificate = result.one("tls.certificate")["data"]
    assert certificate["chain_length"] == 2
    assert base64.b64decode(certificate["chain_der"][0]) == files.ders["good"]
    assert certificate["names"] == [NAME, "127.0.0.1"]
    assert certificate["issuer"] == "CN=Test Intermediate"
    assert 88 <= certificate["days_left"] <= 90
    assert result.one("tls.verify")["data"]["verify_code"] == 0


@pytest.mark.parametrize(("identity", "host", "code", "chain_length"), [
    ("expired", NAME, 10, 2),
    ("future", NAME, 9, 2),
    ("other_name", NAME, 62, 2),
    ("good", "127.0.0.2", 64, 2),
    ("self_signed", NAME, 18, 1),
    ("leaf_only", NAME, 20, 1),
])
def test_what_does_not_verify_is_told_by_its_code(files, identity, host, code, chain_length):
    with serve(getattr(files, identity)) as server:
        result = probe(server, ca_file=files.ca, host=host)
    verify = result.one("tls.verify")
    assert (verify["status"], verify["data"]["verify_code"], verify["data"]["error"]) == ("fail", code, "verify")
    assert abs(verify["data"]["checked_at"] - time.time()) < 5
    assert result.one("tls.handshake")["status"] == "ok"
    assert result.one("tls.certificate")["data"]["chain_length"] == chain_length
    assert result.one("tls.certificate")["data"]["fingerprint_sha256"] == verify["data"]["fingerprint_sha256"]
    assert result.outcome == (False, {"verified": False})


def test_a_private_authority_is_unknown_to_the_store_of_the_system(files):
    with serve(files.good) as server:
        verify = probe(server).one("tls.verify")
    assert verify["data"]["verify_code"] == 20
    assert verify["data"]["ca_file"]


def test_an_address_is_verified_and_never_sent_as_a_name(files):
    names = []
    server_context = tls_server.context(*files.good)
    server_context.sni_callback = lambda _connection, name, _context: names.append(name)
    with ScriptedServer(tls_server.speaks_tls(server_context)) as server:
        result = probe(server, ca_file=files.ca, host="127.0.0.1")
    assert names == [None]
    assert result.outcome.passed
    assert result.one("tls.handshake")["data"]["server_name"] == ""


def test_only_the_chain_is_verified_with_ca_and_nothing_with_none(files):
    with serve(files.other_name) as server:
        chain_only, nothing = probe(server, ca_file=files.ca, verify="ca"), probe(server, verify="none")
    assert chain_only.outcome == (True, {"verified": True})
    assert nothing.outcome == (True, {"verified": False})
    assert nothing.one("tls.verify")["status"] == "skipped"


@pytest.mark.parametrize(("content", "error"), [
    (None, "ca_file_missing"), (b"", "ca_file_unreadable"), (b"\x00garbage", "ca_file_unreadable"), ("fifo", "ca_file_unreadable"),
])
def test_a_trust_file_that_can_not_be_used_is_a_failure_of_its_own(files, tmp_path, content, error):
    path = tmp_path / "ca.pem"
    if content == "fifo":
        os.mkfifo(path)
    elif content is not None:
        path.write_bytes(content)
    with serve(files.good) as server:
        result = probe(server, ca_file=str(path))
    assert (result.one("tls.verify")["status"], result.one("tls.verify")["data"]["error"]) == ("fail", error)
    assert result.one("tls.handshake")["status"] == "ok"
    assert not result.outcome.passed


def test_a_trust_file_may_be_in_the_home_directory(files, monkeypatch):
    monkeypatch.setenv("HOME", str(files.directory))
    with serve(files.good) as server:
        assert probe(server, ca_file="~/ca.pem").outcome.passed


def test_a_certificate_that_ends_soon_is_a_warning(files):
    with serve(files.soon) as server:
        certificate, patient = (probe(server, ca_file=files.ca, certificate_days=days).one("tls.certificate") for days in (30, 5))
    assert (certificate["status"], certificate["data"]["days_left"]) == ("warn", 10)
    assert patient["status"] == "ok"


@pytest.mark.parametrize(("version", "phase", "alert", "handshake"), [
    (V12, "handshake", "handshake_failure", "fail"), (V13, "after_handshake", "certificate_required", "ok"),
])
def test_a_demanded_client_certificate_is_found(files, version, phase, alert, handshake):
    with serve(files.good, clients=files.ca, minimum=version, maximum=version) as server:
        result = probe(server, ca_file=files.ca)
        with_one = probe(server, ca_file=files.ca, client_certificate=files.client[0], client_key=files.client[1])
    missing = result.one("tls.client_certificate")
    assert missing["status"] == "fail"
    assert {key: missing["data"][key] for key in ("requested", "phase", "alert", "tls_version", "configured")} == {
        "requested": True, "phase": phase, "alert": alert, "tls_version": "TLSv1.2" if version is V12 else "TLSv1.3", "configured": False}
    assert result.one("tls.handshake")["status"] == handshake
    assert result.one("tls.handshake")["data"]["client_certificate_requested"] is True
    assert result.one("tls.verify")["status"] == "ok"
    assert "tls.versions" not in result.checks
    assert not result.outcome.passed
    assert with_one.outcome.passed
    assert with_one.one("tls.client_certificate")["status"] == "ok"
    assert with_one.one("tls.client_certificate")["data"]["configured"] is True


@pytest.mark.parametrize("version", [V12, V13])
def test_two_faults_at_once_are_both_seen(files, version):
    with serve(files.expired, clients=files.ca, minimum=version, maximum=version) as server:
        result = probe(server, ca_file=files.ca)
    assert result.one("tls.verify")["data"]["verify_code"] == 10
    assert result.one("tls.client_certificate")["status"] == "fail"


@pytest.mark.parametrize("version", [V12, V13])
def test_a_refused_client_certificate_is_found(files, version):
    with serve(files.good, clients=files.ca, minimum=version, maximum=version) as server:
        result = probe(server, ca_file=files.ca, client_certificate=files.foreign_client[0], client_key=files.foreign_client[1])
    assert result.one("tls.client_certificate")["data"]["alert"] == "unknown_ca"
    assert result.one("tls.client_certificate")["data"]["configured"] is True


def test_a_client_certificate_that_is_only_asked_for_is_not_missing(files):
    with serve(files.good, clients=files.ca, request_clients=True) as server:
        result = probe(server, ca_file=files.ca)
    assert result.outcome.passed
    assert result.one("tls.handshake")["data"]["client_certificate_requested"] is True
    assert "tls.client_certificate" not in result.checks


@pytest.mark.parametrize(("certificate", "key", "error"), [
    ("client", "good", "client_key_mismatch"), ("absent", "client", "client_certificate_missing"),
    ("client", "absent", "client_key_missing"),
])
def test_a_client_certificate_that_can_not_be_used_is_told(files, certificate, key, error):
    paths = dict(vars(files), absent=(str(files.directory / "absent"), str(files.directory / "absent")))
    with serve(files.good) as server:
        result = probe(server, ca_file=files.ca, client_certificate=paths[certificate][0], client_key=paths[key][1])
    assert result.one("tls.client_certificate")["data"]["error"] == error
    assert result.one("tls.client_certificate")["data"]["phase"] == "configuration"
    assert not result.outcome.passed


def test_a_server_of_old_versions_only_is_swept(files):
    with serve(files.good, minimum=V10, maximum=ssl.TLSVersion.TLSv1_1) as server:
        result = probe(server, ca_file=files.ca)
    assert result.one("tls.handshake")["data"]["error"] in ("alert", "refused_by_client")
    versions = result.one("tls.versions")
    assert (versions["status"], versions["data"]["accepted"]) == ("fail", ["TLSv1", "TLSv1.1"])
    assert versions["data"]["refused"] == ["TLSv1.2", "TLSv1.3"]
    assert list(versions["data"]["answers"].values()) == ["server_hello", "server_hello", "other_version", "protocol_version"]
    assert (versions["data"]["client_minimum"], versions["data"]["client_maximum"]) == ("TLSv1.2", "TLSv1.3")
    assert versions["data"]["untested"] == versions["data"]["in_common"] == []


@pytest.mark.parametrize(("minimum", "maximum", "negotiated"), [(V13, V13, "TLSv1.3"), (V12, V12, "TLSv1.2")])
def test_a_server_of_one_modern_version_works(files, minimum, maximum, negotiated):
    with serve(files.good, minimum=minimum, maximum=maximum) as server:
        result = probe(server, ca_file=files.ca)
    assert result.one("tls.handshake")["data"]["version"] == negotiated
    assert result.one("tls.certificate")["data"]["chain_length"] == 2
    assert result.outcome.passed


def test_a_client_held_to_old_versions_is_seen_in_the_sweep(files, monkeypatch):
    """The other direction: the server is modern, and this host's policy is not."""
    from ansible_collections.connectivity.doctor.plugins.module_utils._tls import place as _tls_place

    usual = _tls_place.new_context

    def held_to_tls12(*arguments, **more):
        context = usual(*arguments, **more)
        context.maximum_version = V12
        return context

    monkeypatch.setattr(_tls_place, "new_context", held_to_tls12)
    with serve(files.good, minimum=V13) as server:
        result = probe(server, ca_file=files.ca)
    assert result.one("tls.handshake")["data"]["alert"] == "protocol_version"
    versions = result.one("tls.versions")["data"]
    assert (versions["accepted"], versions["client_maximum"], versions["in_common"]) == (["TLSv1.3"], "TLSv1.2", [])


def s_server(paths, *options):
    """OpenSSL's own test server: it can be held to ciphers of TLS 1.3, which Python's ssl can't. :returns: the process and its port."""
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", paths[0], "-key", paths[1], *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        if line.startswith(b"ACCEPT"):
            return process, int(line.rpartition(b":")[2])
    pytest.skip("this openssl does not say which port it chose")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl command")
def test_a_server_of_one_odd_cipher_of_tls_13(files):
    process, port = s_server(files.good, "-tls1_3", "-ciphersuites", "TLS_AES_128_CCM_SHA256")
    try:
        result = run_probe("tls", {"host": NAME, "address": "127.0.0.1", "port": port, "timeout": 3.0})
    finally:
        process.kill()
        process.communicate()
    versions = result.one("tls.versions")["data"]
    assert (versions["in_common"], versions["ciphers_accepted_by_server"]) == (["TLSv1.3"], ["TLS_AES_128_CCM_SHA256"])
    assert versions["cipher_in_common"] is False


def test_a_server_of_one_odd_cipher_is_told_from_one_of_another_version(files):
    with serve(files.good, ciphers="ECDHE-ECDSA-CAMELLIA256-SHA384:@SECLEVEL=0", minimum=V12, maximum=V12) as server:
        result = probe(server, ca_file=files.ca)
    assert result.one("tls.handshake")["data"]["alert"] == "handshake_failure"
    assert result.one("tls.handshake")["data"]["client_certificate_requested"] is None
    versions = result.one("tls.versions")
    assert versions["status"] == "ok"
    assert versions["data"]["in_common"] == ["TLSv1.2"]
    assert versions["data"]["ciphers_accepted_by_server"] == ["ECDHE-ECDSA-CAMELLIA256-SHA384"]
    assert versions["data"]["cipher_in_common"] is False


def test_a_server_of_an_odd_group_is_told_from_one_of_an_odd_cipher(files):
    server_context = tls_server.context(*files.good, minimum=V12, maximum=V12)
    server_context.set_ecdh_curve("secp256k1")
    with ScriptedServer(tls_server.speaks_tls(server_context)) as server:
        versions = probe(server, ca_file=files.ca).one("tls.versions")["data"]
    assert versions["groups_accepted_by_server"] == ["secp256k1"]
    assert (versions["cipher_in_common"], versions["group_in_common"]) == (True, False)


def test_strict_sni_is_compared_with_no_sni(files):
    with serve(files.other_name, only_name="other.example.com") as server:
        result = probe(server, ca_file=files.ca)
    assert (result.one("tls.handshake")["data"]["alert"], result.one("tls.handshake")["data"]["alert_number"]) == ("unrecognized_name", 112)
    sni = result.one("tls.sni")
    assert (sni["status"], sni["data"]["with_sni"], sni["data"]["without_sni"]) == ("fail", "failed", "ok")
    assert sni["data"]["names_without_sni"] == ["other.example.com", "*.other.example.com"]
    assert "tls.versions" not in result.checks


def test_a_wrong_name_is_compared_with_what_is_served_without_sni(files):
    with serve(files.good, other=("www.example.com", tls_server.context(*files.other_name))) as server:
        sni = probe(server, ca_file=files.ca, host="www.example.com").one("tls.sni")
    assert (sni["status"], sni["data"]["with_sni"], sni["data"]["without_sni"]) == ("ok", "ok", "ok")
    assert sni["data"]["names_with_sni"] == ["other.example.com", "*.other.example.com"]
    assert sni["data"]["names_without_sni"] == [NAME, "127.0.0.1"]
    assert sni["data"]["same_certificate"] is False


def test_postgresql_is_asked_for_tls_first(files):
    with serve(files.good, before=tls_server.postgresql_starttls()) as server:
        assert probe(server, ca_file=files.ca, starttls="postgresql").outcome.passed


@pytest.mark.parametrize(("answer", "error", "looks_like"), [
    (b"N", "starttls_refused", ""), (b"HTTP/1.1 400 Bad Request\r\n\r\n", "starttls_unexpected", "http"), (b"", "closed", ""),
])
def test_other_answers_to_the_request_for_tls(answer, error, looks_like):
    with ScriptedServer(scripted_server.answers(answer)) as server:
        handshake = probe(server, starttls="postgresql").one("tls.handshake")
    assert (handshake["status"], handshake["data"]["error"], handshake["data"]["looks_like"]) == ("fail", error, looks_like)


HTTP_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.mark.parametrize(("behaviour", "looks_like", "by"), [
    (scripted_server.answers(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "http", "answer"),
    (scripted_server.says(b"SSH-2.0-OpenSSH_9.2p1\r\n", first_read=False), "ssh", "answer"),
    (scripted_server.says(b"220 mx.example.com ESMTP Postfix\r\n", first_read=False), "smtp", "answer"),
    (scripted_server.says(b"220 (vsFTPd 3.0.3)\r\n", first_read=False), "ftp", "answer"),
    (scripted_server.says(b"\x4a\x00\x00\x00\x0a8.0.36\x00", first_read=False), "mysql", "answer"),
    (scripted_server.says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64", first_read=False), "http2", "answer"),
    (scripted_server.says(b"\xde\xad\xbe\xef" * 10), "unknown", "answer"),
])
def test_a_port_without_tls_is_told_by_its_first_bytes(behaviour, looks_like, by):
    with ScriptedServer(behaviour) as server:
        handshake = probe(server).one("tls.handshake")
    assert (handshake["data"]["error"], handshake["data"]["looks_like"], handshake["data"]["looks_like_by"]) == ("not_tls", looks_like, by)
    assert len(handshake["data"]["first_bytes"]) <= 32


def http_or_close(connection: socket.socket) -> None:
    """A plain HTTP server that closes on what it doesn't understand."""
    if connection.recv(65536).startswith(b"HEAD "):
        connection.sendall(HTTP_ANSWER)


def postgresql_without_greeting(connection: socket.socket) -> None:
    if connection.recv(65536) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f":
        connection.sendall(b"S")


def http_or_silence(connection: socket.socket) -> None:
    if connection.recv(65536).startswith(b"HEAD "):
        connection.sendall(HTTP_ANSWER)
    scripted_server.silent(connection)


@pytest.mark.parametrize(("behaviour", "answer", "looks_like", "by"), [
    (http_or_close, "closed", "http", "http_request"),
    (http_or_silence, "timeout", "http", "http_request"),
    (postgresql_without_greeting, "closed", "postgresql", "ssl_request"),
])
def test_a_port_that_says_nothing_to_tls_is_asked_in_plain_text(behaviour, answer, looks_like, by):
    with ScriptedServer(behaviour) as server:
        data = probe(server, timeout=1.0).one("tls.handshake")["data"]
    assert (data["error"], data["answer"], data["looks_like"], data["looks_like_by"]) == ("not_tls", answer, looks_like, by)


def https_that_drops_this_name(connection: socket.socket) -> None:
    """As an HTTPS server behind a filter: TLS is cut, and plain text is told that it is wrong here."""
    if connection.recv(65536).startswith(b"HEAD "):
        connection.sendall(b"HTTP/1.1 400 The plain HTTP request was sent to HTTPS port\r\n\r\n")


@pytest.mark.parametrize(("behaviour", "error"), [
    (https_that_drops_this_name, "closed"),
    (scripted_server.silent, "timeout"),
    (scripted_server.closes_at_once, "closed"),
    (scripted_server.closes_after_reading, "closed"),
    (scripted_server.resets, "reset"),
])
def test_peers_that_say_nothing_at_all(behaviour, error):
    with ScriptedServer(behaviour) as server:
        result = probe(server, timeout=1.0)
    data = result.one("tls.handshake")["data"]
    assert data["error"] == error or (behaviour is scripted_server.closes_at_once and data["error"] == "reset")
    assert data["looks_like"] == "unknown"
    assert result.one("tls.verify")["status"] == "skipped"


def test_a_trickle_is_bounded_in_time():
    record = b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc"
    began = time.monotonic()
    with ScriptedServer(scripted_server.trickles(record, 0.1)) as server:
        data = probe(server, timeout=1.5).one("tls.handshake")["data"]
    assert data["error"] == "timeout"
    assert time.monotonic() - began < 4


def test_an_endless_handshake_is_bounded_in_bytes():
    warning_alerts = b"\x15\x03\x03\x00\x02\x01\x5a" * 9000
    began = time.monotonic()
    with ScriptedServer(scripted_server.floods(b"", warning_alerts, 1 << 30)) as server:
        data = probe(server, timeout=5).one("tls.handshake")["data"]
    assert (data["error"], data["reason"]) == ("protocol_error", "too_many_warn_alerts")
    assert time.monotonic() - began < 10


def test_a_closed_port_is_a_failed_connection():
    with ScriptedServer(scripted_server.silent) as server:
        pass
    data = probe(server).one("tls.handshake")["data"]
    assert (data["error"], data["connect_error"]) == ("connect_failed", "ECONNREFUSED")


@pytest.mark.parametrize("name", ["ü" * 70, "a..b", "a\r\nb.example.com", "a b.example.com"])
def test_a_name_that_can_not_be_one_is_told(name):
    result = run_probe("tls", {"host": name, "address": "127.0.0.1", "port": 9})
    assert (result.one("tls.handshake")["status"], result.one("tls.handshake")["data"]["reason"]) == ("cannot_tell", "invalid_server_name")


def test_over_ipv6(files):
    try:
        server = ScriptedServer(tls_server.speaks_tls(tls_server.context(*files.good)), "::1")
    except OSError:
        pytest.skip("no IPv6 on loopback here")
    with server:
        assert probe(server, ca_file=files.ca).one("tls.handshake")["target"] == "[::1]:%d" % server.port


# --- the strength and the end of every link -------------------------------------------------------------------------


def by_openssl(directory, *arguments: str) -> tuple[str, str]:
    """A self-signed certificate as openssl(1) makes it, for what Python's libraries refuse to make."""
    if not shutil.which("openssl"):
        pytest.skip("this machine has no openssl")
    certificate, key = str(directory / "made.pem"), str(directory / "made.key")
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-subj", "/CN=" + NAME, "-days", "90", "-out", certificate, "-keyout", key,
                    *arguments], check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize(("arguments", "kind", "bits", "signature_hash", "weak_key"), [
    (["-newkey", "rsa:1024", "-sha256"], "RSA", 1024, "sha256", True),
    (["-newkey", "rsa:2048", "-sha1"], "RSA", 2048, "sha1", False),
    (["-newkey", "rsa:3072", "-sha512"], "RSA", 3072, "sha512", False),
    (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-sha384"], "EC", 384, "sha384", False),
    (["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1", "-sha256"], "EC", 192, "sha256", True),
    (["-newkey", "ed25519"], "Ed25519", 256, "", False),
])
def test_keys_and_signatures_are_read_as_openssl_made_them(tmp_path, arguments, kind, bits, signature_hash, weak_key):
    certificate, _key = by_openssl(tmp_path, *arguments)
    with open(certificate, encoding="ascii") as file:
        parsed = _tls_certificate.parse(ssl.PEM_cert_to_DER_cert(file.read()))
    assert (parsed.key_kind, parsed.key_bits, parsed.signature_hash, parsed.weak_key) == (kind, bits, signature_hash, weak_key)
    assert parsed.weak_signature is False, "a root's own signature does not matter"


def test_a_weak_key_warns(tmp_path):
    with serve(by_openssl(tmp_path, "-newkey", "rsa:1024", "-sha256")) as server:
        certificate = probe(server, verify="none").one("tls.certificate")
    assert (certificate["status"], certificate["data"]["weak_links"]) == ("warn", ["CN=" + NAME])
    assert "too weak" in certificate["message"]


def test_a_weak_signature_of_an_authority_is_weak():
    one = _tls_certificate.Certificate("CN=leaf", "CN=root", [], 0, 0, "RSA", 2048, "sha1")
    assert one.weak_signature and not one.weak_key
    assert not one._replace(signature_hash="sha256").weak_signature


def test_every_link_of_the_chain_has_its_end(files):
    root = mint("Ended Root", authority=True)
    middle = mint("Ended Intermediate", issuer=root, authority=True, begins_in_days=-20, ends_in_days=-2.5)
    with serve(mint(NAME, [NAME], middle).write(files.directory, "ended_link")) as server:
        certificate = probe(server, verify="none").one("tls.certificate")
    data = certificate["data"]
    assert (certificate["status"], data["expired_links"], data["chain_days_left"]) == ("warn", ["CN=Ended Intermediate"], -3)
    assert [(link["subject"], link["days_left"] > 0) for link in data["links"]] == [("CN=" + NAME, True), ("CN=Ended Intermediate", False)]
    assert data["days_left"] > 80


# --- as libpq does --------------------------------------------------------------------------------------------------


def test_sslmode_require_verifies_where_there_is_a_root_certificate(files, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with serve(files.other_name) as server:
        without = probe(server, verify="libpq_require")
        (tmp_path / ".postgresql").mkdir()
        shutil.copy(files.ca, str(tmp_path / ".postgresql" / "root.crt"))
        by_default, named = probe(server, verify="libpq_require"), probe(server, verify="libpq_require", ca_file=files.ca)
        absent = probe(server, verify="libpq_require", ca_file=str(tmp_path / "absent.crt"))
    with serve(files.self_signed) as server:
        untrusted = probe(server, verify="libpq_require")
    for result, mode, status in ((without, "none", "skipped"), (absent, "none", "skipped"), (by_default, "ca", "ok"), (named, "ca", "ok"),
                                 (untrusted, "ca", "fail")):
        verify = result.one("tls.verify")
        assert (verify["data"]["mode"], verify["data"]["asked_mode"], verify["status"]) == (mode, "libpq_require", status)
        assert result.outcome.passed == (status != "fail")


@pytest.mark.parametrize(("spoken", "selected", "status"), [(["postgresql"], "postgresql", "ok"), (["h2"], "", "warn"), (None, "", "warn")])
def test_direct_postgresql_tls_wants_its_alpn(files, spoken, selected, status):
    """As PostgreSQL 17 with sslnegotiation=direct: TLS from the first byte, and the protocol's name agreed on."""
    context = tls_server.context(*files.good)
    if spoken:
        context.set_alpn_protocols(spoken)
    with ScriptedServer(tls_server.speaks_tls(context)) as server:
        handshake = probe(server, ca_file=files.ca, alpn=["postgresql"]).one("tls.handshake")
    if handshake["data"]["error"] == "alert":  # OpenSSL may refuse what it can't agree on, others go on without
        assert handshake["data"]["alert"] == "no_application_protocol"
        return
    assert (handshake["status"], handshake["data"]["alpn_selected"]) == (status, selected)
    assert handshake["data"]["alpn_offered"] == ["postgresql"]
    assert "-alpn postgresql" in handshake["reproduce"]

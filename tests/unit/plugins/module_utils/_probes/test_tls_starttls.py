# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS inside other protocols: real TLS behind a real SMTP server (aiosmtpd) and behind scripted greetings of the others.

The scripts of MySQL, IMAP and LDAP are held to what ``openssl s_client -starttls`` understands, where this machine has it.
"""
from __future__ import annotations

import random
import shutil
import socket
import ssl
import subprocess
import time
import types
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import starttls as _tls_starttls
from ansible_collections.connectivity.doctor.tests.support import scripted_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

NAME = "mail.example.com"
PROTOCOLS = sorted(_tls_starttls.S_CLIENT_NAMES)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    root = mint("Test Root", authority=True)
    (directory / "ca.pem").write_bytes(root.pem)
    return types.SimpleNamespace(ca=str(directory / "ca.pem"), good=mint(NAME, [NAME], root).write(directory, "good"), directory=directory)


# --- what servers of each protocol say ------------------------------------------------------------------------------


def line(connection: socket.socket) -> bytes:
    received = b""
    while not received.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            raise OSError("closed")
        received += byte
    return received


def smtp(offers: bool = True, answer: bytes = b"220 go ahead\r\n"):
    def before(connection: socket.socket) -> None:
        connection.sendall(b"220-mail.example.com ESMTP\r\n220 welcome\r\n")
        assert line(connection).startswith(b"EHLO ")
        connection.sendall(b"250-mail.example.com\r\n250-SIZE 1000\r\n" + (b"250-STARTTLS\r\n" if offers else b"") + b"250 HELP\r\n")
        assert line(connection) == b"STARTTLS\r\n"
        connection.sendall(answer)

    return before


def imap(answer: bytes = b"%s OK begin TLS\r\n"):
    def before(connection: socket.socket) -> None:
        connection.sendall(b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n")
        words = line(connection).split()
        while words[1].upper() != b"STARTTLS":  # openssl asks for the capabilities first
            connection.sendall(b"* CAPABILITY IMAP4rev1 STARTTLS\r\n%s OK done\r\n" % words[0])
            words = line(connection).split()
        connection.sendall(b"* a remark\r\n" + answer % words[0])

    return before


def ldap(result: int = 0):
    def before(connection: socket.socket) -> None:
        request = connection.recv(2)
        request += connection.recv(request[1])
        assert b"1.3.6.1.4.1.1466.20037" in request
        connection.sendall(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01" + bytes([result]) + b"\x04\x00\x04\x00")

    return before


def mysql_greeting(capabilities: int = 0xFFFF) -> bytes:
    body = (b"\x0a" + b"8.0.36-example\0" + (77).to_bytes(4, "little") + b"12345678\0" + capabilities.to_bytes(2, "little")
            + b"\x21" + (2).to_bytes(2, "little") + (0x0008).to_bytes(2, "little") + b"\x15" + bytes(10) + b"123456789012\0"
            + b"mysql_native_password\0")
    return len(body).to_bytes(3, "little") + b"\0" + body


def mysql(capabilities: int = 0xFFFF):
    def before(connection: socket.socket) -> None:
        connection.sendall(mysql_greeting(capabilities))
        header = connection.recv(4)
        if not header:
            return  # the client has learnt that there is no TLS
        assert header == b"\x20\x00\x00\x01"
        request = b""
        while len(request) < 32:
            request += connection.recv(32 - len(request))
        assert int.from_bytes(request[:4], "little") & 0x0A00 == 0x0A00

    return before


GOOD = {"smtp": smtp(), "imap": imap(), "ldap": ldap(), "mysql": mysql(), "postgresql": tls_server.postgresql_starttls()}
REFUSING = {
    "smtp": smtp(offers=False), "imap": imap(b"%s NO not now\r\n"), "ldap": ldap(52), "mysql": mysql(0xF7FF),
    "postgresql": tls_server.postgresql_starttls(b"N"),
}


def serve(files, before, **settings) -> ScriptedServer:
    return ScriptedServer(tls_server.speaks_tls(tls_server.context(*files.good, **settings), before=before))


def probe(server, **parameters) -> Result:
    return run_probe("tls", dict({"host": NAME, "address": server.address, "port": server.port, "timeout": 2.0}, **parameters))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_tls_is_reached_through_the_protocol(files, protocol):
    with serve(files, GOOD[protocol]) as server:
        result = probe(server, starttls=protocol, ca_file=files.ca)
        handshake = result.one("tls.handshake")
        if shutil.which("openssl"):
            argv = ["openssl", "s_client", "-connect", server.address + ":%d" % server.port, "-CAfile", files.ca, "-verify_return_error",
                    "-starttls", _tls_starttls.S_CLIENT_NAMES[protocol]]
            assert handshake["reproduce"].split()[:6] == argv[:3] + [argv[3], "-servername", NAME]
            tried = subprocess.run(argv, input="", capture_output=True, text=True, timeout=20, check=False)
            assert "Verify return code: 0 (ok)" in tried.stdout, tried.stdout + tried.stderr
    assert (handshake["status"], handshake["data"]["starttls"], handshake["data"]["error"]) == ("ok", protocol, "")
    assert result.one("tls.verify")["status"] == "ok"
    assert result.outcome.passed


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_server_without_tls_says_so(files, protocol):
    with ScriptedServer(REFUSING[protocol]) as server:
        handshake = probe(server, starttls=protocol).one("tls.handshake")
    assert (handshake["status"], handshake["data"]["error"]) == ("fail", "starttls_refused")


@pytest.mark.parametrize(("protocol", "spoken", "looks_like"), [
    ("smtp", b"SSH-2.0-OpenSSH_9.2\r\n", "ssh"), ("imap", b"220 ftp.example.com FTP ready\r\n", "ftp"),
    ("mysql", b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "ssh"), ("ldap", b"HTTP/1.1 400 Bad Request\r\n\r\n", "http"),
    ("postgresql", mysql_greeting(), "mysql"),
])
def test_another_protocol_is_named(protocol, spoken, looks_like):
    with ScriptedServer(scripted_server.says(spoken, first_read=protocol == "ldap")) as server:
        data = probe(server, starttls=protocol).one("tls.handshake")["data"]
    assert (data["error"], data["looks_like"]) == ("starttls_unexpected", looks_like)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("behaviour", "error"), [
    (scripted_server.closes_at_once, ("closed", "reset")), (scripted_server.silent, ("timeout",)),
    (scripted_server.says(b"\x00" * 100000, first_read=False), ("starttls_unexpected",)),
    (scripted_server.says(b"220-" * 100000, first_read=False), ("starttls_unexpected",)),
])
def test_hostile_peers_are_told_in_time(protocol, behaviour, error):
    began = time.monotonic()
    with ScriptedServer(behaviour) as server:
        data = probe(server, starttls=protocol, timeout=1.0).one("tls.handshake")["data"]
    assert time.monotonic() - began < 4
    assert data["error"] in error, data


def test_a_trickle_is_bounded():
    with ScriptedServer(scripted_server.trickles(b"", 0.05, b"2")) as server:
        began = time.monotonic()
        with socket.create_connection((server.address, server.port)) as sock:
            sock.sendall(b"x")  # the script waits for something to be said
            assert _tls_starttls.ask("smtp", sock, _flow.monotonic_budget(0.7))[0] == "timeout"
        assert time.monotonic() - began < 1.5


def test_any_answer_is_taken():
    """Thousands of mutated true answers: no exception comes out, and only what the protocol knows is taken for consent."""
    source = random.Random(20260102)
    samples = {
        "mysql": mysql_greeting(), "smtp": b"220 m\r\n250-m\r\n250 STARTTLS\r\n220 go\r\n", "imap": b"* OK r\r\na1 OK go\r\n",
        "ldap": b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00", "postgresql": b"S",
    }
    known = ("", "starttls_refused", "starttls_unexpected", "closed", "reset")
    consents = dict.fromkeys(samples, 0)
    for number in range(3000):
        protocol = source.choice(PROTOCOLS)
        data = bytearray(samples[protocol])
        for _change in range(source.randint(0, 4) if number >= 50 else 0):
            at = source.randrange(len(data) + 1)
            data[at:at + source.choice((0, 1, 5))] = source.choice((b"", b"\xff", b"\0\0", b"\r\n", bytes([source.randrange(256)])))
            data = data or bytearray(b"x")
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(bytes(data))
            theirs.shutdown(socket.SHUT_WR)
            error, heard = _tls_starttls.ask(protocol, ours, _flow.monotonic_budget(1.0))
        assert error in known, (protocol, bytes(data))
        assert len(heard) <= 16
        consents[protocol] += not error
    assert all(0 < count < 2500 for count in consents.values()), consents


def test_a_real_smtp_server(files):
    controller = pytest.importorskip("aiosmtpd.controller")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files.good)

    class Handler:
        async def handle_DATA(self, *_arguments: t.Any) -> str:
            return "250 OK"

    running = controller.Controller(Handler(), hostname="127.0.0.1", port=_free_port(), tls_context=context)
    plain = controller.Controller(Handler(), hostname="127.0.0.1", port=_free_port())
    running.start()
    plain.start()
    try:
        secured = run_probe("tls", {
            "host": NAME, "address": "127.0.0.1", "port": running.port, "starttls": "smtp", "ca_file": files.ca, "timeout": 5.0})
        without = run_probe("tls", {"host": NAME, "address": "127.0.0.1", "port": plain.port, "starttls": "smtp", "timeout": 5.0})
    finally:
        running.stop()
        plain.stop()
    assert secured.outcome.passed
    assert without.one("tls.handshake")["data"]["error"] == "starttls_refused"


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])

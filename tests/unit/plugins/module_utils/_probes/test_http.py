# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The http probe against real HTTP and TLS servers and a real proxy on loopback, and against hostile peers."""
from __future__ import annotations

import base64
import itertools
import json
import socket
import ssl
import time
import types

import pytest

from ansible_collections.connectivity.doctor.tests.support import http_server, scripted_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

NAME = "apm.example.com"
SECRET = "t0ps3cret-t0ken-of-the-agent"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    root = mint("Test Root", authority=True)
    (directory / "ca.pem").write_bytes(root.pem)
    made = {"good": mint(NAME, [NAME], root), "expired": mint(NAME, [NAME], root, ends_in_days=-0.5)}
    return types.SimpleNamespace(ca=str(directory / "ca.pem"), **{name: one.write(directory, name) for name, one in made.items()})


def probe(server: ScriptedServer, secrets=(), **parameters) -> Result:
    usual = {"host": NAME, "address": server.address, "port": server.port, "scheme": "http", "timeout": 3.0}
    return run_probe("http", dict(usual, **parameters), secrets=secrets)


def response(server: ScriptedServer, **parameters) -> dict:
    return probe(server, **parameters).one("http.response")


def always(status, fields=None, body=b"hello"):
    return http_server.speaks_http(lambda _method, _path, _fields: (status, fields or {}, body))


def test_a_good_answer_passes_and_is_described():
    fields = {"Content-Type": "text/plain"}
    with ScriptedServer(always(200, fields)) as server:
        result = probe(server, path="/health?full=1")
    assert result.outcome.passed
    observation = result.one("http.response")
    data = observation["data"]
    assert observation["status"] == "ok"
    assert (data["status"], data["body_excerpt"], data["content_type"], data["error"]) == (200, "hello", "text/plain", "")
    assert data["server"].startswith("BaseHTTP")
    assert abs(data["clock_offset_s"]) <= 1.0
    assert data["phases"]["tls_ms"] is None
    assert 0 < data["phases"]["connect_ms"] <= data["phases"]["total_ms"]
    assert observation["reproduce"].endswith("http://%s:%d/health?full=1'" % (NAME, server.port))


def test_what_is_sent_is_what_was_asked_for():
    seen = []

    def respond(method, path, fields):
        seen.append((method, path, dict(fields)))
        return 202, {}, b""

    with ScriptedServer(http_server.speaks_http(respond)) as server:
        result = probe(server, method="POST", path="a b/ü?q=1#part", headers={"X-Scope": 7, "accept": "text/html"})
    method, path, fields = seen[0]
    assert (method, path) == ("POST", "/a%20b/%C3%BC?q=1")
    assert (fields["X-Scope"], fields["accept"], fields["Host"]) == ("7", "text/html", "%s:%d" % (NAME, server.port))
    assert "Accept" not in fields
    assert result.one("http.response")["data"]["status"] == 202


@pytest.mark.parametrize(("status", "expected", "outcome"), [
    (204, None, "ok"), (302, None, "ok"), (401, None, "fail"), (404, None, "fail"), (503, None, "fail"),
    (404, [404], "ok"), (200, [404], "fail"),
])
def test_a_status_is_accepted_or_not(status, expected, outcome):
    with ScriptedServer(always(status, body=b"")) as server:
        observation = response(server, expected_status=expected)
    assert (observation["status"], observation["data"]["status"], observation["data"]["error"]) == (outcome, status, "")


def test_the_facts_of_a_refusal_are_kept():
    fields = {"Retry-After": "120", "WWW-Authenticate": 'Bearer realm="apm"', "Via": "1.1 gate", "Location": "/login?ticket=1"}
    with ScriptedServer(always(429, fields)) as server:
        data = response(server)["data"]
    assert (data["retry_after"], data["via"], data["location"]) == ("120", "1.1 gate", "/login")
    assert data["www_authenticate"] == [{"scheme": "Bearer", "realm": "apm"}]


@pytest.mark.parametrize(("skew_s", "age", "offset"), [(3600, "", 3600), (-90, "0", -90), (3600, "17", None)])
def test_the_clock_of_the_server_is_compared(skew_s, age, offset):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + skew_s))
    head = "HTTP/1.1 200 OK\r\nDate: %s\r\n%sContent-Length: 0\r\n\r\n" % (date, "Age: %s\r\n" % age if age else "")
    with ScriptedServer(scripted_server.answers(head.encode())) as server:
        data = response(server)["data"]
    assert data["date"] == date
    assert data["clock_offset_s"] is None if offset is None else abs(data["clock_offset_s"] - offset) <= 1.5


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Foo 99999999999999999999 99:99:99 GMT", "Tue, 20 Nov 0000 00:00:00 +9999"])
def test_a_date_that_is_none_gives_no_offset(date):
    with ScriptedServer(scripted_server.answers(b"HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Length: 0\r\n\r\n" % date.encode())) as server:
        observation = response(server)
    assert observation["status"] == "ok"
    assert observation["data"]["clock_offset_s"] is None or "0000" in date


def echo(_method, _path, fields):
    """The worst server for secrets: it repeats everything it got."""
    return 200, {"Server": fields.get("Authorization", "none")[:100]}, ("\n".join(map(": ".join, fields.items()))).encode()


def assert_secret_free(result: Result, *secrets: str) -> None:
    text = json.dumps(result.observations)
    for secret in secrets:
        assert secret not in text


def test_a_credential_goes_over_verified_tls_and_is_shown_nowhere(files):
    got = []

    def respond(method, path, fields):
        got.append(fields.get("Authorization"))
        return echo(method, path, fields)

    behaviour = tls_server.speaks_tls(tls_server.context(*files.good), http_server.speaks_http(respond))
    with ScriptedServer(behaviour) as server:
        headers = {"X-Api-Key": "another-" + SECRET}
        result = probe(server, scheme="https", ca_file=files.ca, credential="Bearer " + SECRET, headers=headers)
    data = result.one("http.response")["data"]
    assert got == ["Bearer " + SECRET]
    assert result.outcome.passed
    assert (data["credential_sent"], data["tls_version"], data["certificate_issuer"]) == (True, "TLSv1.3", "CN=Test Root")
    assert data["client_certificate_requested"] is False
    assert data["phases"]["tls_ms"] > 0
    assert "********" in data["body_excerpt"]
    assert_secret_free(result, SECRET)


@pytest.mark.parametrize(("claims", "expected"), [({"nbf": 100, "exp": 4000}, (100, 4000)), ({"sub": "x"}, (None, None))])
def test_until_when_a_token_that_was_refused_says_that_it_is_valid(claims, expected):
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    with ScriptedServer(http_server.speaks_http(lambda *_request: (401, {}, b""))) as server:
        result = probe(server, credential="Bearer e30.%s.%s" % (encoded, SECRET))
    data = result.one("http.response")["data"]
    assert (data["credential_from"], data["credential_until"]) == expected
    assert_secret_free(result, SECRET)


def test_a_credential_is_withheld_where_tls_is_not_verified(files):
    got = []

    def respond(_method, _path, fields):
        got.append(fields.get("Authorization"))
        return 401, {}, b""

    with ScriptedServer(tls_server.speaks_tls(tls_server.context(*files.expired), http_server.speaks_http(respond))) as server:
        unverified = response(server, scheme="https", ca_file=files.ca, verify="none", credential=SECRET)
        broken = response(server, scheme="https", ca_file=files.ca, credential=SECRET)
    assert got == [None]
    assert (unverified["status"], unverified["data"]["reason"]) == ("cannot_tell", "credential_withheld")
    data = broken["data"]
    assert (broken["status"], data["error"], data["tls_error"], data["verify_code"]) == ("fail", "tls_failed", "verify", 10)
    assert unverified["data"]["credential_sent"] is data["credential_sent"] is False


def test_a_demanded_client_certificate_is_told_after_the_handshake(files):
    demanding = tls_server.context(*files.good, clients=files.ca, minimum=ssl.TLSVersion.TLSv1_3)
    with ScriptedServer(tls_server.speaks_tls(demanding, always(200))) as server:
        data = response(server, scheme="https", ca_file=files.ca)["data"]
    assert (data["error"], data["tls_error"], data["alert"]) == ("tls_failed", "alert", "certificate_required")


def test_https_to_a_plain_port_and_http_to_a_tls_port(files):
    with ScriptedServer(always(400)) as server:
        plain = response(server, scheme="https", ca_file=files.ca)["data"]
    assert (plain["error"], plain["tls_error"], plain["looks_like"]) == ("tls_failed", "not_tls", "http")
    with ScriptedServer(tls_server.speaks_tls(tls_server.context(*files.good))) as server:
        secured = response(server)["data"]
    assert (secured["error"], secured["looks_like"]) == ("not_http", "tls")


def test_http_to_a_tls_port_that_only_closes_or_says_400(files):
    def closes_on_plain_text(connection):
        if connection.recv(1, 2) == b"\x16":  # MSG_PEEK
            tls_server.speaks_tls(tls_server.context(*files.good))(connection)

    def refuses_plain_text(connection):
        if connection.recv(1, 2) == b"\x16":
            tls_server.speaks_tls(tls_server.context(*files.good))(connection)
        else:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with ScriptedServer(closes_on_plain_text) as server:
        closed = response(server)["data"]
    with ScriptedServer(refuses_plain_text) as server:
        refused = response(server)["data"]
    assert (closed["error"], closed["looks_like"], closed["speaks_tls"]) == ("not_http", "tls", True)
    assert (refused["error"], refused["status"], refused["speaks_tls"]) == ("", 400, True)


@pytest.mark.parametrize(("behaviour", "error"), [
    (scripted_server.silent, "no_response"), (scripted_server.closes_after_reading, "closed"), (scripted_server.resets, "reset"),
])
def test_peers_that_say_nothing(behaviour, error):
    with ScriptedServer(behaviour) as server:
        observation = response(server, timeout=0.5)
    assert (observation["status"], observation["data"]["error"], observation["data"]["speaks_tls"]) == ("fail", error, False)
    assert observation["data"]["status"] is None


@pytest.mark.parametrize(("behaviour", "looks_like"), [
    (scripted_server.says(b"SSH-2.0-OpenSSH_9.2\r\n", first_read=False), "ssh"),
    (scripted_server.says(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00\x03\x00\x00\x00\x64" * 3), "http2"),
    (scripted_server.says(b"\x15\x03\x01\x00\x02\x02\x46"), "tls"),
    (scripted_server.says(b"HTTP/one point one\r\n\r\n"), "unknown"),
    (scripted_server.says(b"\xff" * 70), "unknown"),
])
def test_other_protocols_are_told(behaviour, looks_like):
    with ScriptedServer(behaviour) as server:
        data = response(server)["data"]
    assert (data["error"], data["looks_like"]) == ("not_http", looks_like)
    assert 0 < len(data["first_bytes"]) <= 32


def test_a_database_that_closes_on_http_is_told():
    def postgresql(connection):
        if connection.recv(65536) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f":
            connection.sendall(b"N")

    with ScriptedServer(postgresql) as server:
        data = response(server)["data"]
    assert (data["error"], data["looks_like"], data["answer"], data["speaks_tls"]) == ("not_http", "postgresql", "closed", False)


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(("behaviour", "ended_by", "status"), [
    (scripted_server.trickles(OK, 0.05, b"X-A: b\r\n"), "timeout", None),
    (scripted_server.trickles(b"HTTP", 0.3, b"/"), "timeout", None),
    (scripted_server.says(OK + b"Content-Length: 10\r\n\r\n12345"), "timeout", 200),
    (scripted_server.answers(OK + b"Content-Length: 10\r\n\r\n12345"), "closed", 200),
    (scripted_server.answers(OK + b"X-Half: "), "closed", None),
    (scripted_server.answers(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"), "malformed", 200),
    (scripted_server.answers(OK + b"Content-Length: -1\r\n\r\n"), "malformed", 200),
    (scripted_server.answers(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n12"), "malformed", 200),
    (scripted_server.floods(OK, b"X-Filler: " + b"y" * 9000 + b"\r\n", 1 << 30), "limit", None),
    (scripted_server.floods(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 10, 1 << 30), "limit", None),
])
def test_answers_that_do_not_end_well_are_bounded(behaviour, ended_by, status):
    began = time.monotonic()
    with ScriptedServer(behaviour) as server:
        observation = response(server, timeout=1.0)
    data = observation["data"]
    assert (observation["status"], data["error"], data["ended_by"], data["status"]) == ("fail", "incomplete", ended_by, status)
    assert data["bytes_received"] > 0
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("behaviour", [
    scripted_server.floods(OK + b"\r\n", b"z" * 65536, 1 << 30),
    scripted_server.floods(OK + b"Content-Length: 1073741824\r\n\r\n", b"z" * 65536, 1 << 30),
    scripted_server.floods(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"z" * 65536 + b"\r\n", 1 << 30),
    scripted_server.floods(OK + b"Transfer-Encoding: chunked\r\n\r\n", (b"1;" + b"e" * 2000 + b"\r\nz\r\n") * 30, 1 << 30),
])
def test_a_body_of_a_gibibyte_is_cut_and_is_an_answer(behaviour):
    with ScriptedServer(behaviour) as server:
        observation = response(server, body_limit=10000)
    data = observation["data"]
    assert (observation["status"], data["truncated"], data["error"]) == ("ok", True, "")
    assert data["body_bytes"] <= 10000
    assert data["bytes_received"] < 400000
    assert data["body_excerpt"].startswith("zzz")


@pytest.mark.parametrize(("raw", "method", "body"), [
    (OK + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "GET", "hello!"),
    (OK + b"\r\nuntil the end", "GET", "until the end"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\nhi", "GET", "hi"),
    (OK + b"Content-Length: 99\r\n\r\n", "HEAD", ""),
    (b"HTTP/1.0 200\nContent-Length: 2\n\nhi", "GET", "hi"),
])
def test_the_ways_to_end_a_body(raw, method, body):
    with ScriptedServer(scripted_server.answers(raw)) as server:
        observation = response(server, method=method)
    assert (observation["status"], observation["data"]["body_excerpt"]) == ("ok", body)


@pytest.mark.parametrize(("parameters", "invalid"), [
    ({"headers": {"X-A": "b\r\nInjected: yes"}}, "header X-A"),
    ({"headers": {"X A": "b"}}, "header name"),
    ({"method": "GET /x HTTP/1.1\r\nA: b"}, "method"),
    ({"credential": "a\nb"}, "header Authorization"),
    ({"host": "a" * 70 + "ü"}, "host"),
])
def test_what_can_not_be_sent_is_told_before_anything_is(parameters, invalid):
    with ScriptedServer(always(200)) as server:
        observation = response(server, **parameters)
    assert server.connections == 0
    assert (observation["status"], observation["data"]) == ("cannot_tell", {"reason": "invalid_request", "invalid": invalid})


def test_a_closed_port_is_a_failed_connection():
    with ScriptedServer(scripted_server.silent) as server:
        pass
    data = response(server)["data"]
    assert (data["error"], data["connect_error"]) == ("connect_failed", "ECONNREFUSED")


# -- through a proxy


def proxied(server: ScriptedServer, origin: ScriptedServer | None, **parameters) -> Result:
    """As the client's own resolver may not know the origin, no address is given."""
    usual = {"host": NAME, "port": origin.port if origin else 9999, "scheme": "http", "timeout": 3.0}
    return run_probe("http", dict(usual, proxy="http://127.0.0.1:%d" % server.port, **parameters))


def proxy_for(origin: ScriptedServer, **settings) -> ScriptedServer:
    return ScriptedServer(http_server.forward_proxy({"%s:%d" % (NAME, origin.port): ("127.0.0.1", origin.port)}, **settings))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_request_goes_through_a_proxy(files, scheme):
    behaviour = always(200)
    if scheme == "https":
        behaviour = tls_server.speaks_tls(tls_server.context(*files.good), behaviour)
    with ScriptedServer(behaviour) as origin, proxy_for(origin, credential="me:" + SECRET) as proxy:
        result = proxied(proxy, origin, scheme=scheme, ca_file=files.ca, proxy_credential="me:" + SECRET)
    assert result.checks == ["proxy.connect", "http.response"]
    assert [observation["status"] for observation in result.observations] == ["ok", "ok"]
    assert result.outcome.passed
    data = result.one("proxy.connect")["data"]
    assert (data["proxy_address"], data["proxy_port"], data["status"]) == ("127.0.0.1", proxy.port, 200)
    assert data["answered_by"] == ("origin" if scheme == "http" else "proxy")
    assert_secret_free(result, SECRET)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("settings", "status", "squid_error"), [
    ({"credential": "me:" + SECRET}, 407, ""), ({"refuses": range(65536)}, 403, "ERR_ACCESS_DENIED 0"), ({}, 503, "ERR_DNS_FAIL 0"),
])
def test_a_proxy_that_refuses_is_told_from_an_origin_that_does(scheme, settings, status, squid_error):
    with ScriptedServer(http_server.forward_proxy({}, **settings)) as proxy:
        result = proxied(proxy, None, scheme=scheme, proxy_credential="me:wrong")
    observation = result.one("proxy.connect")
    data = observation["data"]
    assert (observation["status"], data["status"], data["answered_by"], data["x_squid_error"]) == ("fail", status, "proxy", squid_error)
    assert data["proxy_authenticate"] == ([{"scheme": "Basic", "realm": "the proxy"}] if status == 407 else [])
    assert result.one("http.response")["data"]["error"] == "proxy_failed"
    assert not result.outcome.passed


def test_a_refusal_of_the_origin_is_the_origins(files):
    with ScriptedServer(always(403)) as origin, proxy_for(origin) as proxy:
        result = proxied(proxy, origin)
    assert (result.one("proxy.connect")["status"], result.one("proxy.connect")["data"]["answered_by"]) == ("ok", "origin")
    assert (result.one("http.response")["status"], result.one("http.response")["data"]["status"]) == ("fail", 403)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("behaviour", "error"), [
    (scripted_server.silent, "timeout"), (scripted_server.closes_after_reading, "closed"), (scripted_server.resets, "reset"),
    (scripted_server.says(b"SSH-2.0-x\r\n"), "not_http"), (scripted_server.answers(b"HTTP/1.1 200 OK\r\nX"), "incomplete"),
])
def test_what_is_no_proxy(behaviour, error, scheme):
    with ScriptedServer(behaviour) as proxy:
        result = proxied(proxy, None, scheme=scheme, timeout=0.5)
    assert (result.one("proxy.connect")["status"], result.one("proxy.connect")["data"]["error"]) == ("fail", error)
    assert result.one("http.response")["data"]["error"] == "proxy_failed"


def test_a_proxy_that_is_down_or_has_no_address():
    with ScriptedServer(scripted_server.silent) as proxy:
        pass
    assert proxied(proxy, None).one("proxy.connect")["data"]["error"] == "ECONNREFUSED"
    unresolvable = {"host": NAME, "port": 80, "scheme": "http", "proxy": "http://%s:3128" % ("x" * 64)}
    unknown = run_probe("http", unresolvable).one("proxy.connect")
    assert (unknown["status"], unknown["data"]["error"]) == ("fail", "unresolved")
    assert unknown["data"]["gai_error"].startswith("EAI_")


@pytest.mark.parametrize(("url", "reason"), [
    ("socks5://127.0.0.1:1080", "unsupported_scheme"), ("http://me:%s@127.0.0.1:3128" % SECRET, "credentials_in_url"),
    ("http://:3128", "invalid_url"), ("http://<PROXY>:3128", "invalid_url"), ("http://proxy:notaport", "invalid_url"),
])
def test_a_proxy_url_that_can_not_be_used(url, reason):
    result = run_probe("http", {"host": NAME, "port": 80, "scheme": "http", "proxy": url})
    assert (result.one("proxy.connect")["status"], result.one("proxy.connect")["data"]["reason"]) == ("cannot_tell", reason)
    assert_secret_free(result, SECRET)


def test_a_plan_chooses_among_the_addresses_of_the_proxy():
    with ScriptedServer(always(200)) as origin, proxy_for(origin) as proxy:
        for address in ("127.0.0.1", "10.9.8.7"):  # the second is not the proxy's: it is the origin's, and of no use here
            result = run_probe("http", {
                "host": NAME, "port": origin.port, "scheme": "http", "address": address, "proxy": "http://127.0.0.1:%d" % proxy.port})
            assert result.one("proxy.connect")["data"]["proxy_address"] == "127.0.0.1"
            assert (result.one("http.response")["status"], result.one("http.response")["data"]["address"]) == ("ok", "")


def test_a_certificate_seen_through_a_proxy_is_the_one_that_the_proxy_shows(files):
    interceptor = tls_server.speaks_tls(tls_server.context(*files.expired), always(200))
    with ScriptedServer(interceptor) as origin, proxy_for(origin) as proxy:
        data = proxied(proxy, origin, scheme="https", ca_file=files.ca).one("http.response")["data"]
    assert (data["tls_error"], data["verify_code"], data["certificate_issuer"]) == ("verify", 10, "CN=Test Root")
    assert len(data["certificate_fingerprint_sha256"]) == 64


# --- many requests --------------------------------------------------------------------------------------------------


def test_one_bad_member_of_three_shows_in_a_burst():
    good, bad = (b"HTTP/1.1 %s\r\nServer: %s\r\nContent-Length: 0\r\n\r\n" % member for member in (
        (b"200 OK", b"member-a"), (b"503 Service Unavailable", b"member-b")))
    members = itertools.cycle([good, good, bad])

    def serve_next(connection: socket.socket) -> None:
        scripted_server.answers(next(members))(connection)

    with ScriptedServer(serve_next) as server:
        result = probe(server, count=12)
    burst = result.one("http.burst")
    data = burst["data"]
    assert (burst["status"], data["mixed"], data["members_differ"]) == ("warn", True, True)
    assert (data["requests"], data["failures"], data["failure_ratio"]) == (12, 4, 0.333)
    assert data["statuses"] == {"200": 8, "503": 4}
    assert data["servers"] == {"member-a": 8, "member-b": 4}
    assert server.connections == 12
    assert 0.3 < data["detectable_ratio"] < 0.334, "12 requests show one bad member of three"
    assert result.checks == ["http.response", "http.burst"], "single requests are not recorded"
    assert result.outcome.passed, "the first one counts"


def test_members_that_are_all_well_or_all_ill():
    with ScriptedServer(always(200)) as server:
        well = probe(server, count=3).one("http.burst")
    with ScriptedServer(always(503)) as server:
        ill = probe(server, count=3).one("http.burst")
    assert (well["status"], well["data"]["failures"], well["data"]["mixed"], well["data"]["members_differ"]) == ("ok", 0, False, False)
    assert (ill["status"], ill["data"]["failures"]) == ("fail", 3)
    assert well["data"]["median_ms"] <= well["data"]["largest_ms"]


def test_one_member_with_another_certificate(files):
    contexts = itertools.cycle([tls_server.context(*files.good), tls_server.context(*files.expired)])
    behaviour = always(200)

    def serve_next(connection: socket.socket) -> None:
        tls_server.speaks_tls(next(contexts), behaviour)(connection)

    with ScriptedServer(serve_next) as server:
        burst = probe(server, scheme="https", ca_file=files.ca, count=4).one("http.burst")
    assert (burst["status"], burst["data"]["failures"], burst["data"]["errors"]) == ("warn", 2, {"tls_failed": 2})
    assert sorted(burst["data"]["certificates"].values()) == [2, 2]


def test_a_burst_is_bounded():
    with ScriptedServer(always(200)) as server:
        assert probe(server, count=100000).one("http.burst")["data"]["requests"] == 100
    with ScriptedServer(scripted_server.silent) as server:
        began = time.monotonic()
        given = {"host": NAME, "address": server.address, "port": server.port, "scheme": "http", "timeout": 0.5, "count": 50}
        burst = run_probe("http", given, deadline=2.0).one("http.burst")
        assert time.monotonic() - began < 3.5
    assert burst["data"]["errors"]["no_response"] == burst["data"]["requests"] < 10


def test_a_single_request_is_no_burst():
    with ScriptedServer(always(200)) as server:
        assert probe(server, count=1).checks == ["http.response"]

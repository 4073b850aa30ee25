# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a balancer's members prove against each other, and what many answers through it alone can't."""
from __future__ import annotations

import itertools
import pathlib
import socket
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.tests.support import http_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

Observations = list[dict[str, t.Any]]


def observation(check: str, outcome: str, /, side: str = "", address: str = "10.0.0.5", **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": outcome, "target": address + ":443", "vantage": {"host": "web1", "address": "", "user": ""},
            "data": {"address": address, "port": 443, **data}, "message": "%s %s" % (check, outcome)}
    return {**made, "side": side} if side else made


def verdict(observations: Observations, url: str = "https://10.0.0.5") -> Verdict:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": url}], "web1"))
    return infer(Case("web1", record.endpoints[0], observations))


def codes(observations: Observations, url: str = "https://10.0.0.5") -> list[str]:
    return sorted(cause["code"] for cause in verdict(observations, url).causes)


def member(check: str, outcome: str, number: int, /, **data: t.Any) -> dict[str, t.Any]:
    return observation(check, outcome, "member", "10.0.1.%d" % number, **{"port": 8443, **data})


CONNECTED = observation("tcp.connect", "ok", error="", answer="accepted")
ANSWERED = observation("http.response", "ok", error="", status=200, body_excerpt="")
WORKS = [CONNECTED, ANSWERED]
ACCEPTS = {"error": "", "answer": "accepted"}
REFUSES = {"error": "ECONNREFUSED", "answer": "rst"}
SILENT = {"error": "TIMEOUT", "answer": "none", "dropped_here": "none"}
ILL = {"error": "", "status": 500, "body_excerpt": "no store", "retry_after": ""}


def burst(statuses: dict[str, int], errors: dict[str, int] | None = None, **data: t.Any) -> dict[str, t.Any]:
    failures = sum(count for status, count in statuses.items() if status >= "4") + sum((errors or {}).values())
    requests = sum(statuses.values()) + sum((errors or {}).values())
    return observation("http.burst", "warn", requests=requests, failures=failures, mixed=0 < failures < requests, statuses=statuses,
                       errors=errors or {}, certificates={}, **data)


@pytest.fixture
def every_second(request: pytest.FixtureRequest) -> t.Iterator[ScriptedServer]:
    """Behind one address, two members in turn."""
    turns = itertools.cycle(request.param)
    with ScriptedServer(http_server.speaks_http(lambda *_request: (next(turns), {}, b""))) as server:
        yield server


def asked_often(port: int) -> Observations:
    result = run_probe("http", {"host": "127.0.0.1", "address": "127.0.0.1", "port": port, "scheme": "http", "count": 7})
    return [observation("tcp.connect", "ok", **ACCEPTS), *result.observations]


@pytest.mark.parametrize("every_second", [(200, 500), (500, 200), (200, 200, 502)], indirect=True)
def test_answers_that_differ_alone_prove_no_member_and_name_the_candidates(every_second: ScriptedServer) -> None:
    told = verdict(asked_often(every_second.port), "http://127.0.0.1:%d" % every_second.port)
    assert sorted(cause["code"] for cause in told.causes) == ["balancer.health_check_blind", "balancer.member_down"]
    assert all("members" in cause["decide_by"] for cause in told.causes)
    assert told.state == "degraded", "it serves some of the requests"


@pytest.mark.parametrize("every_second", [(200,), (200, 204), (200, 429)], indirect=True)
def test_a_limit_or_nothing_at_all_is_no_bad_member(every_second: ScriptedServer) -> None:
    found = codes(asked_often(every_second.port), "http://127.0.0.1:%d" % every_second.port)
    assert not [code for code in found if code.startswith("balancer.")]


@pytest.mark.parametrize(("members", "through", "expected"), [
    # Nobody but the balancer may reach them, or they are all alike.
    ([member("tcp.connect", "fail", 1, **REFUSES), member("tcp.connect", "fail", 2, **REFUSES)], WORKS, []),
    ([member("tcp.connect", "fail", 1, **SILENT), member("tcp.connect", "fail", 2, **SILENT)], WORKS, []),
    ([member("tcp.connect", "ok", 1, **ACCEPTS), member("tcp.connect", "ok", 2, **ACCEPTS)], WORKS, []),
    # This host's own firewall or routes stop what it sends to one of them.
    ([member("tcp.connect", "fail", 1, **SILENT | {"dropped_here": "all"}), member("tcp.connect", "ok", 2, **ACCEPTS)], WORKS, []),
    ([member("tcp.connect", "fail", 1, error="EHOSTUNREACH", answer="local"), member("tcp.connect", "ok", 2, **ACCEPTS)], WORKS, []),
    # One refuses.
    ([member("tcp.connect", "fail", 1, **REFUSES), member("tcp.connect", "ok", 2, **ACCEPTS)], WORKS, ["balancer.member_down"]),
    # One is silent: proved only by what the balancer loses.
    ([member("tcp.connect", "fail", 1, **SILENT), member("tcp.connect", "ok", 2, **ACCEPTS)], [*WORKS, burst({"200": 4, "503": 3})],
     ["balancer.member_down"]),
    # One answers, and badly: hidden, or not.
    ([member("tcp.connect", "ok", 1, **ACCEPTS), member("http.response", "fail", 1, **ILL), member("http.response", "ok", 2, status=200)],
     WORKS, ["balancer.member_down"]),
    ([member("tcp.connect", "ok", 1, **ACCEPTS), member("http.response", "fail", 1, **ILL), member("http.response", "ok", 2, status=200)],
     [*WORKS, burst({"200": 4, "500": 3})], ["balancer.health_check_blind"]),
    ([member("tcp.connect", "ok", 1, **ACCEPTS), member("http.response", "fail", 1, **ILL), member("http.response", "ok", 2, status=200)],
     [CONNECTED, observation("http.response", "fail", **ILL)], ["balancer.health_check_blind"]),
    # All of them are ill: that is the service, not the balancer.
    ([member("http.response", "fail", 1, **ILL), member("http.response", "fail", 2, **ILL)],
     [CONNECTED, observation("http.response", "fail", **ILL)], ["server.unhealthy"]),
    # One is down, and the others refuse the credential: two faults.
    ([member("tcp.connect", "fail", 1, **REFUSES), member("tcp.connect", "ok", 2, **ACCEPTS),
      member("http.response", "fail", 2, error="", status=401, credential_sent=True)],
     [CONNECTED, observation("http.response", "fail", error="", status=401, credential_sent=True, body_excerpt="")],
     ["balancer.member_down", "credential.rejected"]),
])
def test_members_are_told_by_what_sets_them_apart(members: Observations, through: Observations, expected: list[str]) -> None:
    told = verdict([*through, *members])
    assert sorted(cause["code"] for cause in told.causes) == expected
    assert not [cause for cause in told.causes if "decide_by" in cause]


def test_a_silent_member_that_costs_nothing_is_a_candidate() -> None:
    (cause,) = verdict([*WORKS, member("tcp.connect", "fail", 1, **SILENT), member("tcp.connect", "ok", 2, **ACCEPTS)]).causes
    assert cause["code"] == "balancer.member_down" and "statistics" in cause["decide_by"]


def test_the_culprit_is_the_member_and_not_the_others() -> None:
    (cause,) = verdict([*WORKS, member("tcp.connect", "fail", 7, **REFUSES), member("tcp.connect", "ok", 2, **ACCEPTS)]).causes
    assert cause["culprit"] == {"member": "10.0.1.7:443"}
    assert cause["summary"].startswith("behind 10.0.0.5:443, 10.0.1.7:443 does not serve, and 10.0.1.2:443 does")


REFUSED_LOGIN = {"sqlstate": "57P03", "error_kind": "server"}


@pytest.mark.parametrize(("through", "expected"), [
    (observation("postgresql.login", "fail", **REFUSED_LOGIN), True),
    # A balancer that asks for the primary leaves a standby out on purpose.
    (observation("postgresql.login", "ok", sqlstate=""), False),
    (observation("postgresql.login", "fail", sqlstate="28P01", error_kind="server"), False),
])
def test_a_database_that_refuses_counts_where_the_balancer_leads_to_it(through: dict[str, t.Any], expected: bool) -> None:
    members = [member("postgresql.login", "fail", 1, **REFUSED_LOGIN), member("postgresql.login", "ok", 2, sqlstate="")]
    found = codes([CONNECTED, through, *members], "postgresql://u@10.0.0.5/d")
    assert ("balancer.health_check_blind" in found) is expected


# --- certificates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [("own", "others"), ("others", "own")])
def test_two_certificates_at_one_address(tmp_path: pathlib.Path, order: tuple[str, str]) -> None:
    """Real handshakes, each with the next member's certificate, without that anybody named members."""
    root = mint("Root", authority=True)
    (tmp_path / "root.pem").write_bytes(root.pem)
    contexts = {name: tls_server.context(*mint(name, [host], root).write(tmp_path, name))
                for name, host in (("own", "localhost"), ("others", "elsewhere.example"))}
    turns = itertools.cycle(order)
    parameters = {"host": "localhost", "address": "127.0.0.1", "ca_file": str(tmp_path / "root.pem")}
    seen: Observations = [observation("tcp.connect", "ok", **ACCEPTS)]

    def serve_next(connection: socket.socket) -> None:
        tls_server.speaks_tls(contexts[next(turns)])(connection)

    with ScriptedServer(serve_next) as server:
        for _member in order:
            seen += run_probe("tls", {**parameters, "port": server.port, "verify": "full"}).observations
    assert codes(seen, "tls://localhost:%d" % server.port) == ["balancer.member_certificate"]


def verified(status: str, fingerprint: str, address: str = "10.0.0.5", side: str = "", code: int | None = None) -> dict[str, t.Any]:
    code = {"ok": 0, "fail": 10}[status] if code is None else code
    return observation("tls.verify", status, side, address, verify_code=code, fingerprint_sha256=fingerprint, verify_message="")


@pytest.mark.parametrize(("seen", "expected"), [
    ([verified("ok", "a"), verified("fail", "b", "10.0.0.6")], True),  # two addresses of one name
    ([verified("ok", "a"), verified("fail", "a", "10.0.0.6")], False),  # the same certificate: not the certificate's fault
    ([verified("ok", "a", "fd00::5"), verified("fail", "b")], False),  # a server may be set up differently for each family
    ([verified("ok", "a"), verified("ok", "a", side="member"), verified("fail", "b", "10.0.0.6", "member")], True),
    ([verified("fail", "b"), verified("ok", "a", side="member"), verified("fail", "b", "10.0.0.6", "member")], True),
    # The balancer ends TLS itself, with a certificate of its own.
    ([verified("ok", "c"), verified("ok", "a", side="member"), verified("fail", "b", "10.0.0.6", "member")], False),
    ([verified("ok", "c"), verified("fail", "a", side="member"), verified("fail", "b", "10.0.0.6", "member")], False),
])
def test_certificates_are_compared_where_they_come_through(seen: Observations, expected: bool) -> None:
    assert ("balancer.member_certificate" in codes([CONNECTED, *seen], "tls://10.0.0.5:443")) is expected


# --- the idle timeout -----------------------------------------------------------------------------------------------

IDLE = {"idle_s": 9.0, "alive": False, "how": "closed", "noticed": "while_idle", "died_after_s": 3.0, "sqlstate": "",
        "keepalive_alive": False, "keepalive_how": "closed", "keepalive_died_after_s": 3.2}
A_MEMBER = member("tcp.connect", "ok", 1, **ACCEPTS)


@pytest.mark.parametrize(("facts", "members", "expected"), [
    ({}, [A_MEMBER], "proved"),
    ({}, [], "candidate"),
    ({"keepalive_died_after_s": 6.0}, [A_MEMBER], ""),  # no timer: chance
    ({"keepalive_alive": True, "keepalive_died_after_s": None}, [A_MEMBER], ""),  # what forgets connections, and not what counts bytes
    ({"how": "server", "sqlstate": "57P05"}, [A_MEMBER], ""),  # the server's own limit, and it says so
    ({"how": "silent", "died_after_s": None}, [A_MEMBER], ""),
])
def test_what_ends_idle_connections(facts: dict[str, t.Any], members: Observations, expected: str) -> None:
    works = [CONNECTED, observation("postgresql.login", "ok", sqlstate="")]
    causes = verdict([*works, observation("pool.idle", "fail", **IDLE | facts), *members], "postgresql://u@10.0.0.5/d").causes
    found = [cause for cause in causes if cause["code"] == "balancer.idle_timeout"]
    assert ["candidate" if "decide_by" in cause else "proved" for cause in found] == [expected] * bool(expected)

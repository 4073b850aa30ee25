# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits of a host: what is used up for this endpoint, what only looks so, and what the lab can't show (its kernel has no SELinux)."""
from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._host import selinux as _host_selinux
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import host as probe
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

MEBI = 1024 * 1024


def observation(check: str, outcome: str, /, side: str = "", host: str = "web1", **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": outcome, "target": "10.0.0.5:9200", "vantage": {"host": host, "address": "", "user": "root"},
            "data": data, "message": check}
    return {**made, "side": side} if side else made


ANSWERED = observation("http.response", "ok", error="", status=200)
CONNECTED = observation("tcp.connect", "ok", address="10.0.0.5", port=9200, family="ipv4", error="", answer="accepted", elapsed_ms=1.0)
WORKS = [CONNECTED, ANSWERED]


def failed(error: str, **data: t.Any) -> dict[str, t.Any]:
    return observation("tcp.connect", "fail", **{
        "address": "10.0.0.5", "port": 9200, "family": "ipv4", "error": error, "answer": "local", "elapsed_ms": 0.2, **data})


def told(observations: list[dict[str, t.Any]], **entry: t.Any) -> list[dict[str, t.Any]]:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": "http://10.0.0.5:9200", **entry}], "web1"))
    return list(infer(Case("web1", record.endpoints[0], observations)).causes)


def codes(observations: list[dict[str, t.Any]], **entry: t.Any) -> list[str]:
    return sorted(cause["code"] for cause in told(observations, **entry))


def disk(**data: t.Any) -> dict[str, t.Any]:
    return observation("host.disk", "fail", **{
        "mount": "/var/lib/agent", "device": "/dev/vdb", "holds": ["/var/lib/agent"], "fraction": 1.0, "free_bytes": 0, "fail_at": 0.98,
        "inodes_fraction": 0.1, "inodes_free": 10 ** 6, **data})


@pytest.mark.parametrize(("facts", "agent", "expected"), [
    ({}, "netdata", ["host.disk_full"]),
    ({"mount": "/var", "holds": []}, "netdata", ["host.disk_full"]),
    ({"fraction": 0.5, "free_bytes": 10 ** 9, "inodes_fraction": 1.0, "inodes_free": 0}, "netdata", ["host.disk_full"]),
    ({}, None, []),  # no connection needs space
    ({"mount": "/srv", "holds": []}, "netdata", []),
    ({"fraction": 0.985, "free_bytes": 60_000 * MEBI}, "netdata", []),  # two per cent of a large disk are much
])
def test_a_disk_is_full_where_an_agent_finds_no_place(facts: dict[str, t.Any], agent: str | None, expected: list[str]) -> None:
    assert codes([*WORKS, disk(**facts)], agent=agent) == expected


def test_what_follows_from_a_full_disk_is_no_cause_of_its_own() -> None:
    crashed = observation("service.unit", "fail", unit="agent", load_state="loaded", active_state="failed", result="exit-code", exit_code=1)
    complaint = observation("logs.family", "warn", family="disk_full", recovered=False, count=3)
    assert codes([*WORKS, crashed, complaint, disk()], agent="netdata") == ["host.disk_full"]
    assert codes([*WORKS, crashed, disk()], agent="netdata") == ["agent.crash_loop", "host.disk_full"]  # nothing says that it ended for it


@pytest.mark.parametrize(("status", "holds", "expected"), [
    ("fail", ["/var/log/agent"], ["host.filesystem_read_only"]), ("warn", ["/var/log/agent"], []), ("fail", [], []),
])
def test_only_what_should_be_written_to_is_wrong_to_be_read_only(status: str, holds: list[str], expected: list[str]) -> None:
    mount = observation("host.mount", status, mount="/data", device="/dev/vdb", options="ro", read_only=True, holds=holds)
    assert codes([*WORKS, mount], agent="netdata") == expected


AUDIT = ('type=AVC msg=audit(%(time).3f:411): avc:  denied  { name_connect } for  pid=4711 comm="netdata" dest=9200 '
         'scontext=system_u:system_r:netdata_t:s0 tcontext=system_u:object_r:http_port_t:s0 tclass=tcp_socket permissive=%(permissive)d\n')


def selinux(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any, age_s: float, permissive: int = 0, port: int = 9200) -> dict[str, t.Any]:
    """What the probe itself makes of an audit log (auditd's own format) on a host that enforces."""
    log = tmp_path / "audit.log"
    log.write_text((AUDIT % {"time": time.time() - age_s, "permissive": permissive}).replace("9200", str(port)))
    (tmp_path / "enforce").write_text("1")
    monkeypatch.setattr(_host_selinux, "_AUDIT_LOG", str(log))
    monkeypatch.setattr(_host_selinux, "_ENFORCE", str(tmp_path / "enforce"))
    monkeypatch.setattr(probe, "_CHECKS", (probe._observe_selinux,))
    return t.cast("dict[str, t.Any]", run_probe("host", {"paths": [], "units": [], "interval": 0.0}).one("host.selinux"))


@pytest.mark.parametrize(("audit", "expected"), [
    ({"age_s": 5}, ["host.selinux_denied"]),
    ({"age_s": 2000}, []),  # it may be healed since
    ({"age_s": 5, "permissive": 1}, []),
    ({"age_s": 5, "port": 5432}, []),
])
def test_a_denial_of_selinux(
    monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any, audit: dict[str, t.Any], expected: list[str],
) -> None:
    denied = selinux(monkeypatch, tmp_path, **audit)
    assert codes([*WORKS, denied], agent="netdata") == expected


def test_a_denial_names_the_program_and_the_types(monkeypatch: pytest.MonkeyPatch, tmp_path: t.Any) -> None:
    (cause,) = told([failed("EACCES"), selinux(monkeypatch, tmp_path, 5)])
    assert cause["code"] == "host.selinux_denied" and cause["evidence"] == [1]
    assert cause["culprit"] == {"process": "netdata", "port": "9200", "source": "system_u:system_r:netdata_t:s0",
                                "target": "system_u:object_r:http_port_t:s0"}


@pytest.mark.parametrize(("others", "expected"), [
    ([], ["host.selinux_denied"]),  # no more than a suspicion
    ([observation("route.lookup", "fail", type="prohibit")], ["network.prohibit_route"]),
    ([observation("host.selinux", "ok", mode="disabled", denials=[])], []),
])
def test_a_forbidden_connection_is_selinux_only_where_nothing_else_forbids_it(
    others: list[dict[str, t.Any]], expected: list[str],
) -> None:
    causes = told([failed("EACCES"), *others])
    assert [cause["code"] for cause in causes] == expected
    assert not causes or ("decide_by" in causes[0]) == (not others)


def ports(in_use: int, **destination: t.Any) -> dict[str, t.Any]:
    busiest = {"source": "10.0.0.9", "address": "10.0.0.5", "port": 9200, "in_use": in_use, "time_wait": in_use // 2, **destination}
    return observation("host.ports", "fail" if in_use > 95 else "ok", low=1, high=100, size=100, busiest=[busiest], fraction=in_use / 100)


@pytest.mark.parametrize(("observations", "expected"), [
    ([failed("EADDRNOTAVAIL"), ports(99)], ["host.ephemeral_ports_exhausted"]),
    ([*WORKS, ports(99)], ["host.ephemeral_ports_exhausted"]),  # the next connection will not find one
    ([*WORKS, ports(99, address="10.0.0.6")], []),  # a port serves many destinations
    ([*WORKS, ports(99, port=443)], []),
    ([*WORKS, ports(70)], []),
    ([failed("EADDRNOTAVAIL"), ports(3)], []),  # it is something else
])
def test_ports_are_used_up_for_one_destination(observations: list[dict[str, t.Any]], expected: list[str]) -> None:
    assert codes(observations) == expected


def conntrack(fraction: float, status: str = "fail", **more: t.Any) -> dict[str, t.Any]:
    return observation("host.conntrack", status, used=int(fraction * 1000), limit=1000, fraction=fraction, **more)


SILENT = {"answer": "none", "elapsed_ms": 5000.0}


@pytest.mark.parametrize(("dropped_here", "table", "found"), [
    ("all", conntrack(1.0), True), ("unknown", conntrack(1.0), True),
    ("none", conntrack(1.0), False),  # this host let it out
    ("all", conntrack(0.01, logged=7, logged_s_ago=60.0), False),  # it was full a minute ago, or another container's was
    ("none", conntrack(1.0, side="server", host="db1"), True),
    ("all", conntrack(1.0, side="server", host="db1"), False),
])
def test_a_full_table_explains_only_what_it_drops(dropped_here: str, table: dict[str, t.Any], found: bool) -> None:
    causes = {cause["code"]: cause for cause in told([failed("TIMEOUT", dropped_here=dropped_here, **SILENT), table], server="db1")}
    assert ("host.conntrack_full" in causes) is found
    if found:
        assert set(causes) == {"host.conntrack_full"}
        assert causes["host.conntrack_full"]["locus"]["host"] == table["vantage"]["host"]


def test_a_full_table_drops_questions_for_names_too() -> None:
    unresolved = observation("dns.resolve", "fail", literal=False, addresses=[], gai_error="EAI_AGAIN")
    rule = observation("firewall.rule", "fail", direction="outbound", phase="request", address="10.0.0.5", port=53)
    assert codes([unresolved, conntrack(1.0)]) == ["host.conntrack_full"]
    assert "host.conntrack_full" not in codes([unresolved, conntrack(0.5, "ok")])
    assert "host.conntrack_full" not in codes([failed("TIMEOUT", dropped_here="all", **SILENT), conntrack(1.0), rule])


def processes(unit: str, **facts: t.Any) -> dict[str, t.Any]:
    return observation("host.processes", "fail", fraction=0.1, limit=4000, units=[{"unit": unit, "tasks": 9, "tasks_limit": 9, **facts}])


@pytest.mark.parametrize(("seen", "expected"), [
    (processes("agent.service", tasks_rejected=4), ["host.process_limit"]),
    (processes("agent.service", tasks_rejected=0), []),  # as many as it may, and it never wanted more
    (processes("other.service", tasks_rejected=4), []),
    (processes("agent.service", tasks=3, user_tasks=20, user_limit=20), ["host.process_limit"]),
    (processes("agent.service", tasks=3, user_tasks=20, user_limit=None), []),
    (observation("host.processes", "fail", fraction=0.99, limit=4000, units=[]), ["host.process_limit"]),
    (observation("host.files", "fail", fraction=0.99, limit=4000, units=[]), ["host.process_limit"]),
    (observation("host.files", "warn", fraction=0.9, limit=4000, units=[]), []),
])
def test_limits_of_processes_are_those_of_this_agent_or_of_all(seen: dict[str, t.Any], expected: list[str]) -> None:
    unit = observation("service.unit", "ok", unit="agent", load_state="loaded", active_state="active", result="success")
    assert codes([*WORKS, unit, seen], agent="netdata") == expected


REFUSED_FOR_TIMESTAMPS = {"paws_time_wait": 7, "paws_established": 0, "listen_drops": 0}
LATE = observation("tcp.connect", "ok", address="10.0.0.5", port=9200, family="ipv4", error="", answer="accepted", elapsed_ms=1040.0)


@pytest.mark.parametrize(("connect", "rises", "time_wait", "expected"), [
    (failed("TIMEOUT", dropped_here="none", **SILENT), REFUSED_FOR_TIMESTAMPS, 4, True),
    (LATE, REFUSED_FOR_TIMESTAMPS, 4, True),
    (LATE, {"paws_time_wait": 0, "paws_established": 3}, 4, True),  # an older kernel counts both in one
    (CONNECTED, REFUSED_FOR_TIMESTAMPS, 4, False),  # it met another client
    (LATE, {"paws_time_wait": 0, "paws_established": 0}, 400, False),  # every server that closes first has old connections
    (LATE, None, 4, False),
    (LATE, REFUSED_FOR_TIMESTAMPS, 0, False),
])
def test_old_connections_are_in_the_way_where_the_server_drops_new_ones_for_them(
    connect: dict[str, t.Any], rises: dict[str, int] | None, time_wait: int, expected: bool,
) -> None:
    counters = observation("host.counters", "ok", side="server", host="apm1", rises=rises, totals={}, interval_s=1.0)
    connections = observation("sockets.connections", "ok", side="server", host="apm1", port=9200, by_state={"TIME_WAIT": time_wait})
    answered = [ANSWERED] if connect["status"] == "ok" else []
    found = codes([connect, *answered, counters, connections], server="apm1")
    assert ("host.time_wait_reuse" in found) is expected
    assert not expected or found == ["host.time_wait_reuse"]

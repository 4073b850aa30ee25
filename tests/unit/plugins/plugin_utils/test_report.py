# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to the report and to what a person reads; every report is held to its published schema."""
from __future__ import annotations

import copy
import json
import pathlib
import typing as t

import jsonschema
import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _plan, _report, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import SCHEMA, Observed, build_report, reanalysed, servers_to_ask
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.plugins.plugin_utils._summary import render_summary
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

CANARY = "s3cr3t-canary"
_SCHEMA = json.loads((pathlib.Path(_report.__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(_SCHEMA)
RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}


def observation(check: str, status: str = "ok", message: str = "seen", endpoint: str | None = "db", /, **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": status, "target": "t", "vantage": {"host": "web1", "address": "", "user": "root"}, "data": data,
            "message": message, "reproduce": "", "started_at": "2026-01-01T00:00:00.000Z", "duration_ms": 1.0}
    return made if endpoint is None else {**made, "endpoint": endpoint}


def connect(error: str = "", endpoint: str = "db", **data: t.Any) -> dict[str, t.Any]:
    facts = {"address": "10.0.0.5", "port": 5432, "family": "ipv4", "error": error, "elapsed_ms": 1.0,
             "answer": {"": "accepted", "ECONNREFUSED": "rst", "TIMEOUT": "none"}.get(error, "local"), **data}
    return observation("tcp.connect", "fail" if error else "ok", "connect: %s" % (error or "fine"), endpoint, **facts)


def listener(scope: str, port: int = 5432) -> dict[str, t.Any]:
    families = ["ipv4", "ipv6"] if scope == "reachable" else []
    return observation("sockets.listener", "ok", "port %d is %s" % (port, scope), None, port=port, scope=scope, families=families,
                       listeners=[], process=None, queue_full=False)


def record(*observations: dict[str, t.Any], host: str = "web1", endpoints: t.Any = None, side: str = "client", **more: t.Any) -> HostRecord:
    made = HostRecord(host, side, observations=list(observations), **more)
    if side == "client":
        made.describe(parse_endpoints(endpoints or [{"name": "db", "url": "tcp://db.example.com:5432", "server": "db1"}], host))
    return made


def report(*clients: HostRecord, servers: t.Sequence[HostRecord] = ()) -> dict[str, t.Any]:
    """Built, held to the schema, and able to be written as JSON."""
    built = build_report(
        Observed({one.host: one for one in clients}, {one.host: one for one in servers}), "2026-01-01T00:00:00Z", 1.25)
    VALIDATOR.validate(json.loads(json.dumps(built, allow_nan=False)))
    return built


def only(built: dict[str, t.Any]) -> dict[str, t.Any]:
    (host,) = built["hosts"].values()
    (endpoint,) = host["endpoints"].values()
    return t.cast("dict[str, t.Any]", endpoint)


def codes(endpoint: dict[str, t.Any]) -> list[str]:
    return sorted(cause["code"] for cause in endpoint["causes"])


def test_a_saved_report_read_again_says_the_same() -> None:
    built = report(record(connect("ECONNREFUSED")), record(connect(), host="web2"))
    again = reanalysed(json.loads(json.dumps(built)), "2027-01-01T00:00:00Z")
    VALIDATOR.validate(json.loads(json.dumps(again)))
    assert again["generated_at"] == "2027-01-01T00:00:00Z"
    assert {**again, "generated_at": built["generated_at"]} == built


def test_a_saved_report_gets_the_causes_that_were_not_known_when_it_was_made() -> None:
    built = json.loads(json.dumps(report(record(connect("ECONNREFUSED")))))
    told = only(built)["causes"]
    endpoint = only(built)
    endpoint.update(state="unknown", causes=[], reason="what failed matches no known cause", workflow=["something else"])
    again = reanalysed(built, "2027-01-01T00:00:00Z")
    assert only(again)["causes"] == told != []
    assert again["summary"]["down"] == 1


@pytest.mark.parametrize("damaged", [
    [], "x", None, {}, {"schema": "other"}, {"schema": SCHEMA}, {"schema": SCHEMA, "duration_s": 1.0, "hosts": {"web1": 5}},
    {"schema": SCHEMA, "duration_s": 1.0, "hosts": {"web1": {"endpoints": {"db": {}}}}},
])
def test_what_is_no_report_is_refused(damaged: t.Any) -> None:
    with pytest.raises(ValueError, match="is no report of schema|is damaged"):
        reanalysed(damaged, "2027-01-01T00:00:00Z")


def test_the_schema_is_one_and_refuses_what_is_none() -> None:
    jsonschema.Draft202012Validator.check_schema(_SCHEMA)
    built = report(record(connect()))
    for path, value in ((("schema",), "v0"), (("summary", "hosts"), -1), (("hosts", "web1", "endpoints", "db", "state"), "fine"),
                        (("hosts", "web1", "endpoints", "db", "observations", 0, "status"), "maybe"),
                        (("hosts", "web1", "endpoints", "db", "password"), "x")):
        broken = copy.deepcopy(built)
        target: t.Any = broken
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value
        assert not VALIDATOR.is_valid(broken), path


def test_healthy() -> None:
    built = report(record(connect()))
    assert built["summary"] == {"hosts": 1, "unreachable": 0, "endpoints": 1, "healthy": 1, "degraded": 0, "down": 0, "unknown": 0}
    assert (only(built)["state"], only(built)["causes"], only(built)["url"]) == ("healthy", [], "tcp://db.example.com:5432")
    assert render_summary(built) == ["1 endpoints on 1 hosts: 1 healthy (1.2 s)"]


def test_down_with_candidates_until_the_server_was_asked() -> None:
    built = report(record(connect("ECONNREFUSED")))
    assert only(built)["state"] == "down"
    assert {"server.not_running", "server.loopback_only", "firewall.server_ingress"} <= set(codes(only(built)))
    assert all(cause["decide_by"] for cause in only(built)["causes"])
    assert sum(cause["confidence"] for cause in only(built)["causes"]) <= 1
    assert servers_to_ask(built, ["web1", "db1"]) == [
        {"host": "db1", "ports": [5432], "clients": [], "logins": [], "agents": [], "receivers": []}]
    assert servers_to_ask(built, ["web1"]) == []
    said = "\n".join(render_summary(built))
    assert "web1 → db is DOWN" in said and "it cannot be told which of these it is:" in said
    assert "    what would decide: " + only(built)["causes"][0]["decide_by"] in said and "    seen: connect: ECONNREFUSED" in said


@pytest.mark.parametrize(("scope", "code"), [
    ("none", "server.not_running"), ("loopback", "server.loopback_only"), ("reachable", "firewall.server_ingress"),
])
def test_what_the_server_saw_decides(scope: str, code: str) -> None:
    built = report(record(connect("ECONNREFUSED")), servers=[record(listener(scope), host="db1", side="server")])
    endpoint = only(built)
    assert codes(endpoint) == [code]
    (cause,) = endpoint["causes"]
    assert "decide_by" not in cause and cause["confidence"] >= 0.8
    sides = [endpoint["observations"][number].get("side", "client") for number in cause["evidence"]]
    assert sorted(sides) == ["client", "server"]
    said = "\n".join(render_summary(built))
    assert "  %s (%d %%): %s" % (code, round(cause["confidence"] * 100), cause["summary"]) in said
    assert "port 5432 is %s (seen on web1)" % scope in said and "do:   " + cause["advice"] in said


def test_the_server_is_asked_only_about_the_endpoints_own_port() -> None:
    other = record(listener("none", port=9999), host="db1", side="server")
    assert all("decide_by" in cause for cause in only(report(record(connect("ECONNREFUSED")), servers=[other]))["causes"])


def test_servers_are_asked_once_with_all_their_ports() -> None:
    entries = [{"name": str(port), "url": "tcp://db.example.com:%d" % port, "server": "db1"} for port in (7, 5, 9)]
    clients = [record(connect("ECONNREFUSED", "7"), connect("ECONNREFUSED", "5"), connect("", "9"), host=host, endpoints=entries)
               for host in ("web1", "web2")]
    assert servers_to_ask(report(*clients), {"db1"}) == [
        {"host": "db1", "ports": [5, 7], "clients": [], "logins": [], "agents": [], "receivers": []}]


def test_a_server_is_asked_about_some_of_the_clients_that_failed() -> None:
    tries = [connect("TIMEOUT") for _host in range(20)]
    for number, one in enumerate(tries):
        one["vantage"]["address"] = "10.0.1.%d" % number
    asked = servers_to_ask(report(*(record(one, host="web%d" % number) for number, one in enumerate(tries))), {"db1"})
    assert asked[0]["clients"] == ["10.0.1.%d" % number for number in range(8)]


def test_a_database_server_is_asked_about_the_logins_that_failed() -> None:
    entries = [{"name": "db", "url": "postgresql://app@db.example.com/prod", "server": "db1"}]
    started = observation("postgresql.startup", "fail", user="app", database="prod", tls=True, purpose="as_libpq")
    started["vantage"]["address"] = "10.0.1.7"
    login = {"port": 5432, "user": "app", "database": "prod", "address": "10.0.1.7", "tls": True}
    refused = report(record(connect(), started, started, endpoints=entries))
    assert servers_to_ask(refused, {"db1"}) == [
        {"host": "db1", "ports": [5432], "clients": [], "logins": [login], "agents": [], "receivers": []}]
    unreached = report(record(connect("ECONNREFUSED"), endpoints=entries))
    assert servers_to_ask(unreached, {"db1"})[0]["logins"] == [{"port": 5432}]


def test_a_server_is_asked_where_one_of_its_addresses_fails_and_another_works() -> None:
    failed, connected = connect("TIMEOUT"), connect()
    failed["vantage"]["address"], connected["vantage"]["address"] = "fd00::7", "10.0.1.7"
    degraded = report(record(failed, connected))
    assert only(degraded)["state"] != "down"
    assert [one["clients"] for one in servers_to_ask(degraded, {"db1"})] == [["fd00::7"]]
    assert servers_to_ask(report(record(connected)), {"db1"}) == []


def test_where_a_server_accepts_and_fails_it_is_asked_about_those_that_connected() -> None:
    connected = connect()
    connected["vantage"]["address"] = "10.0.1.7"
    handshake = observation("tls.handshake", "fail", "no answer", error="timeout")
    down = report(record(connected, handshake, endpoints=[{"name": "db", "url": "tls://db.example.com:5432", "server": "db1"}]))
    assert only(down)["state"] == "down"
    assert [one["clients"] for one in servers_to_ask(down, {"db1"})] == [["10.0.1.7"]]


def test_what_a_server_saw_of_another_client_is_no_evidence_here() -> None:
    failed = connect("TIMEOUT")
    failed["data"]["dropped_here"] = "none"
    failed["vantage"]["address"] = "10.0.1.7"
    for address, code in (("10.0.1.7", "firewall.server_ingress"), ("10.0.1.8", None)):
        rule = observation("firewall.rule", "fail", "seen", None, port=5432, address=address, direction="inbound", phase="request",
                           rule="tcp dport 5432 drop", set_member=None)
        causes = only(report(record(failed), servers=[record(rule, host="db1", side="server")]))["causes"]
        assert [cause["code"] for cause in causes if "decide_by" not in cause] == ([code] if code else [])


def test_a_host_that_serves_itself_does_not_take_its_own_listener_for_a_clients_view() -> None:
    built = report(record(connect("ECONNREFUSED"), {**listener("none"), "endpoint": "db"}))
    assert codes(only(built)) == ["server.not_running"]


def test_an_unreachable_host_is_a_row() -> None:
    built = report(record(unreachable="Failed to connect: Connection refused"), record(connect(), host="web2"))
    assert built["summary"]["unreachable"] == 1 and built["summary"]["hosts"] == 2
    endpoint = built["hosts"]["web1"]["endpoints"]["db"]
    assert endpoint["state"] == "unknown"
    assert codes(endpoint) == ["host.unreachable"]
    assert "Connection refused" in json.dumps(endpoint["causes"][0])
    assert built["hosts"]["web2"]["endpoints"]["db"]["state"] == "healthy"
    said = "\n".join(render_summary(built))
    assert "web1 → db is UNKNOWN" in said and "1 of the hosts unreachable" in said


def test_a_host_without_python_is_unknown_with_the_reason() -> None:
    built = report(record(problem="no Python on this host; install Python 3.8 or newer, or set ansible_python_interpreter"))
    assert (only(built)["state"], codes(only(built))) == ("unknown", [])
    assert only(built)["reason"].startswith("no Python on this host")
    assert built["summary"]["unreachable"] == 0 and built["summary"]["unknown"] == 1
    assert "web1 → db is UNKNOWN: no Python on this host; install Python 3.8" in render_summary(built)[0]


def test_a_host_of_which_nothing_came_is_unknown() -> None:
    assert only(report(record()))["state"] == "unknown"


def test_what_matches_no_cause_is_down_and_shows_what_failed() -> None:
    built = report(record(observation("tcp.connect", "fail", "something quite new", address="10.0.0.5", port=5432, family="ipv4",
                                      error="ESTRANGE", answer="local", elapsed_ms=1.0)))
    assert (only(built)["state"], only(built)["reason"], codes(only(built))) == ("down", "what failed matches no known cause", [])
    said = render_summary(built)
    assert said[0] == "web1 → db is DOWN: what failed matches no known cause" and said[1] == "    seen: something quite new"


def test_degraded() -> None:
    entries = [{"name": "db", "url": "https://apm.example.com"}]
    observations = [connect(), observation("http.response", "ok", error=""), observation("tls.verify", "ok", verify_code=0),
                    observation("tls.certificate", "warn", expiring=True, days_left=3, not_after="2026-01-04", subject="CN=apm")]
    built = report(record(*observations, endpoints=entries))
    assert (only(built)["state"], codes(only(built))) == ("degraded", ["tls.certificate_expiring"])
    assert built["summary"]["degraded"] == 1
    assert "web1 → db is DEGRADED" in "\n".join(render_summary(built))


def test_one_endpoints_observations_are_not_anothers_but_the_hosts_are_everybodys() -> None:
    entries = [{"name": name, "url": "tcp://%s.example.com:5432" % name} for name in ("a", "b")]
    built = report(record(connect("ECONNREFUSED", "a"), connect("", "b"), observation("clock.offset", "ok", "clocks agree", None),
                          endpoints=entries))
    rows = built["hosts"]["web1"]["endpoints"]
    assert (rows["a"]["state"], rows["b"]["state"]) == ("down", "healthy")
    assert [[one["check"] for one in rows[name]["observations"]] for name in "ab"] == [["tcp.connect", "clock.offset"]] * 2


def test_no_host_at_all() -> None:
    built = report()
    assert built["summary"]["hosts"] == 0
    assert render_summary(built) == ["0 endpoints on 0 hosts: nothing to look at (1.2 s)"]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_recorded_case_makes_a_valid_report_and_a_summary_that_names_its_causes(name: str) -> None:
    case = RECORDED[name]
    described = {key: value for key, value in case["endpoint"].items() if key not in ("observations", "state", "reason", "workflow")}
    client = HostRecord(case["host"], "client", endpoints=[{**described, "name": case["endpoint_name"]}],
                        observations=[one for one in case["endpoint"]["observations"] if one.get("side") != "server"])
    server = HostRecord(described["server"] or "none", "server",
                        observations=[{**one, "side": "server"} for one in case["endpoint"]["observations"] if one.get("side") == "server"])
    built = report(client, servers=[server])
    said = "\n".join(render_summary(built))
    for code in case["expect"]:
        assert code in codes(only(built)) and code in said


def test_secrets_of_endpoints_are_in_no_report_no_spool_and_no_summary(tmp_path: pathlib.Path) -> None:
    """Through the real engine: a server that nobody is, with a password and a credential that are canaries."""
    endpoints = parse_endpoints([
        {"name": "db", "url": "postgresql://app@127.0.0.1:1/shop", "password": CANARY},
        {"name": "apm", "url": "http://127.0.0.1:1", "credential": CANARY, "agent": {"unit": "a", "validate": {"header": "X-Key"}}},
    ], "web1")
    observed = run_plan(_plan.client_plan(endpoints, "web1", 5))
    client = HostRecord("web1", "client", observations=observed["observations"], facts=observed["facts"], controller_clock=[1.0, 2.0])
    client.describe(endpoints)
    _spool.write(str(tmp_path), client)
    built = report(client)
    assert built["summary"]["down"] == 2
    for text in (json.dumps(built), "\n".join(render_summary(built)), *(path.read_text() for path in tmp_path.iterdir())):
        assert text and CANARY not in text


@pytest.mark.parametrize("host", [
    "web1", "../../etc/passwd", "a/b", "a_b", "a:b", ".", "..", "", " ", "web1\n", "ünïcode", "x" * 300, "-rf", "web1.client", "\ud800",
])
def test_a_hosts_file_is_its_own_whatever_its_name_is(tmp_path: pathlib.Path, host: str) -> None:
    folder = tmp_path / "spool"
    for other in ("a?b", "a*b", host):
        _spool.write(str(folder), HostRecord(other, "client", facts={"of": repr(other)}))
    back = _spool.read(str(folder), host, "client")
    assert back is not None and back.host == host and back.facts == {"of": repr(host)}
    assert _spool.read(str(folder), host, "server") is None
    assert len(list(folder.iterdir())) == 3 and [path.name for path in tmp_path.iterdir()] == ["spool"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder, *folder.iterdir()))
    _spool.forget(str(folder), host)
    assert _spool.read(str(folder), host, "client") is None

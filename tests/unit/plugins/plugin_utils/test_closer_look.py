# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at more closely: only what asks for it, once, with parameters that its probe takes."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._closer_look import closer_plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.tests.gauntlet import recording
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import described, load_faults

FAULTS = {fault.name: fault for fault in load_faults()}
RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}


def observation(check: str, outcome: str, /, **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": outcome, "target": "x", "vantage": {}, "endpoint": "e", "data": data}


RESOLVED = observation("dns.resolve", "ok", literal=False, addresses=["10.0.0.5"])
CONNECTED = observation("tcp.connect", "ok", address="10.0.0.5", port=443, elapsed_ms=1.0)
REFUSED = observation("tcp.connect", "fail", address="10.0.0.5", port=443, elapsed_ms=1.0, error="ECONNREFUSED", answer="rst")
SILENT = observation("tcp.connect", "fail", address="10.0.0.5", port=443, elapsed_ms=5000.0, error="TIMEOUT", answer="none")


def looks(observations: list[dict[str, t.Any]], entry: t.Any = "https://h") -> list[dict[str, t.Any]]:
    entry = {"url": entry} if isinstance(entry, str) else entry
    steps = closer_plan(parse_endpoints([{"name": "e", **entry}], "web1"), observations, "web1", 5.0)["steps"]
    return t.cast("list[dict[str, t.Any]]", steps)


def test_where_the_inventory_says_that_the_name_is_is_tried_if_nothing_else_says_it() -> None:
    entry = {"url": "https://h", "addresses": ["10.0.0.5"]}
    (said,) = [step for step in looks([observation("dns.resolve", "fail", literal=False, addresses=[])], entry) if step["probe"] == "tcp"]
    assert (said["side"], said["parameters"]["address"], said["parameters"]["port"]) == ("inventory", "10.0.0.5", 443)
    assert not [step for step in looks([RESOLVED, REFUSED], entry) if step.get("side") == "inventory"]


@pytest.mark.parametrize(("observations", "probes"), [
    ([RESOLVED, CONNECTED, observation("http.response", "ok")], []),
    ([RESOLVED, REFUSED], ["clock", "dns", "firewall", "host", "proxy", "route"]),
    ([RESOLVED, SILENT], ["clock", "dns", "firewall", "host", "proxy", "route"]),
    ([observation("dns.resolve", "fail", literal=False, addresses=[])], ["clock", "dns", "host", "proxy"]),
    ([RESOLVED, CONNECTED, observation("proxy.connect", "cannot_tell", reason="unsupported_scheme")], ["proxy"]),
    ([RESOLVED, CONNECTED, observation("service.environment", "ok", proxies={"http_proxy": "http://p:3128"})], ["proxy"]),
    ([RESOLVED, CONNECTED, observation("service.environment", "ok", proxies={})], []),
    ([RESOLVED, dict(CONNECTED, data=dict(CONNECTED["data"], elapsed_ms=1003.0))], ["clock", "host", "route"]),
    ([RESOLVED, CONNECTED, observation("tls.handshake", "fail", error="timeout")], ["clock", "dns", "host", "proxy", "route"]),
    ([RESOLVED, CONNECTED, observation("tls.verify", "fail", verify_code=10)], ["clock", "dns", "host", "proxy", "route"]),
    ([RESOLVED, CONNECTED, observation("http.response", "fail", status=401)], ["clock", "dns", "host", "proxy", "route"]),
    ([RESOLVED, CONNECTED, observation("http.response", "ok", status=200, phases={"connect_ms": 1003.0, "total_ms": 1020.0})],
     ["clock", "host", "route"]),
    ([RESOLVED, CONNECTED, observation("http.response", "ok", status=200, phases={"connect_ms": 1.0, "total_ms": 999.0})], []),
    ([RESOLVED, CONNECTED, observation("tls.handshake", "ok", error="", address="10.0.0.5", elapsed_ms=203.0)], ["clock", "host", "route"]),
    ([RESOLVED, CONNECTED, observation("tls.handshake", "ok", error="", address="10.0.0.5", elapsed_ms=199.0)], []),
    ([RESOLVED, CONNECTED, observation("http.response", "ok", address="10.0.0.5", status=200, phases={"tls_ms": 230.0, "total_ms": 240.0})],
     ["clock", "host", "route"]),
    ([RESOLVED, CONNECTED, observation("postgresql.ssl_request", "ok", address="10.0.0.5", elapsed_ms=204.0)], ["clock", "host", "route"]),
    ([RESOLVED, CONNECTED, observation("postgresql.ssl_request", "ok", address="10.0.0.5", elapsed_ms=4.0)], []),
    ([RESOLVED, CONNECTED, observation("logs.family", "fail", recovered=False)], ["firewall", "proxy"]),
    ([RESOLVED, CONNECTED, observation("logs.family", "ok", recovered=True)], []),
])
def test_what_failed_decides_what_is_looked_at(observations: list[dict[str, t.Any]], probes: list[str]) -> None:
    assert sorted(step["probe"] for step in looks(observations)) == probes


FOUND = {"agent": "node_exporter", "unit": "node_exporter", "load_state": "loaded", "active_state": "active", "pids": []}
STOPPED = {"agent": "telegraf", "unit": "telegraf", "load_state": "loaded", "active_state": "inactive", "pids": []}


@pytest.mark.parametrize(("found", "units"), [
    ([FOUND], ["node_exporter"]), ([STOPPED], ["telegraf"]), ([FOUND, STOPPED], ["node_exporter"]),
    ([FOUND, dict(STOPPED, active_state="active")], []), ([STOPPED, dict(STOPPED, agent="vector", unit="vector")], []), ([], []),
])
def test_the_one_agent_that_was_found_is_asked_as_if_it_had_been_named(found: list[dict[str, t.Any]], units: list[str]) -> None:
    present = observation("agents.present", "ok" if found else "warn", found=found, looked_for=30)
    steps = looks([RESOLVED, CONNECTED, present], {"url": "https://h", "agent": "auto"})
    assert [step["parameters"]["name"] for step in steps if step["probe"] == "service"] == units
    assert [step["parameters"]["unit"] for step in steps if step["probe"] == "logs"] == units
    assert {step["endpoint"] for step in steps} <= {"e"}


def test_who_answers_wrongly_may_hold_the_address_of_another() -> None:
    (step,) = [step for step in looks([RESOLVED, REFUSED]) if step["probe"] == "route"]
    assert step["parameters"] == {"host": "h", "address": "10.0.0.5", "checks": ["lookup", "neighbours"]}
    silent = [step["parameters"] for step in looks([RESOLVED, SILENT]) if step["probe"] == "route"]
    assert silent == [{"host": "h", "address": "10.0.0.5", "port": 443}]


def test_what_the_user_calls_slow_is_looked_at() -> None:
    answered = observation("http.response", "ok", address="10.0.0.5", status=200, phases={"connect_ms": 1.0, "total_ms": 300.0})
    assert not looks([RESOLVED, CONNECTED, answered])
    slow = looks([RESOLVED, CONNECTED, answered], {"url": "https://h", "thresholds": {"latency_ms": 250}})
    assert sorted(step["probe"] for step in slow) == ["clock", "host", "route"]


def test_what_concerns_the_host_is_looked_at_once() -> None:
    endpoints = parse_endpoints([{"name": "a", "url": "tcp://h:1"}, {"name": "b", "url": "tcp://h:2"}], "web1")
    failed = [dict(REFUSED, endpoint=name) for name in "ab"]
    steps = closer_plan(endpoints, failed, "web1", 5.0)["steps"]
    assert sorted(step["probe"] for step in steps if "endpoint" not in step) == ["clock", "host"]
    seen_already = [*failed, observation("host.disk", "ok"), observation("clock.synchronization", "ok")]
    assert not [step for step in closer_plan(endpoints, seen_already, "web1", 5.0)["steps"] if "endpoint" not in step]


def test_the_members_of_a_balancer_do_not_ask_for_a_look_at_the_way_to_it() -> None:
    assert looks([RESOLVED, CONNECTED, dict(REFUSED, side="member")]) == []


def test_where_others_see_the_name_is_tried_too_and_leaves_no_trace_where_nobody_does() -> None:
    (dns,) = [step for step in looks([RESOLVED, REFUSED]) if step["probe"] == "dns"]
    (elsewhere,) = dns["then"]
    assert (elsewhere["probe"], elsewhere["each"], elsewhere["side"], elsewhere["optional"]) == ("tcp", "elsewhere", "elsewhere", True)
    assert elsewhere["endpoint"] == dns["endpoint"] and elsewhere["parameters"]["port"] == 443
    assert set(elsewhere["parameters"]) <= set(_probes.load("tcp").ARGUMENTS)


def test_a_pool_whose_connections_do_not_open_at_once_asks_for_the_rules() -> None:
    shut_out = observation("pool.wait", "fail", open_failures=3, open_sqlstate="", bottleneck="server")
    assert [step["probe"] for step in looks([RESOLVED, CONNECTED, shut_out])] == ["firewall"]
    assert looks([RESOLVED, CONNECTED, observation("pool.wait", "fail", open_failures=3, open_sqlstate="53300")]) == []


def test_each_address_that_failed_is_looked_at_and_no_more_than_a_few() -> None:
    failed = [dict(SILENT, data=dict(SILENT["data"], address="10.0.0.%d" % number)) for number in range(1, 9)]
    steps = [step for step in looks([CONNECTED, *failed]) if step["probe"] == "route"]
    assert [step["parameters"]["address"] for step in steps] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]


def test_the_servers_own_certificate_is_asked_for_around_a_proxy_that_shows_another() -> None:
    refused = observation("http.response", "fail", error="tls_failed", verify_code=10)
    steps = looks([refused], {"url": "https://h", "proxy": "http://p:3128", "ca_file": "/ca"})
    (around,) = [step for step in steps if step.get("side") == "around"]
    (connection,) = around["then"]
    (tls,) = connection["then"]
    assert (around["probe"], connection["parameters"]["host"], tls["probe"], tls["parameters"]["ca_file"]) == ("dns", "h", "tls", "/ca")
    assert "side" not in tls, "what the server shows is the endpoint's own"
    assert not [step for step in looks([refused]) if step.get("side") == "around"]


@pytest.mark.parametrize(("agent", "whose"), [
    ({"unit": "a", "process": "b"}, {"unit": "a"}), ({"process": "b"}, {"pid": 7}), (None, {}),
])
def test_the_proxy_settings_that_count_are_the_agents(agent: t.Any, whose: dict[str, t.Any]) -> None:
    seen = [CONNECTED, observation("http.response", "fail", status=503), observation("service.process", "ok", pid=7)]
    (proxy,) = [step for step in looks(seen, {"url": "https://h", "agent": agent}) if step["probe"] == "proxy"]
    assert {key: value for key, value in proxy["parameters"].items() if key in ("unit", "pid")} == whose


def test_an_agents_firewall_is_asked_for_the_agents_user() -> None:
    unit = observation("service.unit", "ok", user="netdata")
    (firewall,) = [step for step in looks([unit, CONNECTED, observation("logs.family", "fail", recovered=False)])
                   if step["probe"] == "firewall"]
    assert firewall["parameters"]["user"] == "netdata"


def told(differs: tuple[str, ...] = (), comparable: bool = True, path: str = "", **place: t.Any) -> dict[str, t.Any]:
    configured = {"host": "parent.example", "port": 19999, "scheme": "", "path": path, "url": "", **place}
    return observation("agent_config.endpoint", "fail" if differs else "ok", differs=list(differs), comparable=comparable,
                       configured=configured)


def asked(found: list[dict[str, t.Any]], side: str) -> list[tuple[str, t.Any]]:
    """What is tried for one side, in order: the probe, and what names its target."""
    (top,) = [step for step in found if step.get("side") == side]
    steps = [top]
    for step in steps:
        steps += step.get("then", ())
    assert {step["side"] for step in steps} == {side} and {step["endpoint"] for step in steps} == {"e"}
    return [(step["probe"], step["parameters"].get("path") or step["parameters"].get("port") or step["parameters"]["host"])
            for step in steps]


AGENT = {"agent": {"validate": {"path": "/health"}}}


@pytest.mark.parametrize(("seen", "url", "tried"), [
    (told(("host",)), "http://h:80", [("dns", "parent.example"), ("tcp", 19999), ("http", "/health")]),
    (told(comparable=False), "http://h:80", [("dns", "parent.example"), ("tcp", 19999), ("http", "/health")]),
    (told(("scheme",)), "http://h:80", [("dns", "parent.example"), ("tcp", 19999), ("tls", 19999), ("http", "/health")]),
    (told(("port",), port=0), "http://h:80", [("dns", "parent.example"), ("tcp", 80), ("http", "/health")]),
    (told(("port",)), "grpc://h:80", [("dns", "parent.example"), ("tcp", 19999)]),
    (told(path="/v2/"), "http://h:80", [("dns", "parent.example"), ("tcp", 19999), ("http", "/v2/health"), ("http", "/v2")]),
    (told(path="/v2/"), "grpc://h:80", [("dns", "parent.example"), ("tcp", 19999)]),
    (told(path="/health"), "http://h:80", [("dns", "parent.example"), ("tcp", 19999), ("http", "/health")]),
])
def test_where_an_agent_is_told_to_send_is_tried_as_the_endpoint_is(seen: dict[str, t.Any], url: str, tried: list[t.Any]) -> None:
    assert asked(looks([RESOLVED, CONNECTED, seen], {"url": url, **AGENT}), "agent") == tried


@pytest.mark.parametrize("seen", [
    told(), told(path="/"), told(path="/base/"), observation("agent_config.endpoint", "warn", configured=None, differs=[], comparable=True),
])
def test_an_agent_that_is_told_right_is_not_followed(seen: dict[str, t.Any]) -> None:
    assert looks([RESOLVED, CONNECTED, seen], {"url": "http://h/base", **AGENT}) == []


@pytest.mark.parametrize(("libpq", "hosts"), [
    ({"PGHOST": "db2"}, ["db2"]), ({"PGHOST": "h"}, []), ({"PGHOST": "/run/postgresql"}, []), ({"PGHOST": "a,b"}, []),
    ({"PGPORT": "1"}, []), ({}, []),
])
def test_where_the_environment_leads_libpq_is_looked_up(libpq: dict[str, str], hosts: list[str]) -> None:
    seen = observation("service.environment", "ok", libpq=libpq, proxies={})
    steps = looks([RESOLVED, CONNECTED, seen], "postgresql://u@h")
    assert [(step["probe"], step["side"], step["parameters"]["host"]) for step in steps] == [("dns", "libpq", host) for host in hosts]


@pytest.mark.parametrize(("entry", "path"), [({"url": "http://h/wrong"}, "/"), ({"url": "http://h/wrong", **AGENT}, "/health")])
def test_a_server_that_does_not_know_a_path_is_asked_for_another_one(entry: t.Any, path: str) -> None:
    found = looks([RESOLVED, CONNECTED, observation("http.response", "fail", status=404)], entry)
    assert asked(found, "other_path") == [("dns", "h"), ("tcp", 80), ("http", path)]


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_step_of_a_recorded_case_is_one_that_its_probe_takes(name: str) -> None:
    fault = FAULTS[name]
    endpoints = parse_endpoints([described(fault)], fault.host)
    for step in closer_plan(endpoints, RECORDED[name]["endpoint"]["observations"], fault.host, 5.0)["steps"]:
        arguments = _probes.load(step["probe"]).ARGUMENTS
        assert set(step["parameters"]) <= {*arguments, "address"}, step["probe"]
        assert {key for key, spec in arguments.items() if spec.get("required")} <= set(step["parameters"]), step["probe"]

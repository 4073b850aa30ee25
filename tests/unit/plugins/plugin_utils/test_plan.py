# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans: which probes an endpoint gets, after what, with which parameters; every one that a probe would take."""
from __future__ import annotations

import hashlib
import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan, server_plan


def plan(*entries: t.Any) -> dict[str, t.Any]:
    return client_plan(parse_endpoints(list(entries), "web1"), "web1", 20.0)


def steps(step: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    yield step
    for child in step.get("then", ()):
        yield from steps(child)


def shape(step: dict[str, t.Any]) -> t.Any:
    """The names of the probes, each with those that wait for it."""
    return (step["probe"], [shape(child) for child in step.get("then", ())])


def parameters(made: dict[str, t.Any], probe: str) -> dict[str, t.Any]:
    (found,) = [step["parameters"] for top in made["steps"] for step in steps(top) if step["probe"] == probe]
    return t.cast("dict[str, t.Any]", found)


def after_tcp(*layers: t.Any) -> t.Any:
    return ("dns", [("tcp", list(layers))])


@pytest.mark.parametrize(("url", "expected"), [
    ("tcp://h:1", after_tcp()),
    ("grpc://h", after_tcp()),
    ("tls://h:1", after_tcp(("tls", []))),
    ("grpcs://h", after_tcp(("tls", []))),
    ("http://h", after_tcp(("http", []))),
    ("https://h", after_tcp(("tls", [("http", [])]))),
    ("postgresql://u@h", after_tcp(("postgresql", []))),
    ("postgresql://u@h?sslmode=disable", after_tcp(("postgresql", []))),
    ("postgresql://u@h?sslmode=allow", after_tcp(("postgresql", []))),
    ("postgresql://u@h?sslmode=require", after_tcp(("tls", []), ("postgresql", []))),
    ("postgresql://u@h?sslmode=verify-full", after_tcp(("tls", []), ("postgresql", []))),
])
def test_the_layers_of_each_scheme(url: str, expected: t.Any) -> None:
    (step,) = plan(url)["steps"]
    siblings = shape(step)[1][0][1]
    assert (shape(step)[0], shape(step)[1][0][0]) == ("dns", "tcp")
    assert sorted(siblings) == sorted(expected[1][0][1])
    assert {one["endpoint"] for one in steps(step)} == {parse_endpoints([url], "web1")[0].name}


@pytest.mark.parametrize(("query", "verify", "ca_file"), [
    ("sslmode=require", "libpq_require", "~/.postgresql/root.crt"),
    ("sslmode=require&sslrootcert=/ca.pem", "libpq_require", "/ca.pem"),  # libpq: a root certificate turns 'require' into 'verify-ca'
    ("sslmode=verify-ca", "ca", "~/.postgresql/root.crt"),
    ("sslmode=verify-full&sslrootcert=/ca.pem", "full", "/ca.pem"),
    ("sslmode=verify-full&sslrootcert=system", "full", None),
])
def test_libpqs_modes_of_verification(query: str, verify: str, ca_file: str | None) -> None:
    tls = parameters(plan("postgresql://u@h?" + query), "tls")
    assert (tls["verify"], tls.get("ca_file"), tls["starttls"]) == (verify, ca_file, "postgresql")


@pytest.mark.parametrize(("query", "seconds"), [
    ("", 5.0), ("connect_timeout=0", 5.0), ("connect_timeout=1", 2.0), ("connect_timeout=9", 9.0),
])
def test_libpqs_connect_timeout(query: str, seconds: float) -> None:
    assert parameters(plan("postgresql://u@h?" + query), "tcp")["connect_timeout"] == seconds


@pytest.mark.parametrize(("proxy", "host", "port"), [
    ("http://proxy.example.com:3128", "proxy.example.com", 3128), ("http://user@proxy.example.com:3128/", "proxy.example.com", 3128),
    ("http://[2001:db8::1]:8080", "2001:db8::1", 8080),
])
def test_through_a_proxy_it_is_the_proxy_that_is_connected_to(proxy: str, host: str, port: int) -> None:
    made = plan({"url": "https://apm.example.com", "proxy": proxy})
    assert shape(made["steps"][0]) == after_tcp(("http", []))
    assert parameters(made, "dns") == {"host": host}
    assert (parameters(made, "tcp")["host"], parameters(made, "tcp")["port"]) == (host, port)
    http = parameters(made, "http")
    assert (http["host"], http["port"], http["proxy"]) == ("apm.example.com", 443, proxy)


def test_an_agent_is_looked_at_beside_its_endpoint() -> None:
    made = plan({"name": "apm", "url": "http://apm.example.com", "agent": "netdata"})
    beside = [shape(step) for step in made["steps"] if step["probe"] != "dns"]
    assert beside == [("service", []), ("agent_config", []), ("logs", []), ("host", []), ("clock", [])]
    service = parameters(made, "service")
    assert service["name"] == "netdata" and "/etc/netdata/stream.conf" in service["configuration"]
    assert parameters(made, "http")["path"] == "/api/v1/info"
    assert parameters(made, "host") == {"units": ["netdata"], "paths": ["/var/log/netdata"]}
    config = parameters(made, "agent_config")
    assert (config["host"], config["port"], config["scheme"], config["default_port"]) == ("apm.example.com", 19999, "http", 19999)
    assert config["files"][-1]["endpoint"] == ["stream.destination"]


def test_which_agents_are_there_is_asked_at_once() -> None:
    made = plan({"name": "apm", "url": "http://apm.example.com", "agent": "auto"})
    assert sorted(step["probe"] for step in made["steps"]) == ["agents", "clock", "dns", "host"]
    assert {200, 401, 404} <= set(parameters(made, "http")["expected_status"]) and 500 not in parameters(made, "http")["expected_status"]
    assert "expected_status" not in parameters(plan({"url": "http://apm.example.com/mine", "agent": "auto"}), "http")
    known = parameters(made, "agents")["known"]
    assert known["node_exporter"] == {"units": ["prometheus-node-exporter", "node_exporter"]}
    assert known["netdata"] == {"units": ["netdata"], "process": "netdata"}
    units = [unit for rule in known.values() for unit in rule.get("units", ())]
    assert len(units) == len(set(units)) and not {"signoz", "elastic_apm", "auto"} & set(known)
    assert len(json.dumps(known)) < 4000


def test_the_host_is_looked_at_once_however_many_agents_it_has() -> None:
    made = plan({"name": "a", "url": "http://h:1", "agent": "netdata"}, {"name": "b", "url": "http://h:2", "agent": {"unit": "other"}})
    assert [step["parameters"] for step in made["steps"] if step["probe"] == "host"] == [
        {"units": ["netdata", "other"], "paths": ["/var/log/netdata"]}]


def test_a_credential_goes_to_the_host_only_as_a_fingerprint_that_no_other_run_has() -> None:
    entry = {"name": "apm", "url": "http://h", "agent": "netdata", "credential": "s3cr3t-canary"}
    first, second = (parameters(plan(entry), "agent_config")["credential_fingerprint"] for _run in range(2))
    assert first["salt"] != second["salt"] and first["sha256"] != second["sha256"]
    assert first["sha256"] == hashlib.sha256((first["salt"] + "s3cr3t-canary").encode()).hexdigest()
    assert "s3cr3t-canary" not in json.dumps(plan(entry)["steps"])
    assert set(parameters(plan(dict(entry, credential=None)), "agent_config")["credential_fingerprint"]) == {"salt"}


def test_members_are_asked_one_by_one_for_what_the_endpoint_is_asked_for() -> None:
    made = plan({"name": "b", "url": "https://lb.example.com", "members": ["10.0.0.5:8443", "member2.example.com:8443"]})
    front, *members = made["steps"]
    assert [shape(member) for member in members] == [shape(front)] * 2
    assert not any("side" in step for step in steps(front))
    for member, address in zip(members, ("10.0.0.5", "member2.example.com")):
        assert {step["side"] for step in steps(member)} == {"member"}
        assert {step["endpoint"] for step in steps(member)} == {"b"}
        dns, *others = steps(member)
        assert dns["parameters"]["host"] == address
        assert {(step["parameters"]["host"], step["parameters"]["port"]) for step in others} == {("lb.example.com", 8443)}


@pytest.mark.parametrize(("members", "requests"), [(0, None), (1, 1), (2, 7), (3, 12), (10, 44), (50, 44)])
def test_a_balancer_is_asked_as_often_as_it_takes_to_meet_a_bad_member(members: int, requests: int | None) -> None:
    entry = {"url": "http://h", "members": ["10.0.0.%d:80" % number for number in range(1, members + 1)] or None}
    http = next(step for step in steps(plan(entry)["steps"][0]) if step["probe"] == "http")
    assert http["parameters"]["count"] == (requests or 1)


def test_the_pool_is_tried_where_it_is_described_and_never_on_a_member() -> None:
    made = plan({"url": "postgresql://u@h", "password": "p", "pool": {"size": 3}, "members": ["10.0.0.5:5432"]})
    pools = [step for top in made["steps"] for step in steps(top) if step["probe"] == "pool"]
    assert [(pool["parameters"]["size"], "side" in pool) for pool in pools] == [(3, False)]


def test_a_part_of_the_deadline_is_left_for_a_closer_look() -> None:
    assert client_plan(parse_endpoints(["tcp://h:1"], "web1"), "web1", 20.0)["deadline_s"] == 15.0


def test_the_path_of_the_url_wins_over_the_profiles() -> None:
    assert parameters(plan({"url": "http://h/mine?x=1", "agent": "netdata"}), "http")["path"] == "/mine?x=1"


def test_secrets_are_named_in_steps_and_given_apart() -> None:
    made = plan({"name": "db", "url": "postgresql://u@h", "password": "one"},
                {"name": "other", "url": "postgresql://u@h2", "password": "two"})
    names = [step["parameters"]["password"] for top in made["steps"] for step in steps(top) if step["probe"] == "postgresql"]
    assert names == [{"secret": "db.password"}, {"secret": "other.password"}]
    assert made["secrets"] == {"db.password": "one", "other.password": "two"}


def test_a_server_is_asked_for_each_port_once() -> None:
    assert server_plan([7, 5, 7], [], "db1", 9.0) == {
        "host": "db1", "deadline_s": 9.0, "secrets": {},
        "steps": [*({"probe": "sockets", "parameters": {"port": port, "interval": 1.0}} for port in (5, 7)),
                  {"probe": "host", "parameters": {"interval": 1.0}}, {"probe": "clock", "parameters": {}},
                  {"probe": "logs", "parameters": {"failed_units": True}}]}


def test_a_database_server_is_asked_for_its_side_of_logins() -> None:
    login = {"port": 5432, "user": "app", "database": "db", "address": "10.0.1.7", "tls": True}
    steps = server_plan([5432, 6432], [], "db1", 9.0, [login, {"port": 6432}])["steps"]
    assert [step["parameters"] for step in steps if step["probe"] == "postgresql_server"] == [
        {"port": 5432, "logins": [{"user": "app", "database": "db", "address": "10.0.1.7", "tls": True}]}, {"port": 6432, "logins": []}]


def test_throughput_is_measured_only_where_a_rate_is_asked_for() -> None:
    asked = plan({"url": "http://h/large", "thresholds": {"bits_per_second": 1e6}})
    assert parameters(asked, "throughput") == {"host": "h", "port": 80, "path": "/large", "seconds": 3.0}
    assert shape(plan("http://h/large")["steps"][0]) == after_tcp(("http", []))


def test_what_an_agent_trusts_is_looked_for_where_the_endpoint_does_not_say_it() -> None:
    url = {"url": "https://h", "agent": "netdata"}
    told = {"files": [{"path": "/etc/netdata/stream.conf", "format": "ini", "ca_file": ["stream.CAfile"]}], "unit": "netdata",
            "process": "netdata"}
    assert all(parameters(plan(url), probe)["agent_trust"] == told for probe in ("tls", "http"))
    assert "agent_trust" not in parameters(plan({**url, "ca_file": "/ca"}), "tls")
    assert "agent_trust" not in parameters(plan("https://h"), "tls")
    assert "agent_trust" not in parameters(plan({"url": "http://h", "agent": "netdata"}), "http"), "nothing is verified"
    variable = parameters(plan({"url": "https://h", "agent": {"inherits": "newrelic_apm", "unit": "shop"}}), "tls")["agent_trust"]
    assert variable == {"environment": ["NEW_RELIC_CA_BUNDLE_PATH"], "unit": "shop"}


def test_a_server_is_asked_whether_it_lets_each_client_in() -> None:
    steps = server_plan([5], ["10.0.1.7", "fd00::7"], "db1", 9.0)["steps"]
    assert [(step["parameters"]["address"], step["parameters"]["direction"]) for step in steps if step["probe"] == "firewall"] == [
        ("10.0.1.7", "inbound"), ("fd00::7", "inbound")]
    assert [(step["parameters"]["address"], step["parameters"]["checks"]) for step in steps if step["probe"] == "route"] == [
        ("10.0.1.7", ["lookup", "reverse_path", "neighbours"]), ("fd00::7", ["lookup", "reverse_path"])]


@pytest.mark.parametrize("entry", [
    "tcp://h:1", "tls://h:1", "grpc://h", "grpcs://h", "http://h/x", "https://h",
    "postgresql://u@h/d?sslmode=verify-full&sslcert=/c&sslkey=/k",
    {"url": "https://h", "proxy": "http://p:1", "ca_file": "/ca"}, {"url": "https://h", "ca_file": "/ca"},
    {"url": "postgresql://u@h", "password": "p", "pool": {"size": 2, "max_overflow": 3}}, {"url": "https://h", "agent": "netdata"},
    {"url": "https://h", "members": ["10.0.0.5:443"]},
    {"url": "http://h", "credential": "c",
     "agent": {"unit": "a", "process": "b", "config": {"path": "/c", "format": "yaml", "endpoint": "url"},
               "validate": {"header": "X", "path": "/v"}}},
])
def test_every_step_is_one_that_its_probe_takes(entry: t.Any) -> None:
    """All that it requires, nothing that it does not know, and what it hides given as a secret."""
    for top in plan(entry)["steps"]:
        for step in steps(top):
            arguments = _probes.load(step["probe"]).ARGUMENTS
            assert set(step["parameters"]) <= set(arguments), step["probe"]
            assert {key for key, spec in arguments.items() if spec.get("required")} <= set(step["parameters"]), step["probe"]
            for key, value in step["parameters"].items():
                choices = arguments[key].get("choices")
                assert not choices or value in choices
                assert bool(arguments[key].get("no_log")) == (isinstance(value, dict) and set(value) == {"secret"}), key


def test_a_server_is_asked_what_its_log_says_of_each_client_of_such_an_agent() -> None:
    agents = [load_profile("zabbix_agent2"), load_profile("datadog")]
    steps = server_plan([10051], ["10.0.1.7", "fd00::7"], "mon1", 9.0, agents=agents)["steps"]
    asked = [step["parameters"] for step in steps if step["probe"] == "logs" and "about" in step["parameters"]]
    assert [(one["unit"], one["about"]) for one in asked] == [("zabbix-server", "10.0.1.7"), ("zabbix-server", "fd00::7")]
    assert all("/var/log/zabbix-server/zabbix_server.log" in one["files"] and one["minutes"] for one in asked)

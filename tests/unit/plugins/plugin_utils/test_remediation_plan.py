# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fleet's remediation: a server is changed once for all, one host of each cause goes first, and nothing is done in vain."""
from __future__ import annotations

import copy
import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_policy import EVERYTHING, endpoint_of, report

WEB = ("web1", "web2", "web3")
PLAY = (*WEB, "db1", "apm1")
DEBIAN = "/etc/postgresql/15/main/postgresql.conf"


def seen_by_server(check: str, status: str, **data: t.Any) -> dict[str, t.Any]:
    vantage = {"host": "db1", "address": "", "user": "root"}
    return {"check": check, "status": status, "side": "server", "target": "port 5432", "vantage": vantage, "data": {"port": 5432, **data},
            "message": "", "reproduce": "", "started_at": "", "duration_ms": 0.0}


def fleet(name: str, *hosts: str, configuration: str = DEBIAN, listens: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
    """One recorded case on several hosts, whose server is a PostgreSQL with its configuration there."""
    made = copy.deepcopy(report(name, hosts=hosts))
    data = {"configuration": configuration, "hba_file": "/etc/postgresql/15/main/pg_hba.conf", "pid": 7,
            "settings": {"listen_addresses": listens} if listens else {}, "data_directory": "/var/lib/postgresql/15/main"}
    for seen in made["hosts"].values():
        for endpoint in seen["endpoints"].values():
            of_another = [one for one in endpoint["observations"] if one["check"] == "postgresql_server.instance"]
            for one in of_another:  # the numbers of the evidence must stay
                one["check"] = "replaced"
            endpoint["observations"].append(seen_by_server("postgresql_server.instance", "fail", **data))
    return made


def taken(steps: list[Step]) -> list[Step]:
    return [step for step in steps if step.change]


def only(steps: list[Step]) -> Step:
    (step,) = steps
    return step


def test_a_server_is_changed_once_for_all_who_suffer_and_all_of_them_must_see_it() -> None:
    step = only(plan(fleet("server-not-running", *WEB), EVERYTHING, "run", PLAY))
    assert step.change and step.change.parameters == {"unit": "postgresql@15-main.service"}
    assert (step.host, step.runner, set(step.watchers)) == ("db1", "web1", set(WEB))
    assert all(len(endpoints) == 1 for endpoints in step.watchers.values())


def test_a_server_that_suffers_itself_is_not_changed_twice() -> None:
    step = only(plan(fleet("server-not-running", "db1", *WEB), EVERYTHING, "run", PLAY))
    assert (step.host, step.runner, set(step.sufferers)) == ("db1", "web1", {"db1", *WEB})


def test_who_uses_the_server_and_is_well_must_stay_so() -> None:
    made = fleet("server-not-running", "web1")
    well = copy.deepcopy(next(iter(made["hosts"]["web1"]["endpoints"].values())))
    well.update(state="healthy", causes=[], observations=[])
    made["hosts"]["web2"] = {"endpoints": {"warehouse": well}}
    made["hosts"]["web3"] = {"endpoints": {"other": {**well, "server": "apm1"}}}
    step = only(plan(made, EVERYTHING, "run", PLAY))
    assert step.watchers["web2"] == () and set(step.watchers) == {"web1", "web2"}


def test_of_thousands_some_prove_it() -> None:
    hosts = ["web%d" % number for number in range(20)]
    step = only(plan(fleet("server-not-running", *hosts), EVERYTHING, "run", [*hosts, "db1"]))
    assert len(step.sufferers) == 20 and len(step.watchers) == 8


@pytest.mark.parametrize(("policy", "play", "refused"), [
    (EVERYTHING, WEB, "the trouble is at db1, which is no host of this play"),
    (Policy(), PLAY, "connectivity_allow has neither 'guarded' nor 'server.not_running'"),
])
def test_a_server_that_may_not_be_touched_is_told_of_once(policy: Policy, play: tuple[str, ...], refused: str) -> None:
    step = only(plan(fleet("server-not-running", *WEB), policy, "run", play))
    assert (step.refused, set(step.sufferers)) == (refused, set(WEB))


def test_what_is_automatic_on_a_host_itself_is_guarded_where_another_one_has_the_trouble() -> None:
    made = fleet("agent-stopped", "web1")
    endpoint_of(made)["causes"][0]["locus"]["host"] = "apm1"
    assert only(plan(made, Policy(), "run", PLAY)).refused.startswith("connectivity_allow has neither 'guarded'")


def test_one_host_of_each_cause_goes_first() -> None:
    steps = plan(fleet("agent-stopped", *WEB), Policy(), "run")
    assert [(step.host, step.wave, step.needs) for step in steps] == [("web1", 0, ()), ("web2", 1, ("run-0",)), ("web3", 1, ("run-0",))]


@pytest.mark.parametrize(("result", "goes"), [("verified", True), ("would_change", True), ("rolled_back", False), ("failed", False)])
def test_what_became_of_it_in_an_earlier_batch_decides(result: str, goes: bool) -> None:
    row = {"host": "web0", "code": "agent.stopped", "action": "restart_agent", "result": result, "detail": "it is still there"}
    steps = plan(fleet("agent-stopped", *WEB), Policy(), "run", done=[row])
    if goes:
        assert [step.wave for step in taken(steps)] == [0, 0, 0]
    else:
        reason = "what had to help first did not: restart_agent on web0 was %s (it is still there)" % result.replace("_", " ")
        assert {step.refused for step in steps} == {reason}


def with_server_down(*agents: str) -> dict[str, t.Any]:
    """Hosts with a stopped agent, whose endpoint has a server that does not run."""
    made = fleet("server-not-running", *WEB)
    stopped = endpoint_of(report("agent-stopped"))
    for host in agents:
        (endpoint,) = made["hosts"][host]["endpoints"].values()
        shift = len(endpoint["observations"])
        cause = copy.deepcopy(stopped["causes"][0])
        cause["locus"]["host"] = host
        cause["evidence"] = [number + shift for number in cause["evidence"]]
        endpoint["observations"] = [*endpoint["observations"], *stopped["observations"]]
        endpoint["causes"] = [*endpoint["causes"], cause]
    return made


def test_no_agent_is_restarted_in_vain() -> None:
    steps = plan(with_server_down("web1", "web2"), Policy(), "run", PLAY)
    assert not taken(steps) and sum(step.code == "server.not_running" for step in steps) == 1
    agents = [step for step in steps if step.code == "agent.stopped"]
    assert len(agents) == 2 and all(
        step.refused == "it would be in vain, as nothing listens on port 5432 of db1.lab.example, which is not changed" for step in agents)


def test_an_agent_waits_for_its_server() -> None:
    first, *agents = plan(with_server_down("web1", "web2"), EVERYTHING, "run", PLAY)
    assert first.host == "db1" and first.wave == 0
    assert [(step.host, first.name in step.needs, step.wave) for step in agents] == [("web1", True, 1), ("web2", True, 2)]


def test_a_host_takes_part_in_one_step_of_a_wave() -> None:
    made = with_server_down(*WEB)
    waves: dict[int, list[str]] = {}
    for step in taken(plan(made, EVERYTHING, "run", PLAY)):
        waves.setdefault(step.wave, []).extend({step.host, *step.watchers})
    assert all(len(hosts) == len(set(hosts)) for hosts in waves.values())


def test_no_more_hosts_than_allowed_and_what_needs_the_others_is_refused_too() -> None:
    first, *agents = plan(with_server_down(*WEB), Policy(("automatic", "guarded"), max_hosts=1), "run", PLAY)
    assert first.change and {step.refused for step in agents} == {"connectivity_max_hosts allows 1 hosts to be changed"}


def test_the_exact_lines_of_all_who_suffer_are_added_to_the_file_of_the_server() -> None:
    made = fleet("postgresql-no-hba-entry", "web3")
    change = only(plan(made, EVERYTHING, "run", PLAY)).change
    assert change and set(change.parameters["lines"]) == {
        'hostssl "production" "reporting" 10.77.1.13/32 %s', 'hostssl "production" "reporting" fd77:1::13/128 %s'}
    assert (change.files, change.units) == (("/etc/postgresql/15/main/pg_hba.conf",), ())
    assert change.reloads == (("systemctl", "reload", "postgresql@15-main.service"),)


def test_a_server_keeps_the_line_with_which_it_names_itself() -> None:
    made = fleet("dns-hosts-file-stale", "web1")
    endpoint = endpoint_of(made)
    for one in endpoint["observations"]:
        if one["check"] in ("tcp.connect", "dns.hosts_file"):
            one["data"] = json.loads(json.dumps(one["data"]).replace("10.77.2.199", "127.0.1.1"))
    assert only(plan(made, EVERYTHING, "run")).change
    endpoint["server"] = "web1"
    assert only(plan(made, EVERYTHING, "run")).refused == "web1 is the server itself, which gives its own name such an address"


def test_a_line_that_the_server_has_not_read_is_only_read() -> None:
    made = fleet("postgresql-no-hba-entry", "web3")
    for one in endpoint_of(made)["observations"]:
        if one["check"] == "postgresql_server.hba":
            one["data"].update(matched=True, line=9)
    change = only(plan(made, EVERYTHING, "run", PLAY)).change
    assert change and change.parameters["lines"] == [] and change.summary.startswith("let postgresql@15-main.service read /etc/")


@pytest.mark.parametrize(("case", "value", "new"), [
    ("server-loopback-only", "localhost", "localhost,10.77.2.20,fd77:2::20"),
    ("server-loopback-only", None, "localhost,10.77.2.20,fd77:2::20"),
    ("server-loopback-only", "*", "*"),
    ("server-single-family", "0.0.0.0", "0.0.0.0,fd77:2::20"),
])
def test_a_server_listens_on_what_was_refused_and_no_more(case: str, value: str | None, new: str) -> None:
    setting = {"value": value, "file": "/etc/postgresql/15/main/conf.d/a.conf", "line": 1} if value else None
    change = only(plan(fleet(case, "web1", listens=setting), EVERYTHING, "run", PLAY)).change
    assert change and change.parameters["value"] == new
    assert change.parameters["changes"] == (value != new) and change.parameters["is_set"] == bool(value)
    assert change.files == (setting["file"] if setting else DEBIAN,) and change.units == ("postgresql@15-main.service",)


def test_what_the_server_has_set_itself_it_sets_again() -> None:
    file = "/var/lib/postgresql/15/main/postgresql.auto.conf"
    made = fleet("server-loopback-only-by-alter-system", "web1", listens={"value": "localhost", "file": file, "line": 3})
    change = only(plan(made, EVERYTHING, "run", PLAY)).change
    assert change and change.parameters["by_itself"] and set(change.parameters["value"].split(",")) == {
        "localhost", "10.77.2.20", "fd77:2::20"}
    assert change.files == (file,) and "by ALTER SYSTEM" in change.summary and change.parameters["port"] == 5432


def test_a_server_that_names_itself_by_an_address_of_its_own_listens_there_too() -> None:
    made = fleet("server-loopback-only", "web1")
    own = json.loads(json.dumps(next(one for one in endpoint_of(made)["observations"] if one["check"] == "tcp.connect")))
    own["data"]["address"] = "127.0.1.1"
    endpoint_of(made)["observations"].append(own)
    change = only(plan(made, EVERYTHING, "run", PLAY)).change
    assert change and "127.0.1.1" in change.parameters["value"].split(",")


@pytest.mark.parametrize(("case", "changes", "told"), [
    ("server-loopback-only", {"listens": {"value": "local'host", "file": DEBIAN, "line": 3}}, "which is not understood"),
    ("server-loopback-only", {"configuration": ""}, "no PostgreSQL whose configuration is known"),
    ("server-not-running", {"configuration": "/opt/database/postgresql.conf"}, "not known which systemd unit"),
])
def test_what_a_server_does_not_show_is_not_guessed(case: str, changes: dict[str, t.Any], told: str) -> None:
    step = only(plan(fleet(case, "web1", **changes), EVERYTHING, "run", PLAY))
    assert not step.change and told in step.refused


def test_an_address_that_is_translated_on_the_way_is_none_to_listen_on() -> None:
    made = fleet("server-loopback-only", "web1")
    of_server = [one for one in endpoint_of(made)["observations"] if one["check"] == "firewall.rule" and one.get("side") == "server"]
    assert of_server
    for one in of_server:
        one["data"]["local_address"] = "192.0.2.1"
    assert only(plan(made, EVERYTHING, "run", PLAY)).refused.endswith("is no address of the server itself")


@pytest.mark.parametrize(("configuration", "unit"), [
    ("/var/lib/pgsql/16/data/postgresql.conf", "postgresql-16.service"), ("/var/lib/pgsql/data/postgresql.conf", "postgresql.service")])
def test_the_unit_of_a_database_by_its_place(configuration: str, unit: str) -> None:
    change = only(plan(fleet("server-not-running", "web1", configuration=configuration), EVERYTHING, "run", PLAY)).change
    assert change and change.units == (unit,)


def test_the_unit_of_a_pooler_by_the_configuration_in_which_the_port_stands() -> None:
    made = report("server-not-running-on-the-poolers-port")
    change = only(plan(made, EVERYTHING, "run", PLAY)).change
    assert change and change.units == ("pgbouncer.service",)
    for one in endpoint_of(made)["observations"]:
        if one["check"] == "postgresql_server.instance":
            one["data"]["configured_for"] = "/etc/odyssey/odyssey.conf"
    assert "not known which systemd unit serves port 6432 of db1" in only(plan(made, EVERYTHING, "run", PLAY)).refused


def _receiver(unit: str, load: str = "loaded", active: str = "inactive") -> dict[str, t.Any]:
    return seen_by_server("service.unit", "fail", unit=unit, load_state=load, active_state=active)


@pytest.mark.parametrize(("receiver", "seen", "unit", "refused"), [
    ("netdata", _receiver("netdata"), "netdata.service", ""),
    ("apm-server", _receiver("apm-server", active="failed"), "apm-server.service", ""),
    ("apm-server", _receiver("apm-server", active="active"), "", "apm-server is active there, and does not serve port"),
    ("apm-server", _receiver("apm-server", load="not-found"), "", "as there is no apm-server"),
    ("apm-server", _receiver("another"), "", "not known whether apm-server runs"),
    ("", _receiver("netdata"), "", "not known which systemd unit")])
def test_the_unit_that_takes_what_agents_send_by_their_profile(receiver: str, seen: dict[str, t.Any], unit: str, refused: str) -> None:
    made = fleet("server-not-running", *WEB, configuration="")
    for host in made["hosts"].values():
        for endpoint in host["endpoints"].values():
            endpoint["receiver"] = receiver
            endpoint["observations"].append(seen)
    step = only(plan(made, EVERYTHING, "run", PLAY))
    assert (step.change.units if step.change else ()) == ((unit,) if unit else ())
    assert refused in step.refused and bool(refused) == bool(step.refused)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in an agent's configuration and credential, beside what looks like them: recorded cases with one fact changed at a time."""
from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.tests.gauntlet import recording


class Replay:
    """A recorded case that can be changed."""

    def __init__(self, name: str) -> None:
        kept = recording.one(name)
        self.host, self.endpoint = kept["host"], {**kept["endpoint"], "name": kept["endpoint_name"]}
        self.observations: list[Observation] = kept["endpoint"]["observations"]

    def of(self, check: str, side: str = "client") -> list[Observation]:
        return [one for one in self.observations if one["check"] == check and one.get("side", "client") == side]

    def change(self, check: str, outcome: str = "", /, side: str = "client", **data: t.Any) -> Replay:
        found = self.of(check, side)
        assert found, "%s was not observed" % check
        for one in found:
            one["status"] = outcome or one["status"]
            one["data"].update(data)
        return self

    def drop(self, *checks: str, side: str = "client") -> Replay:
        self.observations = [one for one in self.observations if one["check"] not in checks or one.get("side", "client") != side]
        return self

    def copy_from(self, name: str, *checks: str, side: str = "client") -> Replay:
        self.observations += [one for check in checks for one in Replay(name).of(check, side)]
        return self

    def verdict(self) -> Verdict:
        return infer(Case(self.host, self.endpoint, copy.deepcopy(self.observations)))

    def told(self) -> tuple[str, list[str]]:
        verdict = self.verdict()
        return verdict.state, [cause["code"] for cause in verdict.causes]


HEALTHY: tuple[str, list[str]] = ("healthy", [])


# --- where it is told to send

def test_another_name_of_the_same_addresses_is_no_other_host_even_without_a_connection() -> None:
    case = Replay("healthy-agent-that-knows-another-name").drop("service.connections", "logs.source", "logs.family")
    assert case.of("agent_config.endpoint")[0]["data"]["differs"] == ["host"]
    assert case.told() == HEALTHY


def test_a_name_that_leads_elsewhere_is_wrong_though_the_endpoint_has_an_address() -> None:
    case = Replay("agent-wrong-host").change("agent_config.endpoint", "ok", differs=[], comparable=False)
    assert case.told() == ("down", ["agent.wrong_host"])


@pytest.mark.parametrize(("error", "told"), [("EAI_NONAME", ("down", ["agent.wrong_host"])), ("EAI_AGAIN", HEALTHY)])
def test_a_name_beside_an_address_is_wrong_only_where_it_does_not_exist(error: str, told: tuple[str, list[str]]) -> None:
    case = Replay("agent-wrong-host-that-does-not-exist").change("agent_config.endpoint", "ok", differs=[], comparable=False)
    assert case.change("dns.resolve", side="agent", error=error).told() == told


def test_where_no_name_is_found_at_all_the_agents_is_not_to_blame() -> None:
    case = Replay("agent-wrong-host-that-does-not-exist").change("dns.resolve", "fail", addresses=[], error="EAI_AGAIN")
    assert "agent.wrong_host" not in case.told()[1]


def test_addresses_of_different_families_are_not_comparable() -> None:
    case = Replay("agent-wrong-host").change("dns.resolve", addresses=["10.77.2.30"]).change(
        "dns.resolve", side="agent", addresses=["fd77:2::20"])
    assert case.told() == HEALTHY


def test_what_listens_on_the_host_itself_may_pass_it_on() -> None:
    case = Replay("agent-wrong-host").change("dns.resolve", side="agent", addresses=["127.0.0.1"])
    assert case.told() == ("down", ["agent.wrong_host"]), "nothing listens there"
    case.change("tcp.connect", "ok", side="agent", error="", answer="accepted", address="127.0.0.1")
    assert case.told() == HEALTHY


def test_who_was_not_followed_is_only_suspected() -> None:
    case = Replay("agent-wrong-host").drop("dns.resolve", "tcp.connect", "http.run", side="agent")
    (cause,) = case.verdict().causes
    assert (case.told()[0], cause["code"], "tried from this host" in cause["decide_by"]) == ("degraded", "agent.wrong_host", True)


def test_another_port_that_serves_the_same_does_no_harm() -> None:
    case = Replay("agent-wrong-port-of-another-service")
    assert case.told() == ("down", ["agent.wrong_port"])
    assert case.drop("logs.family").told() == HEALTHY, "only the agent's own word tells that it is none of its servers"


@pytest.mark.parametrize(("status", "told"), [
    (404, ("down", ["agent.wrong_port"])), (400, ("down", ["agent.wrong_port"])), (401, HEALTHY), (503, HEALTHY),
])
def test_what_a_port_answers_tells_whether_it_is_the_kind_of_server(status: int, told: tuple[str, list[str]]) -> None:
    case = Replay("agent-wrong-port-of-another-service").drop("logs.family")
    assert case.change("http.response", "fail", side="agent", status=status).told() == told


def test_the_default_port_of_the_wrong_scheme_is_one_mistake() -> None:
    case = Replay("agent-wrong-scheme")
    (told,) = case.of("agent_config.endpoint")
    told["data"].update(differs=["port", "scheme"])
    told["data"]["configured"]["port"], told["data"]["expected"]["port"] = 443, 80
    assert case.told() == ("down", ["agent.wrong_scheme"])


def test_an_agent_that_is_connected_after_all_has_another_way() -> None:
    for name in ("agent-wrong-host", "agent-wrong-port", "agent-wrong-scheme"):
        case = Replay(name).drop("service.connections").copy_from("healthy-agent", "service.connections")
        assert case.told() == HEALTHY, name


def test_a_base_below_which_anything_is_known_is_right() -> None:
    case = Replay("agent-wrong-path")
    assert case.told() == ("down", ["agent.wrong_path"])
    case.of("http.response", "agent")[0].update(status="ok")
    case.of("http.response", "agent")[0]["data"]["status"] = 200
    assert case.told() == HEALTHY


def test_a_path_unknown_to_a_server_that_knows_none_may_be_anybodys() -> None:
    case = Replay("agent-wrong-path-of-the-endpoint")
    assert case.change("http.response", "fail", side="other_path", status=404).told()[1] == []
    assert Replay("agent-wrong-path-of-the-endpoint").change("http.response", side="other_path", server="another").told()[1] == []


# --- its files and its environment

def test_who_starts_as_root_reads_before_it_becomes_another_user() -> None:
    case = Replay("agent-file-unreadable").change("service.unit", user="")
    assert case.told() == HEALTHY
    said = {"check": "logs.family", "status": "warn", "target": "x", "vantage": {}, "message": "", "started_at": "2026-11-20T23:00:00Z",
            "data": {"family": "file_unreadable", "count": 1, "first_at": "2026-11-20T22:59:59Z", "last_at": "2026-11-20T22:59:59Z",
                     "recovered": False, "samples": ["cannot open /etc/netdata/stream.conf: Permission denied"]}}
    case.observations.append(said)
    assert case.told() == ("down", ["agent.file_unreadable"]), "it says so itself"


def test_a_stray_character_where_nobody_reads_it_does_no_harm() -> None:
    case = Replay("agent-config-smart-quotes").change("agent_config.credential", "ok", state="ok", right_when_cleaned=False).drop(
        "logs.family")
    for file in case.of("agent_config.file"):
        for stray in file["data"]["stray"]:
            stray["line"] = 77
    assert case.told() == HEALTHY


def test_what_an_agent_works_with_is_valid_whatever_we_think_of_it() -> None:
    for name in ("agent-config-syntax", "agent-config-byte-order-mark", "agent-reporting-disabled", "credential-placeholder",
                 "credential-malformed"):
        case = Replay(name).drop("service.connections", "logs.family").copy_from("healthy-agent", "service.connections")
        assert case.told() == HEALTHY, name


def test_a_configuration_that_keeps_the_agent_from_starting_explains_that_it_does_not_run() -> None:
    case = Replay("agent-config-syntax").drop("service.unit", "service.process", "service.connections").copy_from(
        "agent-crash-loop", "service.unit")
    assert case.told() == ("down", ["agent.config_syntax"])


def test_a_variable_is_to_blame_only_where_the_file_is_right() -> None:
    case = Replay("agent-env-override")
    (environment,) = case.of("agent_config.environment")
    environment["data"]["overrides"][0]["right_in_file"] = False
    assert case.told() == ("down", ["agent.wrong_port"])


# --- its credential

def test_another_credential_is_no_refused_one() -> None:
    case = Replay("credential-another-one-on-the-host")
    assert case.told() == ("down", ["credential.rejected"])
    (suspected,) = case.drop("logs.family").verdict().causes
    assert (case.told()[0], suspected["code"], "log" in suspected["decide_by"]) == ("degraded", "credential.rejected", True)
    assert case.drop("service.connections").copy_from("healthy-agent", "service.connections").told() == HEALTHY


def test_the_right_credential_is_refused_only_by_who_says_so_again() -> None:
    case = Replay("credential-revoked")
    assert case.told() == ("down", ["credential.rejected"])
    case.change("http.response", credential_sent=True)
    assert case.told() == HEALTHY, "the server has just accepted the very same"
    case = Replay("credential-revoked")
    for family in case.of("logs.family"):
        family["data"].update(count=1, first_at=family["data"]["last_at"])
    assert case.told() == HEALTHY


def test_a_credential_that_was_corrected_in_the_file_only_needs_a_restart() -> None:
    case = Replay("credential-revoked").change("service.configuration", "warn", newer_than_process=["/etc/netdata/stream.conf"])
    assert case.told() == ("down", ["agent.stale_config"])


def test_no_credential_is_missed_where_nobody_asks_for_one() -> None:
    case = Replay("credential-missing-on-the-host").drop("logs.family").change("agent_config.credential", compared=False)
    assert case.told() == HEALTHY
    (suspected,) = case.change("agent_config.credential", compared=True).verdict().causes
    assert (suspected["code"], bool(suspected["decide_by"])) == ("credential.missing", True)


def test_a_refusal_where_the_agent_was_sent_astray_is_not_the_endpoints() -> None:
    case = Replay("agent-wrong-host").copy_from("credential-revoked", "logs.family")
    assert case.told() == ("down", ["agent.wrong_host"])


def test_the_region_is_only_suspected_where_nobody_refused() -> None:
    case = Replay("credential-wrong-region")
    assert case.told() == ("down", ["credential.wrong_region"])
    (first, *_others) = case.drop("logs.family").verdict().causes
    assert "decide_by" in first
    assert case.change("agent_config.credential", "ok", state="ok", region="us").told() == HEALTHY


# --- its version

def test_a_log_that_says_that_the_version_is_refused() -> None:
    case = Replay("credential-revoked").change("logs.family", family="version")
    assert case.told() == ("down", ["agent.version_incompatible"])
    for family in case.of("logs.family"):
        family["data"].update(recovered=True)
    assert case.told() == HEALTHY


# --- beside other faults

def test_a_wrong_port_does_not_explain_that_the_server_does_not_run_either() -> None:
    server_side = ("sockets.listener", "firewall.rule")
    case = Replay("agent-wrong-port").drop("http.response").drop(*server_side, side="server").copy_from(
        "server-not-running", *server_side, side="server").change(
        "tcp.connect", "fail", error="ECONNREFUSED", answer="rst", icmp_from=None)
    state, codes = case.told()
    assert (state, sorted(codes)) == ("down", ["agent.wrong_port", "server.not_running"])


@pytest.mark.parametrize("facts", [
    {"elsewhere": []}, {"configured_for": "/etc/haproxy/haproxy.cfg"}, {"configured_for": None}, {"reason": "not_permitted"},
])
def test_a_port_that_anybody_may_be_meant_to_have_is_not_wrong(facts: dict[str, t.Any]) -> None:
    assert Replay("agent-wrong-port-of-the-database").told() == ("down", ["agent.wrong_port"])
    case = Replay("agent-wrong-port-of-the-database").change("postgresql_server.instance", side="server", **facts)
    assert case.told() == ("down", ["server.not_running"])

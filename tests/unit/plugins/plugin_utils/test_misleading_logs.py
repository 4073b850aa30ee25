# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logs that name the wrong layer, or nothing: faults that were recorded in the lab, seen with what an agent's log would say of them."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import known_agents, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import servers_to_ask
from ansible_collections.connectivity.doctor.tests.support.changed_cases import RECORDED, codes, having, never, verdict, where

# By what is true, a fault that was recorded on an endpoint without an agent.
_FAULTS = {
    "refused": "server-not-running", "dns_no_such_name": "dns-nxdomain", "dns_unavailable": "dns-resolvers-unreachable",
    "unreachable": "firewall-path-reject", "timeout": "firewall-path-drop", "tls_untrusted": "tls-self-signed",
    "tls_name": "tls-wrong-name", "tls_clock_or_expiry": "tls-expired", "auth": "credential-rejected",
    "rate_limited": "elastic-apm-rate-limited", "proxy_unreachable": "proxy-down",
}
_PROFILES = {name: load_profile(name) for name in known_agents()}
_LIES = [(name, said, truth) for name, profile in _PROFILES.items() for said, truths in profile.misleading.items()
         for truth in truths if truth in _FAULTS and truth != said]
_SILENCES = [(name, "", truth) for name, profile in _PROFILES.items() for truth in profile.silent_on if truth in _FAULTS]


def log_that_says(family: str, at: str) -> list[Observation]:
    """Again and again, up to now; without a family the agent lives, and says nothing."""
    shared = {"target": "agent", "vantage": {}, "message": "", "started_at": at, "status": "warn"}
    if not family:
        return [{**shared, "check": "logs.source", "data": {"silent": True, "works_at": ""}}]
    return [{**shared, "check": "logs.family", "data": {
        "family": family, "count": 9, "first_at": at, "last_at": at, "recovered": False, "samples": [], "stands": False}}]


def told(fault: str, agent: str = "", family: str = "") -> Verdict:
    recorded = RECORDED[fault]
    described = {key: value for key, value in recorded["endpoint"].items() if key != "observations"}
    seen = list(recorded["endpoint"]["observations"])
    if agent:
        seen += log_that_says(family, max(one["started_at"] for one in seen if one["started_at"]))
    return infer(Case(recorded["host"], {**described, "name": recorded["endpoint_name"], "agent": agent}, seen))


@pytest.mark.parametrize(("agent", "said", "truth"), [*_LIES, *_SILENCES])
def test_the_verdict_is_what_probes_show_whatever_the_log_says(agent: str, said: str, truth: str) -> None:
    plain, with_log = told(_FAULTS[truth]), told(_FAULTS[truth], agent, said)
    assert [cause["code"] for cause in plain.causes] == RECORDED[_FAULTS[truth]]["expect"]
    assert [(cause["code"], cause["confidence"]) for cause in with_log.causes] == [
        (cause["code"], cause["confidence"]) for cause in plain.causes]
    assert with_log.state == plain.state


def test_lies_and_silences_of_many_agents_are_tried() -> None:
    assert len(_LIES) >= 30 and len({name for name, _said, _truth in _LIES}) >= 9
    assert len(_SILENCES) >= 15 and {"newrelic_apm", "collectd", "sentry_sdk"} <= {name for name, _said, _truth in _SILENCES}


# Real agents, seen live: what they said, of another layer than the fault's, and what is true.
_SEEN_LIVE = {
    "elastic-apm-server-stopped": ("timeout", "server.not_running"),
    "elastic-apm-wrong-host-that-does-not-exist": ("timeout", "agent.wrong_host"),
    "elastic-apm-names-not-resolved": ("timeout", "dns.nsswitch"),
    "elastic-apm-no-such-name": ("timeout", "dns.nxdomain"),
    "elastic-apm-proxy-denies": ("auth", "proxy.denied"),
    "otlp-proxy-denies": ("auth", "proxy.denied"),
    "otlp-grpc-wrong-port": ("wrong_path", "agent.wrong_port"),
}


@pytest.mark.parametrize(("name", "said", "truth"), [(name, *told) for name, told in _SEEN_LIVE.items()])
def test_a_lie_that_was_told_live_is_cited_and_not_believed(name: str, said: str, truth: str) -> None:
    (cause,) = verdict(name).causes
    cited = {RECORDED[name]["endpoint"]["observations"][number]["data"].get("family") for number in cause["evidence"]}
    assert cause["code"] == truth and said in cited


@pytest.mark.parametrize("name", ["newrelic-apm-too-large", "newrelic-apm-rate-limited"])
def test_how_much_may_be_sent_only_the_agent_is_told(name: str) -> None:
    """What this host asks is answered. A single refusal may be over, and is none while the agent is told to send elsewhere."""
    family = name.removeprefix("newrelic-apm-").replace("-", "_")
    assert codes(verdict(name)) == ["server.rate_limited"] and verdict(name).state == "degraded"
    assert codes(verdict(name, where("logs.family", family=family)(having(count=1)))) == []
    assert codes(verdict(name, where("logs.family", family=family)(having(recovered=True)))) == []


_END_OF_FILE = "zabbix-agent2-key-unknown-to-the-server"


def test_what_is_an_end_of_file_to_the_agent_is_told_by_the_servers_log() -> None:
    """Without that, nothing shows why the agent's last word is that it fails: that is not healthy, and no cause; the server is asked."""
    (cause,) = verdict(_END_OF_FILE).causes
    assert (verdict(_END_OF_FILE).state, cause["code"]) == ("down", "credential.rejected")
    cited = [RECORDED[_END_OF_FILE]["endpoint"]["observations"][number] for number in cause["evidence"]]
    assert "Error in password/key file" in cited[0]["data"]["samples"][0] and cited[0]["side"] == "server"
    alone = verdict(_END_OF_FILE, where("logs.family", "server")(never))
    assert (alone.state, alone.causes) == ("unknown", ()) and "its agent says that it does not" in alone.reason
    row = {**RECORDED[_END_OF_FILE]["endpoint"], "state": alone.state, "causes": []}
    (asked,) = servers_to_ask({"hosts": {"web1": {"endpoints": {"intake": row}}}}, {"apm1"})
    assert (asked["host"], asked["ports"], asked["agents"]) == ("apm1", [10051], ["zabbix_agent2"]) and asked["clients"]


def test_an_agent_that_was_told_to_stop_is_no_healthy_one() -> None:
    """However long ago that was, and though everything works; unless it was restarted since."""
    name = "newrelic-apm-told-to-stop"
    assert [cause["code"] for cause in verdict(name).causes] == ["agent.gave_up"]

    def restarted(process: Observation) -> Observation:
        return {**process, "data": {**process["data"], "started": RECORDED[name]["endpoint"]["observations"][0]["started_at"]}}

    assert (verdict(name, where("service.process")(restarted)).state, verdict(name, where("service.process")(restarted)).causes) == (
        "healthy", ())

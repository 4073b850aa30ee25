# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be changed, and what may not: each rule of the policy on its own, and the changes that recorded cases lead to."""
from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy, PolicyError
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step
from ansible_collections.connectivity.doctor.tests.gauntlet import recording
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_recorded_cases import as_case

RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}
EVERYTHING = Policy(("automatic", "guarded"))


def report(*names: str, hosts: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Of recorded cases, each on a host of its own; or of the first one on several hosts."""
    made: dict[str, t.Any] = {"hosts": {}}
    for number, name in enumerate(names * len(hosts) if hosts else names):
        case = RECORDED[name]
        host = hosts[number] if hosts else case["host"]
        case = {**case, "host": host}
        causes = copy.deepcopy(infer(as_case(case)).causes)
        endpoint = {**case["endpoint"], "causes": list(causes)}
        made["hosts"].setdefault(host, {"endpoints": {}})["endpoints"]["%s of %s" % (case["endpoint_name"], name)] = endpoint
    return made


def endpoint_of(made: dict[str, t.Any]) -> dict[str, t.Any]:
    host = next(iter(made["hosts"].values()))
    return t.cast("dict[str, t.Any]", next(iter(host["endpoints"].values())))


def only(steps: list[Step]) -> Step:
    (step,) = steps
    return step


def test_with_a_report_that_was_reviewed_nothing_else_is_changed() -> None:
    seen = report("agent-stopped")
    known = ("web1", "apm of agent-stopped", "agent.stopped")
    assert only(plan(seen, Policy(reviewed=frozenset({known})), "run")).change
    for other in (("web2", *known[1:]), (known[0], "another endpoint", known[2]), (*known[:2], "agent.hung")):
        assert only(plan(seen, Policy(reviewed=frozenset({other})), "run")).refused == "the report that was reviewed does not have it"


def test_what_is_proved_and_allowed_is_planned_with_its_undo_and_its_why() -> None:
    step = only(plan(report("agent-stopped"), Policy(), "run"))
    assert (step.refused, step.action, step.code) == ("", "restart_agent", "agent.stopped")
    assert step.change and (step.change.parameters, step.change.units) == ({"unit": "netdata", "enabled": False}, ("netdata",))
    assert step.why and "inactive" in step.why[0]


@pytest.mark.parametrize(("name", "policy", "refused"), [
    ("firewall-client-drop", Policy(), "connectivity_allow has neither 'guarded' nor 'firewall.client_egress'"),
    ("firewall-client-drop", Policy(("agent.stopped",)), "connectivity_allow has neither 'guarded' nor 'firewall.client_egress'"),
    ("agent-stopped", Policy(()), "connectivity_allow has neither 'automatic' nor 'agent.stopped'"),
    ("firewall-path-reject", EVERYTHING, "it must be escalated"),
    ("server-not-running", EVERYTHING, "the trouble is at db1, which is no host of this play"),
])
def test_each_rule_says_why_not(name: str, policy: Policy, refused: str) -> None:
    step = only(plan(report(name), policy, "run"))
    assert (step.refused, step.change) == (refused, None)
    assert step.summary, "what a person should do is told instead"


def test_candidates_are_never_changed() -> None:
    steps = plan(report("firewall-server-drop-unseen"), EVERYTHING, "run")
    assert steps and not any(step.change for step in steps)


def test_what_is_not_sure_enough_is_not_changed() -> None:
    made = report("agent-stopped")
    endpoint_of(made)["causes"][0]["confidence"] = 0.7
    assert only(plan(made, Policy(), "run")).refused == "it is not sure enough (70 %)"


def test_a_code_alone_allows_just_that_cause() -> None:
    step = only(plan(report("firewall-client-drop"), Policy(("firewall.client_egress",)), "run"))
    assert step.change and step.refused == ""


@pytest.mark.parametrize(("most", "changed", "allowed"), [
    (0, (), 3), (2, (), 2), (2, ("other",), 1), (1, ("other",), 0), (2, ("web1",), 2),
])
def test_no_more_hosts_than_allowed_are_changed(most: int, changed: tuple[str, ...], allowed: int) -> None:
    done = [{"host": host, "code": "another.cause", "action": "fix_hosts", "result": "verified", "detail": ""} for host in changed]
    steps = plan(report("agent-stopped", hosts=("web1", "web2", "web3")), Policy(max_hosts=most), "run", done=done)
    assert sum(bool(step.change) for step in steps) == allowed
    assert {step.refused for step in steps if not step.change} <= {"connectivity_max_hosts allows %d hosts to be changed" % most}


def test_one_unit_that_serves_two_endpoints_is_restarted_once() -> None:
    made = report("agent-stopped")
    host = next(iter(made["hosts"].values()))
    host["endpoints"]["second"] = copy.deepcopy(endpoint_of(made))
    assert len(plan(made, Policy(), "run")) == 1


@pytest.mark.parametrize(("allow", "told"), [
    (("automatc",), "'automatc' is no class and no cause code; did you mean 'automatic'?"),
    (("escalate",), "'escalate' is no class and no cause code; "),
    (("agent.stoped",), "did you mean 'agent.stopped'?"),
])
def test_a_policy_that_cannot_be_meant_is_refused(allow: tuple[str, ...], told: str) -> None:
    with pytest.raises(PolicyError) as failed:
        Policy(allow)
    assert told in str(failed.value)
    with pytest.raises(PolicyError, match="connectivity_max_hosts: -1"):
        Policy(max_hosts=-1)


def test_only_lines_whose_address_failed_are_taken_out_of_the_hosts_file() -> None:
    change = only(plan(report("dns-hosts-file-stale"), EVERYTHING, "run")).change
    assert change and change.files == ("/etc/hosts",)
    failed = {one["data"]["address"] for one in RECORDED["dns-hosts-file-stale"]["endpoint"]["observations"]
              if one["check"] == "tcp.connect" and one["status"] == "fail"}
    assert set(change.parameters["wrong"]) <= failed


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_cause_of_every_recorded_case_gets_a_change_or_a_reason(name: str) -> None:
    for step in plan(report(name), EVERYTHING, "run"):
        assert bool(step.change) != bool(step.refused)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that are remediated together: every one once, none where another one needs it well, and a moved one is moved in all it says."""
from __future__ import annotations

import dataclasses
import itertools
import json

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.batching import batches, moved, quickest_of_each_action, wanted
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import recorded
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import Remediable, Row, reasons, remediable


def case(name: str, host: str, endpoint: str, code: str = "", refused: str = "", **inject: str) -> Remediable:
    fault = Fault(name, "x", "F", host, endpoint, expect=("c",), inject=inject)
    change = Row(host, code or name, "fix_" + (code or name))
    return Remediable(fault, frozenset({change}), frozenset({Row(host, refused, "escalate")} if refused else ()))


def names(found: list[list[Remediable]]) -> list[list[str]]:
    return [[one.fault.name for one in batch] for batch in found]


@pytest.mark.parametrize(("cases", "together"), [
    ([case("a", "web1", "gateway", web1=""), case("b", "web2", "gateway", web2="")], [["a", "b"]]),
    ([case("a", "web1", "gateway", web1="x"), case("b", "web1", "gateway", web1="x")], [["a", "b"]]),
    ([case("a", "web1", "gateway", "c", web1=""), case("b", "web2", "gateway", "c", web2="")], [["a", "b"]]),
    ([case("a", "web1", "gateway", web1=""), case("b", "web2", "warehouse", db1="")], [["b", "a"]]),
    ([case("a", "web1", "warehouse", web1=""), case("b", "web2", "warehouse", db1="")], [["b"], ["a"]]),
    ([case("a", "web1", "gateway", router=""), case("b", "web2", "gateway", web2="")], [["a"], ["b"]]),
    ([case(name, "web1", "gateway", web1="x") for name in "abcde"], [["a", "b", "c", "d"], ["e"]]),
])
def test_what_is_remediated_together(cases: list[Remediable], together: list[list[str]]) -> None:
    assert names(batches(cases)) == together


def test_a_case_is_moved_in_all_that_it_does_and_says() -> None:
    fault = Fault("a", "x", "F", "web1", "gateway", change={"url": "tcp://web1.lab.example"},
                  inject={"web1 first": "ip addr del 10.77.1.11/24", "router": "drop fd77:1::11 10.77.1.1 10.77.1.110"}, heal={"web1": "1"})
    row = Row("web1", "c", "fix")
    there = moved(Remediable(fault, frozenset({row}), frozenset({Row("router", "d", "fix")})), "web3")
    assert there.fault == dataclasses.replace(
        fault, host="web3", change={"url": "tcp://web3.lab.example"}, heal={"web3": "1"},
        inject={"web3 first": "ip addr del 10.77.1.13/24", "router": "drop fd77:1::13 10.77.1.1 10.77.1.110"})
    assert there.changes == {Row("web3", "c", "fix")} and there.refused == {Row("router", "d", "fix")}


def test_of_each_remedy_the_quickest_case_of_which_nothing_is_refused() -> None:
    cases = [case("slow", "web1", "gateway", "a"), case("quick", "web1", "gateway", "a"), case("other", "web1", "gateway", "b"),
             case("partly", "web1", "gateway", "a", "escalated")]
    seconds = {"slow": 3.0, "quick": 2.0, "partly": 1.0, "other": 9.0}
    chosen = quickest_of_each_action(cases, lambda one: seconds[one.fault.name])
    assert {one.fault.name for one in chosen} == {"quick", "other"}


@pytest.fixture(scope="module")
def declared() -> list[Remediable]:
    return remediable(load_faults(), {one["name"]: one for one in recorded()}, "")


def test_of_what_is_declared_each_remediable_fault_is_in_one_batch_and_disturbs_none_there(declared: list[Remediable]) -> None:
    made = batches(declared)
    assert sorted(itertools.chain(*names(made))) == sorted(one.fault.name for one in declared)
    assert any(len(batch) == 4 for batch in made)
    for one, other in itertools.chain.from_iterable(itertools.combinations(batch, 2) for batch in made):
        assert not wanted(one).disturbs(wanted(other))
        assert json.dumps(dataclasses.asdict(one.fault)).count(other.fault.host) == 0


def test_a_fault_is_remediable_as_the_plan_says_and_every_other_one_has_a_reason(declared: list[Remediable]) -> None:
    cases = {one["name"]: one for one in recorded()}
    changes = {one.fault.name: one.changes for one in declared}
    assert changes["agent-stopped"] == {Row("web1", "agent.stopped", "restart_agent")}
    assert changes["agent-masked"] == {Row("web1", "agent.masked", "unmask_agent")}, "it is allowed by its name"
    assert changes["firewall-server-drop"] == {Row("db1", "firewall.server_ingress", "open_firewall")}
    told = reasons(load_faults(), cases, "")
    assert told["firewall-path-reject"] == "it must be escalated"
    assert "connectivity_approved_ca names no authority" in told["tls-unknown-ca"]
    assert "may change nothing" in told["without-privilege-agent-stopped"]
    assert not set(told) & set(changes) and all(told.values())
    assert set(told) | set(changes) == {fault.name for fault in load_faults() if fault.expect and fault.name in cases}

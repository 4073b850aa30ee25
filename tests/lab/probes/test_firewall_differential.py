# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evaluator of packet filters against the kernel: random rulesets, real connections through them.

For each connection, what its socket was told, and whether its first packet reached the peer, is what the evaluator had said; and the
counter of every rule has moved by exactly the packets that the evaluator had led past it.
"""
from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import ipset as ipsets
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import iptables, nft
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import Flow, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Chain, Decision, decide
from ansible_collections.connectivity.doctor.tests.lab.probes.firewall_rulesets import PRELUDE, IptablesRuleset, NftRuleset, attempts
from ansible_collections.connectivity.doctor.tests.support.firewall_world import HOST, INTERFACE, Attempt, Outcome, World

_PROGRAMS = {"nft": "nftables", "iptables": "iptables", "ipset": "ipset"}
_FLOWS_A_RULESET = 8
_OWN = frozenset((*HOST[4], *HOST[6]))


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    if os.geteuid() != 0:
        pytest.skip("needs root, for network namespaces of its own")
    missing = [package for program, package in _PROGRAMS.items() if not shutil.which(program)]
    if missing:
        subprocess.run(["apt-get", "install", "--yes", "--no-install-recommends", *missing], check=False, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    missing = [program for program in _PROGRAMS if not shutil.which(program)]
    if missing:
        pytest.skip("needs " + ", ".join(missing))
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def tallies() -> Iterator[list[Tally]]:
    """What every part has compared; the sum is printed at the end."""
    found: list[Tally] = []
    yield found
    print(f"\nin all, {sum(one.flows for one in found)} flows on {sum(one.rulesets for one in found)} distinct rulesets")


class Tally(NamedTuple):
    """What was compared: distinct rulesets that the kernel took, flows, and what became of these."""

    rulesets: int
    flows: int
    outcomes: Counter[str]


def _flow(attempt: Attempt) -> Flow:
    source, destination = Span(attempt.source_port, attempt.source_port), Span(attempt.port, attempt.port)
    version = 6 if ":" in attempt.source else 4
    first = HOST[version][0 if version == 4 else -1]  # of IPv6, the kernel lists the youngest first
    common: dict[str, Any] = {"interface": INTERFACE, "own_addresses": _OWN, "interface_to": lambda address: INTERFACE,
                              "interface_address": first}
    if attempt.direction == "outbound":
        return Flow("outbound", attempt.protocol, attempt.source, attempt.destination, source, destination, uid=attempt.uid, **common)
    return Flow("inbound", attempt.protocol, attempt.destination, attempt.source, destination, source, uid=0, **common)


def _expected(attempt: Attempt, decisions: dict[str, Decision]) -> Outcome:
    for decision in decisions.values():
        assert not decision.pivots, "in doubt: %s" % (decision.pivots,)
        assert decision.phase.verdict.action in ("accept", "drop", "reject"), decision.phase.verdict
    request = decisions["request"].phase.verdict
    if request.action == "reject":
        return Outcome(request.reject_kind, False)
    connected = request.action == "accept" and decisions["reply"].phase.verdict.action == "accept"
    return Outcome("connected" if connected else "none", attempt.direction == "outbound" and request.action == "accept")


def _compare(world: World, read: Callable[[], list[Chain]], tried: list[Attempt], ruleset: str) -> Counter[str] | None:
    """What became of the connections, each as the evaluator had said. None where the machine was too slow to tell."""
    outcomes = world.attempt(tried)
    chains = read()
    world.close()
    if outcomes is None:
        return None
    counted: Counter[Any] = Counter()
    for attempt, outcome in zip(tried, outcomes, strict=True):
        decisions = decide(_flow(attempt), chains)
        expected = _expected(attempt, decisions)
        seen = outcome if attempt.direction == "outbound" else outcome._replace(arrived=False)
        assert seen == expected, f"{attempt}: {seen}, not {expected}, as {decisions['request'].phase.verdict} in\n{ruleset}"
        for decision in decisions.values():
            counted.update(rule.key for rule in decision.phase.counted)
    all_chains = {id(chain): chain for base in chains for chain in base.siblings.values()}.values()
    rules = [rule for chain in all_chains for rule in chain.rules[PRELUDE if chain.hook else 0:]]
    moved = {rule.key: rule.packets for rule in rules if rule.packets}
    alone = sorted(set(moved.items()) ^ set(counted.items()))
    assert not alone, f"counted {alone} by the kernel or the evaluator alone, in\n{ruleset}"
    return Counter(outcome.answer for outcome in outcomes)


def _differential(name: str, rulesets: int, attempt: Callable[[random.Random, int], tuple[str, Counter[str]] | None]) -> Tally:
    """Try until so many distinct rulesets were compared; those that the kernel refuses are none."""
    seen: set[str] = set()
    outcomes: Counter[str] = Counter()
    number = 0
    while len(seen) < rulesets:
        number += 1
        assert number < 4 * rulesets, f"only {len(seen)} of {number} rulesets could be tried"
        tried = attempt(random.Random(f"{name} {number}"), 10000 + number * 4 * _FLOWS_A_RULESET % 45000)
        if tried and tried[0] not in seen:
            seen.add(tried[0])
            outcomes += tried[1]
    print(f"\n{name}: {outcomes.total()} flows on {len(seen)} rulesets agree with the kernel: {dict(outcomes.most_common())}")
    return Tally(len(seen), outcomes.total(), outcomes)


def test_nftables_rulesets_do_what_the_evaluator_says(world: World, tallies: list[Tally]) -> None:
    def attempt(rng: random.Random, port: int) -> tuple[str, Counter[str]] | None:
        ruleset = NftRuleset(rng)
        if world.load((["nft", "-f", "-"], ruleset.text)):
            return None
        found = _compare(world, lambda: nft.chains(json.loads(world.read(["nft", "-j", "list", "ruleset"]))),
                         attempts(rng, _FLOWS_A_RULESET, port), ruleset.text)
        return None if found is None else (ruleset.text, found)

    tally = _differential("nftables", 320, attempt)
    tallies.append(tally)
    assert tally.flows >= 2500
    assert len(tally.outcomes) >= 8, "every kind of rejection is seen"


@pytest.mark.parametrize("backend", ["nft", "legacy"])
@pytest.mark.parametrize("version", [4, 6])
def test_iptables_rulesets_do_what_the_evaluator_says(world: World, tallies: list[Tally], version: int, backend: str) -> None:
    program = ("iptables" if version == 4 else "ip6tables") + "-" + backend
    if not shutil.which(program):
        pytest.skip(f"needs {program}")
    clear = "".join("*%s\nCOMMIT\n" % table for table in ("raw", "mangle", "filter"))

    def read() -> list[Chain]:
        sets = ipsets.parse(world.read(["ipset", "save"]))
        return iptables.chains(world.read([program + "-save", "-c"]), "ip" if version == 4 else "ip6", program, sets)

    def attempt(rng: random.Random, port: int) -> tuple[str, Counter[str]] | None:
        ruleset = IptablesRuleset(rng, version)
        problem = world.load(([program + "-restore"], clear), (["ipset", "-exist", "restore"], ruleset.sets),
                             ([program + "-restore"], ruleset.text))
        if problem:
            return None
        tried = [one for one in attempts(rng, 4 * _FLOWS_A_RULESET, port) if (":" in one.source) == (version == 6)][:_FLOWS_A_RULESET]
        found = _compare(world, read, tried, ruleset.text)
        return None if found is None else (ruleset.text, found)

    world.load((["nft", "flush", "ruleset"], ""))
    tally = _differential(program, 60, attempt)
    tallies.append(tally)
    world.load(([program + "-restore"], clear))
    assert tally.flows >= 400

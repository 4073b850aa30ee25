# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Follows a flow through the rules of this host, of whatever tool, and tells which of them decides. Pure: nothing is read, nothing is sent.

What can't be known beforehand (a limit's bucket, an expression that is not understood) is tried both ways: where the outcome is the same,
it does not matter; where it is not, the rule is named, and nothing is guessed.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows

# The kernel's own bound on jumps (NFT_JUMP_STACK_SIZE), and ours on work.
_DEEPEST_JUMP = 16
_MOST_RULES = 200000
_MOST_WALKS = 128

# Where NAT is done whatever priority its chains have; among themselves, these keep their order.
_NAT_PRIORITY = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}


class Doubt(t.NamedTuple):
    """Why nobody can say whether a rule matches.

    :ivar kind: ``unknown`` for what is not understood, ``source_port`` for the port that the kernel will choose, otherwise the kind
        of state that decides (``limit``, ``connlimit``, ``quota``, ``recent``, ``random``).
    :ivar usually: whether it matches while no limit is reached.
    """

    kind: str
    detail: str
    usually: bool = False


class Action(t.NamedTuple):
    """What a rule does: ``accept``, ``drop``, ``reject`` (argument: its kind), ``jump`` and ``goto`` (argument: the chain), ``return``,
    ``unknown`` (argument: what is not understood)."""

    kind: str
    argument: str = ""


class Rule:
    """One rule, as its tool tells it. ``line`` is its number in its chain, from 1."""

    tool = ""

    def __init__(self, family: str, table: str, chain: str, line: int, text: str, handle: int | None, packets: int | None) -> None:
        self.family, self.table, self.chain, self.line = family, table, chain, line
        self.text, self.handle, self.packets = text, handle, packets

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.tool, self.family, self.table, self.chain, self.line

    def apply(self, packet: flows.Packet, walk: Walk) -> Action | None:
        """What it does with this packet; None where it leaves it to the next rule."""
        raise NotImplementedError


class Chain:
    """Rules in their order. A base chain has a hook; ``siblings`` are the chains of its table by name."""

    def __init__(self, tool: str, family: str, table: str, name: str, siblings: dict[str, Chain]) -> None:
        self.tool, self.family, self.table, self.name, self.siblings = tool, family, table, name, siblings
        self.rules: list[Rule] = []
        self.hook = self.type = ""
        self.priority = 0
        self.policy = "accept"
        self.devices: tuple[str, ...] = ()
        self.age = (0, 0)  # of two chains of one priority, the kernel calls the younger first

    def sees(self, packet: flows.Packet) -> bool:
        if self.hook != packet.hook or {"ip": 4, "ip6": 6}.get(self.family, packet.version) != packet.version:
            return False
        return not self.devices or (packet.input_interface or packet.output_interface) in self.devices


class Verdict(t.NamedTuple):
    """``rule`` is None where the ``chain``'s policy decided, and ``chain`` where no rule was asked."""

    action: str
    reject_kind: str = ""
    rule: Rule | None = None
    chain: Chain | None = None
    member: tuple[str, str] | None = None

    @property
    def outcome(self) -> tuple[str, str]:
        return self.action, self.reject_kind


class _Fork(Exception):
    """A doubt that this walk has no assumption for."""

    def __init__(self, key: t.Any, rule: Rule, doubt: Doubt) -> None:
        super().__init__()
        self.key, self.rule, self.doubt = key, rule, doubt


class TooComplex(Exception):
    """More rules or more doubts than can be followed in bounded time."""


class Walk:
    """One way through the rules, under assumptions about what is in doubt."""

    def __init__(self, assumptions: dict[t.Any, tuple[Rule, Doubt, bool]]) -> None:
        self.assumptions = assumptions
        self.counted: list[Rule] = []  # the rules whose counter this packet moves, in order
        self.members: list[tuple[str, str]] = []  # (set, element) that the present rule has matched
        self.phase = ""
        self._rules = 0

    def assume(self, rule: Rule, doubt: Doubt) -> bool:
        key = (self.phase, rule.key, doubt)
        if key not in self.assumptions:
            raise _Fork(key, rule, doubt)
        return self.assumptions[key][2]

    def step(self) -> None:
        self._rules += 1
        if self._rules > _MOST_RULES:
            raise TooComplex("more than %d rules" % _MOST_RULES)


class Phase(t.NamedTuple):
    """How one direction of a flow went, under assumptions.

    :ivar passed: what the base chains said that let it go on. :ivar counted: the rules whose counters it moved.
    :ivar translated: the rules of NAT that it met.
    """

    name: str
    verdict: Verdict
    passed: tuple[Verdict, ...]
    counted: tuple[Rule, ...]
    translated: tuple[Verdict, ...]


class Run(t.NamedTuple):
    """One walk: its assumptions and its phases (``request``, and ``reply`` where the request was let through)."""

    assumptions: dict[t.Any, tuple[Rule, Doubt, bool]]
    phases: dict[str, Phase]


class Pivot(t.NamedTuple):
    """A rule on which the outcome depends, with the outcomes either way."""

    rule: Rule
    doubt: Doubt
    if_matched: tuple[tuple[str, str], ...]
    otherwise: tuple[tuple[str, str], ...]


class Decision(t.NamedTuple):
    """What happens to one direction of a flow. ``pivots`` is empty where that is certain; then ``phase`` tells the rule.
    Otherwise ``phase`` is what happens while no limit is reached, and ``runs`` are all that can happen."""

    phase: Phase
    pivots: tuple[Pivot, ...]
    runs: tuple[Run, ...]


def decide(flow: flows.Flow, chains: t.Sequence[Chain]) -> dict[str, Decision]:
    """What this host's rules do with a flow: ``request`` always, ``reply`` where the request may pass.

    :raises TooComplex: there is more in doubt than can be tried.
    """
    runs = _runs(flow, chains)
    decisions = {}
    for name in ("request", "reply"):
        there = [run for run in runs if name in run.phases]
        if there:
            usual = min(there, key=lambda run: sum(assumed != doubt.usually for _rule, doubt, assumed in run.assumptions.values()))
            decisions[name] = Decision(usual.phases[name], tuple(_pivots(there, name)), tuple(there))
    return decisions


def _runs(flow: flows.Flow, chains: t.Sequence[Chain]) -> list[Run]:
    runs: list[Run] = []
    waiting: list[dict[t.Any, tuple[Rule, Doubt, bool]]] = [{}]
    tried = 0
    while waiting:
        assumptions = waiting.pop()
        tried += 1
        if tried > _MOST_WALKS:
            raise TooComplex("more than %d combinations of what is in doubt" % _MOST_WALKS)
        try:
            runs.append(Run(assumptions, _follow(flow, chains, Walk(assumptions))))
        except _Fork as fork:
            waiting += [{**assumptions, fork.key: (fork.rule, fork.doubt, answer)} for answer in (True, False)]
    return runs


def _pivots(runs: t.Sequence[Run], name: str, depth: int = 0) -> t.Iterator[Pivot]:
    """The doubts that matter: those with other outcomes one way than the other. Walks assume in the order of the rules."""
    if len(runs) < 2:
        return
    key = list(runs[0].assumptions)[depth]
    rule, doubt, _answer = runs[0].assumptions[key]
    either = [[run for run in runs if run.assumptions[key][2] is answer] for answer in (True, False)]
    outcomes = [tuple(sorted({run.phases[name].verdict.outcome for run in part})) for part in either]
    if outcomes[0] != outcomes[1] and all(outcomes):
        yield Pivot(rule, doubt, outcomes[0], outcomes[1])
    for part in either:
        yield from _pivots(part, name, depth + 1)


def _follow(flow: flows.Flow, chains: t.Sequence[Chain], walk: Walk) -> dict[str, Phase]:
    connection = flows.Connection()
    phases: dict[str, Phase] = {}
    for name in ("request", "reply"):
        walk.phase, walk.counted = name, []
        phases[name] = _pass(name, flows.Packet(flow, connection, name == "reply"), chains, walk)
        if phases[name].verdict.action != "accept":
            break
    return phases


def _pass(name: str, packet: flows.Packet, chains: t.Sequence[Chain], walk: Walk) -> Phase:
    stations = flows.way(packet)
    passed: list[Verdict] = []
    translated: list[Verdict] = []
    while stations:
        station = stations.pop(0)
        packet.hook, packet.input_interface, packet.output_interface = station
        for step in _steps(packet, chains):
            if not isinstance(step, Chain):
                step()
                continue
            if step.type == "nat" and not packet.nat_decides:
                continue
            bound = len(packet.connection.bound)
            verdict = _ask(step, packet, walk)
            if len(packet.connection.bound) > bound:
                translated.append(verdict)
            if verdict.action != "accept":
                return Phase(name, verdict, tuple(passed), tuple(walk.counted), tuple(translated))
            passed.append(verdict)
        if station.hook == "prerouting":
            stations = flows.way_after_prerouting(packet, stations)
    packet.leave()
    return Phase(name, _deciding(passed), tuple(passed), tuple(walk.counted), tuple(translated))


def _deciding(passed: t.Sequence[Verdict]) -> Verdict:
    """Every chain had to let it pass. Told is the last rule that says so itself, otherwise the last policy."""
    asked = [verdict for verdict in passed if verdict.chain and verdict.chain.type != "nat"]
    spoken = [verdict for verdict in asked if verdict.rule]
    return (spoken or asked or [Verdict("accept")])[-1]


def _steps(packet: flows.Packet, chains: t.Sequence[Chain]) -> list[t.Any]:
    """The base chains of a packet's hook and what the kernel itself does between them, in order."""
    steps: list[tuple[tuple[int, ...], t.Any]] = []
    hook = packet.hook
    if hook in flows.DESTINATION_HOOKS:
        steps.append(((flows.PRIORITY_CONNTRACK, 0), packet.track))
    if hook in _NAT_PRIORITY:
        steps.append(((_NAT_PRIORITY[hook], 0), packet.translate_back))
    for chain in chains:
        if chain.sees(packet):
            table_age, chain_age = chain.age
            place = (_NAT_PRIORITY.get(hook, 0), 2) if chain.type == "nat" else (chain.priority, 1)
            steps.append(((*place, chain.priority, -table_age, -chain_age), chain))
    return [step for _order, step in sorted(steps, key=lambda pair: pair[0])]


def _ask(base: Chain, packet: flows.Packet, walk: Walk) -> Verdict:
    """One base chain, with all that it jumps to."""
    stack: list[tuple[Chain, int]] = [(base, 0)]
    while stack:
        chain, position = stack.pop()
        while position < len(chain.rules):
            rule = chain.rules[position]
            position += 1
            walk.step()
            walk.members = []
            action = rule.apply(packet, walk)
            if action is None:
                continue
            if action.kind in ("jump", "goto"):
                target = chain.siblings.get(action.argument)
                if target is None or len(stack) >= _DEEPEST_JUMP:
                    return Verdict("unknown", action.argument, rule, chain)
                if action.kind == "jump":
                    stack.append((chain, position))
                chain, position = target, 0
            elif action.kind == "return":
                break
            else:
                return Verdict(action.kind, action.argument, rule, chain, walk.members[-1] if walk.members else None)
    return Verdict(base.policy, "", None, base)

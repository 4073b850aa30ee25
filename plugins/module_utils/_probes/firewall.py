# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule of this host's packet filter decides a flow, whoever wrote it: nftables, iptables, ufw, firewalld, docker, fail2ban.

The rules are read and followed, not tried; on request, the counter of the deciding rule proves it. Needs root to read them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import boot, firewalld, proof, reading
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import owner as owners
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import Flow
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.place import NoWay, flow_of
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import (
    Chain,
    Decision,
    Phase,
    Pivot,
    Rule,
    TooComplex,
    Verdict,
    decide,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "direction": {"type": "str", "choices": ["outbound", "inbound"], "default": "outbound"},
    "local_address": {"type": "str"},
    "interface": {"type": "str"},
    "user": {"type": "str"},
    "prove": {"type": "bool", "default": False},
}

_STOPPED = {"drop": "drops", "reject": "rejects"}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``firewall.rule`` for the request, and for the reply where the request may pass; ``firewall.managers``; and where
    firewalld runs, ``firewall.firewalld``. The outcome passes where both directions may.

    ``firewall.rule``: ``ok`` is allowed, ``fail`` dropped or rejected. ``direction``, ``phase`` (``request``, ``reply``), ``protocol``,
    ``address`` (the peer's), ``port``, ``local_address``, ``interface``, ``uid`` (null where no socket has it or it is not known),
    ``verdict`` (``accept``, ``drop``, ``reject``, ``conditional``, ``unknown``), ``reject_kind`` (``tcp_reset`` or the name of the ICMP
    error as ``tcp.connect`` has it), ``tool`` (``nftables``, ``iptables``, ``ip6tables``, ``iptables-legacy``, ``ip6tables-legacy``,
    ``none`` where no rule was asked), ``owner`` (``ufw``, ``firewalld``, ``docker``, ``fail2ban``, ``none``), ``family``, ``table``,
    ``chain``, ``handle`` (nftables), ``line`` (its number in the chain, from 1), ``rule`` (its text), ``policy`` (the chain's policy
    decided), ``counter_packets``, ``counter_delta`` (null without a counter or without ``prove``), ``proved``, ``set_member`` (``set``
    and ``element``, or null), ``translated`` (texts of the NAT rules that change the flow), ``managers``, ``boot`` (of a rule of
    nobody's that stops the flow, where it is loaded from when the host boots: :func:`_firewall.boot.place`), ``conditional``: the rules on
    whose state the verdict depends, each with ``rule``, ``table``, ``chain``, ``handle``, ``line``, ``kind`` (``limit``, ``connlimit``,
    ``quota``, ``recent``, ``random``, ``time``, ``source_port``, ``unknown``), ``detail``, ``if_matched``, ``otherwise``,
    ``counter_packets``, ``counter_delta``. Where ``conditional``, the other facts are those of what happens while no limit is reached,
    ``usual_verdict``. ``reason`` of ``cannot_tell``: ``conditional``, ``unknown_expression``, ``not_permitted``, ``not_found``,
    ``timed_out``, ``too_large``, ``not_understood``, ``too_complex``, ``no_route``, ``no_such_user``.

    The others have ``direction``, ``address`` and ``port`` too.

    ``firewall.managers``: ``managers`` (each with ``name``, ``rules``), ``ufw_enabled``, ``firewalld_running``, ``conflict``: one
    stops the flow (``stopped_by``) that another allows (``allowed_by``, rules with ``owner``).

    ``firewall.firewalld``: ``zone``, ``zone_by`` (``source``, ``interface``, ``default``), ``interface``, ``interface_assigned``,
    ``default_zone``, ``runtime_only``, ``permanent_only``, ``concerns_flow``, ``concerning`` (the entries of both that are about the
    flow), ``allowing_zones``, ``opening_zones`` (those of them that were opened for its port).
    """
    started = time.time()
    try:
        flow = flow_of(parameters, context)
        chains = reading.read_chains(context)
        decisions = decide(flow, chains)
    except NoWay as problem:
        return _cannot_tell(parameters, context, started, "no_route", problem)
    except KeyError as problem:
        return _cannot_tell(parameters, context, started, "no_such_user", problem)
    except reading.Unreadable as problem:
        return _cannot_tell(parameters, context, started, problem.reason, problem)
    except TooComplex as problem:
        return _cannot_tell(parameters, context, started, "too_complex", problem)
    return _Report(parameters, context, started, flow, chains).record(decisions)


def _cannot_tell(parameters: dict[str, t.Any], context: Context, started: float, reason: str, problem: Exception) -> Outcome:
    context.observe(
        "firewall.rule", "cannot_tell", _target(parameters), "the firewall's rules can't tell: %s" % reason.replace("_", " "),
        data={"direction": parameters["direction"], "phase": "request", "protocol": parameters["protocol"], "port": parameters["port"],
              "address": parameters["address"], "reason": reason, "detail": context.text(problem, 300)},
        started=started, reproduce="nft list ruleset")
    return Outcome(False)


def _target(parameters: dict[str, t.Any]) -> str:
    address = parameters["address"]
    if parameters["direction"] == "inbound":
        return "port %d from %s" % (parameters["port"], address)
    return "[%s]:%d" % (address, parameters["port"]) if ":" in address else "%s:%d" % (address, parameters["port"])


class _Report:
    """Turns decisions into observations."""

    def __init__(self, parameters: dict[str, t.Any], context: Context, started: float, flow: Flow, chains: list[Chain]) -> None:
        self._parameters, self._context, self._started, self._flow, self._chains = parameters, context, started, flow, chains
        self._firewalld = firewalld.read_state(context) if _has_firewalld(chains) else None
        self._direct = owners.direct_options(self._firewalld.runtime_direct) if self._firewalld else set()
        self._managers = owners.managers(reading.rules_of(chains), self._direct)
        self._seen = self._proof() if parameters["prove"] else None

    def _proof(self) -> proof.Moved | None:
        before = proof.packets_of(self._chains)
        connected = proof.provoke(self._flow, self._context)
        try:
            return proof.moved(before, proof.packets_of(reading.read_chains(self._context)), connected)
        except reading.Unreadable:
            return None

    def record(self, decisions: dict[str, Decision]) -> Outcome:
        passed = {name: self._decision(name, decision) for name, decision in decisions.items()}
        self._record_managers(decisions)
        if self._firewalld is not None:
            self._record_firewalld(self._firewalld)
        return Outcome(len(passed) == 2 and all(passed.values()))

    def _decision(self, name: str, decision: Decision) -> bool:
        phase, pivots = decision.phase, decision.pivots
        happened = proof.proved(decision, name, self._seen) if pivots and self._seen else None
        if happened:
            phase, pivots = happened, ()
        verdict = phase.verdict
        unknown = [pivot for pivot in pivots if pivot.doubt.kind == "unknown"]
        data = self._facts(name, phase)
        data["conditional"] = [self._pivot(pivot) for pivot in decision.pivots]
        data["proved"] = bool(happened or (self._seen and not pivots and self._seen.of(verdict.rule)))
        status = {"accept": "ok", "drop": "fail", "reject": "fail"}.get(verdict.action, "cannot_tell")
        if pivots:
            status, data["usual_verdict"] = "cannot_tell", verdict.action
            data["verdict"], data["reason"] = ("unknown", "unknown_expression") if unknown else ("conditional", "conditional")
        elif status == "cannot_tell":
            data["reason"], data["detail"] = "unknown_expression", self._context.text(verdict.reject_kind, 200)
        chain = (unknown or pivots)[0].rule if pivots else verdict.rule
        self._context.observe(
            "firewall.rule", status, _target(self._parameters), self._sentence(name, data, status), data=data, started=self._started,
            reproduce=_show(chain, verdict.chain), address=self._flow.local)
        return status == "ok"

    def _facts(self, name: str, phase: Phase) -> dict[str, t.Any]:
        verdict, flow = phase.verdict, self._flow
        rule, chain = verdict.rule, verdict.chain
        return {
            "direction": flow.direction,
            "phase": name,
            "protocol": flow.protocol,
            "address": flow.peer,
            "port": self._parameters["port"],
            "local_address": flow.local,
            "interface": flow.interface,
            "uid": flow.uid if isinstance(flow.uid, int) else None,
            "verdict": verdict.action,
            "reject_kind": verdict.reject_kind if verdict.action == "reject" else "",
            "tool": chain.tool if chain else "none",
            "owner": owners.owner(verdict, self._direct),
            "family": chain.family if chain else "",
            "table": chain.table if chain else "",
            "chain": chain.name if chain else "",
            "handle": rule.handle if rule else None,
            "line": rule.line if rule else None,
            "rule": self._text(rule),
            "policy": bool(chain and not rule),
            "counter_packets": rule.packets if rule else None,
            "counter_delta": self._seen.of(rule) if self._seen else None,
            "set_member": {"set": verdict.member[0], "element": verdict.member[1]} if verdict.member else None,
            "translated": [self._text(one.rule) for one in phase.translated if one.rule],
            "managers": sorted(self._managers),
            "boot": self._boot(verdict),
        }

    def _boot(self, verdict: Verdict) -> dict[str, t.Any] | None:
        chain = verdict.chain
        if chain is None or verdict.action not in _STOPPED or owners.owner(verdict, self._direct) != "none":
            return None
        text = self._text(verdict.rule)
        if verdict.rule and not text:
            return {"why_not": "the rule's own text could not be read"}
        return boot.place(self._context, chain.tool, chain.family, chain.table, chain.name, text)

    def _flow_facts(self) -> dict[str, t.Any]:
        return {"direction": self._flow.direction, "address": self._flow.peer, "port": self._parameters["port"]}

    def _pivot(self, pivot: Pivot) -> dict[str, t.Any]:
        return {
            "rule": self._text(pivot.rule),
            "tool": pivot.rule.tool,
            "family": pivot.rule.family,
            "table": pivot.rule.table,
            "chain": pivot.rule.chain,
            "handle": pivot.rule.handle,
            "line": pivot.rule.line,
            "kind": pivot.doubt.kind,
            "detail": self._context.text(pivot.doubt.detail, 200),
            "if_matched": [" ".join(filter(None, outcome)) for outcome in pivot.if_matched],
            "otherwise": [" ".join(filter(None, outcome)) for outcome in pivot.otherwise],
            "counter_packets": pivot.rule.packets,
            "counter_delta": self._seen.of(pivot.rule) if self._seen else None,
        }

    def _text(self, rule: Rule | None) -> str:
        return self._context.text(reading.text_of(self._context, rule), 500) if rule else ""

    def _sentence(self, name: str, data: dict[str, t.Any], status: str) -> str:
        who = "%s %s %s" % (name, "to" if data["direction"] == "outbound" else "for", _target(self._parameters))
        where = "%s table %s %s, chain %s" % (data["tool"], data["family"], data["table"], data["chain"])
        if status == "cannot_tell":
            named = data["conditional"][0]["rule"] if data["conditional"] else data["rule"]
            return "whether the %s may pass depends on the rule '%s'" % (who, named)
        if data["tool"] == "none":
            return "no rule of this host is asked about the %s" % who
        what = "the policy of %s" % where if data["policy"] else "the rule '%s' (%s%s)" % (
            data["rule"], where, ", handle %d" % data["handle"] if data["handle"] else ", line %d" % data["line"])
        return "%s %s the %s" % (what, _STOPPED.get(data["verdict"], "lets pass"), who)

    def _record_managers(self, decisions: dict[str, Decision]) -> None:
        stopped = next((one.phase.verdict for one in decisions.values() if one.phase.verdict.action in _STOPPED and not one.pivots), None)
        allowed = self._allowed_elsewhere(stopped) if stopped else []
        running, ufw = self._firewalld is not None, owners.ufw_enabled()
        conflict = bool(allowed) or (running and ufw)
        self._context.observe(
            "firewall.managers", "warn" if conflict else "ok", _target(self._parameters), _managers_sentence(self._managers, bool(allowed)),
            data={
                **self._flow_facts(),
                "managers": [{"name": name, "rules": count} for name, count in sorted(self._managers.items())],
                "ufw_enabled": ufw,
                "firewalld_running": running,
                "conflict": conflict,
                "stopped_by": self._who(stopped) if stopped else None,
                "allowed_by": allowed,
            },
            started=self._started, reproduce="nft list ruleset")

    def _allowed_elsewhere(self, stopped: Verdict) -> list[dict[str, t.Any]]:
        """The rules of others that let the flow pass at the hook at which it is stopped."""
        base = self._base_of(stopped)
        found = []
        for chain in self._chains:
            if base is None or chain is base or chain.hook != base.hook or chain.type == "nat":
                continue
            verdicts = [one.phase.verdict for one in self._alone(chain).values() if one.phase.verdict.rule and not one.pivots]
            found += [self._who(one) for one in verdicts if one.action == "accept"
                      and owners.owner(one, self._direct) != owners.owner(stopped, self._direct)]
        return found

    def _base_of(self, verdict: Verdict) -> Chain | None:
        """The base chain from which a verdict was reached: the table's one at a hook of the flow's way."""
        return next((chain for chain in self._chains if verdict.chain is not None and chain.siblings is verdict.chain.siblings
                     and verdict.outcome in [one.phase.verdict.outcome for one in self._alone(chain).values()]), None)

    def _alone(self, chain: Chain) -> dict[str, Decision]:
        """What would happen to the flow if there were no other chain."""
        try:
            return decide(self._flow, [chain])
        except TooComplex:
            return {}

    def _who(self, verdict: Verdict) -> dict[str, t.Any]:
        chain = verdict.chain
        return {
            "owner": owners.owner(verdict, self._direct),
            "tool": chain.tool if chain else "none",
            "table": chain.table if chain else "",
            "chain": chain.name if chain else "",
            "rule": self._text(verdict.rule),
        }

    def _record_firewalld(self, state: firewalld.State) -> None:
        seen = firewalld.view(state, self._flow)
        self._context.observe(
            "firewall.firewalld",
            "warn" if seen.concerning or (self._flow.direction == "inbound" and not seen.assigned) else "ok",
            self._flow.interface,
            "firewalld puts the flow in zone %s (by %s)%s" % (
                seen.zone, seen.by, "; what is in force and what is permanent differ" if seen.runtime_only or seen.permanent_only else ""),
            data={
                **self._flow_facts(),
                "zone": seen.zone,
                "zone_by": seen.by,
                "interface": self._flow.interface,
                "interface_assigned": seen.assigned,
                "default_zone": state.default_zone,
                "runtime_only": [self._context.text(one, 300) for one in seen.runtime_only[:50]],
                "permanent_only": [self._context.text(one, 300) for one in seen.permanent_only[:50]],
                "concerns_flow": bool(seen.concerning),
                "concerning": [self._context.text(one, 300) for one in seen.concerning[:50]],
                "allowing_zones": seen.allowing,
                "opening_zones": seen.opening,
            },
            started=self._started,
            reproduce="firewall-cmd --get-active-zones; firewall-cmd --zone=%s --list-all; firewall-cmd --permanent --zone=%s --list-all"
            % (seen.zone, seen.zone))


def _show(rule: Rule | None, chain: Chain | None) -> str:
    if rule is not None and rule.tool != "nftables":
        return "%s -t %s -L %s -v -n --line-numbers" % (rule.tool, rule.table, rule.chain)
    if rule is not None:
        return "nft -a list chain %s %s %s" % (rule.family, rule.table, rule.chain)
    return reading.show_command(chain) if chain is not None else "nft list ruleset"


def _has_firewalld(chains: t.Iterable[Chain]) -> bool:
    """firewalld's own program is slow: it is asked only where it has left a trace."""
    return os.path.exists("/run/firewalld.pid") or any(chain.table.startswith("firewalld") for chain in chains)


def _managers_sentence(managers: dict[str, int], contradicted: bool) -> str:
    if not managers:
        return "this host has no packet filter rules"
    told = ", ".join("%s (%d)" % (name, count) for name, count in sorted(managers.items()))
    return "rules by: %s%s" % (told, "; what one of them allows, another stops" if contradicted else "")

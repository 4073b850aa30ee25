# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allows exactly one flow, in the tool that owns the rule which stops it, before that rule; nothing is flushed, and no more is opened.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _openings
from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule
from ansible_collections.connectivity.doctor.plugins.plugin_utils._openings import ban, firewalld
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_STOPS = ("drop", "reject")
# One of firewalld's takes most of a second, and all must be done well before the host puts itself back.
_MOST = 40
# A rule that asks for the user who owns the socket, in the words of nftables and of iptables.
_ASKS_THE_OWNER = re.compile(r"\bskuid\b|--uid-owner")


def _plan(trouble: Trouble, name: str) -> Change:
    mark = "connectivity.doctor %s" % name
    planned = [opening for one in trouble.everyone() for opening in _PLANS.get(one.cause["code"], _flows)(one, mark)]
    openings = list(dict.fromkeys(planned))  # two endpoints may be one flow
    if len(openings) > _MOST:
        raise NoRemedy("it stops %d flows, more than the %d that are allowed one by one; allow their network" % (len(openings), _MOST))
    return Change(
        summary=_told(openings),
        parameters={"openings": [opening.task for opening in openings]},
        files=tuple(dict.fromkeys(path for opening in openings for path in opening.kept)),
        commands=tuple(argv for opening in openings for argv in opening.undo),
        mark=mark if any(opening.marked for opening in openings) else "",
        settles_s=3.0,
    )


def _flows(trouble: Trouble, mark: str) -> list[Opening]:
    """Each flow that a rule stops, once."""
    return [_openings.allow(rule, _flow(trouble, rule), mark, _state(trouble, rule)) for rule in _stopping(trouble)]


def _bans(trouble: Trouble, mark: str) -> list[Opening]:
    found = []
    for rule in _stopping(trouble):
        flow = _flow(trouble, rule)
        found.append(ban.lift(rule, flow) or _openings.allow(rule, flow, mark, _state(trouble, rule)))
    return found


def _both_states(trouble: Trouble, mark: str) -> list[Opening]:
    """What firewalld stops now is allowed; what only a reload would stop is kept."""
    if any(rule["data"]["verdict"] in _STOPS for rule in trouble.proofs("firewall.rule")):
        return _flows(trouble, mark)
    return [firewalld.keep(state["data"]) for state in trouble.proofs("firewall.firewalld")]


def _no_more_than(trouble: Trouble, mark: str) -> list[Opening]:
    raise NoRemedy("how many connections may come is for a person to decide, and a rule before the limit would do away with it")


_PLANS = {
    "firewall.banned": _bans,
    "firewall.runtime_permanent_differ": _both_states,
    "firewall.connection_limit": _no_more_than,
}


def _stopping(trouble: Trouble) -> list[Rule]:
    """:raises NoRemedy: the proof is another one, and what rule it is was not seen."""
    found = {}
    for proof in trouble.proofs("firewall.rule"):
        rule = proof["data"]
        if rule.get("verdict") in _STOPS:
            found[rule["direction"], rule["phase"], rule["protocol"], rule["address"], rule["port"]] = rule
    if not found:
        raise NoRemedy("the proof has no rule that surely stops the flow")
    # What stands further down comes first: a number before which something is inserted stays right. And the same plan reads the same.
    return sorted(found.values(), key=lambda rule: (-(rule["line"] or 0), ":" in rule["address"], rule["address"], rule["port"]))


def _flow(trouble: Trouble, rule: Rule) -> Flow:
    """The packets that the rule stops. Where it is about one user, only that user's."""
    answers = rule["phase"] == "reply"
    one_user = trouble.cause["code"] == "firewall.owner_rule" or _ASKS_THE_OWNER.search(rule["rule"])
    return Flow(rule["protocol"], rule["address"], rule["port"], incoming=(rule["direction"] == "inbound") != answers, answers=answers,
                uid=rule["uid"] if one_user else None)


def _state(trouble: Trouble, rule: Rule) -> Rule:
    """What firewalld, where it runs, told of the same flow."""
    return next((one["data"] for one in trouble.endpoint["observations"] if one["check"] == "firewall.firewalld"
                 and (one["data"].get("direction"), one["data"].get("address")) == (rule["direction"], rule["address"])), {})


def _told(openings: list[Opening]) -> str:
    """What is done where, each place once, and why it is not done for good."""
    places: dict[tuple[str, str], list[str]] = {}
    for opening in openings:
        where = " and ".join([opening.where, *([opening.insertion.path] if opening.insertion else [])])
        places.setdefault((where, opening.passing), []).append(opening.does)
    return "; ".join("in %s, %s%s" % (where, " and ".join(what), " (in the running rules only, as %s)" % passing if passing else "")
                     for (where, passing), what in places.items())


REMEDY = Remedy("open_firewall", _plan)

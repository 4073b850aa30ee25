# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a report to the changes that may be made: what is proved, is on the host itself, is allowed, and is not too much. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble

# Below this, a look-alike is left that nothing has excluded; what is changed must be proved.
_LEAST_CONFIDENCE = 0.8


class PolicyError(ValueError):
    """A policy that can't be meant; the text says what would be right."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """``allow``: classes and cause codes that may be remediated. ``max_hosts``: how many hosts may be changed, 0 for any number."""

    allow: tuple[str, ...] = (AUTOMATIC,)
    max_hosts: int = 0

    def __post_init__(self) -> None:
        known = (AUTOMATIC, GUARDED, *CATALOGUE)
        for entry in self.allow:
            if entry not in known:
                near = difflib.get_close_matches(entry, known, 1)
                raise PolicyError("connectivity_allow: %r is no class and no cause code; %s" % (
                    entry, "did you mean %r?" % near[0] if near else "it has automatic, guarded and cause codes"))
        if self.max_hosts < 0:
            raise PolicyError("connectivity_max_hosts: %d; it is 0 for any number, or more" % self.max_hosts)


@dataclasses.dataclass(frozen=True)
class Step:
    """One remediation of one host. ``refused`` says which rule said no, and is empty where none did; then there is a ``change``."""

    name: str
    host: str
    endpoint: str
    code: str
    action: str
    summary: str
    refused: str
    why: tuple[str, ...]
    change: Change | None = None


def plan(report: t.Mapping[str, t.Any], policy: Policy, run: str, changed: t.Collection[str] = ()) -> list[Step]:
    """:param run: a name that no other run has. :param changed: hosts that this run has changed already.

    :returns: for every cause of the report what is to be done, or why nothing is; one host's steps stand together.
    """
    steps: list[Step] = []
    hosts_changed = set(changed)
    done: set[tuple[str, str, str]] = set()
    for host, seen in report["hosts"].items():
        for name, endpoint in seen["endpoints"].items():
            for cause in endpoint["causes"]:
                step = _step(Trouble(host, {**endpoint, "name": name}, cause), policy, "%s-%d" % (run, len(steps)))
                again = (host, step.action, step.summary)
                if not step.refused and again in done:  # one unit may serve several endpoints; it is restarted once
                    continue
                done.add(again)
                if not step.refused and policy.max_hosts and len(hosts_changed | {host}) > policy.max_hosts:
                    step = dataclasses.replace(
                        step, change=None, refused="connectivity_max_hosts allows %d hosts to be changed" % policy.max_hosts)
                if not step.refused:
                    hosts_changed.add(host)
                steps.append(step)
    return steps


def _step(trouble: Trouble, policy: Policy, name: str) -> Step:
    cause = trouble.cause
    action = cause["remediation"]["action"]
    change: Change | None = None
    refused = _refusal(trouble, policy)
    if not refused:
        try:
            change = REMEDIES[action].plan(trouble, name)
        except NoRemedy as problem:
            refused = str(problem)
    return Step(
        name=name, host=trouble.host, endpoint=trouble.endpoint["name"], code=cause["code"], action=action,
        summary=change.summary if change else cause["advice"], refused=refused, change=change,
        why=tuple(trouble.endpoint["observations"][number]["message"] for number in cause["evidence"]),
    )


def _refusal(trouble: Trouble, policy: Policy) -> str:
    """The first rule that says no. What nobody but a person can do is not even a question of policy."""
    cause = trouble.cause
    remediation = cause["remediation"]
    if ESCALATE in (remediation["class"], remediation["action"]):
        return "it must be escalated"
    if cause["locus"]["host"] != trouble.host:
        return "the trouble is at %s, not on this host" % cause["locus"]["host"]
    if "decide_by" in cause:
        return "it is one of several candidates; what would decide: %s" % cause["decide_by"]
    if cause["confidence"] < _LEAST_CONFIDENCE:
        return "it is not sure enough (%d %%)" % round(cause["confidence"] * 100)
    if remediation["class"] not in policy.allow and cause["code"] not in policy.allow:
        return "connectivity_allow has neither %r nor %r" % (remediation["class"], cause["code"])
    if remediation["action"] not in REMEDIES:
        return "no remedy %s is known yet" % remediation["action"]
    return ""

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a report to the steps of its remediation. What several hosts have of one server is one step, on that server. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy, refusal
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_order import ordered
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble

# Of thousands of hosts that share a server, so many show that it still works for those who had no trouble.
_MOST_BYSTANDERS = 4

Report = t.Mapping[str, t.Any]


def plan(
    report: Report, policy: Policy, run: str, play: t.Collection[str] = (), done: t.Iterable[t.Mapping[str, t.Any]] = (),
) -> list[Step]:
    """:param run: a name that no other run has. :param play: all hosts that may be touched; without them, those of the report.
    :param done: rows of the report of what this run did before, to hosts of earlier batches.

    :returns: for every cause of the report what is to be done, or why nothing is.
    """
    steps = _once([_step(trouble, no, "%s-%d" % (run, number))
                   for number, (trouble, no) in enumerate(_gathered(report, policy, play or report["hosts"]))])
    return ordered([_with_bystanders(step, report) for step in steps], policy.max_hosts, list(done))


def _gathered(report: Report, policy: Policy, play: t.Collection[str]) -> list[tuple[Trouble, str]]:
    """Each trouble with why it is refused; what several hosts have of the same place is one, also where one of them is that place."""
    groups: dict[tuple[str, ...], list[Trouble]] = {}
    for host, seen in report["hosts"].items():
        for name, endpoint in seen["endpoints"].items():
            for cause in endpoint["causes"]:
                trouble = Trouble(host, {**endpoint, "name": name}, cause, approved_ca=policy.approved_ca)
                place = trouble.place if trouble.place in play else "out of reach"
                key = (place, "%(host)s:%(port)s" % endpoint, cause["code"], refusal(trouble, policy, play))
                groups.setdefault(key, []).append(trouble)
    return [(trouble, refused) for (*_where, refused), troubles in groups.items() for trouble in _shared(troubles)]


def _shared(troubles: t.Sequence[Trouble]) -> list[Trouble]:
    first, *others = sorted(troubles, key=lambda trouble: not trouble.is_elsewhere)
    return [dataclasses.replace(first, others=tuple(others))] if first.is_elsewhere else list(troubles)


def _step(trouble: Trouble, refused: str, name: str) -> Step:
    cause = trouble.cause
    change: Change | None = None
    if not refused:
        try:
            change = REMEDIES[cause["remediation"]["action"]].plan(trouble, name)
        except NoRemedy as problem:
            refused = str(problem)
    sufferers: dict[str, tuple[str, ...]] = {}
    for one in trouble.everyone():
        sufferers[one.host] = (*sufferers.get(one.host, ()), str(one.endpoint["name"]))
    action = cause["remediation"]["action"]
    return Step(
        name=name, host=trouble.place if change and not REMEDIES[action].only_looks else trouble.host, code=cause["code"], action=action,
        summary=change.summary if change else cause["advice"], refused=refused, change=change, trouble=trouble, sufferers=sufferers,
        why=tuple(trouble.endpoint["observations"][number]["message"] for number in cause["evidence"]),
    )


def _once(steps: t.Iterable[Step]) -> list[Step]:
    """One unit may serve several endpoints; it is restarted once, and all of them must be well then."""
    found: dict[tuple[str, ...], Step] = {}
    for step in steps:
        key = (step.host, step.action, step.summary) if step.change else (step.name,)
        first = found.get(key)
        if first:
            both = {host: tuple(dict.fromkeys((*first.sufferers.get(host, ()), *step.sufferers.get(host, ()))))
                    for host in (*first.sufferers, *step.sufferers)}
            step = dataclasses.replace(first, sufferers=both)
        found[key] = step
    return list(found.values())


def _with_bystanders(step: Step, report: Report) -> Step:
    """Who uses the server that is changed, and the server itself."""
    if not step.change or not step.trouble.is_elsewhere:
        return step
    users = [host for host, seen in report["hosts"].items() if host not in step.sufferers and host != step.host
             and any(endpoint["server"] == step.host for endpoint in seen["endpoints"].values())]
    own = [step.host] if step.host in report["hosts"] and step.host not in step.sufferers else []
    return dataclasses.replace(step, bystanders=(*own, *users[:_MOST_BYSTANDERS]))

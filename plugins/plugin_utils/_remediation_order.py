# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the planned steps are taken, and when: none in vain, on no more hosts than allowed, one of each cause first. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step, did_not_help, helped, refused
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Trouble

Row = t.Mapping[str, t.Any]


def ordered(steps: t.Sequence[Step], most_hosts: int, earlier: t.Sequence[Row]) -> list[Step]:
    """:param most_hosts: how many may be changed, 0 for any number. :param earlier: rows of the report of what this run did before.

    :returns: the steps in waves, and refused where a rule of order says no.
    """
    changed = {row["host"] for row in earlier if row["result"] not in ("refused", "would_change")}
    # What is changed elsewhere comes first, as more depends on it.
    first_elsewhere = sorted(steps, key=lambda step: not step.trouble.is_elsewhere)
    return _in_waves(_one_first(_not_in_vain(_no_more_than(most_hosts, first_elsewhere, changed)), earlier))


def _not_in_vain(steps: list[Step]) -> list[Step]:
    """What needs the way to the endpoint waits for what is changed elsewhere, and is refused where nothing is."""
    stopped: dict[tuple[str, str], list[Step]] = {}
    for other in steps:
        if other.trouble.is_elsewhere and _stops(other.trouble):
            for host, endpoints in other.sufferers.items():
                for endpoint in endpoints:
                    stopped.setdefault((host, endpoint), []).append(other)
    told = []
    for step in steps:
        stopping = stopped.get((step.host, step.endpoint), []) if step.change and REMEDIES[step.action].needs_the_way else []
        left = [other for other in stopping if not other.change]
        if left:
            step = refused(step, "it would be in vain, as %s, which is not changed" % left[0].trouble.cause["summary"])
        told.append(dataclasses.replace(step, needs=tuple(other.name for other in stopping)) if step.change else step)
    return told


def _stops(trouble: Trouble) -> bool:
    """A warning does not stop anybody, and no more does what nobody has proved."""
    observations = (trouble.endpoint["observations"][number] for number in trouble.cause["evidence"])
    return "decide_by" not in trouble.cause and any(one["status"] == "fail" and "side" not in one for one in observations)


def _no_more_than(most: int, steps: list[Step], changed: set[str]) -> list[Step]:
    told = []
    for step in steps:
        if step.change and most and len(changed | {step.host}) > most:
            step = refused(step, "connectivity_max_hosts allows %d hosts to be changed" % most)
        elif step.change:
            changed = changed | {step.host}
        told.append(step)
    return told


def _one_first(steps: list[Step], earlier: t.Iterable[Row]) -> list[Step]:
    """Of each cause, one host goes first, and the others need it; where it went before, in an earlier batch, what became of it decides."""
    before = {(row["code"], row["action"]): row for row in earlier if row["result"] != "refused"}
    first: dict[tuple[str, str], Step] = {}
    told = []
    for step in steps:
        key = (step.code, step.action)
        row = before.get(key)
        if step.change and row and not helped(row):
            step = refused(step, did_not_help(row))
        elif step.change and not row and first.setdefault(key, step) is not step:
            step = dataclasses.replace(step, needs=(*step.needs, first[key].name))
        told.append(step)
    return told


def _in_waves(steps: list[Step]) -> list[Step]:
    """Each as early as its hosts are free, and what it needs is done; what it needs stands before it."""
    free: dict[str, int] = {}
    waves: dict[str, int] = {}
    told = []
    for step in steps:
        if not all(need in waves for need in step.needs):
            step = refused(step, "what had to help first is not done")
        if step.change:
            hosts = {step.host, *step.watchers}
            waves[step.name] = max([0, *(free.get(host, 0) for host in hosts), *(waves[need] + 1 for need in step.needs)])
            free.update(dict.fromkeys(hosts, waves[step.name] + 1))
        told.append(dataclasses.replace(step, wave=waves.get(step.name, 0)))
    return told

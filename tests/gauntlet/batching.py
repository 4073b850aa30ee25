# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts faults together that one command can remediate at once: each on a client of its own, and none where another one needs it well.

Clients are alike, so a fault that is declared for one of them may be shown on another one.
"""
from __future__ import annotations

import dataclasses
import json
import re
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import SERVERS, Remediable, Row
from ansible_collections.connectivity.doctor.tests.gauntlet.scheduling import Needs, needs
from ansible_collections.connectivity.doctor.tests.lab.topology import hosts

# What changes, for all machines, the one kernel that they share.
_ALONE = ("raise_conntrack_limit",)
_CLIENTS = {name: host for name, host in hosts().items() if host.group == "clients"}


def batches(cases: t.Iterable[Remediable]) -> list[list[Remediable]]:
    """Each case is in one batch: the first one that has room for it, and those have the first choice that change what others share."""
    made: list[list[Remediable]] = []
    for case in sorted(cases, key=_shared, reverse=True):
        for batch in made:
            fitting = next((one for one in _places(case) if _fits(one, batch)), None)
            if fitting:
                batch.append(fitting)
                break
        else:
            made.append([case])
    return made


def quickest_of_each_action(cases: t.Iterable[Remediable], seconds: t.Callable[[Remediable], float]) -> list[Remediable]:
    """One case for each remedy, rather one that is little in others' way. :param seconds: how long a case took when it was recorded."""
    chosen: dict[str, Remediable] = {}
    for case in sorted(cases, key=lambda one: (bool(one.refused), len(one.changes), _shared(one), seconds(one), one.fault.name)):
        for row in case.changes:
            chosen.setdefault(row.action, case)
    return list({case.fault.name: case for case in chosen.values()}.values())


def moved(case: Remediable, host: str) -> Remediable:
    """The same on another client, in all that is done and said."""
    old, new = _CLIENTS[case.fault.host], _CLIENTS[host]
    text = json.dumps(dataclasses.asdict(case.fault))
    for before, after in ((old.name, new.name), (old.address4, new.address4), (old.address6, new.address6)):
        text = re.sub(r"(?<![\w.:])%s(?![\w:])" % re.escape(before), after, text)
    values = json.loads(text)
    fault = Fault(**{**values, "name": case.fault.name, "expect": case.fault.expect, "beside": tuple(values["beside"])})

    def at(rows: frozenset[Row]) -> frozenset[Row]:
        return frozenset(row._replace(host=host) if row.host == old.name else row for row in rows)

    return Remediable(fault, at(case.changes), at(case.refused))


def wanted(case: Remediable) -> Needs:
    """As it needs machines for a diagnosis, and its client for itself."""
    fault = case.fault
    found = needs(fault)
    changed = found.changed | {fault.host, *fault.beside, *(row.host for row in case.changes)}
    return found._replace(changed=changed, alone=any(row.action in _ALONE for row in case.changes))


def _shared(case: Remediable) -> int:
    """How much of what others need is changed: nobody goes beside one that changes the way or the names."""
    changed = wanted(case).changed - set(_CLIENTS)
    return len(changed) + (len(hosts()) if wanted(case).alone or changed - set(SERVERS) else 0)


def _places(case: Remediable) -> t.Iterator[Remediable]:
    """The case as it is, and on the other clients where it is about one of them alone."""
    yield case
    told = json.dumps(dataclasses.asdict(case.fault))
    if [name for name in _CLIENTS if re.search(r"\b%s\b" % name, told)] == [case.fault.host]:
        for host in _CLIENTS:
            if host != case.fault.host:
                yield moved(case, host)


def _fits(case: Remediable, batch: t.Sequence[Remediable]) -> bool:
    return not any(wanted(case).disturbs(wanted(other)) for other in batch)

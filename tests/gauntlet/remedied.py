# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of the faults that have a remedy, as a table and as a document."""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import Remediable


@dataclasses.dataclass
class Outcome:
    """What became of one case. ``complaints``: what is not as it should be. ``seconds``: of the command that remediated its batch."""

    case: Remediable
    complaints: list[str] = dataclasses.field(default_factory=list)
    seconds: float = 0.0

    def tell(self, what: str, complaints: t.Iterable[str]) -> None:
        self.complaints += ["%s: %s" % (what, complaint) for complaint in complaints]

    @property
    def actions(self) -> list[str]:
        return sorted({row.action for row in self.case.changes})


def as_document(outcomes: t.Sequence[Outcome]) -> dict[str, t.Any]:
    """The content of ``remediation.json``."""
    return {
        "cases": [
            {"name": one.case.fault.name, "layer": one.case.fault.layer, "host": one.case.fault.host,
             "changes": [row._asdict() for row in sorted(one.case.changes)], "refused": [row._asdict() for row in sorted(one.case.refused)],
             "complaints": one.complaints, "seconds": round(one.seconds, 1)}
            for one in outcomes
        ],
        "actions": actions(outcomes),
    }


def actions(outcomes: t.Sequence[Outcome]) -> dict[str, dict[str, int]]:
    """By remedy: how many cases it was shown on, and of how many nothing is to complain."""
    found: dict[str, dict[str, int]] = {}
    for one in outcomes:
        for action in one.actions:
            row = found.setdefault(action, {"cases": 0, "shown": 0})
            row["cases"] += 1
            row["shown"] += not one.complaints
    return dict(sorted(found.items()))


def as_table(outcomes: t.Sequence[Outcome]) -> list[str]:
    """Lines for a terminal: a row a remedy, then what is to complain."""
    lines = ["%-22s %6s %6s" % ("remedy", "cases", "shown")]
    lines += ["%-22s %6d %6d" % (action, row["cases"], row["shown"]) for action, row in actions(outcomes).items()]
    lines.append("%-22s %6d %6d" % ("faults", len(outcomes), sum(not one.complaints for one in outcomes)))
    return lines + ["%s: %s" % (one.case.fault.name, one.complaints[0]) for one in outcomes if one.complaints]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The score: a missed root cause gives 0, an extra cause costs precision, any cause on a healthy host is a false alarm."""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault


@dataclasses.dataclass(frozen=True)
class Result:
    """What one case was found to be, and how long the whole command took."""

    fault: Fault
    state: str
    found: tuple[str, ...]
    seconds: float

    @property
    def score(self) -> float:
        """From 0 to 1. For a control, 1 if it is called healthy and has no cause."""
        if self.fault.is_control:
            return float(self.state == "healthy" and not self.found)
        if not set(self.fault.expect) <= set(self.found):
            return 0.0
        return len(self.fault.expect) / len(self.found)

    @property
    def exact(self) -> bool:
        return self.score == 1.0


def as_document(results: t.Sequence[Result]) -> dict[str, t.Any]:
    """The content of ``gauntlet.json``."""
    return {
        "cases": [
            {"name": one.fault.name, "layer": one.fault.layer, "fault": one.fault.fault, "expected": list(one.fault.expect),
             "found": list(one.found), "state": one.state, "score": round(one.score, 3), "seconds": round(one.seconds, 2)}
            for one in results
        ],
        "layers": layers(results),
        "false_alarms": [one.fault.name for one in results if one.fault.is_control and not one.exact],
        "score": round(sum(one.score for one in results) / len(results), 3) if results else None,
    }


def layers(results: t.Sequence[Result]) -> dict[str, dict[str, t.Any]]:
    """By layer, the weakest first: how many cases, how many exact, and the mean score."""
    by_layer: dict[str, list[Result]] = {}
    for one in results:
        by_layer.setdefault(one.fault.layer, []).append(one)
    rows = {
        layer: {"cases": len(ones), "exact": sum(one.exact for one in ones), "score": round(sum(one.score for one in ones) / len(ones), 3)}
        for layer, ones in by_layer.items()
    }
    return dict(sorted(rows.items(), key=lambda item: (item[1]["score"], item[0])))


def as_table(results: t.Sequence[Result]) -> list[str]:
    """Lines for a terminal: a row a layer, the weakest first, then what was not exact."""
    lines = ["%-12s %6s %6s %7s" % ("layer", "cases", "exact", "score")]
    lines += ["%-12s %6d %6d %6.1f%%" % (layer, row["cases"], row["exact"], row["score"] * 100) for layer, row in layers(results).items()]
    total = sum(one.score for one in results) / len(results) * 100 if results else 0.0
    lines.append("%-12s %6d %6d %6.1f%%" % ("all", len(results), sum(one.exact for one in results), total))
    lines += ["not exact: %s: expected %s, found %s (%s)" % (
        one.fault.name, ", ".join(one.fault.expect) or "nothing", ", ".join(one.found) or "nothing", one.state)
        for one in results if not one.exact]
    return lines

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many packets show a loss, and what losses show of the true rate.

A burst of n finds a loss of rate p, that is, loses at least one, with probability 1 - (1 - p)^n. So n = ln(1 - power) / ln(1 - p),
rounded up: 29 packets find a loss of 10 % nineteen times in twenty. The interval of the true rate is Wilson's score interval of 95 %
(E. B. Wilson, 1927), which holds for few packets and for none lost too.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import math

_Z = 1.959964  # the normal distribution's quantile for 95 %, two-sided


def packets_to_find(rate: float, power: float) -> int:
    """:param rate: of loss, between 0 and 1, both excluded. :param power: probability to see it, likewise. :returns: at least 1."""
    return max(1, math.ceil(math.log(1 - power) / math.log(1 - rate)))


def interval(events: int, trials: int) -> tuple[float, float]:
    """The rates that go with so many events of so many trials, at 95 %; (0, 1) where nothing was tried."""
    if not trials:
        return 0.0, 1.0
    rate, square = events / trials, _Z * _Z
    middle = (rate + square / (2 * trials)) / (1 + square / trials)
    half = _Z / (1 + square / trials) * math.sqrt(rate * (1 - rate) / trials + square / (4 * trials * trials))
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def spread(times_ms: list[float]) -> dict[str, float | None]:
    """``min``, ``median``, ``p95``, ``max``, ``jitter`` (mean difference of one to the next, as given), in ms; None without any."""
    if not times_ms:
        return dict.fromkeys(("min", "median", "p95", "max", "jitter"))
    ordered = sorted(times_ms)
    steps = [abs(after - before) for before, after in zip(times_ms, times_ms[1:])]
    return {
        "min": ordered[0],
        "median": ordered[(len(ordered) - 1) // 2],
        "p95": ordered[math.ceil(0.95 * len(ordered)) - 1],
        "max": ordered[-1],
        "jitter": round(sum(steps) / len(steps), 3) if steps else 0.0,
    }

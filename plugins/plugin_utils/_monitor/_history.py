# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint's past makes of its present: since when, how often lately, whether it flaps. Pure functions.

Flapping is told as Nagios Core does ("Detection and Handling of State Flapping"), without its weights: how many of the last twenty changes
that were possible were made, with its built-in thresholds of 30 % to begin, and 20 % to end.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp

Past = t.Mapping[str, t.Any]
Recent = t.List[t.List[t.Any]]

_FLAP_RUNS, _FLAP_BEGINS, _FLAP_ENDS = 21, 0.3, 0.2
# Runs that are kept for the windows, whatever their length: more would make a file that is written so often too large.
_MOST_RECENT = 1500
_WORKS, _FAILED = ("healthy", "degraded"), ("down",)
_UNITS = {"s": 1, "m": 60, "h": 3600}


def window_s(text: str) -> float:
    """:param text: such as ``5m``. :returns: seconds. :raises ValueError: it is no length of time."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _UNITS or not int(number):
        raise ValueError("%r is no length of time such as 30s, 5m or 1h" % text)
    return float(int(number) * _UNITS[unit])


def advanced(before: Past | None, state: str, at: float, attempts: int, windows: t.Iterable[str]) -> dict[str, t.Any]:
    """:param before: the endpoint's entry of the last state file, None where there is none. :param at: when, in seconds since the epoch.
    :returns: all of its entry that comes from its past.
    """
    lengths = {name: window_s(name) for name in windows}
    past = before or {"state": "", "since": "", "previous": "", "changes": 0, "flapping": False, "recent": [],
                      "totals": {"checks": 0, "successes": 0, "retries": 0}}
    longest = max(lengths.values(), default=0.0)
    # A clock that was set back leaves runs of the future.
    earlier = [run for run in past["recent"] if at - longest <= run[0] <= at]
    recent = [*earlier, [round(at, 1), state]][-max(_FLAP_RUNS, _MOST_RECENT):]
    changed = past["state"] != state
    totals = past["totals"]
    return {
        "state": state,
        "since": timestamp(at) if changed else past["since"],
        "previous": past["state"] if changed else past["previous"],
        "changes": past["changes"] + (changed and before is not None),
        "flapping": _flaps([run[1] for run in recent], past["flapping"]),
        "windows": {name: _ratio(recent, at - length) for name, length in lengths.items()},
        "totals": {
            "checks": totals["checks"] + (state in _WORKS + _FAILED),
            "successes": totals["successes"] + (state in _WORKS),
            "retries": totals["retries"] + attempts - 1,
        },
        "recent": recent,
    }


def _flaps(states: t.Sequence[str], flapped: bool) -> bool:
    last = states[-_FLAP_RUNS:]
    share = sum(one != other for one, other in zip(last, last[1:])) / (_FLAP_RUNS - 1)
    return share >= (_FLAP_ENDS if flapped else _FLAP_BEGINS)


def _ratio(recent: Recent, since: float) -> dict[str, t.Any]:
    states = [run[1] for run in recent if run[0] > since]
    successes = sum(state in _WORKS for state in states)
    checks = successes + sum(state in _FAILED for state in states)
    return {"checks": checks, "successes": successes, "success_rate": round(successes / checks, 4) if checks else None}

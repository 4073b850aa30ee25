# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A part of the cases that has every cause that can be shown in a few seconds; the others are replayed from what was recorded of them."""
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault

# Longer takes what waits for silence again and again.
_LONGEST_S = 8.0
# Of the controls, those beside the endpoints of the healthy fleet, which are controls too.
_CONTROLS = "control"


def shorter(faults: t.Sequence[Fault], recorded: t.Mapping[str, dict[str, t.Any]]) -> list[Fault]:
    """:param recorded: the recorded cases by name. :returns: the quickest of every cause, and what is declared as a control."""
    seconds = {fault.name: took(recorded[fault.name]) for fault in faults if fault.name in recorded}
    quickest: dict[str, Fault] = {}
    for fault in sorted((fault for fault in faults if seconds.get(fault.name, _LONGEST_S) < _LONGEST_S), key=lambda one: seconds[one.name]):
        for code in fault.expect:
            quickest.setdefault(code, fault)
    chosen = {fault.name for fault in quickest.values()}
    return [fault for fault in faults if fault.name in chosen or (fault.is_control and fault.layer == _CONTROLS)]


def took(case: t.Mapping[str, t.Any]) -> float:
    """Seconds from the first to the last thing that was observed. A clock that was wrong makes it long."""
    moments = [
        (datetime.datetime.fromisoformat(observation["started_at"]).timestamp(), observation["duration_ms"] / 1000)
        for observation in case["endpoint"]["observations"] if observation["started_at"]
    ]
    return max(began + seconds for began, seconds in moments) - min(began for began, _seconds in moments)

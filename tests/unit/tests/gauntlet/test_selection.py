# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shorter gauntlet: every cause that can be shown in a few seconds, once, by the quickest case of it."""
from __future__ import annotations

from typing import Any

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault
from ansible_collections.connectivity.doctor.tests.gauntlet.selection import shorter, took


def recorded(seconds: float) -> dict[str, Any]:
    return {"endpoint": {"observations": [
        {"started_at": "2026-01-01T00:00:00.000Z", "duration_ms": 5.0}, {"started_at": "", "duration_ms": 0.0},
        {"started_at": "2026-01-01T00:00:00.500Z", "duration_ms": seconds * 1000 - 500}]}}


def fault(name: str, *expect: str, layer: str = "x") -> Fault:
    return Fault(name, layer, "F", "web1", "warehouse", expect)


def test_the_time_of_a_case_is_from_its_first_observation_to_the_end_of_its_last() -> None:
    assert took(recorded(2.5)) == 2.5


def test_the_quickest_case_of_each_cause_and_the_declared_controls() -> None:
    faults = [fault("slow", "a.b"), fault("quick", "a.b"), fault("both", "a.b", "c.d"), fault("endless", "e.f"), fault("new", "g.h"),
              fault("healthy", layer="control"), fault("healthy-here")]
    known = {"slow": recorded(3), "quick": recorded(1), "both": recorded(2), "endless": recorded(20)}
    assert [one.name for one in shorter(faults, known)] == ["quick", "both", "healthy"]

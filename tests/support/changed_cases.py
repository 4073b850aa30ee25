# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases that were recorded in the lab, with single facts of them changed: what is told then, and what no longer."""
from __future__ import annotations

import copy
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}
Observation = dict[str, t.Any]
Change = t.Callable[[Observation], "Observation | None"]


def verdict(name: str, change: Change = lambda observation: observation) -> Verdict:
    """What is told of a recorded case, after a change of what was observed; what is changed to None was never seen."""
    recorded = RECORDED[name]
    described = {key: value for key, value in recorded["endpoint"].items() if key != "observations"}
    seen = [changed for one in recorded["endpoint"]["observations"] if (changed := change(copy.deepcopy(one)))]
    return infer(Case(recorded["host"], {**described, "name": recorded["endpoint_name"]}, seen))


def codes(told: Verdict) -> list[str]:
    return sorted(cause["code"] for cause in told.causes)


def proved(told: Verdict) -> list[str]:
    return sorted(cause["code"] for cause in told.causes if "decide_by" not in cause)


def where(check: str, side: str = "", **facts: t.Any) -> t.Callable[[Change], Change]:
    """Applies a change to the observations of a check only, and of a side where one is named."""

    def restrict(change: Change) -> Change:
        def restricted(observation: Observation) -> Observation | None:
            if observation["check"] != check or (side and observation.get("side", "client") != side):
                return observation
            if any(observation["data"].get(key) != value for key, value in facts.items()):
                return observation
            return change(observation)

        return restricted

    return restrict


def never(observation: Observation) -> None:
    """It was not seen."""


def having(**facts: t.Any) -> Change:
    def change(observation: Observation) -> Observation:
        observation["data"].update(facts)
        return observation

    return change


def being(status: str, **facts: t.Any) -> Change:
    def change(observation: Observation) -> Observation:
        return {**having(**facts)(observation), "status": status}

    return change


def both(first: Change, second: Change) -> Change:
    def change(observation: Observation) -> Observation | None:
        changed = first(observation)
        return second(changed) if changed else None

    return change

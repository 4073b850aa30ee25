# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of the gauntlet again, from what was observed of it in the lab: the same causes, each on evidence that carries it."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _inference
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Match
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}


def as_case(recorded: dict[str, t.Any], observations: list[dict[str, t.Any]] | None = None) -> Case:
    described = {key: value for key, value in recorded["endpoint"].items() if key != "observations"}
    seen = recorded["endpoint"]["observations"] if observations is None else observations
    return Case(recorded["host"], {**described, "name": recorded["endpoint_name"]}, seen)


def codes(verdict: Verdict) -> list[str]:
    return sorted(cause["code"] for cause in verdict.causes)


def test_there_are_recorded_cases_of_faults_and_of_health() -> None:
    assert sum(bool(case["expect"]) for case in RECORDED.values()) >= 25
    assert sum(not case["expect"] for case in RECORDED.values()) >= 5
    assert sum(len(case["expect"]) > 1 for case in RECORDED.values()) >= 2


@pytest.fixture(params=sorted(RECORDED))
def recorded(request: pytest.FixtureRequest) -> dict[str, t.Any]:
    return RECORDED[request.param]


def test_exactly_the_expected_causes(recorded: dict[str, t.Any]) -> None:
    verdict = infer(as_case(recorded))
    assert codes(verdict) == sorted(recorded["expect"])
    assert verdict.state == recorded["endpoint"]["state"]
    if not recorded["expect"]:
        assert verdict.state == "healthy"


def test_the_order_of_the_observations_does_not_matter(recorded: dict[str, t.Any]) -> None:
    """Probes run at once, so their order is chance."""
    turned = list(reversed(recorded["endpoint"]["observations"]))
    assert codes(infer(as_case(recorded, turned))) == sorted(recorded["expect"])


def test_inference_changes_nothing_of_what_it_is_given(recorded: dict[str, t.Any]) -> None:
    before = repr(recorded)
    assert infer(as_case(recorded)) == infer(as_case(recorded))
    assert repr(recorded) == before


def test_a_cause_falls_with_its_evidence(recorded: dict[str, t.Any]) -> None:
    """Without all that it cites it is gone; without a part of that it is gone, rests on the rest, or is no more than a candidate."""
    observations = recorded["endpoint"]["observations"]
    for cause in infer(as_case(recorded)).causes:
        cited = cause["evidence"]
        assert cited and all(0 <= number < len(observations) for number in cited)
        kept = [observation for number, observation in enumerate(observations) if number not in cited]
        assert cause["code"] not in codes(infer(as_case(recorded, kept)))
        for number in cited:
            without = observations[:number] + observations[number + 1:]
            for other in infer(as_case(recorded, without)).causes:
                if other["code"] == cause["code"] and "decide_by" not in other:
                    rest = [observations[one] for one in cited if one != number]
                    assert all(without[one] in rest for one in other["evidence"])


def test_any_observation_may_be_one_that_could_not_tell(recorded: dict[str, t.Any]) -> None:
    """Then there are no facts but the reason; less can be told, but what is told still is."""
    observations = recorded["endpoint"]["observations"]
    for number, observation in enumerate(observations):
        blind = {**observation, "status": "cannot_tell", "data": {"reason": "deadline"}}
        infer(as_case(recorded, [*observations[:number], blind, *observations[number + 1:]]))
    infer(as_case(recorded, [{**observation, "status": "cannot_tell", "data": {"reason": "deadline"}} for observation in observations]))


def test_every_sentence_finds_the_facts_that_it_names(recorded: dict[str, t.Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_facts: object, name: str) -> str:
        raise AssertionError("no fact %r" % name)

    causes = infer(as_case(recorded)).causes
    monkeypatch.setattr(_inference._Facts, "__missing__", missing)
    for code in {cause["code"] for cause in causes if "decide_by" not in cause}:
        _inference._told(as_case(recorded), CATALOGUE[code], CATALOGUE[code].proof.match(as_case(recorded)) or Match(), [], 0.5, "")


def test_causes_are_told_on_one_line_with_a_confidence(recorded: dict[str, t.Any]) -> None:
    for cause in infer(as_case(recorded)).causes:
        assert cause["summary"] == " ".join(cause["summary"].split()) != ""
        assert "None" not in cause["summary"]
        assert 0 < cause["confidence"] <= 0.99
        for excluded in cause["excluded"]:
            assert excluded["code"] != cause["code"] and excluded["by"]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of data that a server refuses: lost, it is down; late, it is degraded; and what stops for good is to be restarted."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation
from ansible_collections.connectivity.doctor.tests.support.changed_cases import verdict, where

_LIMITED, _STOPPED = "remote-write-rate-limited", "newrelic-apm-told-to-stop"


@pytest.mark.parametrize(("fate", "state"), [("dropped", "down"), ("retried", "degraded"), ("", "degraded")])
def test_an_agent_that_alone_is_limited_loses_data_or_sends_it_later(fate: str, state: str) -> None:
    """A request of a diagnosis is let through, as it is small."""

    def seen_then(observation: Observation) -> Observation:
        if observation["check"] == "http.response":
            return {**observation, "status": "ok", "data": {**observation["data"], "status": 200, "error": ""}}
        if observation["check"] == "logs.family" and observation["data"]["family"] == "rate_limited":
            return {**observation, "data": {**observation["data"], "status": 429, "fate": fate}}
        return observation

    told = verdict(_LIMITED, seen_then)
    (cause,) = told.causes
    assert (told.state, cause["code"]) == (state, "server.rate_limited")
    assert cause["culprit"].get("data", "") == fate


@pytest.mark.parametrize(("fate", "expected"), [("fatal_until_restart", ["agent.gave_up"]), ("retried", []), ("", [])])
def test_an_agent_that_a_status_has_stopped_is_told_by_the_status(fate: str, expected: list[str]) -> None:
    """Whatever words it has for it."""

    def by_status(family: Observation) -> Observation:
        return {**family, "data": {**family["data"], "family": "wrong_path", "status": 410, "fate": fate}}

    told = verdict(_STOPPED, where("logs.family", family="gave_up")(by_status))
    assert [cause["code"] for cause in told.causes] == expected

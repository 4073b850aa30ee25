# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow as it was walked on recorded faults of a real agent."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow import walk
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

UP_TO_THE_SERVER = ["agent running", "network open", "server healthy"]


def _case(name: str) -> Case:
    kept = recording.one(name)
    return Case(kept["host"], kept["endpoint"], kept["endpoint"]["observations"])


@pytest.mark.parametrize("name, answers", [
    ("healthy-agent", [*UP_TO_THE_SERVER, "configuration right", "credential accepted", "logs quiet", "clocks agree"]),
    ("agent-stopped", ["agent not running", "network open", "server healthy", "clocks agree"]),
    ("agent-hung", ["agent not running", "network open", "server healthy", "clocks agree"]),
    ("double-agent-and-server", ["agent not running", "network blocked", "clocks agree"]),
    ("healthy-database", []),
])
def test_workflow_is_walked_as_far_as_it_was_answered(name: str, answers: list[str]) -> None:
    assert walk(_case(name)) == answers


@pytest.mark.parametrize("name, answers", [
    ("agent-wrong-host", ["configuration wrong", "logs complain"]),
    ("agent-wrong-port-not-in-effect-yet", ["configuration wrong", "credential accepted", "logs quiet"]),
    ("agent-stale-config-that-was-wrong", ["configuration wrong", "logs complain"]),
    ("agent-reporting-disabled", ["configuration wrong", "logs quiet"]),
    ("agent-file-unreadable", ["configuration wrong", "logs quiet"]),
    ("credential-placeholder", ["configuration wrong", "credential refused", "logs complain"]),
    ("credential-another-one-on-the-host", ["configuration right", "credential refused", "logs complain"]),
    ("credential-revoked", ["configuration right", "credential refused", "logs complain"]),
    ("credential-missing-on-the-host", ["configuration right", "credential refused", "logs complain"]),
    ("healthy-agent-that-knows-another-name", ["configuration right", "credential accepted", "logs quiet"]),
    ("healthy-agent-with-several-destinations", ["configuration right", "credential accepted", "logs quiet"]),
    ("healthy-agent-that-was-refused-before-it-was-corrected", ["configuration right", "logs quiet"]),
])
def test_after_the_server_the_agents_own_side_is_asked(name: str, answers: list[str]) -> None:
    assert walk(_case(name)) == [*UP_TO_THE_SERVER, *answers, "clocks agree"]


@pytest.mark.parametrize("name, answers", [
    ("credential-rejected", ["network open", "server healthy", "credential refused", "clocks agree"]),
    ("credential-missing", ["network open", "server healthy", "credential refused", "clocks agree"]),
    ("healthy-credential", ["network open", "server healthy", "credential accepted", "clocks agree"]),
])
def test_agent_without_a_unit_is_not_asked_for_one(name: str, answers: list[str]) -> None:
    assert walk(_case(name)) == answers


def test_clocks_that_differ_are_told_last() -> None:
    case = _case("healthy-agent")
    skewed = [{**one, "status": "warn"} if one["check"] == "clock.offset" else one for one in case.observations]
    assert walk(Case(case.host, case.endpoint, skewed))[-2:] == ["logs quiet", "clocks differ"]

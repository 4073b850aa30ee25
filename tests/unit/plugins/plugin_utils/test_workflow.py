# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The workflow as it was walked on recorded faults of a real agent."""
from __future__ import annotations

import json

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow import walk
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import FOLDER


def _case(name: str) -> Case:
    kept = json.loads((FOLDER / (name + ".json")).read_text(encoding="utf-8"))
    return Case(kept["host"], kept["endpoint"], kept["endpoint"]["observations"])


@pytest.mark.parametrize("name, answers", [
    ("healthy-agent", ["agent running", "network open", "server healthy", "configuration accepted"]),
    ("agent-stopped", ["agent not running", "network open", "server healthy", "configuration accepted"]),
    ("agent-hung", ["agent not running", "network open", "server healthy", "configuration accepted"]),
    ("double-agent-and-server", ["agent not running", "network blocked"]),
    ("healthy-database", []),
])
def test_workflow_is_walked_as_far_as_it_was_answered(name: str, answers: list[str]) -> None:
    assert walk(_case(name)) == answers


@pytest.mark.parametrize("name, answers", [
    ("credential-rejected", ["network open", "server healthy", "configuration refused"]),
    ("credential-missing", ["network open", "server healthy", "configuration refused"]),
])
def test_agent_without_a_unit_is_not_asked_for_one(name: str, answers: list[str]) -> None:
    assert walk(_case(name)) == answers

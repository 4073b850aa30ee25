# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of the faults that are shown with real agents: no hole in what is promised, and each cause that it names was recorded."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet import recording, shown
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_faults

_FAULTS = [fault for fault in load_faults() if fault.expect and shown.agent_of(fault)]
_TABLE = shown.shown(_FAULTS)
# The real agents of the lab, and what each of them must be shown with.
_AGENTS = ("collectd", "elastic_apm", "netdata", "newrelic_apm", "opentelemetry_sdk", "prometheus", "zabbix_agent2")
_PROMISED = ("wrong key", "wrong host", "wrong port", "server stopped", "TLS", "DNS", "proxy")


@pytest.mark.parametrize("agent", _AGENTS)
def test_each_agent_is_shown_with_every_kind_of_fault_that_it_can_meet(agent: str) -> None:
    assert [kind for kind in _PROMISED if not _TABLE[agent][kind]] == []


def test_every_case_of_an_agent_is_of_a_kind() -> None:
    assert [fault.name for fault in _FAULTS if not shown.kind_of(fault)] == []


def test_every_case_was_recorded() -> None:
    assert len(_FAULTS) >= 60
    assert [fault.name for fault in _FAULTS if sorted(recording.one(fault.name)["expect"]) != sorted(fault.expect)] == []


def test_the_page_names_the_agents_and_the_causes() -> None:
    page = shown.page(_FAULTS)
    rows = [line for line in page.splitlines() if line.startswith("| [")]
    assert len(rows) == len(_TABLE) and all(line.count("|") == len(shown.KINDS) + 2 for line in rows)
    assert "| [netdata](netdata.md) |" in page and "[tls.unknown_ca](../causes/tls.unknown_ca.md)" in page and "it crosses none" in page

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a process that hangs, one that was killed, and those that are too many; and for what ends by itself."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_policy import EVERYTHING, only, report
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_remedies_agent import (
    observation,
    planned,
    trouble,
    why_not,
)


def test_what_a_process_is_doing_that_hangs_is_kept_before_it_is_restarted() -> None:
    change = planned("restart_agent", trouble("agent.hung", unit="a", pid="4711", state="T"))
    assert change.parameters["hung"] == "4711"
    assert change.summary == "keep what its process is doing, and restart a", "the same whatever its number is, so that it is known again"


@pytest.mark.parametrize(("group", "limit"), [
    ({"oom_kills": 1, "memory_limit_bytes": 1000}, "MemoryMax=2000"),
    ({"oom_kills": 1, "memory_limit_bytes": None}, ""),
    ({"oom_kills": 0, "memory_limit_bytes": 1000}, ""),
])
def test_the_memory_that_a_unit_may_have_is_doubled_where_that_is_what_killed_it(group: dict[str, t.Any], limit: str) -> None:
    cgroup = observation("service.cgroup", **group)
    change = planned("restart_agent", trouble("agent.oom_killed", observation("service.unit", result="oom-kill"), cgroup, unit="a"))
    assert change.summary == ("set %s of a, and restart a" % limit if limit else "restart a")


def test_copies_are_stopped_as_they_were_started_and_services_come_back_by_the_undo() -> None:
    change = planned_copies((7, ""), (8, "b.service"), (9, "b.service"))
    assert change.summary == "stop b.service and end the processes agent that no service runs, beside a"
    assert change.parameters == {"services": ["b.service"], "pids": [7], "command": "agent"}
    assert change.units == ("b.service",)


def planned_copies(*seen: tuple[int, str]) -> Change:
    copies = observation("service.process", "warn", unit="a", command="agent", others=[pid for pid, _unit in seen],
                         others_units=[unit for _pid, unit in seen])
    return REMEDIES["stop_duplicate"].plan(trouble("agent.duplicate_instance", copies), "run-0")


def test_what_runs_a_copy_must_have_been_seen() -> None:
    old = observation("service.process", "warn", unit="a", command="agent", others=[7])
    assert "was not looked at" in why_not("stop_duplicate", trouble("agent.duplicate_instance", old))


def test_who_waits_needs_no_access_to_the_server_and_may_do_it_again_at_once() -> None:
    step = only(plan(report("postgresql-starting-up"), Policy(), "run"))
    assert step.change and (step.action, step.host, step.refused) == ("wait", "web3", "")
    assert step.change.summary == "wait up to 60 s for db1"
    for policy in (EVERYTHING, Policy(("postgresql.starting_up",))):
        assert only(plan(report("postgresql-starting-up"), policy, "run", ("web3", "db1"))).host == "web3"
    assert only(plan(report("postgresql-starting-up"), Policy(("guarded",)), "run")).refused
    shared = only(plan(report("postgresql-starting-up", hosts=("web1", "web2", "web3")), Policy(), "run"))
    assert set(shared.witnesses) == {"web1", "web2", "web3"}, "who suffers of the same server waits together"

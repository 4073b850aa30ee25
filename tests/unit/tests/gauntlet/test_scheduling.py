# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gauntlet's cases side by side: all of them run, and none beside one that changes what it needs."""
from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.scheduling import needs, run_all


def fault(name: str, host: str, endpoint: str, layer: str = "x", **inject: str) -> Fault:
    return Fault(name, layer, "F", host, endpoint, inject=inject)


@pytest.mark.parametrize(("one", "other", "disturbs"), [
    (fault("a", "web1", "warehouse", web1=""), fault("b", "web2", "warehouse", web2=""), False),
    (fault("a", "web1", "warehouse", web1=""), fault("b", "web1", "gateway"), True),
    (fault("a", "web1", "warehouse", db1=""), fault("b", "web2", "warehouse"), True),
    (fault("a", "web1", "warehouse", db1=""), fault("b", "web2", "gateway", apm1=""), True),
    (fault("a", "web1", "warehouse", db1=""), fault("b", "web2", "gateway", web2=""), False),
    (fault("a", "web1", "warehouse", db1=""), fault("b", "web2", "balanced"), True),
    (fault("a", "web1", "warehouse", router=""), fault("b", "web2", "gateway"), True),
    (fault("a", "web1", "warehouse", **{"ns1 again": ""}), fault("b", "web2", "gateway"), True),
    (fault("a", "web1", "warehouse"), fault("b", "web1", "gateway"), False),
    (fault("a", "web1", "warehouse", layer="host"), fault("b", "web2", "gateway"), True),
])
def test_what_can_run_beside_what(one: Fault, other: Fault, disturbs: bool) -> None:
    assert needs(one).disturbs(needs(other)) is disturbs
    assert needs(other).disturbs(needs(one)) is disturbs


def test_all_cases_run_and_none_beside_one_that_disturbs_it() -> None:
    faults = load_faults()
    running: dict[str, Fault] = {}
    most, lock = [0], threading.Lock()

    def run(case: Fault) -> str:
        with lock:
            assert not [other.name for other in running.values() if needs(case).disturbs(needs(other))]
            running[case.name] = case
            most[0] = max(most[0], len(running))
        time.sleep(0.002)
        with lock:
            del running[case.name]
        return case.name

    ended = run_all(faults, run)
    assert {name: future.result() for name, future in ended.items()} == {case.name: case.name for case in faults}
    assert most[0] > 1


def test_a_case_that_fails_is_its_own_and_the_others_go_on() -> None:
    def run(case: Fault) -> str:
        if case.name == "a":
            raise RuntimeError("no")
        return case.name

    ended = run_all([fault("a", "web1", "warehouse"), fault("b", "web2", "warehouse")], run)
    assert ended["b"].result() == "b"
    with pytest.raises(RuntimeError):
        ended["a"].result()

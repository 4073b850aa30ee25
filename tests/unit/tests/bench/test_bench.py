# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmark compares like with like, counts what it says, and takes no run for good that was not."""
from __future__ import annotations

import ast
from pathlib import Path
from types import SimpleNamespace

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.tests.bench import contenders, rendering
from ansible_collections.connectivity.doctor.tests.bench.__main__ import conclude, render
from ansible_collections.connectivity.doctor.tests.bench.contenders import CONTENDERS, OURS, Disturbed, Field
from ansible_collections.connectivity.doctor.tests.bench.measuring import Cost

BY_NAME = {contender.name: contender for contender in CONTENDERS}
FIELD = Field(SimpleNamespace(hosts={"web1": None, "web2": None}), Path())  # type: ignore[arg-type]


def test_pyinfra_is_asked_what_the_stock_tasks_ask() -> None:
    tree = ast.parse((contenders.HERE / "checks.py").read_text(encoding="utf-8"))
    (table,) = (statement.value for statement in tree.body if isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Name) and statement.targets[0].id == "CHECKS")
    assert isinstance(table, ast.Dict)
    assert [ast.literal_eval(key) for key in table.keys if key] == contenders.tasks("checks.yml")
    once = sum(isinstance(value, ast.List) and len(value.elts) == 1 for value in table.values)
    assert once + 2 * (len(table.values) - once) == contenders.checks()


def recap(*hosts: str) -> str:
    return "".join("%s : ok=20   changed=0    unreachable=0    failed=0    skipped=0\n" % host for host in hosts)


def test_a_play_counts_only_where_every_host_did_every_task() -> None:
    check = BY_NAME["stock tasks"].check
    good = recap("web1", "web2")
    check(FIELD, good)
    for output in (recap("web1"), good.replace("ok=20", "ok=19", 1), good.replace("failed=0", "failed=1", 1)):
        with pytest.raises(Disturbed):
            check(FIELD, output)


def test_pyinfra_counts_only_where_every_operation_succeeded() -> None:
    check = BY_NAME["pyinfra"].check
    check(FIELD, "    Grand total                           40     40       -       -\n")
    for output in ("", "    Grand total                           40     39       1       -\n"):
        with pytest.raises(Disturbed):
            check(FIELD, output)


def test_a_ratio_is_that_of_one_round() -> None:
    ours = [Cost(1.0, 0.5, 0.1), Cost(2.0, 0.5, 0.1), Cost(4.0, 0.5, 0.1)]
    theirs = [Cost(10.0, 5.0, 9.0), Cost(60.0, 5.0, 9.0), Cost(48.0, 5.0, 9.0)]
    rows = {row["contender"]: row for row in conclude({(OURS, "cold"): ours, ("stock tasks", "cold"): theirs})}
    assert rows["stock tasks"]["ratio_to_ours"] == 12.0  # of 10, 30 and 12
    assert (rows["stock tasks"]["median_s"], rows["stock tasks"]["min_s"], rows["stock tasks"]["max_s"]) == (48.0, 10.0, 60.0)
    about = {"hosts": 2, "parallel": 10, "cpus": 2, "rounds": 3, "checks": 33, "observations": 97, "program_bytes": 1, "result_bytes": 2}
    assert "12.00x" in render(list(rows.values()), about)


def test_every_form_of_the_report_is_measured_on_both_fleets() -> None:
    measured = rendering.measure(20)
    assert {(one.fleet, one.name) for one in measured} == {(share, name) for share in rendering._SHARES for name in RENDERERS}
    assert all(one.megabytes > 0 and one.seconds >= 0 for one in measured)
    assert all(f"{one.name} " in rendering.render(measured, 20) for one in measured)

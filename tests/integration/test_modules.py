# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module, through ansible-playbook, in normal and in check mode, on what is well and on what is not."""
from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.integration.cases import CASES, Case
from ansible_collections.connectivity.doctor.tests.integration.playbooks import ROOT, run_tasks

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("probe_*.py"))
STATUSES = ("ok", "warn", "fail", "cannot_tell", "skipped")
FIELDS = {"check": str, "status": str, "target": str, "vantage": dict, "data": dict, "message": str, "reproduce": str,
          "started_at": str, "duration_ms": float}


# A network namespace with nothing in it, for which no root is needed where the kernel allows it.
NO_NETWORK = ("unshare", "--map-root-user", "--net")


def test_every_module_has_a_case() -> None:
    assert sorted(CASES) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_probes_well_and_broken_in_both_modes(module: str, tmp_path: Path) -> None:
    with CASES[module]() as case:
        tasks = [
            {f"connectivity.doctor.{module}": parameters, "check_mode": check_mode, "register": f"{state}_{check_mode}".lower()}
            for state, parameters in (("well", case.well), ("broken", case.broken)) for check_mode in (False, True)
        ]
        if case.isolated and subprocess.run([*NO_NETWORK, "true"], capture_output=True, check=False).returncode:
            pytest.skip("this machine does not let a user make a network namespace")
        run = run_tasks(tmp_path, tasks, NO_NETWORK if case.isolated else ())
    assert run.status == 0, run.output
    for name, result in run.results.items():
        _assert_observed(result, case, case.well_status if name.startswith("well") else case.status)


def _assert_observed(result: dict[str, Any], case: Case, expected: str | tuple[str, ...]) -> None:
    assert result["changed"] is False
    assert result["failed"] is False
    for observation in result["observations"]:
        assert {key: type(observation[key]) for key in FIELDS} == FIELDS
        assert set(observation) == set(FIELDS)
        assert observation["status"] in STATUSES
        assert observation["message"]
        assert set(observation["vantage"]) == {"host", "address", "user"}
    deciding = [observation for observation in result["observations"] if observation["check"] == case.check]
    statuses = (expected,) if isinstance(expected, str) else expected
    assert len(deciding) == 1, result["observations"]
    assert deciding[0]["status"] in statuses, result["observations"]
    data = deciding[0]["data"]
    assert {key: type(data.get(key)) for key in case.types} == case.types


@pytest.mark.parametrize("module", MODULES)
def test_bad_arguments_are_one_clear_error(module: str, tmp_path: Path) -> None:
    with CASES[module]() as case:
        arguments = {**case.well, "hots": "127.0.0.1"}
        run = run_tasks(tmp_path, [{f"connectivity.doctor.{module}": arguments, "ignore_errors": True, "register": "refused"}])
    assert run.status == 0, run.output
    assert run.results["refused"]["failed"] is True
    assert "hots" in run.results["refused"]["msg"]

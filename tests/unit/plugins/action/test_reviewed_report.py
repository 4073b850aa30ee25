# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan that keeps to a report which somebody has read, by a real ansible-playbook run."""
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import SCHEMA
from ansible_collections.connectivity.doctor.tests.integration.playbooks import Run, run_tasks
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_policy import report

_HOST, _CASE = "localhost", "agent-stopped"


def _planned(folder: pathlib.Path, reviewed: str) -> Run:
    found = {"schema": SCHEMA, **report(_CASE, hosts=[_HOST])}
    (folder / "report.json").write_text(json.dumps(found), encoding="utf-8")
    return run_tasks(folder, [{"connectivity.doctor.plan_remediation": {
        "report": str(folder / "report.json"), "spool_dir": str(folder / "spool"), "report_dir": str(folder),
        "reviewed_report": reviewed}, "register": "run0", "ignore_errors": True}])


def _saved(folder: pathlib.Path, document: t.Any) -> str:
    path = folder / "reviewed.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(("hosts", "waves", "refused"), [([_HOST], 1, 0), (["web9"], 0, 1)])
def test_only_what_the_report_has_is_planned(tmp_path: pathlib.Path, hosts: list[str], waves: int, refused: int) -> None:
    planned = _planned(tmp_path, _saved(tmp_path, report(_CASE, hosts=hosts))).results["run0"]
    assert (len(planned["waves"]), planned["refused"]) == (waves, refused)


def test_what_is_no_report_is_one_clear_error(tmp_path: pathlib.Path) -> None:
    path = _saved(tmp_path, ["no report"])
    failed = _planned(tmp_path, path).results["run0"]
    assert failed["failed"] and failed["msg"].startswith("connectivity_reviewed_report: %s is no report (" % path)

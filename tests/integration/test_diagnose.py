# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One endpoint, from the command line to the exit status and the report."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.integration.cases import closed_port, listener
from ansible_collections.connectivity.doctor.tests.integration.door import door


def diagnose(folder: Path, venv: Path, endpoint: str, *options: str) -> tuple[int, str, dict[str, Any]]:
    """The exit status, all that was said, and the report (empty where none was written)."""
    ended = door("diagnose", "-e", f"endpoint={endpoint}", *options, cwd=folder, DOCTOR_VENV=str(venv))
    report = folder / "connectivity-report" / "report.json"
    return ended.returncode, ended.stdout + ended.stderr, json.loads(report.read_text()) if report.exists() else {}


def only_endpoint(report: dict[str, Any]) -> dict[str, Any]:
    (host,) = report["hosts"].values()
    (endpoint,) = host["endpoints"].values()
    return endpoint


@pytest.mark.parametrize("inventory", [(), ("-i", "localhost,")])
def test_a_healthy_endpoint_is_status_0_and_no_cause(tmp_path: Path, ready: Path, inventory: tuple[str, ...]) -> None:
    with listener() as port:
        status, said, report = diagnose(tmp_path, ready, f"tcp://127.0.0.1:{port}", *inventory)
    assert status == 0, said
    assert report["schema"] == "connectivity.doctor/report/v1"
    assert (report["summary"]["endpoints"], report["summary"]["healthy"]) == (1, 1)
    endpoint = only_endpoint(report)
    assert (endpoint["state"], endpoint["causes"]) == ("healthy", [])


def test_a_closed_port_is_status_2_and_one_proven_cause(tmp_path: Path, ready: Path) -> None:
    with closed_port() as port:
        status, said, report = diagnose(tmp_path, ready, f"tcp://127.0.0.1:{port}")
    assert status == 2, said
    endpoint = only_endpoint(report)
    assert endpoint["state"] == "down"
    (cause,) = endpoint["causes"]
    checks = {endpoint["observations"][number]["check"] for number in cause["evidence"]}
    assert "tcp.connect" in checks, cause
    assert cause["summary"] in said


@pytest.mark.parametrize(("endpoint", "complaint"), [
    ("gopher://127.0.0.1:70", "gopher"),
    ("postgresql://app:hunter2hunter2@127.0.0.1/db", "password"),
    ("tcp://127.0.0.1", "port"),
])
def test_a_bad_endpoint_is_one_error_that_names_it_and_tells_no_secret(
    tmp_path: Path, ready: Path, endpoint: str, complaint: str,
) -> None:
    status, said, _report = diagnose(tmp_path, ready, endpoint)
    assert status != 0
    errors = [line for line in said.splitlines() if "ERROR" in line or "fatal:" in line]
    assert any(complaint in line and "localhost" in line for line in errors), said
    assert "hunter2hunter2" not in said

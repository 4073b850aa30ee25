# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``remediate`` as the lab's controller runs it."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from . import controller
from .lab import Lab


class Ended(NamedTuple):
    status: int
    output: str
    report: dict[str, Any]

    @property
    def remediations(self) -> list[tuple[str, str]]:
        return [(entry["action"], entry["result"]) for entry in self.report["remediations"]]

    def state(self, host: str, endpoint: str) -> str:
        return self.report["hosts"][host]["endpoints"][endpoint]["state"]


class Playbook:
    """``remediate`` with the lab's inventory and a folder of its own."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder

    def command(self, host: str, endpoints: list[dict[str, Any]], *arguments: str, **variables: Any) -> list[str]:
        return controller.playbook_command(self._lab, "remediate", host, self._folder, {
            "connectivity_endpoints": endpoints, "connectivity_report_dir": str(self._folder / "report"),
            "connectivity_allow": ["automatic", "guarded"], "connectivity_fail_on": "never", **variables}, *arguments)

    @property
    def environment(self) -> dict[str, str]:
        return controller.environment(self._folder)

    def run(self, host: str, endpoints: list[dict[str, Any]], *arguments: str, **variables: Any) -> Ended:
        command = self.command(host, endpoints, *arguments, **variables)
        report = self._folder / "report" / "report.json"
        report.unlink(missing_ok=True)
        ran = self._lab.on_controller(command, check=False, timeout=400, env=self.environment)
        assert report.exists(), ran.stdout + ran.stderr
        return Ended(ran.returncode, ran.stdout + ran.stderr, json.loads(report.read_text()))

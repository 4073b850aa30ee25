# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Event-Driven Ansible on a live fault: ansible-rulebook hears of it, repairs the host, and hears that it has healed; by itself."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab import Lab, controller, fetched

_MOST_S = 120
(_FAULT,) = [fault for fault in load_faults() if fault.name == "firewall-client-reject"]
# What the remedy leaves on purpose: the rule that it has added, and its record.
_FORGET = "iptables --flush OUTPUT; ip6tables --flush OUTPUT; rm -rf /var/lib/connectivity-doctor"


class EventDriven:
    """A folder with an inventory, and the programs of an environment that has ansible-rulebook."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        self._bin = fetched.event_driven()
        inventory = yaml.safe_load(lab.inventory.read_text())
        inventory["all"]["vars"].update(ansible_become=True, connectivity_endpoints=[load_endpoints()[_FAULT.endpoint]])
        self._inventory = folder / "inventory.json"
        self._inventory.write_text(json.dumps(inventory))
        self._inventory.chmod(0o600)
        (folder / "variables.json").write_text(json.dumps({
            "connectivity_reports": [str(folder / "report" / "report.json"), str(folder / "remediation" / "*" / "report.json")],
            "connectivity_remediation_dir": str(folder / "remediation"), "connectivity_allow": ["automatic", "guarded"]}))

    @property
    def log(self) -> str:
        return (self._folder / "log.txt").read_text()

    def _command(self, program: str, *arguments: str) -> list[str]:
        return [*self._lab.controller_prefix, str(self._bin / program), *arguments, "-i", str(self._inventory)]

    def _environ(self) -> dict[str, str]:
        return {**os.environ, **controller.environment(self._folder), "PATH": f"{self._bin}:{os.environ['PATH']}",
                "ANSIBLE_PIPELINING": "1"}

    @contextmanager
    def rulebook(self) -> Iterator[None]:
        command = self._command("ansible-rulebook", "-r", "connectivity.doctor.remediate", "--vars", str(self._folder / "variables.json"))
        with (self._folder / "log.txt").open("wb") as log:
            process = subprocess.Popen(command, env=self._environ(), cwd=self._folder, stdout=log, stderr=subprocess.STDOUT,
                                       stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                yield
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def diagnose(self) -> None:
        """As a timer would."""
        command = self._command("ansible-playbook", "connectivity.doctor.diagnose", "--limit", _FAULT.host, "-e", json.dumps({
            "connectivity_report_dir": str(self._folder / "report"), "connectivity_fail_on": "never"}))
        subprocess.run(command, env=self._environ(), cwd=self._folder, check=True, capture_output=True, timeout=_MOST_S)

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + _MOST_S
        while text not in self.log:
            assert time.monotonic() < deadline, self.log
            time.sleep(0.2)


def test_a_fault_is_repaired_without_a_hand_and_its_healing_is_told(lab: Lab, tmp_path: Path) -> None:
    if not fetched.has_java():
        pytest.skip("ansible-rulebook needs Java 17 or newer")
    eda = EventDriven(lab, tmp_path)
    secret = lab.vars["lab_database_password"]
    try:
        with injected(lab, _FAULT):
            with eda.rulebook():
                eda.diagnose()
                eda.wait_for(f"{_FAULT.host} reaches {_FAULT.endpoint} again")
    finally:
        lab.run(_FAULT.host, _FORGET)
    report = json.loads((tmp_path / "remediation" / _FAULT.host / "report.json").read_text())
    assert [(entry["action"], entry["result"]) for entry in report["remediations"]] == [("open_firewall", "verified")]
    assert report["hosts"][_FAULT.host]["endpoints"][_FAULT.endpoint]["state"] == "healthy"
    assert list(report["hosts"]) == [_FAULT.host], "the event limits the play to its host"
    assert eda.log.count("PLAY RECAP") == 1, "once is enough, and what it writes itself sets nothing off"
    assert secret not in eda.log

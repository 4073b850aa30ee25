# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``bootstrap`` over ssh: a host that has the distribution's packages, and one that gets an environment from wheels."""
from __future__ import annotations

import json
import re
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab, controller, fetched
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken

_HAS, _GETS = "web1", "web2"
_FOLDER = "/opt/connectivity-doctor"
_INTERPRETER = f"{_FOLDER}/python/bin/python"
_HIDE = "mkdir /root/hidden; mv /usr/lib/python3/dist-packages/psycopg* /root/hidden"
_SHOW = "mv /root/hidden/* /usr/lib/python3/dist-packages/; rmdir /root/hidden"


class Playbooks:
    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder
        (folder / "more.json").write_text(json.dumps({"all": {
            "vars": {"connectivity_report_dir": str(folder / "report"), "connectivity_endpoints": [load_endpoints()["warehouse"]]},
            "hosts": {_HAS: {}, _GETS: {
                "connectivity_bootstrap_source": "environment", "connectivity_bootstrap_wheels": str(fetched.wheels()),
                "ansible_python_interpreter": _INTERPRETER}}}}))

    def run(self, name: str, *arguments: str) -> str:
        command = [controller.program("ansible-playbook"), f"connectivity.doctor.{name}", "--become", "-i",
                   str(self._lab.inventory), "-i", str(self._folder / "more.json"), "--limit", f"{_HAS},{_GETS}", *arguments]
        ran = self._lab.on_controller(command, check=False, timeout=180, env={**controller.environment(), "ANSIBLE_PIPELINING": "1"})
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def changed(self, *arguments: str) -> dict[str, int]:
        """How many tasks of ``bootstrap`` changed each host."""
        return {host: int(count) for host, count in re.findall(r"^(\w+) +: ok=\d+ +changed=(\d+)", self.run("bootstrap", *arguments), re.M)}


def test_what_is_missing_is_put_there_once_used_and_taken_away_again(lab: Lab, tmp_path: Path) -> None:
    playbooks = Playbooks(lab, tmp_path)
    try:
        predicted = playbooks.changed("--check", "--diff", "--limit", _GETS)
        assert predicted[_GETS] > 0
        assert lab.run(_GETS, f"ls {_FOLDER}", check=False).returncode, "check mode has put something there"
        assert playbooks.changed() == {**predicted, _HAS: 0}
        assert playbooks.changed() == {_HAS: 0, _GETS: 0}
        with broken(lab, _GETS, _HIDE, _SHOW):
            playbooks.run("diagnose", "--limit", _GETS)
        (row,) = json.loads((tmp_path / "report" / "report.json").read_text())["hosts"][_GETS]["endpoints"].values()
        assert [one["status"] for one in row["observations"] if one["check"] == "postgresql.login"] == ["ok", "ok"]
    finally:
        gone = playbooks.changed("-e", "connectivity_bootstrap_state=absent")
    assert gone[_HAS] == 0 < gone[_GETS]
    assert lab.run(_GETS, f"ls {_FOLDER}", check=False).returncode

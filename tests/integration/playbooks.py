# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook, as a user runs it, on this machine: its own process, a playbook file, results read back from JSON."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
_PLAYBOOK_S = 120


class Run(NamedTuple):
    """How ansible-playbook ended. ``results``: what each task that has a name in ``register`` returned."""

    status: int
    output: str
    results: dict[str, dict[str, Any]]


def target_python() -> str:
    """The Python that modules run under: that of a managed node where the environment names one, else this one."""
    return os.environ.get("DOCTOR_TEST_TARGET_PYTHON", sys.executable)


def environ() -> dict[str, str]:
    """A user's environment: nothing of the Ansible configuration of whoever runs the tests, colours off."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_") and key != "PYTHONPATH"}
    return dict(kept, ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"), ANSIBLE_NOCOLOR="1",
                PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run_tasks(folder: Path, tasks: list[dict[str, Any]], prefix: Sequence[str] = ()) -> Run:
    """Run tasks on this machine. What they register is written down by a last task, and read back.

    :param folder: an empty folder for the playbook and its results. :param tasks: as in a playbook.
    :param prefix: a command that runs another command, such as unshare(1).
    """
    configuration = folder / "ansible.cfg"
    configuration.touch()
    results = folder / "results.json"
    registered = [task["register"] for task in tasks]
    content = "{{ {" + ", ".join(f"'{name}': {name}" for name in registered) + "} | to_json }}"
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_connection": "local", "ansible_python_interpreter": target_python()},
        "tasks": [*tasks, {"ansible.builtin.copy": {"content": content, "dest": str(results), "mode": "0600"}}],
    }
    playbook = folder / "playbook.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    ended = subprocess.run(
        [*prefix, Path(sys.executable).parent / "ansible-playbook", playbook], cwd=folder, timeout=_PLAYBOOK_S,
        env=dict(environ(), ANSIBLE_CONFIG=str(configuration)),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )
    return Run(ended.returncode, ended.stdout, json.loads(results.read_text()) if results.exists() else {})

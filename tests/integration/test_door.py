# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor``: the help, what is unknown, the environment it makes and keeps, and the Pythons it passes over."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.integration.door import door


def test_help_needs_nothing(tmp_path: Path) -> None:
    shown = door("help", cwd=tmp_path, PATH="/usr/bin:/bin", DOCTOR_VENV=str(tmp_path / "never"))
    assert shown.returncode == 0
    assert "./doctor diagnose -e endpoint=URL" in shown.stdout
    assert not (tmp_path / "never").exists()


def test_no_argument_is_help(tmp_path: Path) -> None:
    assert door(cwd=tmp_path).stdout == door("help", cwd=tmp_path).stdout != ""


def test_unknown_command_names_itself_and_what_there_is(tmp_path: Path, ready: Path) -> None:
    refused = door("diagnoze", cwd=tmp_path, DOCTOR_VENV=str(ready))
    assert refused.returncode == 2
    assert "'diagnoze'" in refused.stderr
    assert "./doctor diagnose" in refused.stderr


def test_options_go_to_ansible_playbook(tmp_path: Path, ready: Path) -> None:
    listed = door("diagnose", "--list-tasks", "-i", "localhost,", cwd=tmp_path, DOCTOR_VENV=str(ready))
    assert listed.returncode == 0, listed.stderr
    assert "playbooks/diagnose.yml" in listed.stdout
    assert "Observe the endpoints from this host" in listed.stdout


def test_stale_environment_is_made_anew_and_a_python_that_fails_passed_over(tmp_path: Path, ready: Path) -> None:
    """The door must try to install, with the first Python that runs; pip is pointed at nothing, so that it can't."""
    (ready / "requirements.stamp").write_text("of other requirements\n")
    (ready / "bin").unlink()
    shims = tmp_path / "shims"
    shims.mkdir()
    for name in ("python3.13", "python3.12"):
        (shims / name).write_text("#!/bin/sh\necho 'no such version' >&2\nexit 127\n")
        (shims / name).chmod(0o755)
    (shims / "python3.11").symlink_to(sys.executable)
    path = f"{shims}{os.pathsep}/usr/bin{os.pathsep}/bin"
    refused = door("diagnose", cwd=tmp_path, DOCTOR_VENV=str(ready), PATH=path, PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path),
                   PIP_CONFIG_FILE=os.devnull)
    assert refused.returncode == 1
    assert f"setting up a Python environment in {ready} with python3.11" in refused.stderr
    assert "pip could not install requirements/run.txt" in refused.stderr


def test_no_python_is_one_plain_sentence(tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "cksum", "cat", "cut"):
        (tools / name).symlink_to(f"/usr/bin/{name}")
    refused = door("diagnose", cwd=tmp_path, DOCTOR_VENV=str(tmp_path / "venv"), PATH=str(tools))
    assert refused.returncode == 1
    assert refused.stderr == "doctor: no usable Python 3.11 or newer found; PYTHON=/path/to/python3 names one\n"

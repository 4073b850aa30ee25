# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible as the lab's controller runs it: with the collection of this checkout, and nothing of who runs the tests."""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT

from .lab import Lab


def program(name: str) -> str:
    """``ansible`` and its like, of the environment in which the tests run."""
    return str(Path(sys.executable).with_name(name))


def environment(folder: Path | None = None) -> dict[str, str]:
    """:param folder: where Ansible keeps what it keeps at home; without one, where it always does."""
    home = {"ANSIBLE_HOME": str(folder / "home")} if folder else {}
    return {"ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"), "ANSIBLE_NOCOLOR": "1", **home}


def playbook_command(
    lab: Lab, playbook: str, limit: str, folder: Path, variables: Mapping[str, Any], *arguments: str, become: bool = True,
) -> list[str]:
    """The playbook of the collection as a user types it. The variables, which may be secret, are in a file in the folder."""
    file = folder / "variables.json"
    file.write_text(json.dumps(variables), encoding="utf-8")
    return [program("ansible-playbook"), f"connectivity.doctor.{playbook}", "-i", str(lab.inventory), *(["--become"] if become else []),
            "--limit", limit, "-e", f"@{file}", *arguments]


def play(
    lab: Lab, playbook: str, limit: str, folder: Path, variables: Mapping[str, Any], *arguments: str,
    become: bool = True, timeout: float = 180.0,
) -> subprocess.CompletedProcess[str]:
    """Run it, however it ends. :param timeout: seconds."""
    command = playbook_command(lab, playbook, limit, folder, variables, *arguments, become=become)
    return lab.on_controller(command, check=False, timeout=timeout, env=environment(folder))

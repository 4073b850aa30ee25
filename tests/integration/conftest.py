# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.integration.playbooks import ROOT


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """An environment that the door finds made: this one, with the stamp of the requirements as they are."""
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    with (ROOT / "requirements" / "run.txt").open("rb") as file:
        (venv / "requirements.stamp").write_bytes(subprocess.run(["cksum"], stdin=file, capture_output=True, check=True).stdout)
    return venv

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor``, as a user calls it."""
from __future__ import annotations

import subprocess
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.integration.playbooks import ROOT, environ


def door(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "doctor", *arguments], cwd=cwd, env=dict(environ(), **variables), timeout=120,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fixtures of the lab's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.fixture import lab
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook

__all__ = ["lab", "playbook"]


@pytest.fixture
def playbook(lab: Lab, tmp_path: Path) -> Iterator[Playbook]:
    """``remediate``, and no trace of it on the clients afterwards."""
    yield Playbook(lab, tmp_path)
    for host in lab.clients:
        lab.run(host, "rm -rf /var/lib/connectivity-doctor")

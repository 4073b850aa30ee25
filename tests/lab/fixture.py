# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pytest fixture ``lab``; import it in a ``conftest.py`` to use the lab in the tests beside it."""

from __future__ import annotations

import os

import pytest

from .lab import Lab


@pytest.fixture(scope="session")
def lab() -> Lab:
    """The lab, brought up unless it runs already; it is left running, so that the next session starts at once."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    running = Lab()
    running.up()
    return running

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real fleet of machines on one machine, for tests: see README.md."""

from __future__ import annotations

from .lab import Lab
from .shell import CommandError

__all__ = ["CommandError", "Lab"]

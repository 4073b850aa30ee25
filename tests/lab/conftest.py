# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the lab's fixture known to its own tests."""

from __future__ import annotations

from ansible_collections.connectivity.doctor.tests.lab.fixture import lab

__all__ = ["lab"]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moments as the collection writes them.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time


def rfc3339(seconds: float | None = None) -> str:
    """:param seconds: since the epoch; without them it is now. :returns: in UTC, to the second (RFC 3339)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))

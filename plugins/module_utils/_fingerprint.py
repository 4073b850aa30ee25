# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Says whether two secrets are the same without saying either: a hash under a salt that the controller makes for each run.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib

# What is shown of a fingerprint: enough to compare hosts, and nothing to search for without the salt, which is never shown.
SHOWN = 12


def fingerprint(value: str, salt: str) -> str:
    """:param salt: at least 16 random bytes, as text. :returns: SHA-256 (FIPS 180-4) of salt and value in UTF-8, in hexadecimal."""
    return hashlib.sha256((salt + value).encode("utf-8", "surrogateescape")).hexdigest()

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a credential says of itself: from when until when a JSON Web Token is valid (RFC 7519, sections 4.1.4 to 4.1.6). Nothing else of it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import json
import re
import typing as t

_LONGEST = 65536
# Three parts in base64url, of which the second is the claims (RFC 7515, section 3.1).
_TOKEN = re.compile(r"(?:^|\s)[A-Za-z0-9_-]+\.(?P<claims>[A-Za-z0-9_-]+)\.[A-Za-z0-9_-]*$")
_LATEST = 1 << 40


class Validity(t.NamedTuple):
    """Seconds since the epoch; None where it does not say."""

    credential_from: float | None
    credential_until: float | None


def validity(credential: str) -> Validity:
    """:param credential: as it is sent, with or without a scheme before it."""
    found = _TOKEN.search(credential.strip()) if len(credential) <= _LONGEST else None
    if not found:
        return Validity(None, None)
    claims = found.group("claims")
    try:
        read = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    except (ValueError, RecursionError):
        return Validity(None, None)
    if not isinstance(read, dict):
        return Validity(None, None)
    begins = _seconds(read.get("nbf"))
    return Validity(_seconds(read.get("iat")) if begins is None else begins, _seconds(read.get("exp")))


def _seconds(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and 0 <= value < _LATEST else None  # type: ignore[operator,arg-type]  # a number, as was just seen

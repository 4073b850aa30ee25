# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The observation: what was seen, where and when, and how a person sees the same. Never what it means.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import threading
import time
import typing as t

STATUSES = ("ok", "warn", "fail", "cannot_tell", "skipped")

# What one host may send back: a peer must not be able to fill the controller's memory through a probe.
MAXIMUM_OBSERVATIONS = 2000
MAXIMUM_TEXT = 600


def clean_text(text: object, secrets: t.Iterable[str] = (), limit: int = MAXIMUM_TEXT) -> str:
    """Text that came from a peer, a file or an exception, made safe to keep.

    :param text: str, or bytes of unknown encoding (undecodable bytes are kept as ``\\xNN``).
    :param secrets: values that must not leave the managed node; each is replaced by asterisks.
    :param limit: the number of characters kept.
    """
    # A secret that another one begins with must not leave the other's end behind.
    masked = sorted(filter(None, secrets), key=len, reverse=True)
    if isinstance(text, (bytes, bytearray)):
        # Masking shortens: what is cut off here must be so far behind that no part of a secret comes to be shown.
        longest = len(masked[0]) * 4 if masked else 4
        text = bytes(text[:(limit + 1) * longest]).decode("utf-8", "backslashreplace")
    cleaned = str(text).encode("utf-8", "backslashreplace").decode("utf-8")
    for secret in masked:
        cleaned = cleaned.replace(secret, "********")
    if not cleaned.isprintable():
        cleaned = "".join(c if c.isprintable() or c in "\n\t" else "\\x%02x" % ord(c) for c in cleaned)
    return cleaned if len(cleaned) <= limit else cleaned[:limit] + "…"


def timestamp(seconds: float) -> str:
    """:param seconds: since the epoch. :returns: RFC 3339, UTC, with milliseconds."""
    whole = int(seconds)
    return "%s.%03dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)), int((seconds - whole) * 1000))


class Recorder:
    """Collects observations from many threads. What was recorded before a crash or a deadline is never lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._observations: list[dict[str, t.Any]] = []
        self._sealed = False

    def add(self, observation: dict[str, t.Any]) -> None:
        with self._lock:
            if not self._sealed and len(self._observations) < MAXIMUM_OBSERVATIONS:
                self._observations.append(observation)

    def seal(self) -> list[dict[str, t.Any]]:
        """No observation is taken after this; the ones taken so far are returned."""
        with self._lock:
            self._sealed = True
            return self._observations

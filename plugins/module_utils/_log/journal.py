# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the journal of a unit, the newest entry first (journalctl(1), its JSON format).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._log.reading import LONGEST_LINE, Line

_MOST_ENTRIES = 20000
_MOST_BYTES = 8 * 1024 * 1024
_SECONDS = 8.0


class Journal:
    """The entries of one unit in a window of time; like :class:`._log.reading.Log`.

    ``error``: empty, ``no_journal``, ``not_permitted`` or ``failed``.
    """

    def __init__(self, unit: str, since: float, context: Context) -> None:
        self.path = unit
        self.error = ""
        self.newest: float | None = None
        self.oldest: float | None = None
        self.lines = 0
        self.truncated = False
        self.timed = True
        self.files: list[str] = []
        self._since = since
        self._context = context

    def __iter__(self) -> t.Iterator[Line]:
        answer = self._context.command(
            ["journalctl", "--no-pager", "--unit=" + self.path, "--since=@%d" % self._since, "--reverse", "--lines=%d" % _MOST_ENTRIES,
             "--output=json", "--output-fields=MESSAGE"], seconds=_SECONDS, limit=_MOST_BYTES)
        lines = answer.output.splitlines()
        self.error = _error(answer.exit_code, answer.problem, answer.errors, bool(lines))
        self.truncated = len(lines) >= _MOST_ENTRIES or len(answer.output) >= _MOST_BYTES - 4 or answer.problem == "timed_out"
        for text in lines:
            line = parse_entry(text)
            if line is None:
                continue
            self.newest = line.at if self.newest is None else self.newest
            self.oldest = line.at
            self.lines += 1
            yield line


def _error(exit_code: int | None, problem: str, errors: str, any_lines: bool) -> str:
    if problem == "not_found" or "No journal files were found" in errors:
        return "no_journal"
    if problem == "not_permitted" or (not any_lines and ("not seeing messages" in errors or "insufficient permissions" in errors)):
        return "not_permitted"
    return "failed" if exit_code and not any_lines else ""


def parse_entry(text: str) -> Line | None:
    """:param text: one JSON object. A message that is no UTF-8 comes as a list of bytes. None for what is none, or was cut off."""
    try:
        entry = json.loads(text)
        at = int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        message = entry["MESSAGE"]
        if isinstance(message, list):
            message = bytes(message).decode("utf-8", "backslashreplace")
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return Line(at, message[:LONGEST_LINE]) if isinstance(message, str) else None

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file, whatever its format, as a flat list of dotted keys with their values and lines.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

LARGEST_FILE = 1048576
MOST_ENTRIES = 20000
LONGEST_KEY = 500
LONGEST_LINE = 4000
DEEPEST = 40


class Entry(t.NamedTuple):
    """``key``: the way to the value, joined with dots; items of lists by their number. ``line`` counts from 1; 0 where it isn't known."""

    key: str
    value: str
    line: int
    path: str = ""

    @property
    def source(self) -> str:
        return "%s:%d" % (self.path, self.line) if self.line else self.path


class SyntaxProblem(Exception):
    """The file breaks its format's rules, so that the agent can't read it. ``line`` and ``column`` count from 1."""

    def __init__(self, line: int, column: int, problem: str) -> None:
        super().__init__(problem)
        self.line = line
        self.column = column
        self.problem = problem


class BeyondReader(Exception):
    """The file may be right, but uses more of its format than can be read here. The text says what."""


def collected(entries: t.Iterable[Entry]) -> list[Entry]:
    """:raises BeyondReader: there are more than any configuration has."""
    found = []
    for entry in entries:
        if len(found) >= MOST_ENTRIES:
            raise BeyondReader("more than %d values" % MOST_ENTRIES)
        if len(entry.key) > LONGEST_KEY:
            raise BeyondReader("a key of more than %d characters" % LONGEST_KEY)
        found.append(entry)
    return found


def flatten(value: t.Any, line_of: t.Callable[[str], int], key: str = "", depth: int = 0) -> t.Iterator[Entry]:
    """The scalars in nested mappings and lists. :param line_of: the line of a key, by its last name."""
    if depth > DEEPEST:
        raise BeyondReader("nested more than %d deep" % DEEPEST)
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            yield from flatten(item, line_of, "%s.%s" % (key, name) if key else str(name), depth + 1)
    else:
        names = [name for name in key.split(".") if not name.isdigit()]
        yield Entry(key, scalar_text(value), line_of(names[-1]) if names else 0)


def scalar_text(value: t.Any) -> str:
    """As it stands in a file: ``true``, not ``True``; nothing for null."""
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def line_finder(text: str, form: str) -> t.Callable[[str], int]:
    """For readers that don't tell lines: the line of a key that is there once. :param form: a pattern for a key, which is its group."""
    lines: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        for match in re.finditer(form, line[:LONGEST_LINE]):
            lines[match.group(1)] = 0 if match.group(1) in lines else number
    return lambda name: lines.get(name, 0)


def find(entries: t.Iterable[Entry], pattern: str) -> list[Entry]:
    """The values of a dotted key; ``*`` stands for one name. Of a key that is there twice, the last counts.

    A list's items are found by the list's own key.
    """
    wanted = re.compile("".join("[^.]+" if part == "*" else re.escape(part) for part in re.split(r"(\*)", pattern)) + r"(\.\d+)?")
    found = {entry.key: entry for entry in entries if wanted.fullmatch(entry.key)}
    return list(found.values())

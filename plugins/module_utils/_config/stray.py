# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds characters in a configuration that a person does not see and a program does: marks, blanks, quotes of a word processor.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

MOST = 20

# What each format's own reader takes without harm; anything else changes what the agent reads. netdata 1.37 was seen to take CRLF, and to
# drop the section that has the mark in front; PyYAML, go-yaml and expat skip the mark; java.util.Properties ends lines at either character.
_HARMLESS = {
    "bom": ("yaml", "xml", "toml"),
    "crlf": ("yaml", "ini", "toml", "properties", "xml", "json", "key_value", "collectd"),
    "tab_indentation": ("ini", "toml", "properties", "env", "xml", "json", "key_value", "collectd"),
}

_KINDS = (
    ("non_breaking_space", re.compile("[\u00a0\u202f\u2007]")),
    ("invisible_space", re.compile("[\u200b\u200c\u200d\u2060\u00ad\u2028\u2029\u3000\u2000-\u2006\u2008-\u200a]|(?<!^)\ufeff")),
    ("smart_quote", re.compile("[\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb]")),
    ("control_character", re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")),
    ("not_utf8", re.compile("[\udc80-\udcff]")),
)
_COMMENT = {"yaml": "#", "ini": "#;", "toml": "#", "properties": "#!", "env": "#;", "key_value": "#", "collectd": "#"}


class Stray(t.NamedTuple):
    """``bytes``: in hexadecimal. ``count``: how many lines have the same. ``harmful``: this format's readers don't take it."""

    kind: str
    line: int
    column: int
    bytes: str
    count: int
    harmful: bool


def find_stray(text: str, file_format: str, watched_lines: t.Container[int] = ()) -> list[Stray]:
    """:param text: the whole file, decoded with ``surrogateescape``. :param watched_lines: the lines of the values that the agent needs.

    Comments don't count, and blanks at the end of a line count only where a needed value stands.
    """
    found: dict[str, Stray] = {}
    if text.startswith("\ufeff"):
        found["bom"] = _stray("bom", 1, 1, "\ufeff", file_format)
    for number, line in enumerate(text.split("\n"), 1):
        if line.endswith("\r"):
            _add(found, _stray("crlf", number, len(line), "\r\n", file_format))
            line = line[:-1]
        body = line.lstrip(" \t\ufeff")
        if not body or body[0] in _COMMENT.get(file_format, ""):
            continue
        indentation = line[:len(line) - len(body)]
        if "\t" in indentation:
            _add(found, _stray("tab_indentation", number, indentation.index("\t") + 1, "\t", file_format))
        for kind, pattern in _KINDS:
            match = pattern.search(line)
            if match:
                _add(found, _stray(kind, number, match.start() + 1, match.group(), file_format))
        trailing = line[len(line.rstrip(" \t")):]
        if trailing and number in watched_lines:
            stray = _stray("trailing_space", number, len(line) - len(trailing) + 1, trailing[:20], file_format)
            _add(found, stray._replace(harmful=file_format == "properties"))
    return list(found.values())[:MOST]


def _stray(kind: str, line: int, column: int, characters: str, file_format: str) -> Stray:
    raw = characters.encode("utf-8", "surrogateescape")
    return Stray(kind, line, column, " ".join("%02x" % byte for byte in raw), 1, file_format not in _HARMLESS.get(kind, ()))


def _add(found: dict[str, Stray], stray: Stray) -> None:
    """One entry a kind: the first place, and how often."""
    first = found.get(stray.kind)
    found[stray.kind] = first._replace(count=first.count + 1, harmful=first.harmful or stray.harmful) if first else stray


_AROUND = " \"'\u00a0\u200b\u200c\u200d\u2018\u2019\u201a\u201c\u201d\u201e\u2060\ufeff" + "".join(map(chr, range(32)))
_INSIDE = re.compile("[\u00a0\u200b-\u200d\u2060\ufeff\u00ad\x00-\x1f]")


def cleaned(value: str) -> str:
    """A value without what nobody meant to be in it: blanks and quotes around it, invisible characters inside."""
    return _INSIDE.sub("", value.strip(_AROUND))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads collectd's configuration: a key with its values on a line, in blocks that have a name and values of their own.

A block is a name on the way to what is in it, and its first value another: ``plugin.write_http.node.intake.url``. collectd does not tell
capitals of keys from small letters, so here they are small. What stands in one block under the same key several times has numbers.

Sources: collectd.conf(5); collectd 5.12, src/liboconfig/scanner.l and parser.y.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import collections
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import (
    DEEPEST,
    BeyondReader,
    Entry,
    SyntaxProblem,
    collected,
)

_TOKEN = re.compile(r'[ \t\b]*(?:"((?:[^"\\]|\\.)*)"|([^\s"<>\\#]+))')
_KEY = re.compile(r"[0-9A-Za-z_]+")
_ESCAPED = re.compile(r"\\(.)")
# What is read in its place: a file, a pattern of files, or a folder.
INCLUDE = "include"


def read_collectd(text: str) -> list[Entry]:
    """Of a key with several values, the values with blanks between. :raises SyntaxProblem: :raises BeyondReader:"""
    entries = collected(_entries(text))
    twice = {key for key, times in collections.Counter(entry.key for entry in entries).items() if times > 1}
    seen: t.Counter[str] = collections.Counter()
    numbered = []
    for entry in entries:
        numbered.append(entry._replace(key="%s.%d" % (entry.key, seen[entry.key])) if entry.key in twice - {INCLUDE} else entry)
        seen[entry.key] += 1
    return numbered


def _entries(text: str) -> t.Iterator[Entry]:
    way: list[list[str]] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if stripped.endswith("\\"):
            raise BeyondReader("line %d goes on in the next one" % number)
        if not stripped or stripped[0] == "#":
            continue
        if stripped.startswith("</"):
            block = _closed(way, stripped, number)
            if block[0] == INCLUDE:
                yield Entry(INCLUDE, "/".join(block[1:]), number)
        elif stripped[0] == "<":
            way.append(_opened(line.rstrip(), number))
            if len(way) > DEEPEST:
                raise BeyondReader("nested more than %d deep" % DEEPEST)
        else:
            key, values = _parsed(stripped, number)
            if way and way[-1][0] == INCLUDE:  # its only key is the pattern of the files in that folder
                way[-1] += values
            else:
                yield Entry(".".join([*(name for names in way for name in names), key]), " ".join(values), number)
    if way:
        raise SyntaxProblem(text.count("\n") + 1, 1, "the block %s is not closed" % way[-1][0])


def _opened(line: str, number: int) -> list[str]:
    """The names that a block adds to the way. One with a dot would look like two."""
    if not line.endswith(">"):
        raise SyntaxProblem(number, len(line) + 1, "the block's bracket is not closed")
    key, values = _parsed(line.strip()[1:-1], number)
    return [key, *(value if key == INCLUDE else value.replace(".", "_") for value in values[:1])]


def _closed(way: list[list[str]], line: str, number: int) -> list[str]:
    name = line[2:].partition(">")[0].strip().lower()
    if not way or way[-1][0] != name:
        raise SyntaxProblem(number, 1, "a block is closed that is not open")
    return way.pop()


def _parsed(text: str, number: int) -> tuple[str, list[str]]:
    """A key in small letters, and its values."""
    key = _KEY.match(text)
    if not key:
        raise SyntaxProblem(number, 1, "no key")
    values, at = [], key.end()
    while text[at:].strip() and text[at:].lstrip()[0] != "#":
        token = _TOKEN.match(text, at)
        if not token:
            raise SyntaxProblem(number, at + 1, "the quote is not closed" if '"' in text[at:] else "no value")
        quoted, plain = token.groups()
        values.append(plain if quoted is None else _ESCAPED.sub(r"\1", quoted))
        at = token.end()
    return key.group().lower(), values

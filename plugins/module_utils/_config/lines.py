# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads configurations that go line by line: INI, environment files, Java properties, and ``Key=value`` as Zabbix has it.

Each reader keeps a value as the program that owns the format would: what that program strips is stripped, what it keeps is kept.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import Entry, SyntaxProblem, collected

_PROPERTY = re.compile(r"((?:\\.|[^\\\s:=])*)\s*[:=]?\s*(.*)", re.DOTALL)
_PROPERTY_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PROPERTY_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def read_ini(text: str) -> list[Entry]:
    """Sections in brackets, then ``key = value``. Keys may have spaces and be indented; a line without ``=`` goes on with the one before
    if it is indented.
    """
    return collected(_ini(text))


def _ini(text: str) -> t.Iterator[Entry]:
    section = ""
    last = None
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] in "#;":
            continue
        if stripped[0] == "[":
            if "]" not in stripped:
                raise SyntaxProblem(number, len(line.rstrip()) + 1, "the section's bracket is not closed")
            section = stripped[1:stripped.index("]")].strip()
            last = None
            continue
        separator = min((stripped.find(char) for char in "=:" if char in stripped), default=-1)
        if "=" in stripped:
            separator = stripped.find("=")
        if separator < 0 and last and line[0].isspace():
            last = last._replace(value=last.value + "\n" + stripped)
            yield last
            continue
        if separator < 1:
            raise SyntaxProblem(number, len(line) - len(line.lstrip()) + 1, "neither a section nor a key with a value")
        key = stripped[:separator].strip()
        last = Entry("%s.%s" % (section, key) if section else key, stripped[separator + 1:].strip(), number)
        yield last


def read_env(text: str) -> list[Entry]:
    """``NAME=value`` as systemd's ``EnvironmentFile=`` takes it (systemd.exec(5)), and ``export NAME=value`` as shells do."""
    return collected(_env(text))


def _env(text: str) -> t.Iterator[Entry]:
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip(" \t")
        if not stripped.strip() or stripped[0] in "#;":
            continue
        if stripped.startswith("export "):
            stripped = stripped[len("export "):].lstrip()
        name, equals, value = stripped.partition("=")
        if not equals or not _ENV_NAME.fullmatch(name):
            raise SyntaxProblem(number, 1, "no assignment to a variable")
        if value[:1] in ("'", '"'):
            end = value.find(value[0], 1)
            if end < 0:
                raise SyntaxProblem(number, line.index("=") + 2, "the quote is not closed")
            value = value[1:end] + value[end + 1:]
        yield Entry(name, value, number)


def read_properties(text: str) -> list[Entry]:
    """As java.util.Properties loads them: ``=``, ``:`` or blanks after the key, ``\\`` goes on, blanks at the end belong to the value."""
    return collected(_properties(text))


def _properties(text: str) -> t.Iterator[Entry]:
    lines = re.split(r"\r\n|\n|\r", text)
    number = 0
    while number < len(lines):
        first, line = number, lines[number].lstrip(" \t\f")
        number += 1
        if not line or line[0] in "#!":
            continue
        parts = [line]
        while (len(parts[-1]) - len(parts[-1].rstrip("\\"))) % 2 and number < len(lines):
            parts[-1] = parts[-1][:-1]
            parts.append(lines[number].lstrip(" \t\f"))
            number += 1
        match = _PROPERTY.fullmatch("".join(parts))
        if match:
            yield Entry(_unescaped(match.group(1), first), _unescaped(match.group(2), first), first + 1)


def _unescaped(text: str, line: int) -> str:
    def letter(match: re.Match[str]) -> str:
        escape = match.group(1)
        if escape[0] == "u":
            if len(escape) == 1:
                raise SyntaxProblem(line + 1, 1, "\\u without four hexadecimal digits")
            return chr(int(escape[1:], 16))
        return _PROPERTY_LETTERS.get(escape, escape)
    return _PROPERTY_ESCAPE.sub(letter, text)


def read_key_value(text: str) -> list[Entry]:
    """``Key=value`` without sections. ``Include=`` is a value like any other here: who reads the file follows it."""
    return collected(_key_value(text))


def _key_value(text: str) -> t.Iterator[Entry]:
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] == "#":
            continue
        key, equals, value = stripped.partition("=")
        if not equals or not key.strip():
            raise SyntaxProblem(number, len(line) - len(line.lstrip()) + 1, "no key with a value")
        yield Entry(key.strip(), value.strip(), number)

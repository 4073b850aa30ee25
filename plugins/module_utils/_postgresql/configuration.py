# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings from a PostgreSQL server's configuration files, and where each is set.

Source: PostgreSQL documentation, "Setting Parameters" (the configuration file, its include directives, postgresql.auto.conf).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

_LARGEST_FILE = 1024 * 1024
_MOST_FILES = 100
_DEEPEST = 10
# A name, with or without an equals sign, and a value: quoted (a quote in it is doubled, or has a backslash) or bare; then a comment.
_LINE = re.compile(r"""\s*(?P<name>[A-Za-z_][\w.$]*)\s*(?:=\s*|\s+)(?:'(?P<quoted>(?:[^'\\]|''|\\.)*)'|(?P<bare>[^\s#'=]+))\s*(?:\#.*)?$""")
_INCLUDES = ("include", "include_if_exists", "include_dir")


class Setting(t.NamedTuple):
    """``line`` is counted from 1."""

    value: str
    file: str
    line: int


def read_settings(configuration: str, data_directory: str) -> dict[str, Setting]:
    """Of a setting that is there more than once, the last counts; what ALTER SYSTEM has written comes last of all.

    :param configuration: the path of postgresql.conf. :raises OSError: it can't be read.
    """
    settings: dict[str, Setting] = {}
    budget = [_MOST_FILES]
    _read(configuration, settings, budget, 0)
    try:
        _read(os.path.join(data_directory, "postgresql.auto.conf"), settings, budget, 0)
    except OSError:
        pass  # a server may have none
    return settings


def _read(path: str, settings: dict[str, Setting], budget: list[int], depth: int) -> None:
    budget[0] -= 1
    if budget[0] < 0 or depth > _DEEPEST:
        return
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        lines = file.read(_LARGEST_FILE).splitlines()
    for number, line in enumerate(lines, 1):
        found = parse_line(line)
        if found is None:
            continue
        name, value = found
        if name not in _INCLUDES:
            settings[name] = Setting(value, path, number)
            continue
        for included in _included(name, os.path.join(os.path.dirname(path), value)):
            try:
                _read(included, settings, budget, depth + 1)
            except OSError:
                continue  # the server would not have started without it; what it says is not known


def _included(directive: str, path: str) -> list[str]:
    if directive != "include_dir":
        return [path]
    try:
        names = sorted(name for name in os.listdir(path) if name.endswith(".conf") and not name.startswith("."))
    except OSError:
        return []
    return [os.path.join(path, name) for name in names]


def parse_line(line: str) -> tuple[str, str] | None:
    """:returns: name, in lower case, and value; None for a comment, an empty line, or one that is wrong."""
    match = _LINE.match(line[:4096])
    if match is None:
        return None
    quoted = match.group("quoted")
    value = match.group("bare") if quoted is None else re.sub(r"''|\\(.)", lambda part: part.group(1) or "'", quoted)
    return match.group("name").lower(), value

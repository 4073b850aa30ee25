# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one configuration file, with the files that it includes, and says what is wrong with it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import os
import stat
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import (
    LARGEST_FILE,
    BeyondReader,
    Entry,
    SyntaxProblem,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lines import (
    read_env,
    read_ini,
    read_key_value,
    read_properties,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.stray import Stray, find_stray


# Imported when a file of that format is read, as they bring parsers that are seldom needed; in functions, so that modules pack them.
def _read_yaml(text: str) -> list[Entry]:
    from ansible_collections.connectivity.doctor.plugins.module_utils._config.yaml import read_yaml
    return read_yaml(text)


def _read_collectd(text: str) -> list[Entry]:
    from ansible_collections.connectivity.doctor.plugins.module_utils._config.collectd import read_collectd
    return read_collectd(text)


def _read_markup(name: str) -> t.Callable[[str], list[Entry]]:
    def reader(text: str) -> list[Entry]:
        from ansible_collections.connectivity.doctor.plugins.module_utils._config import markup as _config_markup
        return getattr(_config_markup, name)(text)
    return reader


_READERS: dict[str, t.Callable[[str], list[Entry]]] = {
    "yaml": _read_yaml,
    "ini": read_ini,
    "toml": _read_markup("read_toml"),
    "properties": read_properties,
    "env": read_env,
    "xml": _read_markup("read_xml"),
    "json": _read_markup("read_json"),
    "key_value": read_key_value,
    "collectd": _read_collectd,
}
FORMATS = tuple(_READERS)
# In formats that know of further files, the key that names them.
_INCLUDES = {"key_value": "Include", "collectd": "include"}

_MOST_INCLUDED = 50
_DEEPEST_INCLUDE = 5


class Reading(t.NamedTuple):
    """``error``: empty, ``missing``, ``not_permitted``, ``not_a_file``, ``too_large``, ``syntax`` or ``beyond_reader``, with ``detail``.

    ``syntax``: where a syntax error is. ``text``: as it stands, for what it takes to show a line of it.
    """

    path: str
    format: str
    entries: t.Sequence[Entry] = ()
    error: str = ""
    detail: str = ""
    syntax: SyntaxProblem | None = None
    text: str = ""

    def stray(self, watched_lines: t.Container[int]) -> list[Stray]:
        return find_stray(self.text, self.format, watched_lines)

    def line(self, number: int) -> str:
        lines = self.text.split("\n")
        return lines[number - 1] if 0 < number <= len(lines) else ""


def read_with_includes(path: str, file_format: str) -> list[Reading]:
    """The file, and where its format knows of such, the files that it names, in the order in which they count."""
    found: list[Reading] = []
    _read_into(found, path, file_format, 0)
    return found


def _read_into(found: list[Reading], path: str, file_format: str, depth: int) -> None:
    if len(found) > _MOST_INCLUDED or any(os.path.realpath(reading.path) == os.path.realpath(path) for reading in found):
        return
    reading = read(path, file_format)
    found.append(reading)
    if depth < _DEEPEST_INCLUDE:
        for entry in reading.entries:
            if entry.key == _INCLUDES.get(file_format):
                for included in _included(entry.value, os.path.dirname(path)):
                    _read_into(found, included, file_format, depth + 1)


def _included(value: str, folder: str) -> list[str]:
    """A file, a pattern, or a directory of files, as Zabbix and collectd take them. What does not exist includes nothing."""
    pattern = os.path.join(folder, value)
    pattern = os.path.join(pattern, "*") if os.path.isdir(pattern) else pattern
    return [path for path in sorted(glob.glob(pattern)) if os.path.isfile(path)]


def read(path: str, file_format: str) -> Reading:
    """One file, at most :data:`LARGEST_FILE` bytes of it."""
    text, error, detail = read_text(path)
    if error:
        return Reading(path, file_format, (), error, detail)
    try:
        entries = entries_of(text, file_format)
    except SyntaxProblem as problem:
        return Reading(path, file_format, (), "syntax", problem.problem, problem, text)
    except BeyondReader as problem:
        return Reading(path, file_format, (), "beyond_reader", str(problem), None, text)
    return Reading(path, file_format, [entry._replace(path=path) for entry in entries], text=text)


def entries_of(text: str, file_format: str) -> list[Entry]:
    """What a text says; a mark at its beginning is passed over. :raises SyntaxProblem: :raises BeyondReader:"""
    return _READERS[file_format](text[1:] if text.startswith("\ufeff") else text)


def _bounded(descriptor: int) -> bytes:
    """A file may grow while it is read: at most one byte more than is taken."""
    raw = b""
    while len(raw) <= LARGEST_FILE:
        chunk = os.read(descriptor, LARGEST_FILE + 1 - len(raw))
        if not chunk:
            break
        raw += chunk
    return raw


def read_text(path: str) -> tuple[str, str, str]:
    """:returns: the text (bytes that are no UTF-8 as lone surrogates), an error as in :class:`Reading`, and its detail."""
    try:
        # A FIFO would be waited for without end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return "", "missing", ""
    except OSError as problem:
        return "", "not_permitted", problem.strerror or ""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return "", "not_a_file", ""
        raw = _bounded(descriptor)
    except OSError as problem:
        return "", "not_permitted", problem.strerror or ""
    finally:
        os.close(descriptor)
    if len(raw) > LARGEST_FILE:
        return "", "too_large", "more than %d bytes" % LARGEST_FILE
    return raw.decode("utf-8", "surrogateescape"), "", ""

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes one value of a configuration, in any format, and leaves everything else of it to the byte.

The line is changed as text, and then proved: read again, the file must say what it said, but for that one value. So what this does not
understand is refused, and never spoilt. Texts are decoded with ``surrogateescape``, so that bytes that are no UTF-8 stay.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import BeyondReader, Entry, SyntaxProblem
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import entries_of
from ansible_collections.connectivity.doctor.plugins.module_utils._config.spelling import FLAT, GOES_BEFORE, SPELLINGS, new_line, spellings
from ansible_collections.connectivity.doctor.plugins.module_utils._config.stray import cleaned, find_stray

# A file whose first line is the value.
RAW = "raw"
FORMATS = (*SPELLINGS, RAW)
_AS_READ = -1
# Each try reads the whole file again.
_MOST_TRIES = 60
_TYPOGRAPHIC = str.maketrans({**dict.fromkeys("\u00a0\u202f\u2007\u3000", " "), **dict.fromkeys("\u2018\u2019\u201a", "'"),
                              **dict.fromkeys("\u201c\u201d\u201e", '"'), **dict.fromkeys("\u200b\u200c\u200d\u2060\u00ad\ufeff", None)})

Pairs = t.List[t.Tuple[str, str]]


class CannotEdit(Exception):
    """The file is left as it is; the text says why, and holds nothing of the file."""


def value_of(text: str, file_format: str, key: str) -> str | None:
    """:returns: the value that counts; None where the key is not there. :raises CannotEdit: the file can't be read."""
    return next((entry.value for entry in reversed(_entries(text, file_format)) if entry.key == key), None)


def with_value(text: str, file_format: str, key: str, value: str, is_text: bool = False) -> str:
    """:param key: the dotted way to the value. :param is_text: it must not be taken for a number or a switch.

    :returns: the file with that value; where the key was missing, with one line more. :raises CannotEdit: that can't be done for sure.
    """
    if file_format == RAW:
        return "\n".join([value, *text.split("\n")[1:]])
    entries = _entries(text, file_format)
    at = max((number for number, entry in enumerate(entries) if entry.key == key), default=-1)
    before = _pairs(entries)
    if at < 0:
        return _added(text, file_format, key, value, is_text, entries)
    if entries[at].value == value:
        return text
    wanted = before[:at] + [(key, value)] + before[at + 1:]
    for tried in _first(_replaced(text, file_format, entries[at], value, is_text), _MOST_TRIES):
        if _says(tried, file_format) == wanted:
            return tried
    raise CannotEdit("the value of %s is not written in a way that can be changed for sure" % key)


def without_stray(text: str, file_format: str, line: int = 0) -> str:
    """Takes out a mark at the beginning and carriage returns, where they do harm, and what nobody sees in the value of one line.

    :param line: from 1; 0 for none. :raises CannotEdit: the file would say something else, or still could not be read.
    """
    harmful = {stray.kind for stray in find_stray(text, file_format) if stray.harmful}
    tidy = text[1:] if "bom" in harmful else text
    tidy = tidy.replace("\r\n", "\n") if "crlf" in harmful else tidy
    if line:
        tidy = _tidy_line(tidy, file_format, line)
    if tidy != text:
        _entries(tidy, file_format)
    return tidy


def _tidy_line(text: str, file_format: str, line: int) -> str:
    if _says(text, file_format) is not None:
        entry = next((one for one in _entries(text, file_format) if one.line == line), None)
        if entry and cleaned(entry.value) != entry.value:
            return with_value(text, file_format, entry.key, cleaned(entry.value), is_text=True)
    lines = text.split("\n")
    lines[line - 1:line] = [one.translate(_TYPOGRAPHIC) for one in lines[line - 1:line]]
    return "\n".join(lines)


def _read(text: str, file_format: str) -> list[Entry]:
    return [Entry("", text.split("\n")[0], 1)] if file_format == RAW else entries_of(text, file_format)


def _entries(text: str, file_format: str) -> list[Entry]:
    try:
        return _read(text, file_format)
    except SyntaxProblem as problem:
        raise CannotEdit("line %d is no valid %s" % (problem.line, file_format)) from None
    except BeyondReader as problem:
        raise CannotEdit(str(problem)) from None


def _pairs(entries: t.Iterable[Entry]) -> Pairs:
    return [(entry.key, entry.value) for entry in entries]


def _says(text: str, file_format: str) -> Pairs | None:
    """None where it can't be read."""
    try:
        return _pairs(_read(text, file_format))
    except (SyntaxProblem, BeyondReader):
        return None


def _first(items: t.Iterator[str], most: int) -> t.Iterator[str]:
    return (item for _number, item in zip(range(most), items))


def _replaced(text: str, file_format: str, entry: Entry, value: str, is_text: bool) -> t.Iterator[str]:
    """Candidates, the likeliest first: on the value's own line and in its own style. Readers that don't tell lines may mean another one."""
    lines = text.split("\n")
    new = dict(spellings(file_format, value, is_text))
    own = [entry.line - 1] if 0 < entry.line <= len(lines) else []
    for number in [*own, *(number for number in range(len(lines)) if number not in own)]:
        for style, old in [*spellings(file_format, entry.value), (_AS_READ, entry.value)]:
            for start, end in _places(lines[number], old, entry.key):
                for written in [new[style]] if style in new else list(new.values()):
                    blank = "" if old or not re.search(r":$|\s=$", lines[number][:start]) else " "
                    changed = lines[number][:start] + blank + written + lines[number][end:]
                    yield "\n".join([*lines[:number], changed, *lines[number + 1:]])


def _places(line: str, old: str, key: str) -> t.Iterator[tuple[int, int]]:
    """Where a value may stand in a line, from its end; of an empty one, behind what separates it from its key."""
    if old:
        start = line.rfind(old)
        while start >= 0:
            yield start, start + len(old)
            start = line.rfind(old, 0, start)
        return
    name = key.rpartition(".")[2]
    for match in re.finditer(r"[:=][ \t]?|>", line[line.find(name) + len(name):] if name in line else ""):
        at = line.find(name) + len(name) + match.end()
        yield at, at


def _added(text: str, file_format: str, key: str, value: str, is_text: bool, entries: t.Sequence[Entry]) -> str:
    """A line beside its neighbours of the same section; what has no section may stand at the end."""
    section, name = ("", key) if file_format in FLAT else (key.rpartition(".")[0], key.rpartition(".")[2])
    lines = text.split("\n")
    beside = [entry.line for entry in entries
              if (file_format in FLAT or entry.key.rpartition(".")[0] == section) and 0 < entry.line <= len(lines)]
    wanted = sorted([*_pairs(entries), (key, value)])
    for number in reversed(beside):
        line = new_line(file_format, name, value, is_text, lines[number - 1])
        at = number - 1 if file_format in GOES_BEFORE else number
        tried = "\n".join([*lines[:at], line, *lines[at:]]) if line is not None else ""
        if line is not None and sorted(_says(tried, file_format) or ()) == wanted:
            return tried
    line = new_line(file_format, name, value, is_text) if not section else None
    tried = text + ("" if not text or text.endswith("\n") else "\n") + "%s\n" % line
    if line is not None and sorted(_says(tried, file_format) or ()) == wanted:
        return tried
    raise CannotEdit("%s is not there, and there is no place where it would go for sure" % key)

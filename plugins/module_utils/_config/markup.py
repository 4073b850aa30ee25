# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads JSON, XML and TOML with what the standard library has for them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import re
import typing as t
from xml.parsers import expat

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import (
    DEEPEST,
    LONGEST_KEY,
    LONGEST_LINE,
    MOST_ENTRIES,
    BeyondReader,
    Entry,
    SyntaxProblem,
    collected,
    flatten,
    line_finder,
)


def read_json(text: str) -> list[Entry]:
    """RFC 8259."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as problem:
        raise SyntaxProblem(problem.lineno, problem.colno, problem.msg) from None
    except (RecursionError, ValueError):
        raise BeyondReader("nested too deep, or a number too long") from None
    return collected(flatten(value, line_finder(text, r'"([^"\\]{1,200})"\s{0,20}:')))


def read_xml(text: str) -> list[Entry]:
    """Elements by their names from the root; attributes like elements. No entities: a document must not grow while it is read."""
    entries: list[Entry] = []
    way: list[str] = []
    texts: list[list[str]] = []
    parser = expat.ParserCreate()

    def add(names: list[str], value: str) -> None:
        if len(entries) >= MOST_ENTRIES or sum(map(len, names)) > LONGEST_KEY:
            raise BeyondReader("more values, or longer names, than any configuration has")
        entries.append(Entry(".".join(names), value, parser.CurrentLineNumber))

    def opened(name: str, attributes: dict[str, str]) -> None:
        if len(way) >= DEEPEST:
            raise BeyondReader("nested more than %d deep" % DEEPEST)
        way.append(name)
        texts.append([])
        for key, value in attributes.items():
            add([*way, key], value)

    def closed(_name: str) -> None:
        text_inside = "".join(texts.pop()).strip()
        add(way, text_inside)
        way.pop()

    def entity(*_arguments: t.Any) -> None:
        raise BeyondReader("it declares entities")

    parser.StartElementHandler = opened
    parser.EndElementHandler = closed
    parser.CharacterDataHandler = lambda data: texts[-1].append(data) if texts else None
    parser.EntityDeclHandler = entity
    try:
        parser.Parse(text.encode("utf-8", "surrogateescape"), True)
    except expat.ExpatError as problem:
        raise SyntaxProblem(problem.lineno, problem.offset + 1, expat.ErrorString(problem.code) or "not well-formed") from None
    except (LookupError, ValueError):
        raise BeyondReader("it is in an encoding that is not known here") from None
    return entries


def read_toml(text: str) -> list[Entry]:
    """TOML 1.0 where Python has it (3.11), else the part of it that configurations mostly use."""
    try:
        import tomllib
    except ImportError:
        return collected(_small_toml(text))
    _refuse_long_lines(text)
    try:
        value = tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        place = re.search(r"at line (\d+), column (\d+)", str(problem))
        line, column = (int(place.group(1)), int(place.group(2))) if place else (text.count("\n") + 1, 1)
        raise SyntaxProblem(line, column, str(problem).partition(" (at ")[0]) from None
    except RecursionError:
        raise BeyondReader("nested too deep") from None
    return collected(flatten(value, line_finder(text, r'(?:^|\.)[ \t"\']{0,20}([\w-]{1,200})["\']?[ \t]{0,20}=')))


_TOML_HEADER = re.compile(r"(\[\[?)\s*([\w.\s\"'-]+?)\s*(\]\]?)\s*(?:#.*)?")
_TOML_PAIR = re.compile(r"([\w.\"'-]+(?:\s*\.\s*[\w\"'-]+)*)\s*=\s*(.*)")
_TOML_SCALAR = re.compile(r"""\s*("(?:\\.|[^"\\])*"|'[^']*'|[\w.+:-]+)\s*""")


def _refuse_long_lines(text: str) -> None:
    """The library takes minutes for a dotted key of half a megabyte."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST_LINE:
            raise BeyondReader("line %d is longer than %d characters" % (number, LONGEST_LINE))


def _small_toml(text: str) -> t.Iterator[Entry]:
    _refuse_long_lines(text)
    table = ""
    tables: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped[0] == "#":
            continue
        header = _TOML_HEADER.fullmatch(stripped)
        if header:
            if len(header.group(1)) != len(header.group(3)):
                raise SyntaxProblem(number, len(line), "the table's bracket is not closed")
            table = _bare(header.group(2))
            if header.group(1) == "[[":
                tables[table] = tables.get(table, -1) + 1
                table = "%s.%d" % (table, tables[table])
            else:
                table = _under_last(table, tables)
            continue
        pair = _TOML_PAIR.fullmatch(stripped)
        if not pair:
            if stripped[0] == "[":
                raise SyntaxProblem(number, len(line.rstrip()) + 1, "the table's bracket is not closed")
            raise SyntaxProblem(number, len(line) - len(line.lstrip()) + 1, "neither a table nor a key with a value")
        key = _bare(pair.group(1))
        key = "%s.%s" % (table, key) if table else key
        yield from _toml_values(key, pair.group(2), number, line.index("=") + 2)


def _bare(key: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in key.split("."))


def _under_last(table: str, tables: dict[str, int]) -> str:
    """A table under an array of tables belongs to its last one."""
    for above, index in tables.items():
        if table.startswith(above + "."):
            return "%s.%d%s" % (above, index, table[len(above):])
    return table


def _toml_values(key: str, text: str, line: int, column: int) -> t.Iterator[Entry]:
    if text[:3] in ('"""', "'''") or text[:1] == "{":
        raise BeyondReader("line %d has a value of many lines, or a table in a line" % line)
    if text[:1] != "[":
        value, rest = _toml_scalar(text, line, column)
        if rest and rest[0] != "#":
            raise SyntaxProblem(line, column, "something follows the value")
        yield Entry(key, value, line)
        return
    rest = text[1:].strip()
    index = 0
    while rest[:1] != "]":
        if not rest or rest[0] in "[{#":
            raise BeyondReader("line %d has a list of many lines, or of lists" % line)
        value, rest = _toml_scalar(rest, line, column)
        yield Entry("%s.%d" % (key, index), value, line)
        index += 1
        rest = rest[1:].strip() if rest[:1] == "," else rest


def _toml_scalar(text: str, line: int, column: int) -> tuple[str, str]:
    """A value, and what follows it."""
    match = _TOML_SCALAR.match(text)
    if not match:
        raise SyntaxProblem(line, column, "the quote is not closed" if text[:1] in ("'", '"') else "no value")
    value = match.group(1)
    if value[0] == '"':
        try:
            return json.loads(value), text[match.end():]
        except ValueError:
            raise BeyondReader("line %d has an escape that is TOML's own" % line) from None
    if value[0] == "'":
        return value[1:-1], text[match.end():]
    if not re.fullmatch(r"true|false|[+-]?(?:inf|nan)|[+-]?\d[\w.+:-]*", value):
        raise SyntaxProblem(line, column, "text without quotes is no value")
    return value, text[match.end():]

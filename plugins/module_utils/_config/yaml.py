# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads YAML: with PyYAML where the managed node has it, else the part of YAML 1.2 that configurations mostly use.

The small reader knows block mappings and lists, scalars on one line, literal blocks, short flow lists and comments. Of anything else it
says that it is beyond it, and never guesses.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import itertools
import json
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import (
    DEEPEST,
    LONGEST_LINE,
    BeyondReader,
    Entry,
    SyntaxProblem,
    collected,
)

# PyYAML takes ten seconds for a megabyte of short keys; the small reader, one.
_MOST_FOR_PYYAML = 262144
_CHARACTER = "a character that YAML does not allow"
_NULLS = ("~", "null", "Null", "NULL")


def read_yaml(text: str) -> list[Entry]:
    """The first document of the file."""
    try:
        import yaml
    except ImportError:
        return read_small_yaml(text)
    if len(text) > _MOST_FOR_PYYAML:
        return read_small_yaml(text)
    try:
        document = next(iter(list(yaml.compose_all(text, Loader=yaml.SafeLoader))), None)  # all of it must be right
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        raise SyntaxProblem(mark.line + 1 if mark else 1, mark.column + 1 if mark else 1, problem.problem or "not YAML") from None
    except yaml.YAMLError as problem:  # a character that YAML does not allow
        raise SyntaxProblem(*_place(text, getattr(problem, "position", 0)), _CHARACTER) from None
    except RecursionError:
        raise BeyondReader("nested too deep") from None
    return collected(_nodes(document, "", 0))


def _place(text: str, position: int) -> tuple[int, int]:
    """Line and column, from 1."""
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)


def _nodes(node: t.Any, key: str, depth: int) -> t.Iterator[Entry]:
    """The scalars below a node of PyYAML, as text, whatever type they would be loaded as."""
    if node is None:
        return
    if depth > DEEPEST:
        raise BeyondReader("nested more than %d deep" % DEEPEST)
    if node.id == "scalar":
        null = node.style is None and node.value in _NULLS
        if key:
            yield Entry(key, "" if null else node.value, node.start_mark.line + 1)
    elif node.id == "sequence":
        for index, item in enumerate(node.value):
            yield from _nodes(item, "%s.%d" % (key, index) if key else str(index), depth + 1)
    else:
        for name, item in node.value:
            part = name.value if isinstance(name.value, str) else "?"
            yield from _nodes(item, "%s.%s" % (key, part) if key else part, depth + 1)


class _Line(t.NamedTuple):
    number: int
    indent: int
    text: str


_QUOTED_KEY = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:''|[^'])*')\s*:(?:\s+(.*))?""")
_END_OF_KEY = re.compile(r":(?:\s|$)")
_FIRST_OF_KEY = re.compile(r"[\w./~$(<=+]")
_NOT_IN_KEY = frozenset("#\"'[]{}")
_BLOCK = re.compile(r"[|>]-?(?:\s+#.*)?")
_TO_PYYAML = "line %d uses %s, which can't be read here without PyYAML"


# YAML 1.2, 5.1: the characters that a stream may not have, and those that end a line or mean nothing beside the usual ones.
_NOT_ALLOWED = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNUSUAL = re.compile("\r(?!\n)|[\x85\u2028\u2029\ufeff]")


def _split_key(text: str) -> tuple[str, str] | None:
    """A key as it stands, and what follows its colon. None for a line that has no key, or one that can't be told for sure."""
    if text[:1] in ("'", '"'):
        quoted = _QUOTED_KEY.fullmatch(text)
        return (quoted.group(1), quoted.group(2) or "") if quoted else None
    end = _END_OF_KEY.search(text)
    key = text[:end.start()].rstrip() if end else ""
    if end is None or not _FIRST_OF_KEY.match(key) or not _NOT_IN_KEY.isdisjoint(key):
        return None
    return key, text[end.end():].lstrip()


def read_small_yaml(text: str) -> list[Entry]:
    """:raises BeyondReader: the text uses more of YAML than this reader knows."""
    wrong = _NOT_ALLOWED.search(text)
    if wrong:
        raise SyntaxProblem(*_place(text, wrong.start()), _CHARACTER)
    unusual = _UNUSUAL.search(text)
    if unusual:
        raise BeyondReader(_TO_PYYAML % (_place(text, unusual.start())[0], "unusual ends of lines"))
    return collected(_SmallReader(text).document())


class _SmallReader:
    def __init__(self, text: str) -> None:
        self._raw = text.split("\n")
        self._lines = list(self._significant())
        self._at = 0

    def _significant(self) -> t.Iterator[_Line]:
        for number, raw in enumerate(self._raw, 1):
            raw = raw.rstrip("\r")
            body = raw.lstrip(" ")
            if body[:1] == "#":
                continue
            if len(raw) > LONGEST_LINE:
                raise BeyondReader("line %d is longer than %d characters" % (number, LONGEST_LINE))
            if "\t" in body[1:] or (body and not body.strip()):
                raise BeyondReader(_TO_PYYAML % (number, "tabs inside a line"))
            if body:
                yield _Line(number, len(raw) - len(body), body.rstrip())

    def document(self) -> t.Iterator[Entry]:
        for line in self._lines[1:]:
            if line.text[:3] in ("---", "..."):
                raise BeyondReader(_TO_PYYAML % (line.number, "more than one document"))
        if self._lines and self._lines[0].text == "---" and self._lines[0].indent == 0:
            self._at = 1
        if self._at < len(self._lines):
            yield from self._node(self._lines[self._at].indent, "", 0)
        if self._at < len(self._lines):
            line = self._lines[self._at]
            self._refuse(line)
            raise SyntaxProblem(line.number, line.indent + 1, "the indentation fits nothing above it")

    def _node(self, indent: int, key: str, depth: int) -> t.Iterator[Entry]:
        if depth > DEEPEST:
            raise BeyondReader("nested more than %d deep" % DEEPEST)
        line = self._lines[self._at]
        _no_tab(line)
        if line.text == "-" or line.text.startswith("- "):
            yield from self._list(indent, key, depth)
        elif _split_key(line.text):
            yield from self._mapping(indent, key, depth)
        else:
            raise BeyondReader(_TO_PYYAML % (line.number, "a scalar on lines of its own"))

    def _mapping(self, indent: int, above: str, depth: int) -> t.Iterator[Entry]:
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.indent < indent:
                return
            _no_tab(line)
            if line.indent > indent:
                raise SyntaxProblem(line.number, line.indent + 1, "indented deeper than its neighbours")
            if line.text == "-" or line.text.startswith("- "):
                raise SyntaxProblem(line.number, line.indent + 1, "a list item among keys")
            pair = _split_key(line.text)
            if not pair:
                self._refuse(line)
                raise SyntaxProblem(line.number, line.indent + 1, "could not find expected ':'")
            name = _unquoted(pair[0], line)
            yield from self._value(line, pair[1], "%s.%s" % (above, name) if above else name, indent, depth)

    def _list(self, indent: int, above: str, depth: int) -> t.Iterator[Entry]:
        index = 0
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if line.indent < indent or not (line.text == "-" or line.text.startswith("- ")):
                if line.indent > indent:
                    raise SyntaxProblem(line.number, line.indent + 1, "indented deeper than its neighbours")
                return
            if line.indent > indent:
                raise SyntaxProblem(line.number, line.indent + 1, "indented deeper than its neighbours")
            key = "%s.%d" % (above, index) if above else str(index)
            index += 1
            rest = line.text[1:].lstrip(" ")
            _no_tab(line._replace(text=rest or "-"))
            if _split_key(rest) or rest == "-" or rest.startswith("- "):  # a mapping that begins on the dash's own line
                inner = line.indent + len(line.text) - len(rest)
                self._lines[self._at] = _Line(line.number, inner, rest)
                yield from self._node(inner, key, depth + 1)
            else:
                yield from self._value(line, rest, key, indent, depth)

    def _value(self, line: _Line, text: str, key: str, indent: int, depth: int) -> t.Iterator[Entry]:
        self._at += 1
        if not text or text[0] == "#":
            below = self._lines[self._at] if self._at < len(self._lines) else None
            item_of_key = below and below.indent == indent and below.text[:2] in ("-", "- ") and not line.text.startswith("-")
            if below and (below.indent > indent or item_of_key):
                yield from self._node(below.indent, key, depth + 1)
            else:
                yield Entry(key, "", line.number)
        elif text in ("{}", "[]"):
            self._no_continuation(indent)
        elif _BLOCK.fullmatch(text):
            yield Entry(key, self._block(line, indent, text), line.number)
        else:
            for number, value in enumerate(_flow(text, line)) if text[0] == "[" else [(-1, _scalar(text, line))]:
                yield Entry("%s.%d" % (key, number) if number >= 0 else key, value, line.number)
            self._no_continuation(indent)

    def _block(self, line: _Line, indent: int, header: str) -> str:
        """A literal or folded block whose lines all begin in the same column."""
        kept: list[str] = []
        for raw in itertools.islice(self._raw, line.number, None):
            if raw.strip() and len(raw) - len(raw.lstrip(" ")) <= indent:
                break
            kept.append(raw)
        end = line.number + len(kept)
        while kept and not kept[-1]:
            kept.pop()
        margin = len(kept[0]) - len(kept[0].lstrip(" ")) if kept else 0
        for raw in kept:
            if not raw.strip() or raw[margin:] != raw.strip() or raw[:margin].strip():
                raise BeyondReader(_TO_PYYAML % (line.number, "a block with blanks that count"))
        while self._at < len(self._lines) and self._lines[self._at].number <= end:
            self._at += 1
        text = ("\n" if header[0] == "|" else " ").join(raw[margin:] for raw in kept)
        ends_with_file = line.number + len(kept) >= len(self._raw)
        return text if header[1:2] == "-" or not text or ends_with_file else text + "\n"

    def _no_continuation(self, indent: int) -> None:
        if self._at >= len(self._lines) or self._lines[self._at].indent <= indent:
            return
        line = self._lines[self._at]
        if _split_key(line.text) and "#" not in line.text:
            raise SyntaxProblem(line.number, line.indent + len(line.text.partition(":")[0]) + 1, "mapping values are not allowed here")
        raise BeyondReader(_TO_PYYAML % (line.number, "a scalar of many lines"))

    def _refuse(self, line: _Line) -> None:
        if set(line.text) & set("\"'[]{}&*!|>%@`?#:") or line.text[0] == "-":
            raise BeyondReader(_TO_PYYAML % (line.number, "more than keys and values"))


def _no_tab(line: _Line) -> None:
    if line.text[:1] == "\t":
        raise SyntaxProblem(line.number, line.indent + 1, "found character '\\t' that cannot start any token")


def _unquoted(text: str, line: _Line) -> str:
    if text[0] == '"':
        try:
            return json.loads(text)
        except ValueError:
            raise BeyondReader(_TO_PYYAML % (line.number, "an escape that is YAML's own")) from None
    return text[1:-1].replace("''", "'") if text[0] == "'" else text


_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:''|[^'])*')\s*(?:\s#.*)?""")


def _scalar(text: str, line: _Line) -> str:
    """A value on one line, without its quotes and its comment."""
    if text[0] in "\"'":
        match = _QUOTED.fullmatch(text)
        if not match:
            raise BeyondReader(_TO_PYYAML % (line.number, "quotes of its own kind"))
        return _unquoted(match.group(1), line)
    if text[0] in "[]{}&*!|>%@`,#" or text[:2] in ("- ", "? ", ": ", "-", "?", ":"):
        raise BeyondReader(_TO_PYYAML % (line.number, "anchors, tags or braces"))
    value = re.split(r"\s#", text, maxsplit=1)[0].rstrip()
    nested = re.search(r":(?:\s|$)", value)
    if nested and ("#" in value or line.text[0] == "-"):
        raise BeyondReader(_TO_PYYAML % (line.number, "a key with characters of its own"))
    if nested:
        raise SyntaxProblem(line.number, line.indent + line.text.index(text) + nested.start() + 1, "mapping values are not allowed here")
    return "" if value in _NULLS else value


def _flow(text: str, line: _Line) -> list[str]:
    """A list of plain scalars in brackets, on one line."""
    match = re.fullmatch(r"\[([^\[\]{}\"'#&*!|>%@`:]*)\]\s*(?:\s#.*)?", text)
    if match:
        return [item.strip() for item in match.group(1).split(",") if item.strip()]
    match = re.fullmatch(r"""\[\s*((?:"[^"\\]*"|'[^']*')(?:\s*,\s*(?:"[^"\\]*"|'[^']*'))*)\s*,?\s*\]\s*(?:\s#.*)?""", text)
    if not match:
        raise BeyondReader(_TO_PYYAML % (line.number, "brackets of many kinds"))
    return [item[1:-1] for item in re.findall(r""""[^"\\]*"|'[^']*'""", match.group(1))]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A route, or an MTU, as a file of whoever sets up an interface has it; and the files themselves, read as lines.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import ipaddress
import typing as t

_LARGEST_FILE = 256 * 1024
_MOST_FILES = 64
FORBIDDING = ("blackhole", "prohibit", "unreachable")


class Edit(t.NamedTuple):
    """``old``, whole lines, becomes ``new``, or goes where that is empty. With a ``head``, only in the section that this line begins."""

    head: str
    old: str
    new: str = ""


class RouteSetting(t.NamedTuple):
    """``by``: ``ifupdown``, ``networkd``, ``networkmanager``. ``device``: empty where the file does not name one. ``edits`` take it out."""

    by: str
    file: str
    line: int
    device: str
    prefix: str
    type: str
    gateway: str
    edits: tuple[Edit, ...]

    def facts(self) -> dict[str, t.Any]:
        return dict(self._asdict(), edits=[edit._asdict() for edit in self.edits])


class LinkSetting(t.NamedTuple):
    """Where the MTU of an interface is to be set: behind the line ``head``, in place of the line ``mtu`` (empty: there is none yet)."""

    by: str
    file: str
    head: str
    mtu: str


class Line(t.NamedTuple):
    number: int
    text: str

    def words(self) -> list[str]:
        return [] if self.text.lstrip()[:1] in ("#", ";") else self.text.split()

    def assignment(self) -> tuple[str, str]:
        """Of a file with sections; two empty texts where it is none."""
        key, equals, value = self.text.partition("=")
        return (key.strip(), value.strip()) if equals and key.lstrip()[:1] not in ("#", ";") else ("", "")


class Section(t.NamedTuple):
    """``head`` is its first line, without the brackets ``name``."""

    name: str
    head: Line
    lines: tuple[Line, ...]

    def value(self, key: str) -> str:
        return next((value for name, value in map(Line.assignment, self.lines) if name == key), "")

    def block(self) -> str:
        """All of it, without empty lines at its end."""
        return "\n".join([self.head.text, *(line.text for line in self.lines)]).rstrip()


def matching(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern))[:_MOST_FILES]


def read_lines(path: str) -> list[Line]:
    """Empty where it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return [Line(number, text) for number, text in enumerate(file.read(_LARGEST_FILE).splitlines(), 1)]
    except OSError:
        return []


def sections(lines: t.Iterable[Line]) -> list[Section]:
    found: list[tuple[Line, list[Line]]] = []
    for line in lines:
        if line.text.startswith("["):
            found.append((line, []))
        elif found:
            found[-1][1].append(line)
    return [Section(head.text.strip().strip("[]"), head, tuple(inside)) for head, inside in found]


def prefix_of(text: str, version: int = 4) -> str:
    """As the table of the kernel has it; empty where it is none. :param version: of ``default``."""
    if text == "default":
        return "::/0" if version == 6 else "0.0.0.0/0"
    try:
        return str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return ""


def version_of(address: str) -> int:
    return 6 if ":" in address else 4

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ifupdown sets for interfaces: interfaces(5), with the files that it includes.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import (
    FORBIDDING,
    Edit,
    Line,
    LinkSetting,
    RouteSetting,
    matching,
    prefix_of,
    read_lines,
    version_of,
)

BY = "ifupdown"
_FILE = "/etc/network/interfaces"
_STANZAS = ("auto", "mapping", "source", "source-directory", "no-auto-down", "no-scripts", "rename", "template")
_UP = ("up", "pre-up", "post-up")
_SETS = ("add", "replace", "append")


class _Place(t.NamedTuple):
    """A line within a stanza; ``head`` is the line with which the stanza begins."""

    file: str
    head: str
    device: str
    line: Line


def routes(path: str = _FILE) -> list[RouteSetting]:
    found = []
    for place in _places(path):
        words = place.line.words()
        gateway = words[1] if words[:1] == ["gateway"] and len(words) > 1 else ""
        of_the_stanza = (prefix_of("default", version_of(gateway)), "unicast", gateway) if gateway else None
        told = of_the_stanza or _told(words)
        if told:
            found.append(RouteSetting(BY, place.file, place.line.number, place.device, *told, (Edit(place.head, place.line.text),)))
    return found


def link(device: str, path: str = _FILE) -> LinkSetting | None:
    """In its first stanza, or in the one that has the MTU already."""
    inside = [place for place in _places(path) if place.device == device]
    for place in inside:
        if place.line.words()[:1] == ["mtu"]:
            return LinkSetting(BY, place.file, place.head, place.line.text)
    return LinkSetting(BY, inside[0].file, inside[0].head, "") if inside else None


def _told(words: list[str]) -> tuple[str, str, str] | None:
    """Prefix, type and gateway of a hook that sets a route by ip(8)."""
    if not words or words[0] not in _UP or len(words) < 5 or os.path.basename(words[1]) != "ip":
        return None
    version, rest = 4, words[2:]
    if rest[0] in ("-4", "-6"):
        version, rest = int(rest[0][1]), rest[1:]
    if rest[:1] not in (["route"], ["r"]) or rest[1:2] == [] or rest[1] not in _SETS:
        return None
    rest = rest[2:]
    kind = rest[0] if rest and rest[0] in (*FORBIDDING, "unicast") else ""
    rest = rest[1:] if kind else rest
    prefix = prefix_of(rest[0], version) if rest else ""
    gateway = rest[rest.index("via") + 1] if "via" in rest[:-1] else ""
    return (prefix, kind or "unicast", gateway) if prefix else None


def _places(path: str, budget: list[int] | None = None) -> t.Iterator[_Place]:
    """Every line of every stanza of an interface, its first line too, in the order in which ifupdown reads them."""
    budget = [32] if budget is None else budget
    budget[0] -= 1
    if budget[0] < 0:
        return
    head, device = "", ""
    for line in read_lines(path):
        words = line.words()
        if words[:1] == ["iface"] and len(words) > 2:
            head, device = line.text, words[1]
        elif words and (words[0] in _STANZAS or words[0].startswith("allow-")):
            head, device = "", ""
        if words[:1] in (["source"], ["source-directory"]):
            for pattern in words[1:]:
                whole = os.path.join(os.path.dirname(path), pattern)
                for other in matching(whole if words[0] == "source" else os.path.join(whole, "*")):
                    yield from _places(other, budget)
        elif device:
            yield _Place(path, head, device, line)

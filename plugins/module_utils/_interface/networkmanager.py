# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NetworkManager sets for interfaces: nm-settings-keyfile(5). A connection's file may hold secrets; only lines about routes are told.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import (
    Edit,
    Line,
    LinkSetting,
    RouteSetting,
    Section,
    matching,
    prefix_of,
    read_lines,
    sections,
    version_of,
)

BY = "networkmanager"
_FOLDERS = ("/etc/NetworkManager/system-connections", "/run/NetworkManager/system-connections")
_ROUTE = re.compile(r"route\d+$")
_ADDRESS = re.compile(r"address(?:es)?\d+$")
_TYPE = re.compile(r"(?:^|,)type=(\w+)")
# The names that a section has had.
_ETHERNET = ("ethernet", "802-3-ethernet")
_COMMAND_S = 3.0


def routes(folders: t.Sequence[str] = _FOLDERS) -> list[RouteSetting]:
    """Of the files that a person or nmcli(1) writes; what is below /run is another program's."""
    found = []
    for path in matching(os.path.join(folders[0], "*.nmconnection")):
        parts = sections(read_lines(path))
        device = next((part.value("interface-name") for part in parts if part.name == "connection"), "")
        for part in parts:
            for line in part.lines if part.name in ("ipv4", "ipv6") else ():
                found += [RouteSetting(BY, path, line.number, device, *told) for told in _told(part, line)]
    return found


def _told(part: Section, line: Line) -> list[tuple[str, str, str, tuple[Edit, ...]]]:
    """Prefix, type, gateway, and the edits that take the route away."""
    key, value = line.assignment()
    head, fields = part.head.text, re.split("[,;]", value)
    version = 6 if part.name == "ipv6" else 4
    if key == "gateway" and value:
        return [(prefix_of("default", version), "unicast", value, (Edit(head, line.text),))]
    if _ADDRESS.match(key) and len(fields) > 1 and fields[1]:
        return [(prefix_of("default", version), "unicast", fields[1], (Edit(head, line.text, "%s=%s" % (key, fields[0])),))]
    if not _ROUTE.match(key) or not prefix_of(fields[0], version):
        return []
    options = [other for other in part.lines if other.assignment()[0] == key + "_options"]
    kind = _TYPE.search(options[0].assignment()[1]) if options else None
    gateway = fields[1] if len(fields) > 1 and fields[1] not in ("0.0.0.0", "::") else ""
    return [(prefix_of(fields[0], version_of(fields[0])), kind.group(1) if kind else "unicast", gateway,
             tuple(Edit(head, one.text) for one in (line, *options)))]


def link(context: Context, device: str, folders: t.Sequence[str] = _FOLDERS) -> LinkSetting | None:
    """The connection that is active on it, unless NetworkManager has found the interface as another program had set it up."""
    if not os.path.isdir(os.path.dirname(folders[1])):
        return None
    told = context.command(["nmcli", "-g", "GENERAL.STATE,GENERAL.CON-UUID", "device", "show", device], _COMMAND_S).output.splitlines()
    if len(told) < 2 or not told[0].startswith("100") or "externally" in told[0]:
        return None
    for path in [path for folder in folders for path in matching(os.path.join(folder, "*.nmconnection"))]:
        parts = sections(read_lines(path))
        if any(part.value("uuid") == told[1] for part in parts if part.name == "connection"):
            ethernet = next((part for part in parts if part.name in _ETHERNET), None)
            mtu = [line.text for line in ethernet.lines if line.assignment()[0] == "mtu"] if ethernet else []
            return LinkSetting(BY, path, ethernet.head.text if ethernet else "", mtu[0] if mtu else "")
    return None

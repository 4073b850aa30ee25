# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What systemd-networkd sets for interfaces: systemd.network(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import (
    Edit,
    LinkSetting,
    RouteSetting,
    Section,
    matching,
    prefix_of,
    read_lines,
    sections,
    version_of,
)

BY = "networkd"
_FOLDER = "/etc/systemd/network"
_STATE = "/run/systemd/netif"
_COMMAND_S = 3.0


def routes(folder: str = _FOLDER) -> list[RouteSetting]:
    """Of the files that a person writes; what is below /run or /usr is another program's."""
    found = []
    for path in matching(os.path.join(folder, "*.network")):
        own = sections(read_lines(path))
        device = next((section.value("Name") for section in own if section.name == "Match"), "")
        device = "" if set("*?[!, ") & set(device) else device
        for file in (path, *matching(path + ".d/*.conf")):
            for section in own if file == path else sections(read_lines(file)):
                found += _of(section, file, device)
    return found


def _of(section: Section, file: str, device: str) -> list[RouteSetting]:
    if section.name == "Route":
        gateway = section.value("Gateway")
        prefix = prefix_of(section.value("Destination") or "default", version_of(section.value("Destination") or gateway))
        kind = section.value("Type") or "unicast"
        if not prefix or gateway.startswith("_"):  # a gateway that is learnt
            return []
        return [RouteSetting(BY, file, section.head.number, device, prefix, kind, gateway, (Edit("", section.block()),))]
    return [
        RouteSetting(BY, file, line.number, device, prefix_of("default", version_of(value)), "unicast", value,
                     (Edit(section.head.text, line.text),))
        for line in section.lines for key, value in [line.assignment()] if section.name == "Network" and key == "Gateway" and value]


def link(context: Context, device: str) -> LinkSetting | None:
    """The file by which networkd has set it up, whoever wrote that."""
    if not os.path.isdir(_STATE):
        return None
    told = context.command(["networkctl", "--no-pager", "-n0", "status", device], _COMMAND_S).output
    return link_of(told)


def link_of(told: str) -> LinkSetting | None:
    """:param told: by ``networkctl status``, whose words have not changed since its first release."""
    for line in told.splitlines():
        key, _colon, value = line.strip().partition(": ")
        if key == "Network File" and value.startswith("/"):
            return LinkSetting(BY, value.strip(), "", "")
    return None

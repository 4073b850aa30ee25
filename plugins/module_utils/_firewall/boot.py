# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a rule of nobody but the administrator comes from when the host boots: the unit that loads a file, and the rule's line in it.

What is not shown by the files is not guessed: then it is told why not. Nothing is loaded to find out.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import hashlib
import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import boot_text as texts

# Debian's netfilter-persistent(8) asks these, and each loads one file.
_PLUGINS = "/usr/share/netfilter-persistent/plugins.d"
_PERSISTENT = {"ip": ("15-ip4tables", "/etc/iptables/rules.v4"), "ip6": ("25-ip6tables", "/etc/iptables/rules.v6")}
# Of Red Hat's iptables-services: a script that knows its file.
_INIT = {"ip": ("iptables.init", "/etc/sysconfig/iptables"), "ip6": ("ip6tables.init", "/etc/sysconfig/ip6tables")}
_RESTORE = {"ip": r"iptables(-nft|-legacy)?-restore", "ip6": r"ip6tables(-nft|-legacy)?-restore"}
_PERSISTENT_UNIT, _NFT_UNIT = "netfilter-persistent.service", "nftables.service"
_UNITS = (_NFT_UNIT, _PERSISTENT_UNIT, "iptables.service", "ip6tables.service")
_SECONDS, _MOST_BYTES, _MOST_FILES = 3.0, 1024 * 1024, 32
# nft(8): what an include is relative to.
_NFT_FOLDER = "/etc"


def place(context: Context, tool: str, family: str, table: str, chain: str, rule: str) -> dict[str, t.Any]:
    """Where in a file a line would stand before this rule.

    :param rule: its text as its tool prints it; empty for the chain's policy.
    :returns: ``why_not``, empty where the rest is told: ``entry`` (the file that is loaded), ``path`` (the one with the rule),
        ``sha256`` of that, ``line`` (from 1) before which a new one would go, and ``lead``, what that begins with.
    """
    if tool == "nftables":
        entry, what = _nft_entry(_units(context)), "nftables"
    else:
        entry, what = _iptables_entry(_units(context), family), tool
    if not entry:
        return {"why_not": "nothing loads a file of %s when the host boots" % what}
    files = _nft_files(entry) if tool == "nftables" else [entry]
    for path in files:
        text, sha256 = _read(path)
        found = texts.nft_place(text, family, table, chain, rule) if tool == "nftables" else texts.iptables_place(text, table, chain, rule)
        if found:
            return {"why_not": "", "entry": entry, "path": os.path.realpath(path), "sha256": sha256, **found._asdict()}
    return {"why_not": "%s, which is loaded when the host boots, does not show the rule" % entry}


def _units(context: Context) -> dict[str, str]:
    """The commands of the enabled units that may load rules, by the unit's name."""
    shown = context.command(["systemctl", "show", "--property=Id,UnitFileState,ExecStart", *_UNITS], seconds=_SECONDS).output
    found = {}
    for block in shown.split("\n\n"):
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        if properties.get("UnitFileState") == "enabled":
            command = re.search(r"argv\[\]=(.*?) ;", properties.get("ExecStart", ""))
            found[properties.get("Id", "")] = command.group(1) if command else ""
    return found


def _nft_entry(units: dict[str, str]) -> str:
    file = re.search(r"\s(?:-f|--file)\s+(/\S+)", units.get(_NFT_UNIT, ""))
    return file.group(1) if file else ""


def _iptables_entry(units: dict[str, str], family: str) -> str:
    plugin, path = _PERSISTENT[family]
    if _PERSISTENT_UNIT in units and os.access(os.path.join(_PLUGINS, plugin), os.X_OK):
        return path
    script, known = _INIT[family]
    for command in units.values():
        program = os.path.basename(command.split(" ")[0])
        if program == script:
            return known
        files = [word for word in command.split(" ")[1:] if word.startswith("/")]
        if re.match(_RESTORE[family] + "$", program) and files:
            return files[-1]
    return ""


def _nft_files(entry: str) -> list[str]:
    """The file and those that it includes, in the order in which they are read."""
    files, waiting = [], [entry]
    while waiting and len(files) < _MOST_FILES:
        path = waiting.pop(0)
        if path not in files:
            files.append(path)
            for pattern in texts.nft_includes(_read(path)[0]):
                waiting += sorted(glob.glob(os.path.join(_NFT_FOLDER, pattern)))
    return files


def _read(path: str) -> tuple[str, str]:
    """Text and checksum; empty where it can't be read, is not text, or is far larger than what people write."""
    try:
        with open(path, "rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            return "", ""
        return content.decode("utf-8"), hashlib.sha256(content).hexdigest()
    except (OSError, ValueError):
        return "", ""

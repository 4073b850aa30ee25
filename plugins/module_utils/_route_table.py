# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes of the kernel match an address, in the order in which it takes them (ip-route(8)); and which way interfaces(5) would set.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

_MOST = 8
_FORBIDDING = ("blackhole", "prohibit", "unreachable")
_ALL = {4: "0.0.0.0/0", 6: "::/0"}
_INTERFACES = "/etc/network/interfaces"
_LARGEST_FILE = 256 * 1024
_STANZAS = ("auto", "mapping", "source", "source-directory", "no-auto-down", "rename", "template")


def matching(rows: t.Iterable[dict[str, t.Any]], address: str) -> list[dict[str, t.Any]]:
    """:param rows: of ``ip -j -d route show match ADDRESS``, the main table. :param address: which is asked for.

    :returns: ``prefix``, ``type``, ``gateway``, ``device``, ``protocol``, ``metric``, ``flags``; the longest prefix first, then the
        smallest metric, as the kernel takes them. Routes with several next hops are left out: they have no one gateway.
    """
    found = [_route(row, 6 if ":" in address else 4) for row in rows if not row.get("nexthops")]
    found.sort(key=lambda one: (-int(one["prefix"].rpartition("/")[2]), one["metric"] or 0))
    return found[:_MOST]


def _route(row: dict[str, t.Any], version: int) -> dict[str, t.Any]:
    prefix = str(row.get("dst", ""))
    if prefix == "default":
        prefix = _ALL[version]
    elif "/" not in prefix:
        prefix += "/128" if version == 6 else "/32"
    kind = str(row.get("type", "unicast"))
    metric = row.get("metric")
    return {
        "prefix": prefix, "type": kind, "gateway": str(row.get("gateway", "")),
        # For a route that leads nowhere, IPv6 shows the loopback device, which is none of its own.
        "device": "" if kind in _FORBIDDING else str(row.get("dev", "")),
        "protocol": str(row.get("protocol", "")), "metric": metric if isinstance(metric, int) else None,
        "flags": [str(flag) for flag in row.get("flags", ()) if flag == "onlink"],
    }


def configured_gateways(address: str, path: str = _INTERFACES) -> list[dict[str, t.Any]]:
    """What ifupdown sets the default route of the address' family to: ``gateway``, ``device``, ``file``, ``line``.

    Its further files (``source``) are not followed.
    """
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read(_LARGEST_FILE).splitlines()
    except OSError:
        return []
    family = "inet6" if ":" in address else "inet"
    found: list[dict[str, t.Any]] = []
    device = ""
    for number, line in enumerate(lines, 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "iface":
            device = words[1] if len(words) > 2 and words[2] == family else ""
        elif words[0] in _STANZAS or words[0].startswith("allow-"):
            device = ""
        elif words[0] == "gateway" and len(words) > 1 and device:
            found.append({"gateway": words[1], "device": device, "file": path, "line": number})
    return found[:_MOST]

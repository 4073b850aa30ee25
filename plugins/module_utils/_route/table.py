# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which routes of the kernel match an address, in the order in which it takes them: ip-route(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import FORBIDDING

_MOST = 8
_ALL = {4: "0.0.0.0/0", 6: "::/0"}


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
        "device": "" if kind in FORBIDDING else str(row.get("dev", "")),
        "protocol": str(row.get("protocol", "")), "metric": metric if isinstance(metric, int) else None,
        "flags": [str(flag) for flag in row.get("flags", ()) if flag == "onlink"],
    }

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own counters of this host's TCP and IP: TcpExt in /proc/net/netstat, proc_net(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t


def tcp_counters(names: t.Sequence[str]) -> dict[str, int]:
    """:param names: of TcpExt, such as ``TCPSynRetrans``. :returns: their values since boot; 0 for what this kernel does not count."""
    wanted = dict.fromkeys(names, 0)
    try:
        with open("/proc/net/netstat", encoding="ascii") as lines:
            table = [line.split() for line in lines if line.startswith("TcpExt:")]
    except OSError:
        return wanted
    if len(table) == 2:
        found = dict(zip(*table))
        wanted.update({name: int(found[name]) for name in wanted if name in found})
    return wanted

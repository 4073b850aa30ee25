# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the processes of a service are connected to, as a client: who has a connection reports, whatever a log said an hour ago.

Sources: sock_diag(7) for the sockets, proc(5) for who holds them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

_SECONDS = 2.0
_STATES = ("ESTABLISHED", "SYN_SENT", "LISTEN")
_MOST_DESCRIPTORS = 20000
_MOST_PEERS = 20


def observe_connections(context: Context, unit: str, pids: t.Collection[int]) -> None:
    """Records ``service.connections``: ``unit``, ``peers`` (``address``, ``port``, ``state``, ``count``), ``complete`` (all of them).

    Connections that others made to a port on which the service itself listens are not among them.
    """
    started = time.time()
    try:
        found, complete = _sock_diag.read_sockets(_sock_diag.TCP, _STATES, context.deadline.allow(_SECONDS))
        inodes = {inode for pid in pids for inode in _inodes(pid)}
    except OSError as problem:
        context.observe("service.connections", "cannot_tell", unit, "the connections of %s can't be seen: %s" % (unit, problem),
                        data={"reason": "not_permitted"}, started=started)
        return
    peers = outgoing([one for one in found if one.inode in inodes])
    shown = sorted(peers.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PEERS]
    established = sum(count for (_address, _port, state), count in peers.items() if state == "ESTABLISHED")
    context.observe(
        "service.connections", "ok", unit, "%s has %d connections to others" % (unit, established),
        data={
            "unit": unit,
            "peers": [{"address": address, "port": port, "state": state, "count": count} for (address, port, state), count in shown],
            "complete": complete and len(peers) <= _MOST_PEERS,
        },
        started=started,
        reproduce="ss -Htnp state established | grep -E 'pid=(%s),'" % "|".join(map(str, sorted(pids))),
    )


def outgoing(sockets: t.Collection[_sock_diag.Socket]) -> dict[tuple[str, int, str], int]:
    """How many connections there are to each peer, by its address, its port and the state."""
    served = {one.port for one in sockets if one.state == "LISTEN"}
    peers: dict[tuple[str, int, str], int] = {}
    for one in sockets:
        if one.state != "LISTEN" and one.port not in served:
            key = (_sock_diag.unmapped(one.peer), one.peer_port, one.state)
            peers[key] = peers.get(key, 0) + 1
    return peers


def _inodes(pid: int) -> t.Iterator[str]:
    """:raises PermissionError: the process is another user's."""
    folder = "/proc/%d/fd" % pid
    try:
        names = os.listdir(folder)[:_MOST_DESCRIPTORS]
    except FileNotFoundError:
        return
    for name in names:
        try:
            link = os.readlink(os.path.join(folder, name))
        except OSError:
            continue
        if link.startswith("socket:["):
            yield link[len("socket:["):-1]

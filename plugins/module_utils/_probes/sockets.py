# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port of this host: who listens there, which connections it has, and what the kernel could not hand over.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._kernel_counters import tcp_counters
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._socket_listeners import observe_listener, observe_udp, process_of

ARGUMENTS = {
    "port": {"type": "int", "required": True},
    "protocol": {"type": "str", "choices": ["tcp", "udp"], "default": "tcp"},
    "interval": {"type": "float", "default": 0.0},
}

_NETLINK_S = 3.0
_LONGEST_INTERVAL_S = 10.0
_MOST_PEERS = 5
_CONNECTIONS = tuple(state for state in _sock_diag.STATES if state not in ("", "LISTEN", "CLOSE", "NEW_SYN_RECV"))
_COUNTERS = {"overflows": "ListenOverflows", "drops": "ListenDrops", "syncookies_sent": "SyncookiesSent"}
_UNIX_TABLE = "/proc/net/unix"
_UNIX_LISTENS = 0x10000
_LARGEST_TABLE = 16 * 1024 * 1024


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records for TCP ``sockets.listener`` (see :func:`observe_listener`), ``sockets.connections``, ``sockets.overflow`` and, where a
    PostgreSQL of that port has one, ``sockets.unix``; for UDP ``sockets.udp``.

    ``sockets.connections``: ``port``, ``total``, ``by_state`` (number by state, such as ``ESTABLISHED``), ``peers`` (``address``,
    ``count``: the ones with most), ``complete`` (whether all of the host's sockets were seen).
    ``sockets.overflow``, of all listeners of this host: ``overflows`` (connections that found an accept queue full), ``drops`` (those and
    all others that a listener could not take), ``syncookies_sent``, since boot; ``rises``: the same within ``interval_s``, null without
    an interval.
    ``sockets.unix``: ``path``, ``listening``, ``process``.
    """
    port = parameters["port"]
    if parameters["protocol"] == "udp":
        return Outcome(observe_udp(port, context)["scope"] == "reachable")
    data = observe_listener(port, context)
    _observe_connections(port, [one["limit"] for one in data["listeners"]], context)
    _observe_overflow(port, parameters["interval"], context)
    _observe_unix(port, context)
    return Outcome(data["scope"] == "reachable")


def _observe_connections(port: int, limits: list[int | None], context: Context) -> None:
    started = time.time()
    try:
        found, complete = _sock_diag.read_sockets(_sock_diag.TCP, _CONNECTIONS, context.deadline.allow(_NETLINK_S))
    except OSError as problem:
        context.observe("sockets.connections", "cannot_tell", "port %d" % port, "the kernel does not list its connections: %s" % problem,
                        data={"port": port, "reason": "not_permitted"}, started=started)
        return
    states: dict[str, int] = {}
    peers: dict[str, int] = {}
    for one in found:
        if one.port == port:
            states[one.state] = states.get(one.state, 0) + 1
            peer = _sock_diag.unmapped(one.peer)
            peers[peer] = peers.get(peer, 0) + 1
    half_open = states.get("SYN_RECV", 0)
    flooded = any(limit and half_open >= limit for limit in limits)
    most = sorted(peers.items(), key=lambda item: (-item[1], item[0]))[:_MOST_PEERS]
    context.observe(
        "sockets.connections",
        "warn" if flooded else "ok",
        "port %d" % port,
        "port %d has %s" % (port, ", ".join("%d %s" % (count, state) for state, count in sorted(states.items())) or "no connections"),
        data={
            "port": port, "total": sum(states.values()), "by_state": states,
            "peers": [{"address": address, "count": count} for address, count in most], "complete": complete,
        },
        started=started,
        reproduce="ss -Htan 'sport = :%d' | awk '{print $1}' | sort | uniq -c" % port,
    )


def _observe_overflow(port: int, interval: float, context: Context) -> None:
    started = time.time()
    seconds = max(0.0, min(interval, _LONGEST_INTERVAL_S))
    totals = _counters()
    rises: dict[str, int] | None = None
    if seconds:
        time.sleep(context.deadline.allow(seconds))
        before, totals = totals, _counters()
        rises = {name: totals[name] - before[name] for name in totals}
    context.observe(
        "sockets.overflow",
        "warn" if rises and any(rises.values()) else "ok",
        "port %d" % port,
        "listeners of this host could not take %d connections within %s s" % (rises["drops"], seconds) if rises
        else "listeners of this host could not take %d connections since boot" % totals["drops"],
        data={**totals, "rises": rises, "interval_s": seconds},
        started=started,
        reproduce="nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtSyncookiesSent",
    )


def _counters() -> dict[str, int]:
    found = tcp_counters(list(_COUNTERS.values()))
    return {name: found[kernel_name] for name, kernel_name in _COUNTERS.items()}


def _observe_unix(port: int, context: Context) -> None:
    for path, inode, listening in unix_sockets(".s.PGSQL.%d" % port):
        context.observe(
            "sockets.unix",
            "ok" if listening else "warn",
            context.text(path, 255),
            "PostgreSQL %s on the socket %s" % ("listens" if listening else "does not listen", context.text(path, 255)),
            data={"path": context.text(path, 255), "listening": listening, "process": process_of({inode})},
            reproduce="ss -lxp 'src %s'" % context.text(path, 255),
        )


def unix_sockets(name: str, table: str = _UNIX_TABLE) -> list[tuple[str, str, bool]]:
    """Path, inode, and whether it listens, of each bound socket with this file name (proc_net_unix in proc(5))."""
    try:
        with open(table, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read(_LARGEST_TABLE).splitlines()[1:]
    except OSError:
        return []
    found: dict[str, tuple[str, str, bool]] = {}
    for fields in (line.split(None, 7) for line in lines if line.endswith("/" + name)):
        if len(fields) == 8 and re.fullmatch("[0-9A-F]{8}", fields[3]):  # a path may contain line feeds, and look like lines
            listens = bool(int(fields[3], 16) & _UNIX_LISTENS)
            if listens or fields[7] not in found:  # accepted connections bear the listener's path too
                found[fields[7]] = (fields[7], fields[6], listens)
    return list(found.values())[:_MOST_PEERS]

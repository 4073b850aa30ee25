# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port of this host: on which addresses, by which process, and whether its queue is full.

Sources: sock_diag(7); where it is not allowed, proc_net_tcp (Documentation/networking/proc_net_tcp.rst), which tells no queue's limit.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import socket
import struct
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._process import process_ids, read_process

_NETLINK_S = 3.0
# RFC 4291, section 2.5.5.2: an IPv6 socket that is bound to such an address, as Java does, serves IPv4.
_MAPPED = "::ffff:"
# Of each protocol: the state of a socket that waits for anybody, in both notations, and its table in /proc.
_WAITING = {_sock_diag.TCP: ("LISTEN", "0A", "tcp"), _sock_diag.UDP: ("CLOSE", "07", "udp")}


class Listener(t.NamedTuple):
    """``waiting``: connections that the process has not accepted yet, for UDP bytes that it has not read yet.

    ``limit``: how many connections may wait, None if it can't be seen. ``drops``: datagrams that found no room, None for TCP.
    """

    family: str
    address: str
    inode: str
    waiting: int
    limit: int | None
    ipv6_only: bool | None
    drops: int | None


def observe_listener(port: int, context: Context) -> dict[str, t.Any]:
    """Records ``sockets.listener``: ``port``, ``listeners`` (``family``, ``address``, ``waiting``, ``limit``), ``scope`` (``none``,
    ``loopback``, ``reachable``), ``families``, ``process`` (``pid``, ``command``, ``state``, ``unit``; null where not permitted),
    ``queue_full``. :returns: these data.
    """
    started = time.time()
    listeners = read_listeners(_sock_diag.TCP, port, context.deadline.allow(_NETLINK_S))
    data = _facts(port, listeners)
    data["listeners"] = [{"family": one.family, "address": one.address, "waiting": one.waiting, "limit": one.limit} for one in listeners]
    data["queue_full"] = any(listener.limit is not None and listener.waiting > listener.limit for listener in listeners)
    context.observe(
        "sockets.listener",
        "warn" if data["queue_full"] else _STATUSES[data["scope"]],
        "port %d" % port,
        _sentence("port %d" % port, data) + (", and its accept queue is full" if data["queue_full"] else ""),
        data=data,
        started=started,
        reproduce="ss -ltnp 'sport = :%d'" % port,
    )
    return data


def observe_udp(port: int, context: Context) -> dict[str, t.Any]:
    """Records ``sockets.udp``: as ``sockets.listener``, with ``listeners`` of ``family``, ``address``, ``waiting_bytes``, ``drops``."""
    started = time.time()
    listeners = read_listeners(_sock_diag.UDP, port, context.deadline.allow(_NETLINK_S))
    data = _facts(port, listeners)
    data["listeners"] = [
        {"family": one.family, "address": one.address, "waiting_bytes": one.waiting, "drops": one.drops} for one in listeners]
    drops = sum(listener.drops or 0 for listener in listeners)
    context.observe(
        "sockets.udp",
        "warn" if drops and data["scope"] == "reachable" else _STATUSES[data["scope"]],
        "port %d/udp" % port,
        _sentence("UDP port %d" % port, data) + ("; %d datagrams found no room" % drops if drops else ""),
        data=data,
        started=started,
        reproduce="ss -lunpm 'sport = :%d'" % port,
    )
    return data


_STATUSES = {"none": "fail", "loopback": "warn", "reachable": "ok"}


def _facts(port: int, listeners: list[Listener]) -> dict[str, t.Any]:
    loopback = bool(listeners) and all(_is_loopback(listener.address) for listener in listeners)
    return {
        "port": port, "scope": "none" if not listeners else "loopback" if loopback else "reachable", "families": _families(listeners),
        "process": process_of({listener.inode for listener in listeners}),
    }


def _sentence(where: str, data: dict[str, t.Any]) -> str:
    if data["scope"] == "none":
        return "nothing listens on %s of this host" % where
    process = data["process"]
    who = "%s (pid %d)" % (process["command"], process["pid"]) if process else "a process"
    return "%s listens on %s of %s" % (who, where, ", ".join(sorted({one["address"] for one in data["listeners"]})))


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", _MAPPED + "127.")) or address == "::1"


def _families(listeners: list[Listener]) -> list[str]:
    """A socket on ``::`` takes IPv4 too, unless it is IPv6-only."""
    families = {listener.family for listener in listeners if not _is_loopback(listener.address)}
    if any(listener.address == "::" and not _is_ipv6_only(listener) for listener in listeners):
        families.add("ipv4")
    return sorted(families)


def _is_ipv6_only(listener: Listener) -> bool:
    if listener.ipv6_only is not None:
        return listener.ipv6_only
    try:
        with open("/proc/sys/net/ipv6/bindv6only", encoding="ascii") as file:
            return file.read().strip() != "0"
    except OSError:
        return False


def read_listeners(protocol: int, port: int, seconds: float) -> list[Listener]:
    """:param protocol: of :mod:`_sock_diag`. IPv4 first."""
    try:
        found = _sock_diag.read_sockets(protocol, [_WAITING[protocol][0]], seconds)[0]
    except OSError:
        return _listeners_of_proc(protocol, port)
    return [
        Listener("ipv4" if one.address.startswith(_MAPPED) else one.family, one.address, one.inode, one.receive_queue,
                 one.send_queue if protocol == _sock_diag.TCP else None, one.ipv6_only, one.drops)
        for one in found if one.port == port
    ]


def _listeners_of_proc(protocol: int, port: int) -> list[Listener]:
    found = []
    _name, state, table = _WAITING[protocol]
    for family, path in (("ipv4", "/proc/net/" + table), ("ipv6", "/proc/net/%s6" % table)):
        try:
            with open(path, encoding="ascii") as lines:
                rows = [line.split() for line in lines if " %s " % state in line]
        except OSError:
            continue
        for row in rows:
            local, _colon, port_text = row[1].rpartition(":")
            if row[3] == state and int(port_text, 16) == port:
                address = _address(local)
                waiting = int(row[4].partition(":")[2], 16)
                drops = int(row[12]) if protocol == _sock_diag.UDP and len(row) > 12 else None
                found.append(Listener("ipv4" if address.startswith(_MAPPED) else family, address, row[9], waiting, None, None, drops))
    return found


def _address(text: str) -> str:
    """/proc prints addresses as 32-bit words in the machine's own byte order."""
    words = b"".join(struct.pack("=I", int(text[start:start + 8], 16)) for start in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words)


def process_of(inodes: set[str]) -> dict[str, t.Any] | None:
    """The process that holds one of these sockets; None where there is none or this user may not look."""
    wanted = {"socket:[%s]" % inode for inode in inodes}
    for pid in process_ids() if wanted else ():
        folder = "/proc/%d/fd" % pid
        try:
            holds = any(_link(folder, name) in wanted for name in os.listdir(folder))
        except OSError:
            continue
        process = read_process(pid) if holds else None
        if process:
            return {"pid": pid, "command": process.command, "state": process.state, "unit": process.unit}
    return None


def _link(folder: str, name: str) -> str:
    try:
        return os.readlink(os.path.join(folder, name))
    except OSError:
        return ""

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port of this host: on which addresses, by which process, and whether its accept queue is full.

Sources: proc_net_tcp (Documentation/networking/proc_net_tcp.rst), ss(8) for the queue's limit, which /proc does not show.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import socket
import struct
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._process import process_ids, read_process

ARGUMENTS = {"port": {"type": "int", "required": True}}

_LISTEN = "0A"
# RFC 4291, section 2.5.5.2: an IPv6 socket that is bound to such an address, as Java does, serves IPv4.
_MAPPED = "::ffff:"


class Listener(t.NamedTuple):
    """``waiting``: connections that the process has not accepted yet; ``limit``: how many may wait, None if it can't be seen."""

    family: str
    address: str
    inode: str
    waiting: int
    limit: int | None


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``sockets.listener``: ``listeners`` (``family``, ``address``, ``waiting``, ``limit``), ``scope`` (``none``, ``loopback``,
    ``reachable``), ``families``, ``process`` (``pid``, ``command``, ``state``, ``unit``; null where not permitted), ``queue_full``.
    """
    port = parameters["port"]
    started = time.time()
    queues = _queue_limits(port, context)
    listeners = _listeners(port, queues)
    process = _process_of({listener.inode for listener in listeners})
    addresses = sorted({listener.address for listener in listeners})
    loopback = bool(addresses) and all(_is_loopback(address) for address in addresses)
    scope = "none" if not addresses else "loopback" if loopback else "reachable"
    queue_full = any(listener.limit is not None and listener.waiting > listener.limit for listener in listeners)
    context.observe(
        "sockets.listener",
        "fail" if scope == "none" else "warn" if loopback or queue_full else "ok",
        "port %d" % port,
        _sentence(port, addresses, process, queue_full),
        data={
            "port": port,
            "scope": scope,
            "families": _families(listeners, queues),
            "listeners": [{"family": one.family, "address": one.address, "waiting": one.waiting, "limit": one.limit} for one in listeners],
            "process": process,
            "queue_full": queue_full,
        },
        started=started,
        reproduce="ss -ltnp 'sport = :%d'" % port,
    )
    return Outcome(scope == "reachable")


def _listeners(port: int, limits: dict[str, int]) -> list[Listener]:
    found = []
    for family, path in (("ipv4", "/proc/net/tcp"), ("ipv6", "/proc/net/tcp6")):
        try:
            with open(path, encoding="ascii") as lines:
                rows = [line.split() for line in lines if " %s " % _LISTEN in line]
        except OSError:
            continue
        for row in rows:
            local, _colon, port_text = row[1].rpartition(":")
            if row[3] == _LISTEN and int(port_text, 16) == port:
                address = _address(local)
                waiting = int(row[4].partition(":")[2], 16)
                limit = limits.get(address, limits.get("*") if address == "::" else None)
                found.append(Listener("ipv4" if address.startswith(_MAPPED) else family, address, row[9], waiting, limit))
    return found


def _address(text: str) -> str:
    """/proc prints addresses as 32-bit words in the machine's own byte order."""
    words = b"".join(struct.pack("=I", int(text[start:start + 8], 16)) for start in range(0, len(text), 8))
    return socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words)


def _is_loopback(address: str) -> bool:
    return address.startswith(("127.", _MAPPED + "127.")) or address == "::1"


def _families(listeners: list[Listener], queues: dict[str, int]) -> list[str]:
    """A socket on ``::`` takes IPv4 too unless it is IPv6-only: ss(8) writes the first as ``*`` and the second as ``[::]``."""
    families = {listener.family for listener in listeners if not _is_loopback(listener.address)}
    if any(listener.address == "::" for listener in listeners) and ("*" in queues if queues else _dual_stack_by_default()):
        families.add("ipv4")
    return sorted(families)


def _dual_stack_by_default() -> bool:
    try:
        with open("/proc/sys/net/ipv6/bindv6only", encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return True


def _queue_limits(port: int, context: Context) -> dict[str, int]:
    """The length of each listener's accept queue by the address as ss(8) writes it; empty without ss."""
    answer = context.command(["ss", "-Hltn", "sport = :%d" % port], seconds=2.0)
    limits = {}
    for line in answer.output.splitlines():
        words = line.split()
        if len(words) > 3 and words[2].isdigit():
            limits[words[3].rpartition(":")[0].strip("[]").partition("%")[0]] = int(words[2])
    return limits


def _process_of(inodes: set[str]) -> dict[str, t.Any] | None:
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


def _sentence(port: int, addresses: list[str], process: dict[str, t.Any] | None, queue_full: bool) -> str:
    if not addresses:
        return "nothing listens on port %d of this host" % port
    who = "%s (pid %d)" % (process["command"], process["pid"]) if process else "a process"
    tail = ", and its accept queue is full" if queue_full else ""
    return "%s listens on port %d of %s%s" % (who, port, ", ".join(addresses), tail)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ephemeral ports (ip_local_port_range in ip(7)): how many of them the connections from one address to one destination use.

A port can serve many destinations at once, so what is used up is counted for each pair of this host's address and destination.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import struct
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._host import numbers as _host_numbers

_STATES = tuple(state for state in _sock_diag.STATES if state not in ("", "LISTEN", "CLOSE", "NEW_SYN_RECV"))
_MOST_LINES = 200000
_MOST_SHOWN = 5
_RANGE = "/proc/sys/net/ipv4/ip_local_port_range"
_RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


class Flow(t.NamedTuple):
    source: str
    port: int
    address: str
    peer_port: int
    state: str


class Destination(t.NamedTuple):
    """``in_use``: ephemeral ports from ``source`` to this address and port, ``time_wait`` of them only to be forgotten."""

    source: str
    address: str
    port: int
    in_use: int
    time_wait: int


class Ports(t.NamedTuple):
    """``size``: ports of the range that are not reserved. ``complete``: whether all connections were seen."""

    low: int
    high: int
    reserved: int
    size: int
    in_use: int
    time_wait: int
    busiest: tuple[Destination, ...]
    complete: bool


def read_ports(seconds: float) -> Ports | None:
    """None where the kernel tells no range."""
    words = _host_numbers.text(_RANGE).split()
    if len(words) != 2 or not all(word.isdigit() for word in words):
        return None
    low, high = int(words[0]), int(words[1])
    reserved = reserved_within(_host_numbers.text(_RESERVED), low, high)
    flows, complete = _flows(seconds)
    return count(flows, low, high, reserved, complete)


def reserved_within(content: str, low: int, high: int) -> int:
    """:param content: such as ``8080,9148-9200``."""
    ports: set[int] = set()
    for part in content.strip().split(","):
        first, _dash, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit() and max(len(first), len(last)) < 6:
            ports.update(range(max(low, int(first)), min(high, int(last or first)) + 1))
    return len(ports)


def count(flows: t.Iterable[Flow], low: int, high: int, reserved: int, complete: bool = True) -> Ports:
    used: dict[tuple[str, str, int], dict[int, bool]] = {}
    every: set[int] = set()
    time_wait = 0
    for flow in flows:
        waits = flow.state == "TIME_WAIT"
        time_wait += waits
        if low <= flow.port <= high:
            every.add(flow.port)
            used.setdefault((flow.source, flow.address, flow.peer_port), {})[flow.port] = waits
    busiest = sorted(used.items(), key=lambda item: -len(item[1]))[:_MOST_SHOWN]
    return Ports(
        low, high, reserved, max(0, high - low + 1 - reserved), len(every), time_wait,
        tuple(Destination(*key, len(ports), sum(ports.values())) for key, ports in busiest), complete,
    )


def _flows(seconds: float) -> tuple[list[Flow], bool]:
    try:
        found, complete = _sock_diag.read_sockets(_sock_diag.TCP, _STATES, seconds)
    except OSError:
        return _flows_of_proc()
    return [Flow(_sock_diag.unmapped(one.address), one.port, _sock_diag.unmapped(one.peer), one.peer_port, one.state)
            for one in found], complete


def _flows_of_proc() -> tuple[list[Flow], bool]:
    """Where the kernel has no sock_diag, or a sandbox does not let us ask."""
    flows: list[Flow] = []
    complete = True
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            with open(path, encoding="ascii") as lines:
                next(lines, "")
                for line in lines:
                    if len(flows) >= _MOST_LINES:
                        return flows, False
                    flow = parse_line(line)
                    if flow is not None and flow.state in _STATES:
                        flows.append(flow)
        except FileNotFoundError:
            continue
        except OSError:
            complete = False
    return flows, complete


def parse_line(line: str) -> Flow | None:
    """A line of /proc/net/tcp: addresses are 32-bit words in the machine's own byte order, then ``:`` and the port."""
    fields = line.split()
    try:
        (source, port), (address, peer_port), state = fields[1].split(":"), fields[2].split(":"), int(fields[3], 16)
        return Flow(_unpacked(source), int(port, 16), _unpacked(address), int(peer_port, 16), _sock_diag.STATES[state])
    except (IndexError, ValueError, struct.error):
        return None


def _unpacked(text: str) -> str:
    words = b"".join(struct.pack("=I", int(text[start:start + 8], 16)) for start in range(0, len(text), 8))
    return _sock_diag.unmapped(socket.inet_ntop(socket.AF_INET if len(words) == 4 else socket.AF_INET6, words))

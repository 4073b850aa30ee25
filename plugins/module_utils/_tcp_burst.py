# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many TCP connections to one port, each told by how it went and by how often its SYN had to be sent again.

A lost packet shows in a connection's time as a step of 1, 3 or 7 seconds (RFC 6298); what decides is not the time but the
kernel's own count of what it sent again (struct tcp_info).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import errno
import select
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._error_queue import IcmpError, next_error, want_errors
from ansible_collections.connectivity.doctor.plugins.module_utils._flow import errno_name
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_info import tcp_info

# Each holds a descriptor until it has ended; 1024 are a process's by default.
MOST_CONNECTIONS = 500


class Ended(t.NamedTuple):
    """``error``: an errno name, ``TIMEOUT``, empty when connected. ``retransmits``: None where the kernel does not tell."""

    error: str
    elapsed_ms: float
    icmp: IcmpError | None
    retransmits: int | None


def connect_many(address: str, port: int, hops: t.Sequence[int], wait_s: float, spacing_s: float) -> list[Ended]:
    """Open a connection for each entry of ``hops``, all at once, and close each as soon as it stands.

    :param hops: the TTL of each, 0 for the system's default; at most :data:`MOST_CONNECTIONS`.
    :param wait_s: seconds to wait after the last was begun. :param spacing_s: seconds between one and the next.
    :returns: how they ended, in the order of ``hops``.
    """
    pending: dict[int, tuple[int, socket.socket, float]] = {}
    ended: dict[int, Ended] = {}
    poller = select.poll()
    for index, ttl in enumerate(hops[:MOST_CONNECTIONS]):
        began = time.monotonic()
        sock, error = _begin(address, port, ttl)
        if sock is None or error:
            ended[index] = _result(sock, error, began)
        else:
            pending[sock.fileno()] = (index, sock, began)
            poller.register(sock, select.POLLOUT)
        _take(poller, pending, ended, time.monotonic() + spacing_s, spacing_s > 0)
    _take(poller, pending, ended, time.monotonic() + wait_s, False)
    for index, sock, began in pending.values():
        ended[index] = _result(sock, "TIMEOUT", began)
    return [ended[index] for index in sorted(ended)]


def _begin(address: str, port: int, ttl: int) -> tuple[socket.socket | None, str]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        target = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4]
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as problem:
        return None, errno_name(problem.errno)
    sock.setblocking(False)
    want_errors(sock)
    if ttl and family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
    elif ttl:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
    code = sock.connect_ex(target)
    return sock, "" if code in (0, errno.EINPROGRESS) else errno_name(code)


def _take(poller: select.poll, pending: dict[int, tuple[int, socket.socket, float]], ended: dict[int, Ended], end: float,
          whole: bool) -> None:
    """What has ended by ``end``; with ``whole`` not before ``end``, so that the spacing is kept."""
    while pending or whole:
        left = end - time.monotonic()
        for descriptor, _event in poller.poll(max(0.0, left) * 1000):
            index, sock, began = pending.pop(descriptor)
            poller.unregister(descriptor)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            ended[index] = _result(sock, "" if not code else "TIMEOUT" if code == errno.ETIMEDOUT else errno_name(code), began)
        if left <= 0:
            return


def _result(sock: socket.socket | None, error: str, began: float) -> Ended:
    elapsed_ms = round((time.monotonic() - began) * 1000, 3)
    if sock is None:
        return Ended(error, elapsed_ms, None, None)
    queued = next_error(sock) if error else None
    retransmits = tcp_info(sock).total_retrans
    sock.close()
    return Ended(error, elapsed_ms, queued.icmp if queued else None, retransmits)

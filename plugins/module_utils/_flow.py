# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection attempt, with everything the kernel tells an unprivileged process about how it went.

Sources: ip(7), tcp(7).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import errno
import select
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._error_queue import IcmpError, next_error, want_errors
from ansible_collections.connectivity.doctor.plugins.module_utils._kernel_counters import tcp_counters

# ``TCPRetransFail`` moves when this host's own packet filter drops a retransmitted SYN, and not when the network does.
_COUNTERS = ("TCPSynRetrans", "TCPRetransFail")


class Attempt(t.NamedTuple):
    """``error`` is an errno name, ``TIMEOUT`` when nothing came back, empty when connected (then ``sock`` is open)."""

    sock: socket.socket | None
    error: str
    elapsed_ms: float
    source: str
    icmp: IcmpError | None
    syn_retransmits: int
    retransmit_failures: int


def errno_name(code: int | None) -> str:
    return errno.errorcode.get(code or 0, "errno %s" % code)


def connect(address: str, port: int, seconds: float) -> Attempt:
    """Try to connect, once.

    :param address: an IPv4 or IPv6 address, never a name (``%scope`` allowed). :param seconds: the most it may take.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    began = time.monotonic()
    counters = tcp_counters(_COUNTERS)
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    want_errors(sock)
    try:
        target = socket.getaddrinfo(address, port, family, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)[0][4]
        error = _finish(sock, sock.connect_ex(target), seconds)
    except OSError as problem:
        error = errno_name(problem.errno)
    elapsed = round((time.monotonic() - began) * 1000, 1)
    source = _source(sock)
    if not error:
        sock.settimeout(seconds)
        return Attempt(sock, "", elapsed, source, None, 0, 0)
    queued = next_error(sock)  # a RST leaves the queue empty: that is how the two refusals are told apart
    icmp = queued.icmp if queued else None
    sock.close()
    now = tcp_counters(_COUNTERS)
    return Attempt(
        None, error, elapsed, source, icmp,
        now["TCPSynRetrans"] - counters["TCPSynRetrans"], now["TCPRetransFail"] - counters["TCPRetransFail"],
    )


def _finish(sock: socket.socket, code: int, seconds: float) -> str:
    if code == errno.EINPROGRESS:
        poller = select.poll()  # unlike select(), it has no bound on descriptor numbers
        poller.register(sock, select.POLLOUT)
        if not poller.poll(seconds * 1000):
            return "TIMEOUT"
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if not code:
        return ""
    return "TIMEOUT" if code == errno.ETIMEDOUT else errno_name(code)


def _source(sock: socket.socket) -> str:
    try:
        address = sock.getsockname()[0]
    except OSError:
        return ""
    return "" if address in ("0.0.0.0", "::") else address


def is_own_address(address: str) -> bool:
    """Whether an address is this host's own: only such an address can be bound."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind((address, 0))
        except OSError:
            return False
    return True


def read_exactly(sock: socket.socket, size: int, remaining: t.Callable[[], float]) -> bytes:
    """Exactly ``size`` bytes, or fewer when the peer closed. The time bound holds for the whole, not for each byte.

    :raises socket.timeout: the time given by ``remaining`` (seconds left) ran out. :raises OSError: the connection broke.
    """
    received = bytearray()
    while len(received) < size:
        left = remaining()
        if left <= 0.001:
            raise socket.timeout("timed out")
        sock.settimeout(left)
        chunk = sock.recv(min(65536, size - len(received)))
        if not chunk:
            break
        received.extend(chunk)
    return bytes(received)


def monotonic_budget(seconds: float) -> t.Callable[[], float]:
    """A function that tells how many of these seconds are left."""
    end = time.monotonic() + seconds
    return lambda: max(0.0, end - time.monotonic())


def host_port(address: str, port: int) -> str:
    return "[%s]:%d" % (address, port) if ":" in address else "%s:%d" % (address, port)

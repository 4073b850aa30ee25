# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One TCP connection attempt, with everything the kernel tells an unprivileged process about how it went.

Sources: ip(7) and ipv6(7) (IP_RECVERR, struct sock_extended_err), RFC 792, RFC 4443; TcpExt counters from proc_net(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import errno
import select
import socket
import struct
import time
import typing as t

# Python's socket module does not name these (linux/in.h, linux/in6.h, linux/errqueue.h).
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3
_EXTENDED_ERROR = struct.Struct("=IBBBxII")

_ICMP_NAMES = {
    (4, 3, 0): "net_unreachable", (4, 3, 1): "host_unreachable", (4, 3, 2): "protocol_unreachable",
    (4, 3, 3): "port_unreachable", (4, 3, 4): "fragmentation_needed", (4, 3, 9): "net_prohibited",
    (4, 3, 10): "host_prohibited", (4, 3, 13): "admin_prohibited", (4, 11, 0): "ttl_exceeded",
    (6, 1, 0): "no_route", (6, 1, 1): "admin_prohibited", (6, 1, 3): "address_unreachable",
    (6, 1, 4): "port_unreachable", (6, 1, 5): "source_policy_failed", (6, 1, 6): "reject_route",
    (6, 2, 0): "packet_too_big", (6, 3, 0): "hop_limit_exceeded",
}


class IcmpError(t.NamedTuple):
    """The ICMP message that ended the attempt: who sent it and what it said."""

    sender: str
    type: int
    code: int
    name: str


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
    counters = _tcp_counters()
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setblocking(False)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
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
    icmp = _icmp_error(sock)
    sock.close()
    now = _tcp_counters()
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


def _icmp_error(sock: socket.socket) -> IcmpError | None:
    """What lies in the socket's error queue. A RST leaves it empty: that is how the two refusals are told apart."""
    try:
        control = sock.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)[1]
    except OSError:
        return None
    for level, kind, data in control:
        if (level, kind) not in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
            continue
        if len(data) < _EXTENDED_ERROR.size:
            continue
        _code, origin, icmp_type, icmp_code, _info, _data = _EXTENDED_ERROR.unpack_from(data)
        if origin not in (_ORIGIN_ICMP, _ORIGIN_ICMP6):
            continue
        version = 4 if origin == _ORIGIN_ICMP else 6
        offender = data[_EXTENDED_ERROR.size:]
        sender = (
            socket.inet_ntop(socket.AF_INET, offender[4:8]) if version == 4 else socket.inet_ntop(socket.AF_INET6, offender[8:24])
        )
        name = _ICMP_NAMES.get((version, icmp_type, icmp_code), "type %d code %d" % (icmp_type, icmp_code))
        return IcmpError(sender, icmp_type, icmp_code, name)
    return None


def _tcp_counters() -> dict[str, int]:
    """``TCPRetransFail`` moves when this host's own packet filter drops a retransmitted SYN, and not when the network does."""
    wanted = {"TCPSynRetrans": 0, "TCPRetransFail": 0}
    try:
        with open("/proc/net/netstat", encoding="ascii") as lines:
            table = [line.split() for line in lines if line.startswith("TcpExt:")]
    except OSError:
        return wanted
    if len(table) == 2:
        found = dict(zip(*table))
        wanted.update({name: int(found[name]) for name in wanted if name in found})
    return wanted


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

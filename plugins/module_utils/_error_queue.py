# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A socket's error queue: which ICMP message came back for what it sent, and from whom. No privilege is needed to read it.

Sources: ip(7) and ipv6(7) (IP_RECVERR, struct sock_extended_err), RFC 792, RFC 4443.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import struct
import typing as t

# Python's socket module does not name these (linux/in.h, linux/in6.h, linux/errqueue.h).
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_ORIGIN_ICMP, _ORIGIN_ICMP6 = 2, 3
_EXTENDED_ERROR = struct.Struct("=IBBBxII")
_QUOTED_BYTES = 512

ICMP_NAMES = {
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


class Queued(t.NamedTuple):
    """``quoted``: what the message quotes of the packet, from after its IP (for UDP and TCP: transport) header.

    ``port``: where the packet went; ``mtu``: what a "too big" message allows, in bytes, 0 in others.
    """

    icmp: IcmpError
    mtu: int
    quoted: bytes
    port: int


def icmp_name(version: int, icmp_type: int, code: int) -> str:
    """:param version: 4 or 6. :returns: a name in snake_case, or the numbers where RFC 792 and RFC 4443 give it none."""
    return ICMP_NAMES.get((version, icmp_type, code), "type %d code %d" % (icmp_type, code))


def want_errors(sock: socket.socket) -> None:
    """Let the kernel keep ICMP errors for this socket."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)


def next_error(sock: socket.socket) -> Queued | None:
    """What lies first in the queue and came by ICMP; what this host's own kernel put there is passed over. Does not block."""
    while True:
        try:
            quoted, control, _flags, where = sock.recvmsg(_QUOTED_BYTES, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT)
        except OSError:
            return None
        for level, kind, data in control:
            if (level, kind) in ((socket.IPPROTO_IP, _IP_RECVERR), (socket.IPPROTO_IPV6, _IPV6_RECVERR)):
                found = read_error(data)
                if found:
                    return Queued(found[0], found[1], quoted, where[1] if where else 0)


def read_error(data: bytes) -> tuple[IcmpError, int] | None:
    """:param data: a struct sock_extended_err and the offender's address. :returns: the message and its MTU; None if it is none of ICMP."""
    if len(data) < _EXTENDED_ERROR.size:
        return None
    _errno, origin, icmp_type, code, info, _data = _EXTENDED_ERROR.unpack_from(data)
    offender = data[_EXTENDED_ERROR.size:]
    if origin == _ORIGIN_ICMP and len(offender) >= 8:
        version, sender, too_big = 4, socket.inet_ntop(socket.AF_INET, offender[4:8]), (icmp_type, code) == (3, 4)
    elif origin == _ORIGIN_ICMP6 and len(offender) >= 24:
        version, sender, too_big = 6, socket.inet_ntop(socket.AF_INET6, offender[8:24]), icmp_type == 2
    else:
        return None
    return IcmpError(sender, icmp_type, code, icmp_name(version, icmp_type, code)), info if too_big else 0

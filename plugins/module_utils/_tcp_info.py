# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel knows of one TCP connection: struct tcp_info (linux/tcp.h), tcp(7); IP_MTU, ip(7).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import fcntl
import socket
import struct
import typing as t

_READ_BYTES = 256
_SIOCOUTQ = 0x5411  # linux/sockios.h, tcp(7)
_IP_MTU, _IPV6_MTU = 14, 24  # linux/in.h, linux/in6.h; Python's socket module names neither

# Offset and format. Kernels append fields, and never move one.
_OPTIONS_AT, _TIMESTAMPS, _TIMESTAMP_BYTES = 5, 1, 12
_FIELDS = {
    "snd_mss": (16, "=I"), "pmtu": (60, "=I"), "rtt_us": (68, "=I"), "advmss": (84, "=I"), "rcv_rtt_us": (92, "=I"),
    "total_retrans": (100, "=I"), "min_rtt_us": (148, "=I"), "busy_us": (168, "=Q"), "rwnd_limited_us": (176, "=Q"),
    "sndbuf_limited_us": (184, "=Q"),
}


class TcpInfo(t.NamedTuple):
    """Sizes in bytes, times in µs; None for what this kernel is too old to tell.

    ``snd_mss``: the largest payload of a segment that this host may send: what the peer announced, less the options in use, and
    less where the path's MTU is known to be smaller. ``advmss``: what this host announced. ``total_retrans``: segments sent
    again, SYNs too. ``busy_us``: time with data to send; ``rwnd_limited_us`` and ``sndbuf_limited_us``: of it, waiting for the peer's
    window, and for this host's own buffer. ``option_bytes``: what TCP options take of each
    segment. ``unsent_bytes``: what the peer has not acknowledged yet, sent or not.
    """

    snd_mss: int | None
    pmtu: int | None
    rtt_us: int | None
    advmss: int | None
    rcv_rtt_us: int | None
    total_retrans: int | None
    min_rtt_us: int | None
    busy_us: int | None
    rwnd_limited_us: int | None
    sndbuf_limited_us: int | None
    option_bytes: int
    unsent_bytes: int | None


def tcp_info(sock: socket.socket) -> TcpInfo:
    """:param sock: a TCP socket. Never raises: what can't be read is None."""
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _READ_BYTES)
    except OSError:
        raw = b""
    stamped = len(raw) > _OPTIONS_AT and raw[_OPTIONS_AT] & _TIMESTAMPS
    return TcpInfo(option_bytes=_TIMESTAMP_BYTES if stamped else 0, unsent_bytes=_unacknowledged(sock), **{
        name: struct.unpack_from(kind, raw, at)[0] if len(raw) >= at + struct.calcsize(kind) else None
        for name, (at, kind) in _FIELDS.items()
    })


def _unacknowledged(sock: socket.socket) -> int | None:
    try:
        return int(struct.unpack("=i", fcntl.ioctl(sock, _SIOCOUTQ, bytes(4)))[0])
    except OSError:
        return None


def path_mtu(sock: socket.socket) -> int | None:
    """What the kernel takes for the MTU of the way of a connected socket, in bytes; None if it does not say."""
    level, option = (socket.IPPROTO_IPV6, _IPV6_MTU) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, _IP_MTU)
    try:
        return sock.getsockopt(level, option)
    except OSError:
        return None

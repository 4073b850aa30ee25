# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This network namespace's sockets, from the kernel by sock_diag(7): no ss(8), no privilege, and quick with many thousands of them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import socket
import struct
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._flow import monotonic_budget

STATES = ("", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN",
          "CLOSING", "NEW_SYN_RECV")
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_REQUEST_DUMP = 0x301
_HEADER = struct.Struct("=IHHII")
# struct inet_diag_req_v2 up to its socket id, which stays zero: no filter.
_REQUEST = struct.Struct("=BBBxI48x")
_MESSAGE = struct.Struct("=BBBB2s2s16s16sI8xIIIII")
_ATTRIBUTE = struct.Struct("=HH")
_SKMEMINFO, _SKV6ONLY = 7, 11
# The ninth word of INET_DIAG_SKMEMINFO: datagrams that found no room.
_DROPS_OFFSET = 32
_BUFFER = 65536
MOST_SOCKETS = 200000


class Socket(t.NamedTuple):
    """``state``: of :data:`STATES`. ``receive_queue``, ``send_queue``: bytes; of a listener, connections that wait and how many may.

    ``ipv6_only``: None where the kernel does not say. ``drops``: datagrams, None for TCP.
    """

    family: str
    state: str
    address: str
    port: int
    peer: str
    peer_port: int
    receive_queue: int
    send_queue: int
    inode: str
    ipv6_only: bool | None
    drops: int | None


def read_sockets(protocol: int, states: t.Iterable[str], seconds: float) -> tuple[list[Socket], bool]:
    """:param states: those that are wanted. :returns: sockets of both families, and whether that is all of them.

    :raises OSError: the kernel does not answer such questions.
    """
    mask = sum(1 << STATES.index(state) for state in set(states))
    remaining = monotonic_budget(seconds)
    found: list[Socket] = []
    complete = True
    for family in (socket.AF_INET, socket.AF_INET6):
        complete = _dump(family, protocol, mask, remaining, found) and complete
    return found, complete


def _dump(family: int, protocol: int, mask: int, remaining: t.Callable[[], float], found: list[Socket]) -> bool:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        extensions = 1 << _SKMEMINFO - 1 if protocol == UDP else 0
        request = _REQUEST.pack(family, protocol, extensions, mask)
        kernel.send(_HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + request)
        while remaining() > 0 and len(found) < MOST_SOCKETS:
            kernel.settimeout(max(0.001, remaining()))
            try:
                data = kernel.recv(_BUFFER)
            except socket.timeout:
                return False
            if parse_messages(data, protocol, found):
                return True
    return False


def parse_messages(data: bytes, protocol: int, found: list[Socket]) -> bool:
    """:returns: whether these were the last ones. :raises OSError: the kernel's error."""
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind = _HEADER.unpack_from(data, offset)[:2]
        body = data[offset + _HEADER.size:offset + length]
        if kind == _NLMSG_DONE:
            return True
        if kind == _NLMSG_ERROR:
            code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
            raise OSError(code, os.strerror(code) if code > 0 else "netlink error")
        if length < _HEADER.size:
            return True
        if kind == _SOCK_DIAG_BY_FAMILY and len(body) >= _MESSAGE.size:
            found.append(_socket(body, protocol))
        offset += length + 3 & ~3
    return False


def _socket(body: bytes, protocol: int) -> Socket:
    family, state, _timer, _retrans, port, peer_port, address, peer, _interface, _expires, received, sent, _uid, inode = (
        _MESSAGE.unpack_from(body))
    attributes = _attributes(body[_MESSAGE.size:])
    only = attributes.get(_SKV6ONLY, b"")
    memory = attributes.get(_SKMEMINFO, b"")
    return Socket(
        "ipv4" if family == socket.AF_INET else "ipv6", STATES[state] if state < len(STATES) else str(state),
        _address(family, address), int.from_bytes(port, "big"), _address(family, peer), int.from_bytes(peer_port, "big"),
        received, sent, str(inode), bool(only[0]) if only else None,
        struct.unpack_from("=I", memory, _DROPS_OFFSET)[0] if protocol == UDP and len(memory) >= _DROPS_OFFSET + 4 else None,
    )


def _address(family: int, data: bytes) -> str:
    return socket.inet_ntop(socket.AF_INET, data[:4]) if family == socket.AF_INET else socket.inet_ntop(socket.AF_INET6, data)


def _attributes(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[offset + _ATTRIBUTE.size:offset + length]
        offset += length + 3 & ~3
    return found


def unmapped(address: str) -> str:
    """An IPv4 address that an IPv6 socket serves, as what it is."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address

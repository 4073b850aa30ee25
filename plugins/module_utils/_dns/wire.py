# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One DNS question to one server, and what of the answer decides: rcode, truncation, addresses, aliases, TTL.

RFC 1035 (messages), RFC 3596 (AAAA), RFC 4035 (the bits AD and CD), RFC 6891 (EDNS), RFC 7766 (TCP), RFC 8914 (extended errors).
Standard library only, as managed nodes have no dnspython by default.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import random
import socket
import struct
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._flow import errno_name, monotonic_budget, read_exactly

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "AAAA": 28}
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
_RCODES = {0: "NOERROR", 1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
RECURSION_DESIRED, AUTHENTIC_DATA, CHECKING_DISABLED = 0x0100, 0x0020, 0x0010
_AUTHORITATIVE = 0x0400
_OPT, _EXTENDED_ERROR = 41, 15
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
# What one datagram may carry without fragments on any path (DNS flag day 2020).
_UDP_SIZE = 1232
_MOST_RECORDS = 200
_MOST_ADDRESSES = 32
# RFC 1035, section 3.1: a name has at most 255 octets, so at most 127 labels; more pointers than that lead nowhere useful.
_LONGEST_NAME = 255
_MOST_POINTERS = 127


class DnsError(Exception):
    """The text is an errno name, ``TIMEOUT``, ``CLOSED`` or ``MALFORMED``."""


class Answer(t.NamedTuple):
    """``truncated``: the server asked to be asked again over TCP. ``authenticated``: it says that it has verified the signatures.

    ``extended_error``: the server's reason as a number of RFC 8914, such as 6 (DNSSEC bogus), where it gives one.
    ``name_servers``: of NS records. ``authoritative``: the server answers for the zone itself, not from a cache.
    """

    rcode: str
    truncated: bool
    addresses: tuple[str, ...]
    aliases: tuple[str, ...]
    ttl: int | None
    authenticated: bool = False
    extended_error: int | None = None
    name_servers: tuple[str, ...] = ()
    authoritative: bool = False


def encode_query(name: str, record_type: str, identifier: int, flags: int = RECURSION_DESIRED | AUTHENTIC_DATA) -> bytes:
    """A query with EDNS. :param flags: with AD, servers tell whether they have verified (RFC 6840, section 5.7).

    :raises DnsError: the name can't be a domain name.
    """
    try:
        labels = [label.encode("ascii" if label.isascii() else "idna") for label in name.rstrip(".").split(".")]
    except UnicodeError:
        raise DnsError("MALFORMED") from None
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise DnsError("MALFORMED")
    question = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    option = b"\0" + struct.pack("!HHIH", 41, _UDP_SIZE, 0, 0)
    return _HEADER.pack(identifier, flags, 1, 0, 0, 1) + question + struct.pack("!HH", TYPES[record_type], 1) + option


def decode_answer(message: bytes, identifier: int) -> Answer:
    """:raises DnsError: ``MALFORMED``, whatever the bytes."""
    try:
        return _decode(message, identifier)
    except (struct.error, IndexError, ValueError, UnicodeError):
        raise DnsError("MALFORMED") from None


def _decode(message: bytes, identifier: int) -> Answer:
    got, flags, questions, answers, authorities, additionals = _HEADER.unpack_from(message)
    if got != identifier or not flags & 0x8000 or questions > 1:  # RFC 9619: never more than one question
        raise DnsError("MALFORMED")
    offset = _HEADER.size
    for _question in range(questions):
        offset = _name(message, offset)[1] + 4
    addresses: list[str] = []
    aliases: list[str] = []
    name_servers: list[str] = []
    ttl: int | None = None
    for _record in range(min(answers, _MOST_RECORDS)):
        _owner, offset = _name(message, offset)
        kind, _class, seconds, length = _RECORD.unpack_from(message, offset)
        offset += _RECORD.size
        data = message[offset:offset + length]
        ttl = seconds if ttl is None else min(ttl, seconds)
        if _TYPE_NAMES.get(kind) == "A" and length == 4:
            addresses.append(socket.inet_ntop(socket.AF_INET, data))
        elif _TYPE_NAMES.get(kind) == "AAAA" and length == 16:
            addresses.append(socket.inet_ntop(socket.AF_INET6, data))
        elif _TYPE_NAMES.get(kind) == "CNAME":
            aliases.append(_name(message, offset)[0])
        elif _TYPE_NAMES.get(kind) == "NS":
            name_servers.append(_name(message, offset)[0])
        offset += length
    rcode = _RCODES.get(flags & 0xF, "RCODE%d" % (flags & 0xF))
    complete = answers <= _MOST_RECORDS
    return Answer(
        rcode, bool(flags & 0x0200), tuple(addresses[:_MOST_ADDRESSES]), tuple(aliases[:8]), ttl, bool(flags & AUTHENTIC_DATA),
        _extended_error(message, offset, min(authorities + additionals, _MOST_RECORDS)) if complete else None, tuple(name_servers[:8]),
        bool(flags & _AUTHORITATIVE),
    )


def _extended_error(message: bytes, offset: int, records: int) -> int | None:
    """What follows the answers is of no other use: where it is cut or broken, there is just no reason."""
    try:
        for _record in range(records):
            _owner, offset = _name(message, offset)
            kind, _class, _ttl, length = _RECORD.unpack_from(message, offset)
            offset += _RECORD.size
            end = offset + length
            while kind == _OPT and offset + 4 <= end:
                code, size = struct.unpack_from("!HH", message, offset)
                if code == _EXTENDED_ERROR and size >= 2:
                    return int.from_bytes(message[offset + 4:offset + 6], "big")
                offset += 4 + size
            offset = end
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _name(message: bytes, offset: int) -> tuple[str, int]:
    """A possibly compressed name, and the offset after it. Pointers lead backwards only, and not often: no loops, no mazes."""
    labels: list[str] = []
    after: int | None = None
    limit = offset + 1
    pointers = size = 0
    while True:
        length = message[offset]
        if length >= 0xC0:
            target = struct.unpack_from("!H", message, offset)[0] & 0x3FFF
            after = offset + 2 if after is None else after
            pointers += 1
            if target >= limit or pointers > _MOST_POINTERS:
                raise ValueError("pointer leads forwards, or through a maze")
            limit = offset = target
        elif length:
            size += 1 + length
            if length > 63 or size >= _LONGEST_NAME:
                raise ValueError("label or name too long")
            labels.append(message[offset + 1:offset + 1 + length].decode("ascii", "backslashreplace"))
            offset += 1 + length
        else:
            return ".".join(labels) + ".", offset + 1 if after is None else after


def ask(
    server: str, name: str, record_type: str, seconds: float, tcp: bool = False, port: int = 53,
    flags: int = RECURSION_DESIRED | AUTHENTIC_DATA,
) -> Answer:
    """Ask one server once.

    :param server: its address; anything else is ``EINVAL``. :param seconds: the most it may take. :raises DnsError: no usable answer came.
    """
    try:
        ipaddress.ip_address(server.partition("%")[0])
    except ValueError:
        raise DnsError("EINVAL") from None
    identifier = random.SystemRandom().randrange(65536)
    query = encode_query(name, record_type, identifier, flags)
    exchange = _over_tcp if tcp else _over_udp
    try:
        return decode_answer(exchange(server, port, query, seconds), identifier)
    except socket.timeout:
        raise DnsError("TIMEOUT") from None
    except OSError as problem:
        raise DnsError(errno_name(problem.errno)) from None


def _over_udp(server: str, port: int, query: bytes, seconds: float) -> bytes:
    remaining = monotonic_budget(seconds)
    with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((server, port))  # connected: only this server's datagrams, and its ICMP errors, reach us
        sock.send(query)
        while True:
            sock.settimeout(max(0.001, remaining()))
            answer = sock.recv(65535)
            if answer[:2] == query[:2]:
                return answer


def _over_tcp(server: str, port: int, query: bytes, seconds: float) -> bytes:
    remaining = monotonic_budget(seconds)
    with socket.create_connection((server, port), max(0.001, remaining())) as sock:
        sock.sendall(struct.pack("!H", len(query)) + query)
        size = read_exactly(sock, 2, remaining)
        if len(size) < 2:
            raise DnsError("CLOSED")
        return read_exactly(sock, struct.unpack("!H", size)[0], remaining)

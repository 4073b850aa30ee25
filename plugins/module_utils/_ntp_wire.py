# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One question to one time server: RFC 5905 (NTPv4), RFC 4330 (its simple client), and RFC 9109's advice to say no more than needed.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import os
import socket
import struct
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._flow import errno_name, monotonic_budget

PORT = 123

_PACKET = struct.Struct("!BBbbII4s8s8s8s8s")
_CLIENT, _SERVER = 3, 4
_VERSION = 4
_LEAPS = ("none", "insert", "delete", "unsynchronized")
_UNSYNCHRONIZED_STRATUM = 16
# Servers that don't know the time yet answer with stratum 0 too (RFC 5905, section 7.3 and figure 13).
_NO_KISS = ("", "INIT", "STEP")
# Seconds between 1900, where NTP counts from, and 1970; and how many seconds an era has (RFC 5905, section 6).
_EPOCH = 2208988800
_ERA = 1 << 32
# A datagram longer than the header carries extension fields, which a question without any did not ask for.
_LARGEST_DATAGRAM = 1024


class NtpError(Exception):
    """The text is an errno name, ``TIMEOUT``, ``MALFORMED``, ``UNSYNCHRONIZED`` or ``KISS_OF_DEATH``.

    ``reply``: what came, if it could be read.
    """

    def __init__(self, text: str, reply: Reply | None = None) -> None:
        super().__init__(text)
        self.reply = reply


class Reply(t.NamedTuple):
    """``received`` and ``sent``: the server's clock, in seconds since the epoch. ``kiss``: its code, where it says to go away.

    ``root_delay_s`` and ``root_dispersion_s``: how far the server itself may be from the source of its time.
    """

    leap: str
    stratum: int
    refid: str
    kiss: str
    root_delay_s: float
    root_dispersion_s: float
    received: float
    sent: float


class Measurement(t.NamedTuple):
    """``offset_s``: this clock minus the server's, right to ``uncertainty_s``. ``delay_s``: the round trip less the server's part."""

    reply: Reply
    offset_s: float
    delay_s: float
    uncertainty_s: float


def encode_request(nonce: bytes) -> bytes:
    """:param nonce: eight random bytes in place of our time: who can't see the question can't forge the answer to it."""
    return _PACKET.pack(_VERSION << 3 | _CLIENT, 0, 0, 0, 0, 0, b"", b"", b"", b"", nonce)


def decode_reply(packet: bytes, nonce: bytes, near: float) -> Reply:
    """:param near: a time within 68 years of the server's, in seconds since the epoch: NTP tells no century.

    :raises NtpError: ``MALFORMED``: it is no answer to the question with this nonce; else ``KISS_OF_DEATH`` or ``UNSYNCHRONIZED``.
    """
    if len(packet) < _PACKET.size:
        raise NtpError("MALFORMED")
    first, stratum, _poll, _precision, delay, dispersion, refid, _reference, origin, received, sent = _PACKET.unpack_from(packet)
    if first & 7 != _SERVER or not 1 <= first >> 3 & 7 <= _VERSION or origin != nonce:
        raise NtpError("MALFORMED")
    reply = Reply(
        _LEAPS[first >> 6], stratum, _refid(refid, stratum), _ascii(refid) if stratum == 0 else "",
        delay / 65536, dispersion / 65536, _seconds(received, near), _seconds(sent, near),
    )
    if reply.kiss not in _NO_KISS:
        raise NtpError("KISS_OF_DEATH", reply)
    if reply.leap == "unsynchronized" or not 0 < stratum < _UNSYNCHRONIZED_STRATUM:
        raise NtpError("UNSYNCHRONIZED", reply)
    if not any(sent) or not any(received):
        raise NtpError("MALFORMED")
    return reply


def _ascii(refid: bytes) -> str:
    return "".join(chr(byte) for byte in refid if 32 < byte < 127)


def _refid(refid: bytes, stratum: int) -> str:
    """A name of the clock at stratum 1; further away the server's own server, by its IPv4 address or a hash of its IPv6 address."""
    return _ascii(refid) if stratum < 2 else socket.inet_ntop(socket.AF_INET, refid)


def _seconds(stamp: bytes, near: float) -> float:
    whole, fraction = struct.unpack("!II", stamp)
    seconds: int = whole - _EPOCH
    era = round((near - seconds) / _ERA)
    return seconds + era * _ERA + fraction / _ERA


def measure(address: str, seconds: float, port: int = PORT) -> Measurement:
    """Ask once. :param address: IPv4 or IPv6, never a name. :param seconds: the most it may take. :raises NtpError: no usable time came."""
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(address.partition("%")[0]).version == 6 else socket.AF_INET
    except ValueError:
        raise NtpError("EINVAL") from None
    try:
        return _exchange(family, address, port, seconds)
    except OSError as problem:
        raise NtpError(errno_name(problem.errno)) from None


def _exchange(family: int, address: str, port: int, seconds: float) -> Measurement:
    remaining = monotonic_budget(seconds)
    nonce = os.urandom(8)
    has_stray = False
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.connect((address, port))  # connected: only this server's datagrams, and its ICMP errors, reach us
        asked, began = time.time(), time.monotonic()
        sock.send(encode_request(nonce))
        while True:
            sock.settimeout(max(0.001, remaining()))
            try:
                packet = sock.recv(_LARGEST_DATAGRAM)
            except socket.timeout:
                raise NtpError("MALFORMED" if has_stray else "TIMEOUT") from None
            took = time.monotonic() - began
            try:
                return _measurement(decode_reply(packet, nonce, asked), asked, took)
            except NtpError as problem:
                has_stray = str(problem) == "MALFORMED"  # perhaps somebody else's guess: the true answer may still come
                if not has_stray or remaining() <= 0:
                    raise


def _measurement(reply: Reply, asked: float, took: float) -> Measurement:
    """RFC 5905, section 8, with the monotonic clock for what lies between: this host's clock may step meanwhile."""
    offset = ((asked - reply.received) + (asked + took - reply.sent)) / 2
    delay = max(0.0, took - max(0.0, reply.sent - reply.received))
    return Measurement(reply, offset, delay, delay / 2 + reply.root_delay_s / 2 + reply.root_dispersion_s)

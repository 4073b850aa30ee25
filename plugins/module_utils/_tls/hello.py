# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a TLS server what it would choose, with a ClientHello of our own making and no more.

OpenSSL can't ask this: a distribution's security level forbids it to offer an old version or cipher at all, so that the
server's refusal and the client's own are not told apart. Nothing is negotiated to the end, no key is made.

Sources: RFC 5246, 7.4.1.2; RFC 8446, 4.1.2 and 4.2.8 (an empty key share asks for a HelloRetryRequest); RFC 6066, 3.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import ssl
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._tls import wire as _tls_wire
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import FIRST_BYTES, Remaining, SocketChannel, io_error

VERSIONS = (0x0301, 0x0302, 0x0303, 0x0304)
_MAXIMUM_REPLY = 131072
_POINT_FORMATS, _SIGNATURE_ALGORITHMS, _EXTENDED_MASTER_SECRET, _KEY_EXCHANGE_MODES = 11, 13, 23, 45
_GROUPS = (29, 23, 24, 25, 30, 256, 257, 258, 22, 21, 26, 27, 28)
_SIGNATURES = (
    0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809, 0x080A, 0x080B,
    0x0401, 0x0501, 0x0601, 0x0303, 0x0301, 0x0203, 0x0201, 0x0202, 0x0402,
)
# Ciphers that today's OpenSSL is built without or does not list, and a server may have nothing but (IANA number, OpenSSL's name).
_UNLISTED_CIPHERS = {
    0x1301: "TLS_AES_128_GCM_SHA256", 0x1302: "TLS_AES_256_GCM_SHA384", 0x1303: "TLS_CHACHA20_POLY1305_SHA256",
    0x1304: "TLS_AES_128_CCM_SHA256", 0x1305: "TLS_AES_128_CCM_8_SHA256",
    0x0004: "RC4-MD5", 0x0005: "RC4-SHA", 0x0007: "IDEA-CBC-SHA", 0x0009: "DES-CBC-SHA", 0x000A: "DES-CBC3-SHA",
    0x0016: "DHE-RSA-DES-CBC3-SHA", 0x0041: "CAMELLIA128-SHA", 0x0084: "CAMELLIA256-SHA", 0x0096: "SEED-SHA",
    0xC007: "ECDHE-ECDSA-RC4-SHA", 0xC008: "ECDHE-ECDSA-DES-CBC3-SHA", 0xC011: "ECDHE-RSA-RC4-SHA",
    0xC012: "ECDHE-RSA-DES-CBC3-SHA",
}
_WITHOUT_CERTIFICATE = ("NULL", "ADH-", "AECDH-", "PSK-", "SRP-")
_SIGNALLING = 0x00FF  # RFC 5746: this client knows of secure renegotiation


class Reply(t.NamedTuple):
    """What came back. ``answer``: ``server_hello``, ``alert``, ``closed``, ``reset``, ``timeout``, ``not_tls``, or an errno name.

    ``version``, ``cipher`` and ``group`` are what the server chose (IANA numbers, 0 if none).
    """

    answer: str
    alert: int | None = None
    version: int = 0
    cipher: int = 0
    group: int = 0
    first_bytes: bytes = b""


def cipher_names() -> dict[int, str]:
    """All ciphers that authenticate the server by a certificate: IANA number and OpenSSL's name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    except ssl.SSLError:  # a TLS library that knows no levels
        context.set_ciphers("ALL")
    known = {int(cipher["id"]) & 0xFFFF: str(cipher["name"]) for cipher in context.get_ciphers()}
    for number, name in _UNLISTED_CIPHERS.items():
        known.setdefault(number, name)
    return {number: name for number, name in known.items() if not any(part in name for part in _WITHOUT_CERTIFICATE)}


def client_hello(version: int, ciphers: t.Iterable[int], server_name: str | None) -> bytes:
    """The record of a ClientHello that offers this one version.

    :param ciphers: IANA numbers; only those that fit the version are offered. :param server_name: ASCII, None for none.
    """
    tls13 = version >= 0x0304
    offered = [number for number in ciphers if (number >> 8 == 0x13) == tls13] + ([] if tls13 else [_SIGNALLING])
    extensions = [
        (_tls_wire.EXTENSION_GROUPS, _vector(2, _numbers(_GROUPS))),
        (_SIGNATURE_ALGORITHMS, _vector(2, _numbers(_SIGNATURES))),
        (_POINT_FORMATS, b"\x01\x00"),
        (_EXTENDED_MASTER_SECRET, b""),
    ]
    if server_name:
        entry = b"\x00" + _vector(2, server_name.encode("ascii"))
        extensions.insert(0, (_tls_wire.EXTENSION_SERVER_NAME, _vector(2, entry)))
    if tls13:
        extensions += [
            (_tls_wire.EXTENSION_VERSIONS, _vector(1, _numbers([version]))),
            (_tls_wire.EXTENSION_KEY_SHARE, _vector(2, b"")),
            (_KEY_EXCHANGE_MODES, b"\x01\x01"),
        ]
    body = b"".join((
        min(version, 0x0303).to_bytes(2, "big"),
        os.urandom(32),
        _vector(1, os.urandom(32) if tls13 else b""),
        _vector(2, _numbers(offered)),
        b"\x01\x00",
        _vector(2, b"".join(kind.to_bytes(2, "big") + _vector(2, value) for kind, value in extensions)),
    ))
    return b"\x16\x03\x01" + _vector(2, b"\x01" + _vector(3, body))


def _vector(length_size: int, data: bytes) -> bytes:
    return len(data).to_bytes(length_size, "big") + data


def _numbers(numbers: t.Iterable[int]) -> bytes:
    return b"".join(number.to_bytes(2, "big") for number in numbers)


def ask(channel: SocketChannel, hello: bytes, remaining: Remaining) -> Reply:
    """Send the ClientHello and read what the server chooses, at most 128 KiB of it, until its hello is done."""
    flight = _tls_wire.Flight()
    first, received, answer = b"", 0, ""
    try:
        channel.write(hello, remaining)
    except OSError as problem:
        answer = io_error(problem)  # an alert sent before the close may still be read
    while flight.alert is None and not _complete(flight) and received < _MAXIMUM_REPLY:
        try:
            data = channel.read(remaining)
        except OSError as problem:
            answer = io_error(problem)
            break
        if not data:
            answer = answer or "closed"
            break
        received += len(data)
        first = (first + data)[:FIRST_BYTES]
        try:
            flight.feed(data)
        except ValueError:
            answer = "not_tls"
            break
    return _reply(flight, answer, first)


def _complete(flight: _tls_wire.Flight) -> bool:
    """TLS 1.3 encrypts all that follows its hello; before, the hello ends with a message of its own."""
    hello = flight.message(_tls_wire.SERVER_HELLO)
    if hello is None:
        return False
    return flight.message(_tls_wire.SERVER_HELLO_DONE) is not None or _chosen(hello)[0] >= 0x0304


def _chosen(body: bytes) -> tuple[int, int, int]:
    try:
        hello = _tls_wire.server_hello(body)
    except ValueError:
        return 0, 0, 0
    return hello.versions[0], hello.ciphers[0], hello.groups[0] if hello.groups else 0


def _reply(flight: _tls_wire.Flight, answer: str, first_bytes: bytes) -> Reply:
    hello = flight.message(_tls_wire.SERVER_HELLO)
    if hello is None:
        return Reply("alert" if flight.alert is not None else answer or "not_tls", flight.alert, first_bytes=first_bytes)
    version, cipher, group = _chosen(hello)
    exchange = flight.message(_tls_wire.SERVER_KEY_EXCHANGE)
    if not group and exchange is not None:
        group = _tls_wire.key_exchange_group(exchange) or 0
    return Reply("server_hello" if version else "not_tls", flight.alert, version, cipher, group, first_bytes)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Readers for the TLS messages that travel in the clear. They take any bytes and never read past them.

Sources: RFC 5246 (TLS 1.2), RFC 8446 (TLS 1.3), RFC 6066 (server name), the IANA TLS parameters registry.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

RECORD_ALERT, RECORD_HANDSHAKE = 21, 22
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, SERVER_KEY_EXCHANGE, CERTIFICATE_REQUEST, SERVER_HELLO_DONE = 1, 2, 11, 12, 13, 14
NEW_SESSION_TICKET, CLIENT_KEY_EXCHANGE = 4, 16
EXTENSION_SERVER_NAME, EXTENSION_GROUPS, EXTENSION_VERSIONS, EXTENSION_KEY_SHARE = 0, 10, 43, 51

VERSION_NAMES = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", 0x0303: "TLSv1.2", 0x0304: "TLSv1.3"}

GROUP_NAMES = {
    21: "secp224r1", 22: "secp256k1", 23: "secp256r1", 24: "secp384r1", 25: "secp521r1", 26: "brainpoolP256r1",
    27: "brainpoolP384r1", 28: "brainpoolP512r1", 29: "x25519", 30: "x448", 256: "ffdhe2048", 257: "ffdhe3072",
    258: "ffdhe4096", 259: "ffdhe6144", 260: "ffdhe8192", 4588: "X25519MLKEM768",
}

ALERT_NAMES = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 21: "decryption_failed", 22: "record_overflow",
    30: "decompression_failure", 40: "handshake_failure", 41: "no_certificate", 42: "bad_certificate",
    43: "unsupported_certificate", 44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown",
    47: "illegal_parameter", 48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error",
    60: "export_restriction", 70: "protocol_version", 71: "insufficient_security", 80: "internal_error",
    86: "inappropriate_fallback", 90: "user_canceled", 100: "no_renegotiation", 109: "missing_extension",
    110: "unsupported_extension", 111: "certificate_unobtainable", 112: "unrecognized_name",
    113: "bad_certificate_status_response", 114: "bad_certificate_hash_value", 115: "unknown_psk_identity",
    116: "certificate_required", 120: "no_application_protocol", 121: "ech_required",
}

_MAXIMUM_RECORD = 18432  # RFC 5246, 6.2.3
# A server certificate chain of more than this is a peer's attempt to fill memory.
MAXIMUM_CHAIN = 20
# RFC 8446, 4.1.3: the random of a ServerHello that is a HelloRetryRequest (SHA-256 of that word).
_RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


def alert_name(number: int | None) -> str:
    return "" if number is None else ALERT_NAMES.get(number, "alert_%d" % number)


def version_name(number: int) -> str:
    """:param number: as on the wire, 0 if there is none."""
    return "" if not number else VERSION_NAMES.get(number, "0x%04x" % number)


def group_name(number: int) -> str:
    return GROUP_NAMES.get(number, "0x%04x" % number)


def may_be_tls(first_bytes: bytes) -> bool:
    """Whether these can begin a TLS record: type 20 to 24, major version 3. Fewer bytes are given the benefit of the doubt."""
    return (not first_bytes or 20 <= first_bytes[0] <= 24) and (len(first_bytes) < 2 or first_bytes[1] == 3)


class Reader:
    """A cursor over bytes of a peer.

    Every method raises :class:`ValueError` where the bytes end too early.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise ValueError("%d bytes wanted, %d left" % (size, len(self._data) - self._at))
        self._at += size
        return self._data[self._at - size:self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, length_size: int) -> bytes:
        """Bytes after their own length, of ``length_size`` bytes."""
        return self.take(self.number(length_size))

    def more(self) -> bool:
        return self._at < len(self._data)


class Hello(t.NamedTuple):
    """What a ClientHello offers or a ServerHello chooses; a ServerHello has one version, one cipher, at most one group."""

    versions: list[int]
    ciphers: list[int]
    groups: list[int]
    retry_request: bool


def _extensions(reader: Reader) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if reader.more():
        inner = Reader(reader.vector(2))
        while inner.more():
            kind = inner.number(2)
            found[kind] = inner.vector(2)
    return found


def _numbers(data: bytes) -> list[int]:
    return [int.from_bytes(data[i:i + 2], "big") for i in range(0, len(data) - 1, 2)]


def client_hello(body: bytes) -> Hello:
    """:param body: of a ClientHello message. :raises ValueError: it is not one."""
    reader = Reader(body)
    legacy_version = reader.number(2)
    reader.take(32)
    reader.vector(1)
    ciphers = _numbers(reader.vector(2))
    reader.vector(1)
    extensions = _extensions(reader)
    versions = [legacy_version]
    if EXTENSION_VERSIONS in extensions:
        versions = [v for v in _numbers(Reader(extensions[EXTENSION_VERSIONS]).vector(1)) if v in VERSION_NAMES]
    groups = _numbers(Reader(extensions[EXTENSION_GROUPS]).vector(2)) if EXTENSION_GROUPS in extensions else []
    return Hello(versions, ciphers, groups, False)


def server_hello(body: bytes) -> Hello:
    """:param body: of a ServerHello message, or of a HelloRetryRequest. :raises ValueError: it is not one."""
    reader = Reader(body)
    version = reader.number(2)
    retry = reader.take(32) == _RETRY_RANDOM
    reader.vector(1)
    cipher = reader.number(2)
    reader.take(1)
    extensions = _extensions(reader)
    if EXTENSION_VERSIONS in extensions:
        version = Reader(extensions[EXTENSION_VERSIONS]).number(2)
    share = extensions.get(EXTENSION_KEY_SHARE, b"")
    return Hello([version], [cipher], [Reader(share).number(2)] if share else [], retry)


def certificate_chain(body: bytes, version: int) -> list[bytes]:
    """The certificates (DER) of a Certificate message, the leaf first.

    :param version: as negotiated, for example 0x0304: TLS 1.3 has another layout. :raises ValueError: it is not one.
    """
    reader = Reader(body)
    if version >= 0x0304:
        reader.vector(1)
    entries = Reader(reader.vector(3))
    chain: list[bytes] = []
    while entries.more() and len(chain) < MAXIMUM_CHAIN:
        chain.append(entries.vector(3))
        if version >= 0x0304:
            entries.vector(2)
    return chain


def key_exchange_group(body: bytes) -> int | None:
    """The named group of an elliptic-curve ServerKeyExchange (RFC 8422, 5.4), None for another kind of exchange."""
    return int.from_bytes(body[1:3], "big") if len(body) >= 3 and body[0] == 3 else None


class Flight:
    """The unencrypted messages of a server, put together from the bytes as they come."""

    def __init__(self) -> None:
        self._records = bytearray()
        self._handshake = bytearray()
        self.messages: list[tuple[int, bytes]] = []
        self.alert: int | None = None

    def feed(self, data: bytes) -> None:
        """:raises ValueError: these are not TLS records."""
        self._records.extend(data)
        while len(self._records) >= 5 and self.alert is None:
            kind, major, length = self._records[0], self._records[1], int.from_bytes(self._records[3:5], "big")
            if not 20 <= kind <= 24 or major != 3 or not length or length > _MAXIMUM_RECORD:
                raise ValueError("not a TLS record")
            if len(self._records) < 5 + length:
                return
            payload = bytes(self._records[5:5 + length])
            del self._records[:5 + length]
            if kind == RECORD_HANDSHAKE:
                self._handshake.extend(payload)
                self._split_messages()
            elif kind == RECORD_ALERT and length != 2:
                raise ValueError("an alert of %d bytes" % length)
            elif kind == RECORD_ALERT and (payload[0] == 2 or payload[1] == 0):
                self.alert = payload[1]  # warnings (level 1) do not end a handshake, except close_notify

    def _split_messages(self) -> None:
        while len(self._handshake) >= 4:
            length = int.from_bytes(self._handshake[1:4], "big")
            if len(self._handshake) < 4 + length:
                return
            self.messages.append((self._handshake[0], bytes(self._handshake[4:4 + length])))
            del self._handshake[:4 + length]

    def message(self, kind: int) -> bytes | None:
        """The body of the first message of this type."""
        return next((body for found, body in self.messages if found == kind), None)

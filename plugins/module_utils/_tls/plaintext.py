# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which protocol a port speaks, from the first bytes that come out of it.

Sources: RFC 9112 (HTTP/1.1), RFC 9113 (HTTP/2), RFC 4253 (SSH), RFC 5321 (SMTP), RFC 959 (FTP), the PostgreSQL
documentation (Message Formats), the MySQL documentation (Protocol::HandshakeV10).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import Remaining, SocketChannel
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.starttls import SSL_REQUEST

UNKNOWN = "unknown"
# The first that matches. An HTTP/2 server begins with a SETTINGS frame; a MySQL server with packet number 0, protocol 10
# (or 0xff, an error, for a host that it does not let in); a PostgreSQL server with an ErrorResponse.
_SIGNATURES: tuple[tuple[str, t.Pattern[bytes]], ...] = (
    ("http", re.compile(rb"HTTP/\d|\s*<(?:!doctype html|html|head|title|h1)", re.IGNORECASE)),
    ("http2", re.compile(rb"\x00\x00[\x00-\xff]\x04\x00\x00\x00\x00\x00")),
    ("ssh", re.compile(rb"SSH-")),
    ("smtp", re.compile(rb"(?:220|554)[ -][^\r\n]*(?:smtp|mail|postfix|exim|sendmail)", re.IGNORECASE)),
    ("ftp", re.compile(rb"220[ -][^\r\n]*ftp", re.IGNORECASE)),
    ("mysql", re.compile(rb"[\x00-\xff]{2}\x00\x00[\x0a\xff]")),
    ("postgresql", re.compile(rb"E\x00\x00[\x00-\xff]{2}[SV]|EFATAL|R\x00\x00\x00")),
    ("tls", re.compile(rb"[\x14-\x17]\x03[\x00-\x04]")),
    # The 220 of a server that does not name itself: SMTP's has a host name after it, or it is FTP's.
    ("smtp", re.compile(rb"220[ -][A-Za-z0-9-]+\.[A-Za-z0-9.-]+")),
    ("ftp", re.compile(rb"220[ -]")),
)
# What an HTTPS server says to a request in plain text: no proof that the port does not speak TLS.
_PERHAPS_HTTPS = re.compile(rb"HTTP/1\.[01] 400")
_GREETING_S = 0.5
_ANSWER_S = 1.0
_ENOUGH = 256


class Spoken(t.NamedTuple):
    """``protocol`` is one of the names above; ``by`` is what made it speak: ``greeting``, ``http_request``, ``ssl_request`` or ``""``."""

    protocol: str
    by: str
    first_bytes: bytes


def looks_like(first_bytes: bytes) -> str:
    """:returns: ``http``, ``http2``, ``ssh``, ``smtp``, ``ftp``, ``postgresql``, ``mysql``, ``tls`` or ``unknown``."""
    return next((name for name, pattern in _SIGNATURES if pattern.match(first_bytes)), UNKNOWN)


def identify(address: str, port: int, host: str, seconds: float) -> Spoken:
    """Ask a port in plain text what it is. At most two connections: greeting or HTTP answer, then PostgreSQL's SSLRequest.

    For a port that did not understand TLS and sent nothing. :param seconds: the most all of it may take.
    """
    remaining = _flow.monotonic_budget(seconds)
    request = b"HEAD / HTTP/1.0\r\nHost: " + host.encode("ascii", "replace") + b"\r\n\r\n"
    greeting, answer = _converse(address, port, _GREETING_S, request, remaining)
    if greeting:
        return Spoken(looks_like(greeting), "greeting", greeting)
    if looks_like(answer) != UNKNOWN and not _PERHAPS_HTTPS.match(answer):
        return Spoken(looks_like(answer), "http_request", answer)
    answer = ask_postgresql(address, port, remaining())
    return Spoken("postgresql", "ssl_request", answer) if answer else Spoken(UNKNOWN, "", b"")


def ask_postgresql(address: str, port: int, seconds: float) -> bytes:
    """:returns: the answer to an SSLRequest, ``S`` or ``N``, that only PostgreSQL gives; b"" for any other or none."""
    answer = _converse(address, port, 0.0, SSL_REQUEST, _flow.monotonic_budget(seconds))[1]
    return answer if answer in (b"S", b"N") else b""


def _converse(address: str, port: int, listen_s: float, question: bytes, remaining: Remaining) -> tuple[bytes, bytes]:
    """Connect; what the peer says by itself within ``listen_s`` seconds, or else what it says to the question."""
    attempt = _flow.connect(address, port, max(0.001, remaining()))
    if attempt.sock is None:
        return b"", b""
    with attempt.sock as sock:
        channel = SocketChannel(sock)
        greeting = _hear(channel, min(listen_s, remaining()))
        if greeting:
            return greeting, b""
        try:
            channel.write(question, remaining)
        except OSError:
            return b"", b""
        return b"", _hear(channel, min(_ANSWER_S, remaining()))


def _hear(channel: SocketChannel, seconds: float) -> bytes:
    """What comes within this time, at most one read of it."""
    remaining: Remaining = _flow.monotonic_budget(seconds)
    try:
        return channel.read(remaining)[:_ENOUGH]
    except OSError:
        return b""

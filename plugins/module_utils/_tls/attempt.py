# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection with TLS on it, and whether the server demanded a client certificate on the way.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ssl
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import channel as _tls_channel
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import place as _tls_place

# How long a TLS 1.3 server may take to object to a missing client certificate, beyond two times the handshake's own.
OBJECTION_S = 1.0
# What a server that demands a client certificate says when it gets none, or one that it does not take (RFC 8446, 6.2).
_CLIENT_CERTIFICATE_ALERTS = (40, 41, 42, 43, 44, 45, 46, 48, 49, 51, 116)


class Attempt(t.NamedTuple):
    """How the connection was opened, and how the handshake on it went (None where there was none)."""

    opened: _tls_place.Opened
    shaken: _tls_channel.Handshake | None

    @property
    def error(self) -> str:
        return self.shaken.error if self.shaken else self.opened.error

    @property
    def first_bytes(self) -> bytes:
        return self.shaken.first_bytes if self.shaken else self.opened.first_bytes

    @property
    def alert(self) -> int | None:
        return self.shaken.witness.alert if self.shaken else None

    @property
    def chain(self) -> list[bytes]:
        return self.shaken.witness.chain if self.shaken else []

    def close(self) -> None:
        if self.opened.sock is not None:
            self.opened.sock.close()


def attempt(where: _tls_place.Place, context: ssl.SSLContext, server_name: str | None, remaining: _tls_channel.Remaining) -> Attempt:
    """Connect and speak TLS, once. The connection stays open where it worked.

    :param server_name: None sends no SNI.
    """
    opened = _tls_place.open_for_tls(where, remaining)
    if opened.sock is None:
        return Attempt(opened, None)
    channel = _tls_channel.SocketChannel(opened.sock)
    return Attempt(opened, _tls_channel.handshake(channel, context, server_name, remaining))


class ClientCertificate(t.NamedTuple):
    """``requested``: None if that is unknown. ``phase`` is when the server objected to what it got, or to nothing:
    ``handshake``, ``after_handshake``, or "" if it did not; ``alert`` is what it said, None for a mere close."""

    requested: bool | None
    alert: int | None
    phase: str


def client_certificate(seen: Attempt, seconds: float) -> ClientCertificate:
    """What became of the client certificate, or of its absence.

    :param seconds: how long to listen for the objection of a TLS 1.3 server that asked for one.
    """
    shaken = seen.shaken
    if shaken is None or not shaken.witness.available:
        return ClientCertificate(None, None, "")
    if not shaken.witness.certificate_requested:
        # Before its own certificate was seen, nothing tells what the server would have asked for.
        return ClientCertificate(False if shaken.witness.chain else None, None, "")
    if shaken.error in ("closed", "reset") or (shaken.error == "alert" and seen.alert in _CLIENT_CERTIFICATE_ALERTS):
        return ClientCertificate(True, seen.alert, "handshake")
    if shaken.channel is not None and shaken.version == "TLSv1.3" and _objects(shaken.channel, shaken.witness, seconds):
        return ClientCertificate(True, shaken.witness.alert, "after_handshake")
    return ClientCertificate(True, None, "")


def _objects(channel: _tls_channel.TlsChannel, witness: _tls_channel.Witness, seconds: float) -> bool:
    """In TLS 1.3 the client is done before the server has judged its certificate (RFC 8446, 4.4.2.4): hear its word.

    A session ticket is a word of consent, as is anything that the server goes on to say. One that has nothing to say is bidden
    farewell: it judges the certificate before it reads that, and answers either with its objection or with its own farewell.
    """
    remaining = _flow.monotonic_budget(seconds)
    if not witness.tickets:
        _bid_farewell(channel, remaining)
    while not witness.tickets:
        try:
            channel.tls.read(1)
            return False
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return witness.alert is not None
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            return True
        try:
            if not channel.receive(remaining):
                return witness.alert is not None
        except OSError as problem:
            return _tls_channel.io_error(problem) != "timeout"
    return False


def _bid_farewell(channel: _tls_channel.TlsChannel, remaining: _tls_channel.Remaining) -> None:
    try:
        channel.tls.unwrap()
    except (ssl.SSLError, OSError):
        pass  # it waits for the peer's own farewell, which is read by whoever asked
    try:
        channel.flush(remaining)
    except OSError:
        pass  # the peer is gone, and what it said before is read all the same

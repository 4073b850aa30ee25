# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Byte channels with a bound on time: a socket, and TLS over any channel. Both have ``read`` and ``write``.

TLS runs over memory buffers, not over the socket, so that the peer's very first bytes are seen, a close is told from
a reset, and TLS can be spoken through a proxy's tunnel.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import ssl
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import wire as _tls_wire

Remaining = t.Callable[[], float]

FIRST_BYTES = 16
_READ_SIZE = 16384
# A handshake with the longest chain OpenSSL takes (100 KiB) fits well.
_MAXIMUM_HANDSHAKE = 262144
# OpenSSL's reasons for which this side, not the peer, ended the handshake: the peer chose what local policy forbids.
_REFUSED_BY_CLIENT = (
    "UNSUPPORTED_PROTOCOL", "WRONG_SSL_VERSION", "WRONG_CIPHER_RETURNED", "WRONG_CURVE", "WRONG_SIGNATURE_TYPE",
    "DH_KEY_TOO_SMALL", "EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK", "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    "LEGACY_SIGALG_DISALLOWED_OR_UNSUPPORTED", "NO_SUITABLE_SIGNATURE_ALGORITHM",
)
# "SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_UNRECOGNIZED_NAME": OpenSSL's reasons, without what precedes the alert's name.
_ALERT_BY_REASON = {name.upper(): number for number, name in _tls_wire.ALERT_NAMES.items()}


class SocketChannel:
    """A connected socket. ``read`` gives b"" when the peer closed; both raise socket.timeout and OSError."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, remaining: Remaining) -> bytes:
        self._limit(remaining)
        return self._sock.recv(_READ_SIZE)

    def write(self, data: bytes, remaining: Remaining) -> None:
        self._limit(remaining)
        self._sock.sendall(data)

    def _limit(self, remaining: Remaining) -> None:
        left = remaining()
        if left <= 0.001:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)


class Witness:
    """What the messages of a handshake say, also those that are encrypted in TLS 1.3.

    OpenSSL hands every message to a callback after decrypting it. ``SSLContext._msg_callback`` is CPython's door to it
    since 3.8; it is not public, but nothing public tells whether the server asked for a client certificate, or shows the
    chain of a server that does not verify on Pythons before 3.13. Where it is missing, those facts stay unknown.
    """

    def __init__(self) -> None:
        self.available = isinstance(getattr(ssl.SSLContext, "_msg_callback", None), property)
        self.offered: _tls_wire.Hello | None = None
        self.chain: list[bytes] = []
        self.server_accepted = False  # this side has verified all that it was to verify, and went on
        self.certificate_requested = False
        self.version = 0
        self.tickets = 0
        self.alert: int | None = None

    def see(self, direction: str, version: int, content_type: int, kind: int, data: bytes) -> None:
        if content_type == _tls_wire.RECORD_ALERT and direction == "read" and len(data) == 2 and data[0] == 2:
            self.alert = data[1]  # a fatal one; a handshake goes on after a warning
        if content_type != _tls_wire.RECORD_HANDSHAKE:
            return
        body = data[4:]
        try:
            if direction == "write":
                if kind == _tls_wire.CLIENT_HELLO and self.offered is None:
                    self.offered = _tls_wire.client_hello(body)
                elif kind == _tls_wire.CLIENT_KEY_EXCHANGE:
                    self.server_accepted = True
            elif kind == _tls_wire.CERTIFICATE:
                self.version = int(version)
                self.chain = _tls_wire.certificate_chain(body, int(version))
            elif kind == _tls_wire.CERTIFICATE_REQUEST:
                self.certificate_requested = True
            elif kind == _tls_wire.NEW_SESSION_TICKET:
                self.tickets += 1
        except ValueError:
            pass  # OpenSSL refuses the same message by itself, and its reason is kept


def _witnessed(
    context: ssl.SSLContext, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, server_name: str | None,
) -> tuple[ssl.SSLObject, Witness]:
    """TLS with a witness of its own: the context may be that of several connections at once."""
    witness = Witness()
    if witness.available:
        context._msg_callback = _tell_witness  # type: ignore[attr-defined]
    tls = context.wrap_bio(incoming, outgoing, server_hostname=server_name)
    tls.witness = witness  # type: ignore[attr-defined]
    return tls, witness


def _tell_witness(tls: t.Any, *message: t.Any) -> None:
    tls.witness.see(*message)


class Handshake(t.NamedTuple):
    """How a handshake went.

    ``error``: empty, or ``alert``, ``closed``, ``reset``, ``timeout``, ``not_tls``, ``verify``, ``refused_by_client``
    (what the server chose is forbidden by this host's OpenSSL) or ``protocol_error``. ``reason``: OpenSSL's own, or "".
    ``channel`` is set when it worked, and ``witness`` always.
    """

    error: str
    reason: str
    channel: TlsChannel | None
    witness: Witness
    version: str
    cipher: str
    first_bytes: bytes
    elapsed_ms: float
    verify_code: int
    verify_message: str


class TlsChannel:
    """TLS over another channel; made by :func:`handshake`."""

    def __init__(self, transport: SocketChannel | TlsChannel, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._transport = transport
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing

    @property
    def tls(self) -> ssl.SSLObject:
        return self._tls

    def read(self, remaining: Remaining) -> bytes:
        """:raises ssl.SSLError: an alert came, or what came is not TLS."""
        while True:
            try:
                return self._tls.read(_READ_SIZE)
            except ssl.SSLWantReadError:
                self.flush(remaining)
                if not self.receive(remaining):
                    return b""
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                return b""

    def receive(self, remaining: Remaining) -> bytes:
        """Take what the peer sent next into the buffer, undecrypted. b"" when it closed."""
        data = self._transport.read(remaining)
        if data:
            self._incoming.write(data)
        return data

    def write(self, data: bytes, remaining: Remaining) -> None:
        self._tls.write(data)
        self.flush(remaining)

    def flush(self, remaining: Remaining) -> None:
        data = self._outgoing.read()
        if data:
            self._transport.write(data, remaining)


def handshake(transport: SocketChannel | TlsChannel, context: ssl.SSLContext, server_name: str | None, remaining: Remaining) -> Handshake:
    """Speak TLS as a client over ``transport``, once.

    :param server_name: for SNI and for the name check.
    :raises ValueError: ``server_name`` can't be one.
    """
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls, witness = _witnessed(context, incoming, outgoing, server_name)
    channel = TlsChannel(transport, tls, incoming, outgoing)
    began = time.monotonic()
    first, received = b"", 0
    error, reason, code, message = "", "", 0, ""
    while not error:
        try:
            channel.tls.do_handshake()
            _send(channel, remaining)
            break
        except ssl.SSLWantReadError:
            _send(channel, remaining)
        except ssl.SSLCertVerificationError as problem:
            _send(channel, remaining)
            error, reason, code, message = "verify", problem.reason or "", problem.verify_code, problem.verify_message
            break
        except ssl.SSLError as problem:
            _send(channel, remaining)
            error, reason = classify(problem, witness), problem.reason or ""
            break
        try:
            data = channel.receive(remaining)
        except OSError as problem:
            error = io_error(problem)
            break
        received += len(data)
        first = (first + data)[:FIRST_BYTES]
        if not data:
            error = "closed"
        elif not _tls_wire.may_be_tls(first):
            error = "not_tls"
        elif received > _MAXIMUM_HANDSHAKE:
            error, reason = "protocol_error", "HANDSHAKE_TOO_LONG"
    if not error:
        witness.server_accepted = True
        witness.chain = witness.chain or [channel.tls.getpeercert(True) or b""]
    version, cipher = ("", "") if error else (channel.tls.version() or "", (channel.tls.cipher() or ("",))[0])
    elapsed = round((time.monotonic() - began) * 1000, 1)
    return Handshake(error, reason.lower(), None if error else channel, witness, version, cipher, first, elapsed, code, message)


def _send(channel: TlsChannel, remaining: Remaining) -> None:
    """A failed write says less than what may still be read: an alert that the peer sent before it closed."""
    try:
        channel.flush(remaining)
    except OSError:
        pass


def classify(problem: ssl.SSLError, witness: Witness) -> str:
    """Which ``error`` of :class:`Handshake` OpenSSL's complaint is."""
    reason = problem.reason or ""
    if witness.alert is None:
        witness.alert = _ALERT_BY_REASON.get(reason.partition("_")[2].replace("ALERT_", ""))
    if witness.alert is not None:
        return "alert"
    if isinstance(problem, ssl.SSLEOFError):
        return "closed"
    return "refused_by_client" if reason in _REFUSED_BY_CLIENT else "protocol_error"


def io_error(problem: OSError) -> str:
    """``timeout``, ``reset`` or ``closed``; other errors by their errno name."""
    if isinstance(problem, socket.timeout):
        return "timeout"
    if isinstance(problem, ConnectionResetError):
        return "reset"
    return "closed" if isinstance(problem, BrokenPipeError) else _flow.errno_name(problem.errno)

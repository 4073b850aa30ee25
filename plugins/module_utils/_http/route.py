# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way to an HTTP server: a connection, through a proxy if there is one, and TLS on it if the scheme wants it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    answer as _http_answer,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    proxy as _http_proxy,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    request as _http_request,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    certificate as _tls_certificate,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    channel as _tls_channel,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    place as _tls_place,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    plaintext as _tls_plaintext,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    wire as _tls_wire,
)

_PROXY_BODY_LIMIT = 4096

Channel = t.Union[_tls_channel.SocketChannel, _tls_channel.TlsChannel]


class Failed(Exception):
    """There is no way. ``facts`` are for ``data``, with ``error`` among them."""

    def __init__(self, **facts: t.Any) -> None:
        super().__init__(facts["error"])
        self.facts = facts


class Security(t.NamedTuple):
    """How TLS is to be spoken; paths as in :func:`_tls.place.new_context`."""

    verify: str
    ca_file: str
    client_certificate: str
    client_key: str


class Route:
    """Opens the way, once, and remembers how it went: also when it failed."""

    def __init__(
        self, where: _tls_place.Place, host: str, remaining: _tls_channel.Remaining, alpn: t.Sequence[str] = (),
    ) -> None:
        """:param where: of the origin; its address is not used with a proxy. :param host: the origin's name, as a proxy is told.

        :param alpn: the protocols to offer within TLS.
        """
        self._where = where
        self._host = host
        self._remaining = remaining
        self._alpn = alpn
        self._sock: socket.socket | None = None
        self.source = ""
        self.phases: dict[str, float | None] = {"connect_ms": None, "proxy_ms": None, "tls_ms": None}
        self.witness: _tls_channel.Witness | None = None
        self.verified = False
        self.tls_facts: dict[str, t.Any] = {}

    def close(self) -> None:
        if self._sock is not None:
            self._sock.close()

    def connect(self, address: str, port: int) -> Channel:
        """:raises Failed: ``connect_failed``, ``connect_error``."""
        attempt = _flow.connect(address, port, max(0.001, self._remaining()))
        self._sock, self.source = attempt.sock, attempt.source
        self.phases["connect_ms"] = attempt.elapsed_ms
        if attempt.sock is None:
            raise Failed(error="connect_failed", connect_error=attempt.error)
        return _tls_channel.SocketChannel(attempt.sock)

    def tunnel(self, channel: Channel, credential: str) -> _http_answer.Answer:
        """Ask the proxy at the other end for a tunnel to the origin (RFC 9110, 9.3.6).

        :param credential: ``user:password`` for the proxy, or "". :returns: its answer; below 300 the tunnel stands.
        """
        began = time.monotonic()
        target = _http_request.authority(self._host, self._where.port)
        fields = [("Host", target), ("User-Agent", _http_request.USER_AGENT)]
        if credential:
            fields.append(("Proxy-Authorization", _http_request.basic(credential)))
        try:
            channel.write(_http_request.request_bytes("CONNECT", target, fields), self._remaining)
        except OSError:
            pass  # a refusal sent before the close may still be read
        answer = _http_answer.read_answer(channel, "CONNECT", _PROXY_BODY_LIMIT, self._remaining)
        self.phases["proxy_ms"] = _since(began)
        return answer

    def secure(self, transport: Channel, security: Security) -> Channel:
        """Speak TLS with the origin. :raises Failed: ``tls_failed``, with ``tls_error`` and what belongs to it."""
        began = time.monotonic()
        try:
            context = _tls_place.new_context(*security, alpn=self._alpn)
            shaken = _tls_channel.handshake(transport, context, self._where.server_name(), self._remaining)
        except _tls_place.UnusableFile as problem:
            raise Failed(error="tls_failed", tls_error=problem.error) from problem
        except ValueError as problem:
            raise Failed(error="tls_failed", tls_error="invalid_server_name") from problem
        self.phases["tls_ms"] = _since(began)
        self.witness = shaken.witness
        self._note_certificate(shaken.witness.chain)
        if shaken.channel is None:
            raise Failed(**self._refusal(shaken))
        self.verified = security.verify != "none"
        self.tls_facts.update(
            tls_version=shaken.version,
            client_certificate_requested=shaken.witness.certificate_requested if shaken.witness.available else None,
        )
        return shaken.channel

    @staticmethod
    def _refusal(shaken: _tls_channel.Handshake) -> dict[str, t.Any]:
        alert = shaken.witness.alert if shaken.error == "alert" else None
        return {
            "error": "tls_failed",
            "tls_error": shaken.error,
            "tls_reason": shaken.reason,
            "alert": _tls_wire.alert_name(alert),
            "alert_number": alert,
            "verify_code": shaken.verify_code or None,
            "verify_message": shaken.verify_message,
            "first_bytes": shaken.first_bytes.hex(),
            "looks_like": _tls_plaintext.looks_like(shaken.first_bytes) if shaken.error == "not_tls" else "",
        }

    def _note_certificate(self, chain: list[bytes]) -> None:
        """Through an intercepting proxy it is another one than the server's own."""
        if not chain:
            return
        try:
            issuer = _tls_certificate.parse(chain[0]).issuer
        except ValueError:
            issuer = ""
        self.tls_facts.update(certificate_fingerprint_sha256=hashlib.sha256(chain[0]).hexdigest(), certificate_issuer=issuer)

    def objection(self) -> dict[str, t.Any]:
        """What TLS said when it broke after the handshake: in TLS 1.3, that a client certificate is missing."""
        alert = self.witness.alert if self.witness else None
        return {
            "error": "tls_failed",
            "tls_error": "alert" if alert is not None else "protocol_error",
            "tls_reason": "",
            "alert": _tls_wire.alert_name(alert),
            "alert_number": alert,
            "verify_code": None,
            "verify_message": "",
        }


def find_proxy(proxy: _http_proxy.Proxy, known_address: str, remaining: _tls_channel.Remaining) -> tuple[str, str]:
    """The address of the proxy to use, the first that the host's resolver gives, and the resolver's error.

    :param known_address: taken where it is one of the proxy's, so that a plan can try each of them.
    """
    addresses, problem = _http_proxy.resolve(proxy.host, proxy.port, remaining())
    if known_address and known_address in addresses:
        return known_address, ""
    return (addresses[0] if addresses else ""), problem


def _since(began: float) -> float:
    return round((time.monotonic() - began) * 1000, 1)

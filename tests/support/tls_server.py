# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS behaviours for :class:`ScriptedServer`: a real OpenSSL server, set up as well or as badly as a test wants."""
from __future__ import annotations

import socket
import ssl
import typing as t

from ansible_collections.connectivity.doctor.tests.support.scripted_server import Behaviour, silent


def context(certificate: str, key: str, **settings: t.Any) -> ssl.SSLContext:
    """:param settings: ``minimum``, ``maximum`` (ssl.TLSVersion), ``ciphers``, ``clients`` (CA file: demand a client
    certificate of it), ``request_clients`` (only ask for one), ``only_name`` (strict SNI), ``other`` (name and context to serve by SNI).
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers(settings.get("ciphers", "DEFAULT:@SECLEVEL=0"))
    server.minimum_version = settings.get("minimum", ssl.TLSVersion.TLSv1)
    server.maximum_version = settings.get("maximum", ssl.TLSVersion.TLSv1_3)
    server.load_cert_chain(certificate, key)
    if "clients" in settings:
        server.load_verify_locations(settings["clients"])
        server.verify_mode = ssl.CERT_OPTIONAL if settings.get("request_clients") else ssl.CERT_REQUIRED
    if "only_name" in settings or "other" in settings:
        server.sni_callback = _choose(settings.get("only_name"), settings.get("other"))
    return server


def _choose(only_name: str | None, other: tuple[str, ssl.SSLContext] | None) -> t.Callable[..., int | None]:
    def callback(connection: ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> int | None:
        if other and name == other[0]:
            connection.context = other[1]
        if only_name and name is not None and name != only_name:
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        return None

    return callback


def speaks_tls(server: ssl.SSLContext, behaviour: Behaviour = silent, before: Behaviour | None = None) -> Behaviour:
    """TLS first, then ``behaviour`` on the decrypted connection. :param before: what is said in the clear, such as STARTTLS."""

    def serve(connection: socket.socket) -> None:
        if before:
            before(connection)
        with server.wrap_socket(connection, server_side=True) as secured:
            behaviour(secured)

    return serve


def postgresql_starttls(answer: bytes = b"S") -> Behaviour:
    """Takes PostgreSQL's SSLRequest and answers it."""

    def before(connection: socket.socket) -> None:
        assert connection.recv(8) == b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
        connection.sendall(answer)

    return before

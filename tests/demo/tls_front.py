# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS in front of a PostgreSQL that was built without it, as those from PyPI are. Works as a TLS-terminating load balancer does."""
from __future__ import annotations

import select
import socket
import ssl

from ansible_collections.connectivity.doctor.tests.support.scripted_server import Behaviour

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def tls_front(server: ssl.SSLContext, port: int) -> Behaviour:
    """:param port: of the PostgreSQL behind. Clients that don't ask for TLS are let through without."""

    def behaviour(client: socket.socket) -> None:
        if client.recv(8, socket.MSG_PEEK | socket.MSG_WAITALL) != _SSL_REQUEST:
            _relay(client, port)
            return
        client.recv(8)
        client.sendall(b"S")
        with server.wrap_socket(client, server_side=True) as secured:
            _relay(secured, port)

    return behaviour


def _relay(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 5) as backend:
        while True:
            for source in select.select([client, backend], [], [])[0]:
                data = source.recv(65536)
                while isinstance(source, ssl.SSLSocket) and source.pending():  # decrypted already: select() would not tell
                    data += source.recv(65536)
                if not data:
                    return
                (backend if source is client else client).sendall(data)

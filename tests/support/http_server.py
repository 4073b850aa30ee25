# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP behaviours for :class:`ScriptedServer`: an origin server on Python's own HTTP server, and a forward proxy."""
from __future__ import annotations

import base64
import http.client
import http.server
import select
import socket
import typing as t

from ansible_collections.connectivity.doctor.tests.support.scripted_server import Behaviour

Fields = t.Dict[str, str]
Respond = t.Callable[[str, str, http.client.HTTPMessage], t.Tuple[int, Fields, bytes]]


def speaks_http(respond: Respond) -> Behaviour:
    """:param respond: method, target and fields of a request, to status, fields and body of the answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def parse_request(self) -> bool:
            if not super().parse_request():
                return False
            status, fields, body = respond(self.command, self.path, self.headers)
            self.send_response(status)
            for name, value in dict({"Content-Length": str(len(body)), "Connection": "close"}, **fields).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")
            self.close_connection = True
            return False  # answered: nothing is left to dispatch

        def log_message(self, *_arguments: t.Any) -> None:
            pass

    def behaviour(connection: socket.socket) -> None:
        Handler(connection, connection.getpeername(), None)  # type: ignore[arg-type]

    return behaviour


def forward_proxy(
    origins: dict[str, tuple[str, int]], credential: str = "", refuses: t.Container[int] = (), name: str = "squid/6.6"
) -> Behaviour:
    """A forward proxy as Squid behaves: tunnels CONNECT, forwards absolute requests, and marks its own errors.

    :param origins: ``host:port`` as the client asks, to where it really is. :param credential: ``user:password`` that it demands.
    :param refuses: ports that its rules forbid.
    """

    def own_answer(status: int, reason: str, *fields: str) -> bytes:
        lines = ["HTTP/1.1 %d %s" % (status, reason), "Server: " + name, "Via: 1.1 proxy (%s)" % name, "Content-Length: 0", *fields]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def behaviour(connection: socket.socket) -> None:
        if not connection.recv(1, socket.MSG_PEEK).isalpha():
            return  # a ClientHello, for example
        reader = connection.makefile("rb")
        method, target, _version = reader.readline(65536).decode().split()
        fields = http.client.parse_headers(reader)
        authority = target if method == "CONNECT" else target.split("/")[2]
        port = int(authority.rpartition(":")[2]) if ":" in authority else 80
        expected = "Basic " + base64.b64encode(credential.encode()).decode()
        if credential and fields.get("Proxy-Authorization") != expected:
            connection.sendall(own_answer(407, "Proxy Authentication Required", 'Proxy-Authenticate: Basic realm="the proxy"'))
        elif port in refuses:
            connection.sendall(own_answer(403, "Forbidden", "X-Squid-Error: ERR_ACCESS_DENIED 0"))
        elif authority not in origins:
            connection.sendall(own_answer(503, "Service Unavailable", "X-Squid-Error: ERR_DNS_FAIL 0"))
        else:
            with socket.create_connection(origins[authority], 5) as origin:
                if method == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    _relay(connection, origin)
                else:
                    path = "/" + target.split("/", 3)[3]
                    kept = [(key, value) for key, value in fields.items() if not key.lower().startswith("proxy-")]
                    lines = ["%s %s HTTP/1.1" % (method, path), *("%s: %s" % field for field in kept)]
                    origin.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
                    answer = http.client.HTTPResponse(origin)
                    answer.begin()
                    body = answer.read()
                    head = ["HTTP/1.1 %d %s" % (answer.status, answer.reason), *("%s: %s" % field for field in answer.getheaders())]
                    connection.sendall(("\r\n".join([*head, "Via: 1.1 proxy (%s)" % name]) + "\r\n\r\n").encode() + body)

    return behaviour


def _relay(one: socket.socket, other: socket.socket) -> None:
    while True:
        for source in select.select([one, other], [], [])[0]:
            data = source.recv(65536)
            if not data:
                return
            (other if source is one else one).sendall(data)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of several agents, as far as they need one: it takes what they send, or answers in one of the ways that servers refuse.

``intake.py PORT-ANSWER[-tls]``. The answer is ``keyed`` (who shows the lab's token is let in, others get a 401; what no agent asks for is
not found), an HTTP status, ``hang`` or ``reset``.
"""
from __future__ import annotations

import http.server
import json
import os
import socket
import ssl
import struct
import sys
import time
import urllib.parse

_TOKEN = "@apm_token@"
# What New Relic's agents ask for, before they send anything.
_NEW_RELIC = {"preconnect": {"redirect_host": "apm1.@domain@"}, "connect": {"agent_run_id": "1", "collect_traces": False}}
# What tells all who ask that the server is there, unless it is ill.
_OPEN = {("GET", "/"), ("GET", "/status/mongrel")}
# Where agents send: Elastic's, New Relic's, those of OTLP, Prometheus and collectd.
_TAKEN = ("/intake/v2/events", "/agent_listener/invoke_raw_method", "/v1/traces", "/api/v1/write", "/collectd")
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Intake(http.server.BaseHTTPRequestHandler):
    """``answer``: as it is told on the command line."""

    protocol_version = "HTTP/1.1"
    answer = ""

    def do_GET(self) -> None:
        self._respond(b"")

    def do_POST(self) -> None:
        self._respond(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _respond(self, body: bytes) -> None:
        del body
        if self.answer == "hang":
            time.sleep(60)
        if self.answer in ("hang", "reset"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close_connection = True
            self.connection.close()
            return
        asked = urllib.parse.urlsplit(self.path)
        query = urllib.parse.parse_qs(asked.query)
        shown = [value for name, value in self.headers.items() if name.lower() in ("authorization", "x-api-key")]
        let_in = any(_TOKEN in value for value in (*shown, *query.get("license_key", ())))
        status = int(self.answer) if self.answer != "keyed" else 202 if let_in else 401
        if status < 500 and (self.command, asked.path) in _OPEN:
            status = 200
        elif self.answer == "keyed" and asked.path not in _TAKEN:
            status = 404
        told = b"{}"
        if status == 202 and "method" in query:
            status, told = 200, json.dumps({"return_value": _NEW_RELIC.get(query["method"][0])}).encode()
        elif status == 202 and asked.path.startswith("/v1/"):
            status, told = 200, b""  # an answer of OTLP without fields
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf" if told == b"" else "application/json")
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, format: str, *values: object) -> None:
        """Nothing: the key is in what New Relic's agents ask for."""


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
    daemon_threads = True


def main() -> None:
    port, Intake.answer, *tls = sys.argv[1].split("-")
    server = Server(("::", int(port)), Intake)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain("/etc/ssl/lab/server.pem", "/etc/ssl/lab/server.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
    server.serve_forever()


if __name__ == "__main__":
    main()

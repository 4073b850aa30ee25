# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server of OTLP over gRPC that lets in, or answers in one of the ways that servers refuse.

``intake_grpc.py PORT-ANSWER[-tls]``. The answer is ``keyed`` (who shows the lab's token is let in, others are UNAUTHENTICATED), a status of
gRPC in lower case, ``hang`` or ``reset``.
"""
from __future__ import annotations

import os
import pathlib
import socket
import struct
import sys
import time
import typing as t
from concurrent import futures

import grpc

_TOKEN = "@apm_token@"
_SAYS = {"unavailable": "the queue is full", "resource_exhausted": "too many requests", "permission_denied": "may not send traces"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Intake(grpc.GenericRpcHandler):
    def __init__(self, answer: str) -> None:
        self._answer = answer

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        del handler_call_details
        return grpc.unary_unary_rpc_method_handler(self._respond)

    def _respond(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        del request
        if self._answer == "hang":
            time.sleep(60)
        if self._answer == "keyed":
            if not any(_TOKEN in str(value) for _name, value in context.invocation_metadata()):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "the key is not known")
            return b""  # a message without fields
        context.abort(grpc.StatusCode[self._answer.upper()], _SAYS[self._answer])
        raise AssertionError("abort raises")


def reset(port: int) -> t.NoReturn:
    """Take every connection, and end it so that the other side is told of a reset."""
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True) as server:
        ready()
        while True:
            connection, _peer = server.accept()
            with connection:
                connection.recv(1)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


def certificate() -> grpc.ServerCertificateConfiguration:
    """As it is on disk now: each connection is shown the one of its moment."""
    key, chain = (pathlib.Path("/etc/ssl/lab/server" + kind).read_bytes() for kind in (".key", ".pem"))
    return grpc.ssl_server_certificate_configuration([(key, chain)])


def ready() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])


def main() -> None:
    port, answer, *tls = sys.argv[1].split("-")
    if answer == "reset":
        reset(int(port))
    server = grpc.server(futures.ThreadPoolExecutor(8), [Intake(answer)])
    if tls:
        server.add_secure_port("[::]:" + port, grpc.dynamic_ssl_server_credentials(certificate(), certificate))
    else:
        server.add_insecure_port("[::]:" + port)
    server.start()
    ready()
    server.wait_for_termination()


if __name__ == "__main__":
    main()

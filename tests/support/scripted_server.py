# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP server for tests on loopback that does with each connection what a function says: also what a hostile peer does."""
from __future__ import annotations

import socket
import struct
import threading
import time
import typing as t

Behaviour = t.Callable[[socket.socket], None]


class ScriptedServer:
    """Runs ``behaviour`` for every connection, in a thread of its own. A context manager; ``port`` is chosen by the kernel."""

    def __init__(self, behaviour: Behaviour, address: str = "127.0.0.1") -> None:
        self.address = address
        self.connections = 0
        self._behaviour = behaviour
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=50)
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []

    def __enter__(self) -> ScriptedServer:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        for sock in [self._listener, *self._open]:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            self._behaviour(connection)
        except OSError:
            pass  # the client went away, or the test is over
        finally:
            connection.close()


def silent(connection: socket.socket) -> None:
    """Takes everything and says nothing, until the client goes."""
    while connection.recv(65536):
        pass


def closes_at_once(connection: socket.socket) -> None:
    connection.close()


def closes_after_reading(connection: socket.socket) -> None:
    connection.recv(65536)


def resets(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def says(data: bytes, first_read: bool = True) -> Behaviour:
    """Sends these bytes, after it has read something or (``first_read`` false) as a greeting; then listens on."""

    def behaviour(connection: socket.socket) -> None:
        if first_read:
            connection.recv(65536)
        connection.sendall(data)
        silent(connection)

    return behaviour


def answers(data: bytes) -> Behaviour:
    """Reads once, sends these bytes and closes."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)

    return behaviour


def trickles(data: bytes, seconds: float, then: bytes = b"x") -> Behaviour:
    """Sends ``data`` byte by byte, ``seconds`` apart, then ``then`` again and again."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(seconds)
        while True:
            connection.sendall(then)
            time.sleep(seconds)

    return behaviour


def floods(head: bytes, block: bytes, total: int) -> Behaviour:
    """Sends ``head``, then ``block`` over and over until ``total`` bytes, as fast as they are taken."""

    def behaviour(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        sent = 0
        while sent < total:
            connection.sendall(block)
            sent += len(block)

    return behaviour

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A time server with a chosen clock: for tests on loopback, and as a program inside a machine of the lab.

    python3 time_server.py ADDRESS PORT SKEW_SECONDS [STRATUM] [LEAP]

Needs nothing but the standard library.
"""
from __future__ import annotations

import socket
import struct
import sys
import threading
import time
import typing as t

_EPOCH = 2208988800


def stamp(seconds: float) -> bytes:
    """An NTP timestamp (RFC 5905, section 6)."""
    return struct.pack("!II", int(seconds + _EPOCH) & 0xFFFFFFFF, int(seconds % 1 * (1 << 32)))


def answer(
    query: bytes, skew: float = 0.0, stratum: int = 2, leap: int = 0, refid: bytes = b"\x0a\x00\x00\x01", delay: float = 0.001,
    dispersion: float = 0.002,
) -> bytes:
    """What a server with a clock that is ``skew`` seconds ahead answers."""
    now = stamp(time.time() + skew)
    head = struct.pack("!BBbbII4s", leap << 6 | 4 << 3 | 4, stratum, 6, -20, int(delay * 65536), int(dispersion * 65536), refid)
    return head + now + query[40:48] + now + stamp(time.time() + skew)


class TimeServer:
    """A context manager. ``reply`` makes, of each question, the datagrams that are sent back; ``asked`` keeps the questions."""

    def __init__(self, reply: t.Callable[[bytes], t.Sequence[bytes]], address: str = "127.0.0.1", port: int = 0) -> None:
        self.asked: list[bytes] = []
        self._reply = reply
        self._socket = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self._socket.settimeout(0.1)
        self.address = address
        self.port: int = self._socket.getsockname()[1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self.serve, daemon=True)

    def __enter__(self) -> TimeServer:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()
        self._socket.close()

    def serve(self) -> None:
        while not self._ended.is_set():
            try:
                query, client = self._socket.recvfrom(1024)
            except socket.timeout:
                continue
            self.asked.append(query)
            for datagram in self._reply(query):
                self._socket.sendto(datagram, client)


def _main() -> None:
    address, port, skew = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    stratum, leap = (int(text) for text in (sys.argv[4:] + ["2", "0"][len(sys.argv[4:]):]))
    TimeServer(lambda query: [answer(query, skew, stratum, leap)], address, port).serve()


if __name__ == "__main__":
    _main()

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A port on loopback from which nothing comes back, for which no root is needed: a listener whose accept queue is full.

The kernel then drops every further SYN (listen(2), backlog; net.ipv4.tcp_abort_on_overflow is 0 by default), as a firewall's
DROP would.
"""
from __future__ import annotations

import socket
import time

_FILL_S = 5.0


class BlackHole:
    """A context manager; ``port`` is chosen by the kernel. Nobody ever accepts what waits in the queue."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.socket(self._family, socket.SOCK_STREAM)
        self._waiting: list[socket.socket] = []
        self.port = 0

    def __enter__(self) -> BlackHole:
        self._listener.bind((self.address, 0))
        self._listener.listen(0)
        self.port = self._listener.getsockname()[1]
        end = time.monotonic() + _FILL_S
        while self._connects():
            if time.monotonic() > end:
                self.__exit__()
                raise RuntimeError("the accept queue of %s:%d does not fill" % (self.address, self.port))
        return self

    def _connects(self) -> bool:
        """One more client; on loopback a connection that is possible stands within the same moment."""
        client = socket.socket(self._family, socket.SOCK_STREAM)
        self._waiting.append(client)
        client.settimeout(0.2)
        try:
            client.connect((self.address, self.port))
        except socket.timeout:
            return False
        return True

    def __exit__(self, *_exception: object) -> None:
        for sock in [*self._waiting, self._listener]:
            sock.close()

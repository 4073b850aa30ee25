# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module is tried on: something that is well, and something that is not. All of it on loopback."""
from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple


class Case(NamedTuple):
    """A module's healthy and broken parameters, and the observation that tells them apart.

    :ivar check: the name of the deciding observation. :ivar status: its status on the broken parameters.
    :ivar types: the keys that its ``data`` must have, with their types. :ivar isolated: run it where no network is.
    """

    well: dict[str, Any]
    broken: dict[str, Any]
    check: str
    types: dict[str, type]
    status: str = "fail"
    isolated: bool = False


@contextmanager
def listener() -> Iterator[int]:
    """A port on loopback that accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on loopback that refuses: it stays bound, so that nobody else gets it, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextmanager
def _dns() -> Iterator[Case]:
    # A name is asked of the machine's own name servers, and what tests send stays on this machine.
    yield Case({"host": "localhost"}, {"host": "nowhere.invalid"}, "dns.resolve",
               {"name": str, "addresses": list, "error": str, "elapsed_ms": float}, isolated=True)


@contextmanager
def _tcp() -> Iterator[Case]:
    with listener() as port, closed_port() as closed:
        yield Case({"host": "127.0.0.1", "port": port}, {"host": "127.0.0.1", "port": closed}, "tcp.connect",
                   {"address": str, "port": int, "family": str, "error": str, "answer": str, "elapsed_ms": float})


CASES: dict[str, Callable[[], AbstractContextManager[Case]]] = {
    "probe_dns": _dns,
    "probe_tcp": _tcp,
}

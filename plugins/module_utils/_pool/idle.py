# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leaves connections idle and looks which of them are still there: with the application's own settings, and with keepalives beside.

A firewall that forgets idle connections is content with keepalives; a proxy, and the server's own ``idle_session_timeout``, want
traffic of the protocol. So the second connection tells the two apart.

Sources: PostgreSQL documentation, "libpq - C Library" (keepalives); tcp(7).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import select
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import Connection, QueryProblem

_KEEPALIVE_TIME = "/proc/sys/net/ipv4/tcp_keepalive_time"


class Fate(t.NamedTuple):
    """What became of an idle connection.

    ``how``: empty while it lives; ``server`` (it said why: ``sqlstate``, ``message``), ``closed``, ``reset``, or ``silent`` (no answer).
    ``noticed``: ``while_idle`` (then ``after_s`` is when) or ``on_use``. ``answer_ms``: of the query at the end.
    """

    how: str = ""
    noticed: str = ""
    after_s: float | None = None
    sqlstate: str = ""
    message: str = ""
    answer_ms: float | None = None


def keepalive_parameters(idle_s: float) -> dict[str, str]:
    """libpq's parameters with which a keepalive is sent three times in this time."""
    interval = str(max(1, int(idle_s / 3)))
    return {"keepalives": "1", "keepalives_idle": interval, "keepalives_interval": interval, "keepalives_count": "3"}


def effective_keepalive_s(parameters: t.Mapping[str, str]) -> int | None:
    """After how many idle seconds a connection with these parameters sends its first keepalive, None if never or unknown."""
    if parameters.get("keepalives") == "0":
        return None
    given = parameters.get("keepalives_idle", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    try:
        with open(_KEEPALIVE_TIME, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def watch(connections: t.Sequence[Connection], idle_s: float, answer_s: float) -> list[Fate]:
    """Wait, then use each. :param idle_s: how long to wait. :param answer_s: how long each may take to answer then. Both in seconds."""
    began = time.monotonic()
    fates: dict[int, Fate] = {}
    poller = select.poll()
    by_descriptor = {connection.descriptor(): index for index, connection in enumerate(connections)}
    for descriptor in by_descriptor:
        poller.register(descriptor, select.POLLIN)
    while by_descriptor and time.monotonic() - began < idle_s:
        for descriptor, _events in poller.poll(max(1.0, (idle_s - (time.monotonic() - began)) * 1000)):
            fate = _use(connections[by_descriptor[descriptor]], answer_s, round(time.monotonic() - began, 1))
            if fate.how:  # else a notice of the server's woke it, and it waits on
                poller.unregister(descriptor)
                fates[by_descriptor.pop(descriptor)] = fate
    return [fates[index] if index in fates else _use(connection, answer_s, None) for index, connection in enumerate(connections)]


def _use(connection: Connection, answer_s: float, after_s: float | None) -> Fate:
    """:param after_s: when something came by itself, None where nothing did."""
    ending = _ending(connection) if after_s is not None else ""
    noticed = "while_idle" if after_s is not None else "on_use"
    began = time.monotonic()
    try:
        connection.query("SELECT 1", _flow.monotonic_budget(answer_s))
        return Fate(answer_ms=round((time.monotonic() - began) * 1000, 1))
    except QueryProblem as problem:
        if problem.result == "timeout":
            return Fate("silent", "on_use")
        sqlstate, message = problem.fields.get("sqlstate", ""), problem.fields.get("server_message", "")
        how = "server" if sqlstate else ending or ("reset" if "reset" in message or "timed out" in message else "closed")
        return Fate(how, noticed, after_s, sqlstate, message)


def _ending(connection: Connection) -> str:
    """``closed`` or ``reset``, empty where there are bytes to read, which may say more."""
    try:
        with socket.socket(fileno=connection.duplicate_descriptor()) as sock:
            sock.setblocking(False)
            return "" if sock.recv(1, socket.MSG_PEEK) else "closed"
    except ConnectionResetError:
        return "reset"
    except OSError:
        return ""

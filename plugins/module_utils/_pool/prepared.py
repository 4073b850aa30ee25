# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a prepared statement outlive the transaction that made it? Behind a pooler in transaction mode it may not.

One connection alone would not show it: a pooler gives it the same server connection again for as long as nobody else wants that. So a
second connection takes the server connection of the first, which then has to be served by another.

Sources: pgbouncer(5), ``pool_mode`` and ``max_prepared_statements``; PostgreSQL documentation, "Extended Query" (named statements).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import random
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import Connection, QueryProblem

_BEGIN = "BEGIN TRANSACTION READ ONLY; SELECT pg_catalog.pg_backend_pid() AS pid"
# Which of its server connections a pooler gives is its own business; the one that was used last, mostly.
_MOST_TRIES = 3
# For a pooler that has no other server connection, and lets us wait for the one that we hold ourselves.
_EXECUTION_S = 2.0


class Survival(t.NamedTuple):
    """``survives``: None where it could not be told. ``moved``: the first connection was given another server process meanwhile.

    ``sqlstate`` and ``message``: why the statement could not be used.
    """

    survives: bool | None
    moved: bool
    sqlstate: str = ""
    message: str = ""


def survival(keeper: Connection, taker: Connection, remaining: t.Callable[[], float]) -> Survival:
    """:param keeper: prepares, and executes later. :param taker: wants a server connection in between.

    :raises QueryProblem: what was asked beside it failed.
    """
    name = "connectivity_doctor_%08x" % random.getrandbits(32)
    process = _process(keeper, remaining)
    keeper.prepare(name, "SELECT 1 AS one", remaining)
    keeper.query("COMMIT", remaining)
    try:
        for _try in range(_MOST_TRIES):
            moved = _process(taker, remaining) == process
            if moved:
                break
            taker.query("ROLLBACK", remaining)
        return _executed(keeper, name, moved, lambda: min(_EXECUTION_S, remaining()))
    finally:
        _forget(taker if moved else keeper, name, remaining)


def _process(connection: Connection, remaining: t.Callable[[], float]) -> str | None:
    """The server process that a transaction, which is left open, runs in."""
    return connection.query(_BEGIN, remaining)[-1][0]["pid"]


def _executed(keeper: Connection, name: str, moved: bool, remaining: t.Callable[[], float]) -> Survival:
    try:
        keeper.execute_prepared(name, remaining)
    except QueryProblem as problem:
        if problem.result != "error":
            return Survival(None, moved, "", problem.result)
        return Survival(False, moved, problem.fields.get("sqlstate", ""), problem.fields.get("server_message", ""))
    return Survival(True, moved)


def _forget(connection: Connection, name: str, remaining: t.Callable[[], float]) -> None:
    """Leave no statement on a server connection that others get after us."""
    for sql in ("DEALLOCATE " + name, "ROLLBACK"):
        try:
            connection.query(sql, remaining)
        except QueryProblem:  # the pooler keeps statements under names of its own, or the connection is gone
            continue

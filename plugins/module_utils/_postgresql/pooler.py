# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asks a pgbouncer for its pools, and tells it from the PostgreSQL behind it.

Only its admin and stats users may ask. Everybody else learns that it is one, and no more.

Source: pgbouncer(1), "Admin console"; pgbouncer(5), ``stats_users``.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import Driver, QueryProblem
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.login import login_data, open_connection
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import Target

_CONSOLE = "pgbouncer"
_COUNTS = ("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used", "sv_login")
_NO_SUCH_DATABASE = "3D000"
_MOST_ROWS = 200


def ask(driver: Driver, target: Target, context: Context) -> dict[str, t.Any] | None:
    """The pool of this user and database. None where the server is no pgbouncer: it is a PostgreSQL without such a database.

    ``kind``: ``pgbouncer``; ``version``; ``pool_mode``; ``cl_active``, ``cl_waiting``, ``sv_active``, ``sv_idle``, ``sv_used``,
    ``sv_login`` (summed over the pools of this database and user), ``maxwait_s`` (how long the first in the queue has waited),
    ``pool_size``, ``server_host``, ``server_port`` (of the PostgreSQL behind it), ``state``:
    ``no_server`` (it holds no connection to the server behind it: nobody has asked, or that server is down), ``full`` (all that it may
    hold are in use), ``free``; ``exhausted`` (it is full, and clients wait).
    ``reason``: ``not_permitted``, ``query_failed`` or ``no_answer``.
    """
    remaining = _flow.monotonic_budget(context.deadline.allow(target.seconds))
    connection = open_connection(driver, target._replace(database=_CONSOLE), connect_timeout=str(max(2, int(target.seconds))))
    try:
        ended = connection.establish(remaining)
        if ended != "ok":
            data = login_data(connection, ended, context)
            if data.get("sqlstate") == _NO_SUCH_DATABASE and data.get("routine"):
                return None  # PostgreSQL names the routine, pgbouncer has none
            if data.get("error_kind") != "server":
                return None if ended == "failed" else {"kind": "", "reason": "no_answer"}
            return {"kind": _CONSOLE, "reason": "not_permitted", "server_message": data.get("server_message", "")} \
                if data.get("from_pooler") else None
        return _pools(lambda sql: (connection.query(sql, remaining) or [[]])[0][:_MOST_ROWS], target, context)
    finally:
        connection.close()


def _pools(show: t.Callable[[str], list[dict[str, str | None]]], target: Target, context: Context) -> dict[str, t.Any]:
    facts: dict[str, t.Any] = {"kind": _CONSOLE, "version": "", "pool_mode": "", "server_host": "", "server_port": None, "pool_size": None}
    try:
        rows = show("SHOW POOLS")
        version = show("SHOW VERSION")
        databases = show("SHOW DATABASES")
    except QueryProblem as problem:
        said = context.text(problem.fields.get("server_message", problem.result))
        return dict(facts, reason="not_permitted" if problem.result == "error" else "query_failed", server_message=said)
    if not all("database" in row and "cl_waiting" in row for row in rows):
        return dict(facts, reason="query_failed", server_message="no pools are shown")
    facts["version"] = context.text(" ".join(str(value) for row in version[:1] for value in row.values()), 60)
    mine = [row for row in rows if row["database"] == target.database and row.get("user") in (target.user, None)]
    facts.update({name: sum(_number(row.get(name)) for row in mine) for name in _COUNTS})
    facts["maxwait_s"] = max((_number(row.get("maxwait")) + _number(row.get("maxwait_us")) / 1e6 for row in mine), default=0.0)
    facts["pool_mode"] = context.text(next((row["pool_mode"] for row in mine if row.get("pool_mode")), ""), 20)
    for row in databases:
        if row.get("name") == target.database:
            facts.update(
                server_host=context.text(row.get("host") or "", 255), server_port=_number(row.get("port")) or None,
                pool_size=_number(row.get("pool_size")))
    held = facts["sv_active"] + facts["sv_idle"] + facts["sv_used"]
    full = bool(held) and facts["sv_active"] >= (facts["pool_size"] or held)
    facts["state"] = "full" if full else "free" if held else "no_server"
    facts["exhausted"] = full and facts["cl_waiting"] > 0
    return facts


def _number(value: str | None) -> int:
    return int(value) if value and re.fullmatch(r"\d{1,15}", value) else 0

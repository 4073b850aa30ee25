# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL session can tell about its server: read only, in short transactions with a statement timeout.

Sources: PostgreSQL documentation, "The Cumulative Statistics System" (pg_stat_activity, pg_stat_ssl), "System Views"
(pg_settings), "System Catalogs" (pg_roles, pg_database), "System Information Functions".

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import Connection, QueryProblem

Row = t.Dict[str, t.Optional[str]]

# Settings that break applications when they are set for a user, a database or a server without their knowing; told where not the default.
_SETTINGS = (
    "statement_timeout", "lock_timeout", "transaction_timeout", "idle_session_timeout", "idle_in_transaction_session_timeout",
    "default_transaction_read_only", "tcp_keepalives_idle", "search_path",
)
_MOST_BLOCKERS = 5
_QUERY_CANCELED = "57014"

# What holds for every session of this user; a setting of the session itself, such as our statement timeout, would hide it.
_SETTINGS_SQL = """
SELECT name, reset_val, unit, source, sourcefile, sourceline
  FROM pg_catalog.pg_settings WHERE source <> 'default' AND name IN ('%s') ORDER BY name
""" % "', '".join(_SETTINGS)  # constants

_SESSION_SQL = """
SELECT pg_catalog.current_setting('server_version') AS server_version,
       pg_catalog.current_setting('server_version_num') AS server_version_num,
       pg_catalog.pg_is_in_recovery() AS in_hot_standby,
       pg_catalog.current_setting('default_transaction_read_only') AS default_transaction_read_only,
       pg_catalog.current_setting('is_superuser') AS is_superuser,
       pg_catalog.host(pg_catalog.inet_server_addr()) AS server_address,
       pg_catalog.inet_server_port() AS server_port,
       pg_catalog.pg_backend_pid() AS backend_pid,
       current_user AS "user",
       pg_catalog.current_database() AS database,
       s.ssl AS server_tls, s.version AS tls_version, s.cipher AS tls_cipher
  FROM (SELECT 1) AS one LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_catalog.pg_backend_pid()
"""

# The states, and even the kind of backend, of other users' sessions are shown only to pg_read_all_stats.
_CONNECTIONS_SQL = """
SELECT pg_catalog.count(*) AS used,
       pg_catalog.count(*) FILTER (WHERE usename = current_user) AS used_by_user,
       pg_catalog.count(*) FILTER (WHERE datname = pg_catalog.current_database()) AS used_in_database,
       pg_catalog.count(*) FILTER (WHERE state = 'active') AS active,
       pg_catalog.count(*) FILTER (WHERE state = 'idle') AS idle,
       pg_catalog.count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
       pg_catalog.count(*) FILTER (WHERE state IS NULL) AS state_not_visible,
       pg_catalog.count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_lock,
       pg_catalog.current_setting('is_superuser') AS is_superuser,
       pg_catalog.current_setting('max_connections') AS max_connections,
       pg_catalog.current_setting('superuser_reserved_connections') AS superuser_reserved_connections,
       pg_catalog.current_setting('reserved_connections', true) AS reserved_connections,
       (SELECT rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = current_user) AS role_connection_limit,
       (SELECT datconnlimit FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS database_connection_limit
  FROM pg_catalog.pg_stat_activity
 WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL)
"""

_BLOCKERS_SQL = """
SELECT b.pid, b.usename AS "user", b.state, pg_catalog.count(*) AS blocks,
       pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - b.xact_start)::numeric, 1) AS transaction_age_s
  FROM pg_catalog.pg_stat_activity w
  JOIN pg_catalog.pg_stat_activity b ON b.pid = ANY (pg_catalog.pg_blocking_pids(w.pid))
 WHERE w.wait_event_type = 'Lock'
 GROUP BY b.pid, b.usename, b.state, b.xact_start ORDER BY blocks DESC LIMIT %d
""" % _MOST_BLOCKERS

_INTEGERS = frozenset((
    "server_version_num", "server_port", "backend_pid", "used", "used_by_user", "used_in_database", "active", "idle",
    "idle_in_transaction", "state_not_visible", "waiting_for_lock", "max_connections", "superuser_reserved_connections",
    "reserved_connections", "role_connection_limit", "database_connection_limit", "pid", "blocks", "sourceline",
    "sessions", "sessions_hidden", "lock_waits", "commits", "rollbacks", "deadlocks", "conflicts", "temporary_bytes", "checksum_failures",
    "sessions_abandoned", "sessions_fatal", "sessions_killed", "standbys", "standbys_hidden", "slots", "slots_inactive", "retained_bytes",
    "replay_backlog_bytes",
))
_FLOATS = frozenset(("transaction_age_s", "now", "oldest_transaction_s", "oldest_query_s", "replay_lag_s", "largest_lag_s", "query_age_s"))
_BOOLEANS = frozenset(("in_hot_standby", "default_transaction_read_only", "is_superuser", "server_tls", "replay_paused", "receiving"))


class Server:
    """Asks the questions. ``remaining`` gives the seconds left for all of them; ``answers``: it has answered one."""

    def __init__(self, connection: Connection, remaining: t.Callable[[], float], clean: t.Callable[[str], str]) -> None:
        self._connection = connection
        self._remaining = remaining
        self._clean = clean
        self.answers = False

    def session(self) -> dict[str, t.Any]:
        """Facts about this session. :raises QueryProblem: the server let us in, and then did not answer."""
        began = time.monotonic()
        self._connection.query("SELECT 1", self._remaining)
        self.answers = True
        facts: dict[str, t.Any] = {"select_1_ms": round((time.monotonic() - began) * 1000, 2)}
        facts["settings"] = self._settings()
        facts.update(self._rows(self._timeout(), _SESSION_SQL)[0])
        facts["server_now_offset_s"] = self._clock_offset()
        facts["pooler"] = facts.pop("backend_pid") != self._connection.backend_pid
        facts["tls"] = self._connection.tls
        return facts

    def connections(self) -> dict[str, t.Any]:
        """How many connections there are, and may be. What this user may not see is named in ``cannot_see``."""
        facts = self._rows(self._timeout(), _CONNECTIONS_SQL)[0]
        facts["cannot_see"] = ["state and waits of other users' sessions"] if facts["state_not_visible"] else []
        facts["blockers"] = self._rows(self._timeout(), _BLOCKERS_SQL) if facts["waiting_for_lock"] else []
        return facts

    def behind_pooler(self) -> bool:
        """Whether the process that answers is another than the one that was logged in to."""
        rows = self._rows(self._timeout(), "SELECT pg_catalog.pg_backend_pid() AS pid")
        return bool(rows[0]["pid"] != self._connection.backend_pid)

    def _settings(self) -> list[dict[str, t.Any]]:
        try:
            return [_setting(row) for row in self._rows("", _SETTINGS_SQL)]
        except QueryProblem as problem:
            if problem.fields.get("sqlstate") != _QUERY_CANCELED:
                raise
        # The timeout that was to be read has struck. With one of our own, its value is still shown, but no longer its source.
        settings = [_setting(row) for row in self._rows(self._timeout(), _SETTINGS_SQL)]
        return [dict(setting, source="unknown") if setting["name"] == "statement_timeout" else setting for setting in settings]

    def rows(self, sql: str) -> list[dict[str, t.Any]]:
        """The rows of one read-only query, under a statement timeout. :raises QueryProblem: there are none."""
        return self._rows(self._timeout(), sql)

    def _timeout(self) -> str:
        return "SET LOCAL statement_timeout = %d; " % max(1, int(self._remaining() * 1000))

    def _rows(self, before: str, sql: str) -> list[dict[str, t.Any]]:
        """The rows of a query in a transaction of its own, in one round trip, so that a pooler in transaction mode does no harm."""
        try:
            tables = self._connection.query("BEGIN TRANSACTION READ ONLY; %s%s; ROLLBACK" % (before, sql), self._remaining)
        except QueryProblem as problem:
            if problem.result == "error":
                self._connection.query("ROLLBACK", self._remaining)
            raise
        if not tables:
            raise QueryProblem("unexpected", {"server_message": "the query returned no rows"})
        return [self._typed(row) for row in tables[-1]]

    def _clock_offset(self) -> float:
        """Seconds by which the server's clock is ahead of this one's, good to half of the round trip."""
        before = time.time()
        rows = self._rows(self._timeout(), "SELECT EXTRACT(epoch FROM pg_catalog.clock_timestamp()) AS now")
        after = time.time()
        return round(rows[0]["now"] - (before + after) / 2, 3)

    def _typed(self, row: Row) -> dict[str, t.Any]:
        return {name: self._value(name, value) for name, value in row.items()}

    def _value(self, name: str, value: str | None) -> t.Any:
        if value is None:
            return None
        if name in _INTEGERS:
            return int(value)
        if name in _FLOATS:
            return float(value)
        return value in ("t", "on") if name in _BOOLEANS else self._clean(value)


def bounds(facts: t.Mapping[str, t.Any]) -> list[tuple[str, int, int]]:
    """Every limit on this user's connections: whose it is (``server``, ``role``, ``database``), how many are used, and how many may be.

    :param facts: of :meth:`Server.connections`.
    """
    reserved = 0 if facts["is_superuser"] else facts["superuser_reserved_connections"] + (facts["reserved_connections"] or 0)
    found = [("server", facts["used"], facts["max_connections"] - reserved)]
    for whose, used in (("role", facts["used_by_user"]), ("database", facts["used_in_database"])):
        limit = facts[whose + "_connection_limit"]
        if limit is not None and limit >= 0:
            found.append((whose, used, limit))
    return found


def _setting(row: dict[str, t.Any]) -> dict[str, t.Any]:
    """``source``: ``configuration file``, ``database``, ``user``, ``database user``, ``client`` …; the file only where visible."""
    return {
        "name": row["name"], "value": row["reset_val"], "unit": row["unit"], "source": row["source"],
        "source_file": row["sourcefile"], "source_line": row["sourceline"],
    }

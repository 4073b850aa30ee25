# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server is busy with, and how its replication stands, as far as an ordinary role may see.

Sources: PostgreSQL documentation, "The Cumulative Statistics System" (pg_stat_activity, pg_stat_database, pg_stat_replication,
pg_stat_wal_receiver), "System Views" (pg_locks, pg_replication_slots), "Recovery Information Functions".

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import Server

_MOST_TRANSACTIONS = 5
_SESSION_STATISTICS = 140000  # the version that counts how sessions end

_ACTIVITY_SQL = """
SELECT pg_catalog.count(*) AS sessions,
       pg_catalog.count(*) FILTER (WHERE usesysid IS NOT NULL AND state IS NULL) AS sessions_hidden,
       pg_catalog.round(pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - xact_start))::numeric, 1) AS oldest_transaction_s,
       pg_catalog.round(pg_catalog.max(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - query_start))
           FILTER (WHERE state = 'active')::numeric, 1) AS oldest_query_s,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks WHERE NOT granted) AS lock_waits
  FROM pg_catalog.pg_stat_activity
 WHERE pid <> pg_catalog.pg_backend_pid() AND datid IS NOT NULL
"""

_TRANSACTIONS_SQL = """
SELECT pid, usename AS "user", application_name AS application, pg_catalog.host(client_addr) AS client_address, state,
       wait_event_type, wait_event,
       pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - xact_start)::numeric, 1) AS transaction_age_s,
       pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(pid), ',') AS blocked_by
  FROM pg_catalog.pg_stat_activity
 WHERE xact_start IS NOT NULL AND datid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
 ORDER BY xact_start LIMIT %d
""" % _MOST_TRANSACTIONS

# Locks are shown to everybody, so that who is waited for is seen even where what they do is not. Our own user's waits come first.
_WAITS_SQL = """
SELECT w.pid, pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(w.pid), ',') AS blocked_by,
       w.locktype AS lock_type, w.mode, w.relation::pg_catalog.regclass::text AS relation,
       a.usename AS "user", pg_catalog.host(a.client_addr) AS client_address,
       pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - a.query_start)::numeric, 1) AS query_age_s,
       b.usename AS blocker_user, b.application_name AS blocker_application, b.state AS blocker_state
  FROM pg_catalog.pg_locks w
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = w.pid
  LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = (pg_catalog.pg_blocking_pids(w.pid))[1]
 WHERE NOT w.granted ORDER BY a.query_start NULLS LAST LIMIT %d
""" % _MOST_TRANSACTIONS

_DATABASE_SQL = """
SELECT xact_commit AS commits, xact_rollback AS rollbacks, deadlocks, conflicts, temp_bytes AS temporary_bytes, checksum_failures,
       stats_reset::text AS counted_since%s
  FROM pg_catalog.pg_stat_database WHERE datname = pg_catalog.current_database()
"""

_STANDBY_SQL = """
SELECT pg_catalog.round(EXTRACT(epoch FROM pg_catalog.clock_timestamp() - pg_catalog.pg_last_xact_replay_timestamp())::numeric, 1)
           AS replay_lag_s,
       pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_last_wal_receive_lsn(), pg_catalog.pg_last_wal_replay_lsn())::bigint
           AS replay_backlog_bytes,
       pg_catalog.pg_is_wal_replay_paused() AS replay_paused,
       EXISTS (SELECT 1 FROM pg_catalog.pg_stat_wal_receiver WHERE pid IS NOT NULL) AS receiving
"""

_PRIMARY_SQL = """
SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication) AS standbys,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication WHERE state IS NULL) AS standbys_hidden,
       (SELECT pg_catalog.round(pg_catalog.max(EXTRACT(epoch FROM replay_lag))::numeric, 1) FROM pg_catalog.pg_stat_replication)
           AS largest_lag_s,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots) AS slots,
       (SELECT pg_catalog.count(*) FROM pg_catalog.pg_replication_slots WHERE NOT active) AS slots_inactive,
       (SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn))::bigint
          FROM pg_catalog.pg_replication_slots WHERE NOT active) AS retained_bytes
"""


def activity(server: Server, version: int) -> dict[str, t.Any]:
    """``sessions`` (of others), ``oldest_transaction_s``, ``oldest_query_s`` (None: none is seen), ``lock_waits``, ``waits`` and
    ``transactions`` (the oldest; at most 5 of each; ``blocker_…`` are of the first that a session waits for), ``database`` (its
    counters), ``cannot_see``.

    :param version: ``server_version_num``. :raises QueryProblem:
    """
    facts = server.rows(_ACTIVITY_SQL)[0]
    facts["transactions"] = server.rows(_TRANSACTIONS_SQL) if facts["oldest_transaction_s"] is not None else []
    facts["waits"] = server.rows(_WAITS_SQL) if facts["lock_waits"] else []
    for row in facts["transactions"] + facts["waits"]:
        row["blocked_by"] = [int(pid) for pid in (row["blocked_by"] or "").split(",") if pid.isdigit()]
    endings = ", sessions_abandoned, sessions_fatal, sessions_killed" if version >= _SESSION_STATISTICS else ""
    facts["database"] = (server.rows(_DATABASE_SQL % endings) or [{}])[0]
    facts["cannot_see"] = ["queries and transactions of other users' sessions"] if facts["sessions_hidden"] else []
    return facts


def replication(server: Server, in_hot_standby: bool) -> dict[str, t.Any]:
    """Of a standby ``replay_lag_s`` (since the last replayed transaction; large on an idle primary's standby, too),
    ``replay_backlog_bytes``, ``replay_paused``, ``receiving``; of a primary ``standbys``, ``largest_lag_s`` (None: unknown), ``slots``,
    ``slots_inactive``, ``retained_bytes`` (by those). Both ``role`` (``standby``, ``primary``) and ``cannot_see``.

    :raises QueryProblem:
    """
    if in_hot_standby:
        return dict(server.rows(_STANDBY_SQL)[0], role="standby", cannot_see=[])
    facts = server.rows(_PRIMARY_SQL)[0]
    hidden = ["state and lag of the standbys"] if facts["standbys_hidden"] else []
    return dict(facts, role="primary", cannot_see=hidden)

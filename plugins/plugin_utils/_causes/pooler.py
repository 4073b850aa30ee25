# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes behind a connection pooler, which grants a login before it has a connection to the database.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import containing, seen, server_saw

# pgbouncer says the same when the database is down, when its name can't be resolved, and when all connections are taken.
_WAITED_IN_VAIN = seen("postgresql.session", "fail", server_message=containing("query_wait_timeout")) | seen(
    "postgresql.login", "fail", from_pooler=True, server_message=containing("query_wait_timeout"))
# Let in as far as the login, and then left waiting: what a pooler does for as long as its own patience lasts.
_LEFT_WAITING = seen("postgresql.startup", "ok", purpose="as_libpq") & seen("postgresql.login", "fail", error_kind="timeout")
_NO_BACKEND = containing("server login has been failing", "server login failed", "connect failed")
# A PostgreSQL itself holds the port.
_NO_POOLER = server_saw("postgresql_server.instance", ("ok", "fail"))
_FAILED = seen("postgresql.session", "fail") | seen("postgresql.login", "fail")
_DECIDE_BY = "a login to the database itself, past the pooler, or the pooler's own SHOW POOLS"

CAUSES = (
    Cause(
        code="pooler.backend_down",
        meaning="The pooler takes connections, and the database behind it does not.",
        summary="the pooler {name}:{port} cannot reach the database behind it",
        proof=(_FAILED & seen("postgresql.pooler", state="no_server"))
        | seen("postgresql.session", "fail", from_pooler=True, server_message=_NO_BACKEND)
        | seen("postgresql.login", "fail", from_pooler=True, server_message=_NO_BACKEND),
        suspicion=_WAITED_IN_VAIN | _LEFT_WAITING,
        ruled_out=seen("postgresql.session", "ok") | seen("postgresql.pooler", state="full") | _NO_POOLER,
        look_alikes=("pooler.exhausted",),
        decide_by=_DECIDE_BY,
        remediation=Remediation("escalate", ESCALATE),
        advice="Bring the database behind the pooler back.",
        component="pooler",
        place="server",
        culprit={"message": "{server_message}"},
    ),
    Cause(
        code="pooler.exhausted",
        meaning="All connections that the pooler may open to the database are in use.",
        summary="the pooler {name}:{port} has no connection to give",
        proof=(_FAILED & seen("postgresql.pooler", state="full"))
        | seen("postgresql.login", "fail", from_pooler=True, server_message=containing("no more connections allowed")),
        suspicion=_WAITED_IN_VAIN | _LEFT_WAITING,
        ruled_out=seen("postgresql.session", "ok") | seen("postgresql.session", "fail", server_message=_NO_BACKEND)
        | seen("postgresql.login", "fail", server_message=_NO_BACKEND) | seen("postgresql.pooler", state="no_server") | _NO_POOLER,
        look_alikes=("pooler.backend_down",),
        decide_by=_DECIDE_BY,
        remediation=Remediation("escalate", ESCALATE),
        advice="Find who keeps connections, and size the pool by what the database can give.",
        component="pooler",
        place="server",
        culprit={"message": "{server_message}"},
    ),
    Cause(
        code="pooler.transaction_mode_conflict",
        meaning="The application's driver keeps prepared statements, and the pooler gives every transaction another server connection.",
        summary="prepared statements get lost behind the pooler {name}:{port}",
        proof=seen("pool.prepared", "fail", moved=True)
        | (seen("logs.family", "warn", family="prepared_statement", recovered=False)
           & seen("postgresql.pooler", pool_mode=("transaction", "statement"))),
        ruled_out=seen("pool.prepared", "ok"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Switch prepared statements off in the driver, let the pooler keep them (max_prepared_statements of pgbouncer 1.21 and "
               "later), or use session mode.",
        component="pooler",
        place="server",
        culprit={"pool_mode": "{pool_mode}", "message": "{server_message}"},
    ),
)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in the size of an application's own connection pool: too small for its work, or too large for its server.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import seen

_SHORT = ("warn", "fail")
_TOO_MANY_CONNECTIONS = "53300"

CAUSES = (
    Cause(
        code="pool.exhausted",
        meaning="The application's own pool has fewer connections than its workers need at once, so they wait for each other.",
        summary="{workers} workers that keep a connection for {hold_ms} ms each are too many for the pool of {asked_for} connections "
                "to {name}:{port}",
        proof=seen("pool.wait", _SHORT, bottleneck="pool"),
        ruled_out=seen("pool.wait", bottleneck=("", "server")),
        look_alikes=("pool.exceeds_server",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Enlarge the pool within what the server can give, or let workers keep a connection for less time.",
        component="connection pool",
        culprit={"connections": "{asked_for}", "workers": "{workers}", "pool_timeout_s": "{timeout_s}"},
    ),
    Cause(
        code="pool.exceeds_server",
        meaning="The application's pool may ask for more connections than the server allows.",
        summary="the pool may ask for {asked_for} connections to {name}:{port}, which allows fewer",
        # A pooler takes more clients than it has connections to the server: that is what it is for.
        proof=seen("pool.capacity", exceeds_server=True, pooler=False)
        | seen("pool.wait", _SHORT, bottleneck="server", open_sqlstate=_TOO_MANY_CONNECTIONS),
        ruled_out=seen("pool.capacity", "ok"),
        look_alikes=("pool.exhausted",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Let size and max_overflow of all pools together stay below the limit, put a pooler in front, or raise the limit.",
        component="connection pool",
        culprit={"connections": "{asked_for}", "limit": "{smallest_limit}", "limit_of": "{smallest_limit_of}"},
    ),
)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which server, as whom and how: an endpoint as libpq would be told of it.

Source: PostgreSQL documentation, "libpq - C Library" (connection strings, environment variables).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import shlex
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow

TLS_REQUIRED = ("require", "verify-ca", "verify-full")


class Target(t.NamedTuple):
    """One server as libpq would be told of it."""

    host: str
    address: str
    port: int
    user: str
    database: str
    password: str
    parameters: dict[str, str]
    sslmode: str
    seconds: float

    @property
    def name(self) -> str:
        return _flow.host_port(self.address, self.port)

    def conninfo(self, **changes: str) -> dict[str, t.Any]:
        given = {"host": self.host, "hostaddr": self.address, "port": self.port, "dbname": self.database, "user": self.user}
        return dict(self.parameters, **dict({key: value for key, value in given.items() if value}, **changes))

    def psql(self, **changes: str) -> str:
        """:returns: a psql command that does the same and never asks for a password."""
        pairs = " ".join("%s=%s" % (key, _quoted(str(value))) for key, value in self.conninfo(**changes).items() if "password" not in key)
        return "psql -w -c 'SELECT 1' %s" % shlex.quote(pairs)


def _quoted(value: str) -> str:
    """A value of a connection string, in quotes where it needs them."""
    if value and not set(value) & set(" \t\n'\\"):
        return value
    return "'%s'" % value.replace("\\", "\\\\").replace("'", "\\'")


def target_of(parameters: dict[str, t.Any], own_user: str) -> Target:
    """:param parameters: the probe's. What is not given, libpq takes from its environment, or from the user that runs it."""
    given = {key: str(value) for key, value in (parameters.get("parameters") or {}).items()}
    user = parameters.get("user") or os.environ.get("PGUSER") or own_user
    default_sslmode = "verify-full" if given.get("sslrootcert") == "system" else os.environ.get("PGSSLMODE") or "prefer"
    seconds = float(parameters.get("timeout", 5.0))
    if given.get("connect_timeout", "").isdigit() and int(given["connect_timeout"]) > 0:
        seconds = min(seconds, max(2.0, float(given["connect_timeout"])))  # libpq never waits less than two seconds
    return Target(
        parameters["host"], parameters["address"], int(parameters.get("port", 5432)), user,
        parameters.get("database") or os.environ.get("PGDATABASE") or user,
        parameters.get("password") or "", given, given.get("sslmode") or default_sslmode, seconds,
    )

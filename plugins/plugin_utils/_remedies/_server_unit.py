# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which systemd unit serves an endpoint, as the server's own side shows it.

Sources: postgresql-common's postgresql@.service; the packages of postgresql.org and Fedora for Red Hat's systems.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy, Trouble

# By where the configuration of a PostgreSQL server is.
_POSTGRESQL_UNITS = (
    (re.compile(r"^/etc/postgresql/([^/]+)/([^/]+)/postgresql\.conf$"), "postgresql@{0}-{1}.service"),
    (re.compile(r"^/var/lib/pgsql/(\d[^/]*)/data/postgresql\.conf$"), "postgresql-{0}.service"),
    (re.compile(r"^/var/lib/pgsql/data/postgresql\.conf$"), "postgresql.service"),
    (re.compile(r"^/var/lib/postgres/data/postgresql\.conf$"), "postgresql.service"),
)
# By the configuration in which the port of a database stands that is no PostgreSQL server's, where Debian and Red Hat have it.
_POOLER_UNITS = {"/etc/pgbouncer/pgbouncer.ini": "pgbouncer.service", "/etc/haproxy/haproxy.cfg": "haproxy.service"}
# ActiveState of systemctl(1), of a unit that does not run.
_STOPPED = ("inactive", "failed")


def server_saw(trouble: Trouble, check: str, **facts: t.Any) -> dict[str, t.Any] | None:
    """The first data with these facts of what the server saw of itself, whether the cause cites it or not; None where it was not asked."""
    return next((one["data"] for one in trouble.endpoint["observations"] if one["check"] == check and one.get("side") == "server"
                 and all(one["data"].get(key) == value for key, value in facts.items())), None)


def unit_of_listener(trouble: Trouble) -> str:
    """:raises NoRemedy: nobody listens, or what does is of no service."""
    listener = server_saw(trouble, "sockets.listener") or {}
    unit = str((listener.get("process") or {}).get("unit") or "")
    if not unit.endswith(".service"):
        raise NoRemedy("the process that listens is of no systemd service that is known")
    return unit


def unit_of_service(trouble: Trouble) -> str:
    """What should listen there, and does not: a PostgreSQL server or its pooler by where its configuration is, what takes an agent's data
    by its profile.

    :raises NoRemedy: neither tells, or that unit is not there, or runs, so that it does not serve this port.
    """
    instance = server_saw(trouble, "postgresql_server.instance") or {}
    configuration = str(instance.get("configuration") or "")
    for pattern, unit in _POSTGRESQL_UNITS:
        place = pattern.match(configuration)
        if place:
            return unit.format(*place.groups())
    pooler = _POOLER_UNITS.get(str(instance.get("configured_for") or ""))
    if pooler:
        return pooler
    receiver = str(trouble.endpoint.get("receiver", "")) if trouble.is_elsewhere else ""
    where = "port %s of %s" % (trouble.endpoint["port"], trouble.place)
    if not receiver:
        raise NoRemedy("it is not known which systemd unit serves %s" % where)
    seen = server_saw(trouble, "service.unit", unit=receiver)
    if not seen or "load_state" not in seen:
        raise NoRemedy("it is not known whether %s runs, which should serve %s" % (receiver, where))
    if seen["load_state"] != "loaded":
        raise NoRemedy("it is not known which systemd unit serves %s, as there is no %s" % (where, receiver))
    if seen["active_state"] not in _STOPPED:
        raise NoRemedy("%s is %s there, and does not serve %s" % (receiver, seen["active_state"], where))
    return "%s.service" % receiver.removesuffix(".service")

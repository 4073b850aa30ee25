# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Adds to a PostgreSQL server's pg_hba.conf the exact line of each login that no line allows: this client, database and user, and no more.

Source: PostgreSQL documentation, "The pg_hba.conf File": the first line that matches decides; a quoted name is only a name.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._server_unit import server_saw, unit_of_listener
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_CHECK = "postgresql_server.hba"


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = unit_of_listener(trouble)
    instance = server_saw(trouble, "postgresql_server.instance") or {}
    logins = [login for one in trouble.everyone() for login in _logins(one)]
    # Sorted, as the addresses of a client answer in any order, and the same trouble must give the same change.
    missing = sorted({_line(login) for login in logins if login["matched"] is False})
    unread = sorted({"%(file)s:%(line)s" % login for login in logins if login["matched"]})
    if not instance or not (missing or unread):
        raise NoRemedy("the server's own side does not show its pg_hba.conf and how the client came")
    file = instance["hba_file"]
    done = ["add to %s: %s" % (file, "; ".join(line % "(method as around it)" for line in missing))] if missing else []
    return Change(
        summary=", and ".join([*done, "let %s read %s" % (unit, "it" if missing else ", ".join(dict.fromkeys(unread)))]),
        parameters={"file": file, "lines": missing, "unit": unit, "port": instance["port"], "data_directory": instance["data_directory"]},
        files=(file,),
        reloads=(("systemctl", "reload", unit),),
        settles_s=10.0,
    )


def _logins(trouble: Trouble) -> list[dict[str, t.Any]]:
    """How this host came, by each of its addresses; over TLS, where it may use it. :raises NoRemedy: the server was not asked."""
    wants_tls = trouble.endpoint["sslmode"] != "disable"
    return [one["data"] for one in trouble.proofs(_CHECK, tls=wants_tls)]


def _line(login: t.Mapping[str, t.Any]) -> str:
    """With a place for the method, which is that of the lines around it."""
    address = ipaddress.ip_address(login["address"].partition("%")[0])
    names = ['"%s"' % login[key].replace('"', '""') for key in ("database", "user")]
    if any(sign in text for text in names for sign in "\n%"):
        raise NoRemedy("a name of this login can't be written into pg_hba.conf")
    return "%s %s %s/%d %%s" % ("hostssl" if login["tls"] else "host", " ".join(names), address, address.max_prefixlen)


REMEDY = Remedy("add_hba_line", _plan)

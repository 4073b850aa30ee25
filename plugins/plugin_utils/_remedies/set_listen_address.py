# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets a PostgreSQL server listen on the addresses at which it is refused, beside those on which it listens; it is restarted for it.

What ALTER SYSTEM has set is set so again, by the server itself. Its undo is the old file all the same: a server that does not come back
with the new value takes no ALTER SYSTEM, and what it reads when it starts is this file.

Sources: PostgreSQL documentation, "Setting Parameters" (the last line of the configuration that sets a parameter decides), "ALTER SYSTEM".

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._server_unit import server_saw, unit_of_listener
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_DEFAULT = "localhost"
# Of each family, what stands for all of its addresses.
_ALL = {"ipv4": ("*", "0.0.0.0"), "ipv6": ("*", "::")}
_BY_ALTER_SYSTEM = "postgresql.auto.conf"


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    instance = server_saw(trouble, "postgresql_server.instance") or {}
    if not instance.get("configuration"):
        raise NoRemedy("what listens there is no PostgreSQL whose configuration is known")
    unit = unit_of_listener(trouble)
    setting = instance["settings"].get("listen_addresses") or {"value": _DEFAULT, "file": instance["configuration"], "line": None}
    by_itself = setting["file"].endswith(_BY_ALTER_SYSTEM)
    listens = [one.strip() for one in setting["value"].split(",") if one.strip()]
    # In an order of their own, as that of the observations is chance: the same plan must read the same.
    refused = sorted(_refused(trouble).items(), key=lambda one: (one[1], one[0]))
    lacking = [address for address, family in refused if not {address, *_ALL[family]} & set(listens)]
    value = ",".join([*listens, *lacking])
    if "'" in value:
        raise NoRemedy("listen_addresses is %s, which is not understood" % value)
    how = "by ALTER SYSTEM" if by_itself else "in %s" % setting["file"]
    first = "set listen_addresses to '%s' %s, and " % (value, how) if lacking else ""
    return Change(
        summary="%srestart %s, which ends its connections" % (first, unit),
        parameters={"file": setting["file"], "is_set": setting["line"] is not None, "by_itself": by_itself, "value": value,
                    "changes": bool(lacking), "unit": unit, "port": instance["port"], "pid": instance["pid"],
                    "configuration": instance["configuration"], "data_directory": instance["data_directory"]},
        files=(setting["file"],),
        units=(unit,),
        settles_s=30.0,
    )


def _refused(trouble: Trouble) -> dict[str, str]:
    """The addresses with their families that were refused by a reset, and that the server itself has, as those by which it names itself.

    :raises NoRemedy: one of them is not its own: what is between them translates it.
    """
    seen: list[t.Mapping[str, t.Any]] = [one for each in trouble.everyone() for one in each.endpoint["observations"]]
    refused = {one["data"]["address"]: one["data"]["family"] for one in seen if one["check"] == "tcp.connect" and "side" not in one
               and one["data"].get("answer") == "rst"}
    own = {one["data"].get("local_address") for one in seen if one["check"] == "firewall.rule" and one.get("side") == "server"} - {None, ""}
    foreign = [address for address in refused if own and address not in own and not ipaddress.ip_address(address).is_loopback]
    if foreign or not refused:
        raise NoRemedy("%s is no address of the server itself" % (foreign[0] if foreign else "what was refused"))
    return refused


REMEDY = Remedy("set_listen_address", _plan)

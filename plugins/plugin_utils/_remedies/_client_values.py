# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""To what a setting of a client's connections is set: to what the inventory says, else to what was proved, and never to something weaker.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _client_pool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy, Trouble

Told = t.Mapping[str, t.Mapping[str, t.Any]]

# From the weakest; libpq's documentation, "SSL Support".
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class Wanted(t.NamedTuple):
    """``place``: where it is written, as the probe of the configuration says it."""

    place: t.Mapping[str, t.Any]
    value: str


def wanted(trouble: Trouble) -> list[Wanted]:
    """:raises NoRemedy: no file of the client is known that has it, or it is not known what it should be."""
    told = {one["name"]: one for observation in own(trouble, "agent_config.settings") for one in observation["data"].get("settings", ())}
    if not told:
        raise NoRemedy("no file of the client is known that says so")
    return BY_CAUSE[trouble.cause["code"]](trouble, told)


def _wrong_setting(trouble: Trouble, told: Told) -> list[Wanted]:
    name = trouble.cause["culprit"]["setting"]
    one = told[name]
    if name in ("proxy", "no_proxy") and one["expected"] is None:
        return [_exclusions(trouble, told, name)]
    value = one["expected"] if one["expected"] is not None else _proved(trouble, name)
    if name == "sslmode":
        _refuse_weaker(one["value"], value)
    return [Wanted(one["set_by"], value)]


def _proved(trouble: Trouble, name: str) -> str:
    over_tls = any(login["status"] == "ok" and login["data"].get("tls") for login in own(trouble, "postgresql.login"))
    if name == "sslmode" and over_tls:
        return "require"
    raise NoRemedy("the inventory does not say what %s should be, and nothing proves it" % name)


def _exclusions(trouble: Trouble, told: Told, name: str) -> Wanted:
    """The proxy may be right for others: only this endpoint is excepted from it, or not any more."""
    host, one = str(trouble.endpoint["host"]), told.get("no_proxy")
    if one is None:
        raise NoRemedy("the endpoint goes without a proxy, others may not, and no file of the client is known that says which")
    entries = [entry for entry in re.split(r"[,\s]+", one["value"] or "") if entry]
    if name == "proxy":
        return Wanted(one["set_by"], ",".join([*entries, host]))
    if host not in entries:
        raise NoRemedy("no entry of %s is the endpoint's alone, and others may need it" % one["value"])
    return Wanted(one["set_by"], ",".join(entry for entry in entries if entry != host))


def _refuse_weaker(now: str, value: str) -> None:
    if now in _SSL_MODES and value in _SSL_MODES and _SSL_MODES.index(value) < _SSL_MODES.index(now):
        raise NoRemedy("sslmode=%s is weaker than %s, and encryption and verification are never made weaker" % (value, now))


def _numbers(choose: t.Callable[[Trouble, Told], t.Mapping[str, int]]) -> t.Callable[[Trouble, Told], list[Wanted]]:
    def chosen(trouble: Trouble, told: Told) -> list[Wanted]:
        return [Wanted(told[name]["set_by"], str(value)) for name, value in choose(trouble, told).items()]
    return chosen


BY_CAUSE: dict[str, t.Callable[[Trouble, Told], list[Wanted]]] = {
    "agent.wrong_setting": _wrong_setting,
    "pool.exceeds_server": _numbers(_client_pool.within_server),
    "pool.exhausted": _numbers(_client_pool.for_workers),
    "firewall.idle_timeout": _numbers(_client_pool.kept_alive),
    "balancer.idle_timeout": _numbers(_client_pool.recycled),
}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a client's connections, as its own files have them, beside what the inventory says of the endpoint.

What differs does no harm by itself. So the endpoint is tried with each such setting alone, everything else being the inventory's.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.endpoint import parse_destination
from ansible_collections.connectivity.doctor.plugins.module_utils._config.settings import LIBPQ, POOL
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy.rules import LIBRARIES, Library, decide
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import MASK
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint

# Of libpq's, those by which a server or libpq itself may refuse a login. The others show in time, or nowhere.
_DECIDE_A_LOGIN = ("sslmode", "sslrootcert", "channel_binding", "target_session_attrs")
_THROUGH_PROXIES = ("http", "https")


class Trial(t.NamedTuple):
    """The endpoint as it is with one setting of the client's own."""

    name: str
    endpoint: Endpoint


def expected(endpoint: Endpoint) -> dict[str, str]:
    """By name, what the inventory says; nothing where it leaves that open."""
    said: dict[str, t.Any] = {"pool." + name: value for name, value in endpoint.pool.items()}
    if endpoint.scheme == "postgresql":
        said.update({name: value for name, value in endpoint.parameters.items() if name in LIBPQ})
        said.update({"user": endpoint.user, "database": endpoint.database})
    if endpoint.scheme in _THROUGH_PROXIES:
        said["proxy"] = endpoint.proxy or None
    return {name: str(value) for name, value in said.items() if value not in ("", None)}


def side_of(name: str) -> str:
    """The side of observations of an endpoint that was tried with that setting of the client's."""
    return "with " + name


def trials(endpoint: Endpoint, told: t.Iterable[t.Mapping[str, t.Any]]) -> t.Iterator[Trial]:
    """:param told: ``settings`` of the observation ``agent_config.settings``."""
    told = list(told)
    by_name = {one["name"]: one["value"] or "" for one in told}
    if endpoint.scheme == "postgresql" and by_name.get("user") and endpoint.user not in ("", by_name["user"]):
        return  # what is refused to one user may be granted to another
    for one in told:
        name, value = one["name"], by_name[one["name"]]
        if MASK in value or one["set_by"].get("put_together") or not (value or (name == "proxy" and endpoint.proxy)):
            continue
        if one["expected"] is not None and value and not one["differs"]:
            continue
        if endpoint.scheme in _THROUGH_PROXIES:
            tried = _on_its_way(endpoint, name, value, by_name.get("no_proxy", ""))
        else:
            tried = _with(endpoint, name, value)
        if tried is not None:
            yield Trial(name, tried)


def as_told(endpoint: Endpoint, told: t.Iterable[t.Mapping[str, t.Any]]) -> Endpoint:
    """The endpoint with all of libpq's parameters that the client's own files have."""
    own = {one["name"]: one["value"] for one in told if one["name"] in LIBPQ and one["value"] and MASK not in one["value"]}
    return dataclasses.replace(endpoint, parameters={**endpoint.parameters, **own}) if own else endpoint


def _with(endpoint: Endpoint, name: str, value: str) -> Endpoint | None:
    """None where it is none that could be tried."""
    if endpoint.scheme == "postgresql" and name in _DECIDE_A_LOGIN:
        return dataclasses.replace(endpoint, parameters={**endpoint.parameters, name: value})
    if endpoint.scheme == "postgresql" and name == "database":
        return dataclasses.replace(endpoint, database=value)
    return None


def _on_its_way(endpoint: Endpoint, name: str, value: str, no_proxy: str) -> Endpoint | None:
    """Through the client's own proxy, or around the inventory's, as its exclusions have it."""
    excluded_by = [_excludes(library, no_proxy, endpoint) for library in LIBRARIES]
    if name == "no_proxy" and endpoint.proxy and all(excluded_by):
        return dataclasses.replace(endpoint, proxy="")
    if name == "proxy" and not any(excluded_by):
        return _through(endpoint, value) if value else dataclasses.replace(endpoint, proxy="")
    return None


def _excludes(library: Library, no_proxy: str, endpoint: Endpoint) -> bool:
    """Which library the client makes its requests with is not known, and each reads exclusions in its own way."""
    variables = {name: "http://proxy:1" for names in library.proxies.values() for name in names}
    variables.update(dict.fromkeys(library.exclusions, no_proxy))
    return decide(library, variables, endpoint.scheme, endpoint.host, endpoint.port).because == "excluded"


def _through(endpoint: Endpoint, proxy: str) -> Endpoint | None:
    """None where the proxy is one that is not tried: without a port of its own, or none that speaks HTTP."""
    way = parse_destination(proxy)
    if way.scheme != "http" or not way.host or not way.port:
        return None
    return dataclasses.replace(endpoint, proxy="http://%s:%d" % ("[%s]" % way.host if ":" in way.host else way.host, way.port))


def pool_parameters(endpoint: Endpoint) -> dict[str, t.Any]:
    """Of the probe of the pool: what the inventory says of it, and where the client's own files say more; empty where neither does."""
    files = [dict(file) for file in endpoint.agent.config if "settings" in file] if endpoint.agent else []
    declared = {name for file in files for name in file["settings"]}
    if not endpoint.agent or not (endpoint.pool or declared.intersection(POOL)):
        return dict(endpoint.pool)
    client = {"files": files, "unit": endpoint.agent.unit, "process": endpoint.agent.process,
              "environment": dict(endpoint.agent.environment), "is_all_that_is_known": not endpoint.pool}
    # A pool of a fixed size has no overflow, and so no key for it.
    fixed = {"max_overflow": 0} if "pool.size" in declared else {}
    return {**fixed, **endpoint.pool, **({"client": client} if files else {})}

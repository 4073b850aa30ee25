# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a route away that leads nowhere, or puts the one back that the host's own configuration has; loosens a reverse path filter.

The kernel's table is changed, and of the files of whoever sets up the interface only what says the very same route.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _sysctl
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._interface_files import without_routes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_FORBIDDING = ("blackhole", "prohibit", "unreachable")
_LOOSE = 2
_SETTLES_S = 2.0
_Route = t.Mapping[str, t.Any]


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    return _BY_CODE[trouble.cause["code"]](trouble)


def _family(address: str) -> str:
    return "-%d" % ipaddress.ip_address(address.partition("/")[0]).version


def _words(route: _Route) -> list[str]:
    """As ip(8) has it, so exactly that one of several is meant."""
    words = [route["type"]] if route["type"] in _FORBIDDING else []
    words.append(route["prefix"])
    for option, key in (("via", "gateway"), ("dev", "device"), ("proto", "protocol"), ("metric", "metric")):
        words += [option, str(route[key])] if route[key] not in ("", None) else []
    return [*words, *route["flags"]]


def _without(lookups: t.Iterable[Observation], routes: t.Sequence[_Route], summary: str) -> Change:
    """And whatever would set these very routes again."""
    kept = without_routes(one for lookup in lookups for one in fact(lookup["data"], "routes_configured")
                          if any((one["prefix"], one["type"], one["gateway"]) == (route["prefix"], route["type"], route["gateway"])
                                 for route in routes))
    return Change(
        summary=summary + kept.told, files=kept.files, reloads=kept.reloads, settles_s=_SETTLES_S,
        commands=tuple(("ip", _family(route["prefix"]), "route", "replace", *_words(route)) for route in routes),
        parameters={"commands": [["ip", _family(route["prefix"]), "route", "del", *_words(route)] for route in routes],
                    "edits": list(kept.edits), "drop_in": {}, "reloads": kept.reloads},
    )


def _forbidding(trouble: Trouble) -> Change:
    """Of each address the route that counts; what stands behind it is not touched."""
    lookups = trouble.proofs("route.lookup")
    found = [fact(lookup["data"], "routes") for lookup in lookups if lookup["data"]["type"] in _FORBIDDING]
    routes = _unique(routes[0] for routes in found if routes and routes[0]["type"] in _FORBIDDING)
    if not routes:
        raise NoRemedy("the route is in no table that was looked at; a rule of ip-rule(8) may forbid the way too")
    return _without(lookups, routes, "delete the route %s" % " and ".join("%s %s" % (route["type"], route["prefix"]) for route in routes))


def _unique(routes: t.Iterable[_Route]) -> list[_Route]:
    return list({route["prefix"]: route for route in routes}.values())


def _dead_gateway(trouble: Trouble) -> Change:
    """Only where another route stands behind it, by another gateway."""
    dead: list[_Route] = []
    others: list[str] = []
    for lookup in trouble.proofs("route.lookup"):
        first, *behind = fact(lookup["data"], "routes") or [{"gateway": ""}]
        other = [route["gateway"] or route["device"] for route in behind
                 if route["type"] == "unicast" and route["gateway"] != first["gateway"]]
        if first["gateway"] and first["gateway"] == lookup["data"]["gateway"] and other:
            dead.append(first)
            others.append(other[0])
    if not dead:
        raise NoRemedy("there is no other route that could be taken instead; which gateway is right is not known")
    routes = _unique(dead)
    return _without(trouble.proofs("route.lookup"), routes, "delete the route to %s via %s, so that the one via %s is taken" % (
        " and ".join(route["prefix"] for route in routes), routes[0]["gateway"], others[0]))


def _missing(trouble: Trouble) -> Change:
    return _restored(trouble, [])


def _link_down(trouble: Trouble) -> Change:
    return _restored(trouble, fact(trouble.proofs("route.lookup")[0]["data"], "links_down"))


def _restored(trouble: Trouble, links: t.Sequence[str]) -> Change:
    """The interfaces up, and the default route as the host's own files have it: with an interface, its routes went."""
    configured = {(one["gateway"], one["device"]): one for lookup in trouble.proofs("route.lookup", type="none")
                  for one in fact(lookup["data"], "gateways_configured") if not links or one["device"] in links}
    if not configured and not links:
        raise NoRemedy("no file of the host's interfaces names a gateway; which one is right is not known")
    commands = [["ip", "link", "set", "dev", link, "up"] for link in links]
    undo = [("ip", "link", "set", "dev", link, "down") for link in links]
    for gateway, device in configured:
        route = [_family(gateway), "route", "replace", "default", "via", gateway, "dev", device, "onlink"]
        commands.append(["ip", *route])
        # With the interface, its routes go again.
        undo += [] if links else [("ip", _family(gateway), "route", "del", "default", "via", gateway, "dev", device)]
    told = ["bring %s up" % ", ".join(links)] if links else []
    told += ["set the default route via %s, as line %d of %s has it" % (gateway, one["line"], one["file"])
             for (gateway, _device), one in configured.items()]
    return Change(summary=" and ".join(told), commands=tuple(undo), settles_s=_SETTLES_S,
                  parameters={"commands": commands, "edits": [], "drop_in": {}, "reloads": ()})


def _reverse_path(trouble: Trouble) -> Change:
    """Loose: an answer may leave by another interface. It still drops what no interface at all leads back to (RFC 3704, section 2.4)."""
    device = trouble.cause["culprit"]["device"]
    found = [fact(one, "rp_filter_own") for seen in trouble.proofs("route.reverse_path") for one in seen["data"]["interfaces"]
             if one["name"] == device]
    if not found:
        raise NoRemedy("it is not one interface whose filter drops: %s" % device)
    return _sysctl.change("net/ipv4/conf/%s/rp_filter" % device, str(found[0]), str(_LOOSE))


_BY_CODE: dict[str, t.Callable[[Trouble], Change]] = {
    "network.blackhole_route": _forbidding, "network.prohibit_route": _forbidding, "network.gateway_unreachable": _dead_gateway,
    "network.no_route": _missing, "network.link_down": _link_down, "network.rp_filter": _reverse_path,
}
REMEDY = Remedy("fix_route", _plan)

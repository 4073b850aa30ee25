# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way a packet to an address would take from here, and whether the next hop on it is alive: ip-route(8), ip-neighbour(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import owner as _interface_owner
from ansible_collections.connectivity.doctor.plugins.module_utils._route import table as _route_table

# ip-link(8): what carries packets inside of others, to one other end.
_TUNNELS = frozenset((
    "erspan", "geneve", "gre", "gretap", "ip6erspan", "ip6gre", "ip6gretap", "ip6tnl", "ipip", "ovpn", "ppp", "sit", "tun", "vti", "vti6",
    "vxlan", "wireguard", "xfrm",
))
# What ip(8) says when the kernel has no way, or a route that forbids it (the errno's text in the C locale).
_ROUTE_ERRORS = {
    "Network is unreachable": "none",
    "No route to host": "unreachable",
    "Permission denied": "prohibit",
    "Invalid argument": "blackhole",
}
# Of a neighbour that was asked for, and did not answer yet, or not at all.
_SILENT = ("FAILED", "INCOMPLETE")


def observe_route(context: Context, address: str) -> dict[str, t.Any] | None:
    """Records ``route.lookup``: ``type`` (``unicast``, ``local``, ``none``, ``blackhole``, ``prohibit``, ``unreachable``), ``gateway``,
    ``device``, ``device_state``, ``next_hop``, ``next_hop_state`` (of the neighbour table, empty if unknown), ``source``, ``mtu``,
    ``links_down`` (interfaces that have an address and are down), ``next_hop_mac``, ``tunnel`` (of which kind the device is, empty if it is
    none), ``tunnels_down`` (tunnels that are down and have an address in one network with this one), ``routes`` (where the way is no good:
    which routes match, the one that counts first, see :func:`_route.table.matching`), ``routes_configured`` (which files would set one of
    these again, see :class:`_interface.setting.RouteSetting`), ``gateways_configured`` (where there is no way: what the files of
    interfaces have, see :func:`_interface.owner.gateways`).

    :returns: these facts; None where ip(8) can't be run.
    """
    started = time.time()
    plain = address.partition("%")[0]
    answer = context.command(["ip", "-j", "-d", "route", "get", plain], seconds=2.0)
    if answer.problem:
        context.observe("route.lookup", "cannot_tell", address, "ip can't be run here", data={"reason": answer.problem}, started=started)
        return None
    route = _first(answer.output)
    kind = route.get("type", "unicast") if route else _kind_of_error(answer.errors)
    links = {link.get("ifname", ""): link for link in _rows(context, ["ip", "-j", "-d", "address"])}
    device = route.get("dev", "")
    next_hop = route.get("gateway") or (plain if kind == "unicast" else "")
    neighbours = _rows(context, ["ip", "-j", "neighbour", "show", "to", next_hop]) if next_hop else []
    data = {
        "address": address,
        "type": kind,
        "gateway": route.get("gateway", ""),
        "device": device,
        "device_state": links.get(device, {}).get("operstate", ""),
        "mtu": links.get(device, {}).get("mtu"),
        "source": route.get("prefsrc", ""),
        "next_hop": next_hop,
        "next_hop_state": " ".join(neighbours[0].get("state", [])) if neighbours else "",
        "next_hop_mac": str(neighbours[0].get("lladdr", "")) if neighbours else "",
        "tunnel": _tunnel(links.get(device, {})),
        "tunnels_down": sorted(name for name, link in links.items() if link.get("operstate") == "DOWN" and _tunnel(link)
                               and _is_in_a_network_of(link, plain)),
        "links_down": sorted(name for name, link in links.items() if link.get("operstate") == "DOWN" and link.get("addr_info")),
    }
    leads_on = kind in ("unicast", "local")
    doubted = not leads_on or data["next_hop_state"] in _SILENT
    family = "-6" if ":" in plain else "-4"
    data["routes"] = _route_table.matching(
        _rows(context, ["ip", "-j", "-d", family, "route", "show", "match", plain]), plain) if doubted else []
    settings = _interface_owner.route_settings() if doubted else []
    data["routes_configured"] = _interface_owner.setting_any(settings, data["routes"])
    data["gateways_configured"] = _interface_owner.gateways(settings, plain) if kind == "none" else []
    usable = leads_on and data["next_hop_state"] != "FAILED"
    context.observe("route.lookup", "ok" if usable else "warn", address, _sentence(data), data=data, started=started,
                    reproduce="ip route get %s; ip neighbour" % plain)
    return data


def _tunnel(link: dict[str, t.Any]) -> str:
    information = link.get("linkinfo")
    kind = str(information.get("info_kind", "")) if isinstance(information, dict) else ""
    return kind if kind in _TUNNELS else ""


def _is_in_a_network_of(link: dict[str, t.Any], address: str) -> bool:
    """Whether the interface leads to the address by its own addresses; the routes of an interface that is down are gone."""
    for one in link.get("addr_info", ()):
        try:
            if _prefix(one.get("address", one.get("local")), one.get("prefixlen")) == _prefix(address, one.get("prefixlen")):
                return True
        except (OSError, TypeError, ValueError, AttributeError):
            continue
    return False


def _prefix(address: t.Any, bits: t.Any) -> tuple[int, int]:
    """The family and the first bits of an address. :raises OSError, TypeError, ValueError: it is none, or has not so many."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    return family, int.from_bytes(packed, "big") >> (8 * len(packed) - bits)


def _kind_of_error(errors: str) -> str:
    for text, kind in _ROUTE_ERRORS.items():
        if text in errors:
            return kind
    return "unknown"


def _rows(context: Context, argv: list[str]) -> list[dict[str, t.Any]]:
    try:
        rows = json.loads(context.command(argv, seconds=2.0).output or "[]")
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _first(output: str) -> dict[str, t.Any]:
    try:
        rows = json.loads(output or "[]")
    except ValueError:
        return {}
    return rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}


def _sentence(data: dict[str, t.Any]) -> str:
    if data["type"] == "none":
        return "there is no route to %s" % data["address"]
    if data["type"] not in ("unicast", "local"):
        return "the route to %s is of type %s" % (data["address"], data["type"])
    via = "via %s " % data["gateway"] if data["gateway"] else ""
    state = ", the next hop is %s" % data["next_hop_state"] if data["next_hop_state"] else ""
    return "%s goes %sout of %s%s" % (data["address"], via, data["device"], state)

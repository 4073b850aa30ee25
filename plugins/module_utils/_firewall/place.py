# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a flow is on this host: its interface, its own address, the range of its port, and whose socket it is.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import os
import pwd
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Flow, Span

_EPHEMERAL = "/proc/sys/net/ipv4/ip_local_port_range"
# A peer without privileges uses any of these.
_UNPRIVILEGED = Span(1024, 65535)
_LISTENING, _UDP_BOUND = "0A", "07"


class NoWay(Exception):
    """This host has no route to the peer: no packet gets as far as a rule about interfaces."""


def flow_of(parameters: dict[str, t.Any], context: Context) -> Flow:
    """The flow that the probe was asked about. :raises NoWay: there is no route. :raises KeyError: there is no such user."""
    address, port, protocol = parameters["address"].partition("%")[0], parameters["port"], parameters["protocol"]
    outbound = parameters["direction"] == "outbound"
    uid: t.Any = _user(parameters.get("user"), os.geteuid() if outbound else _listener_uid(port, protocol))
    routes: dict[str, dict[str, t.Any]] = {}

    def route_to(peer: str) -> dict[str, t.Any]:
        if peer not in routes:
            routes[peer] = _first(_rows(context, ["ip", "-j", "route", "get", peer]))
        return routes[peer]

    route = route_to(address)
    links = _rows(context, ["ip", "-j", "address"])
    interface = parameters.get("interface") or route.get("dev", "")
    local = parameters.get("local_address") or route.get("prefsrc", "")
    if not interface or not local:
        raise NoWay("no route to %s" % address)
    own_port, peer_port = (ephemeral_ports(), Span(port, port)) if outbound else (Span(port, port), _UNPRIVILEGED)
    return Flow(
        parameters["direction"], protocol, local, address, own_port, peer_port, interface,
        interface_address=_first_address(links, interface, 6 if ":" in address else 4),
        uid=uid,
        loopback=interface == "lo",
        own_addresses=frozenset(one.get("local", "") for link in links for one in link.get("addr_info", ()) if isinstance(one, dict)),
        interface_to=lambda peer: str(route_to(peer).get("dev", "")),
    )


def _user(wanted: str | None, otherwise: t.Any) -> t.Any:
    if not wanted:
        return otherwise
    return int(wanted) if wanted.isdigit() else pwd.getpwnam(wanted).pw_uid


def ephemeral_ports() -> Span:
    """The ports that the kernel gives to connections: ip(7), ip_local_port_range."""
    try:
        with open(_EPHEMERAL, encoding="ascii") as file:
            low, high = file.read().split()
        return Span(int(low), int(high))
    except (OSError, ValueError):
        return _UNPRIVILEGED


def _listener_uid(port: int, protocol: str) -> int | str | None:
    """The user of the socket that answers on a port; None without one, and ``UNKNOWN`` where it can't be seen."""
    found, readable = set(), False
    for path in ("/proc/net/%s" % protocol, "/proc/net/%s6" % protocol):
        try:
            with open(path, encoding="ascii") as lines:
                rows = [line.split() for line in lines]
        except OSError:
            continue
        readable = True
        wanted = _LISTENING if protocol == "tcp" else _UDP_BOUND
        found |= {int(row[7]) for row in rows[1:] if len(row) > 7 and row[3] == wanted and int(row[1].rpartition(":")[2], 16) == port}
    if not readable or len(found) > 1:
        return UNKNOWN
    return found.pop() if found else None


def _first_address(links: list[dict[str, t.Any]], interface: str, version: int) -> str:
    family = "inet6" if version == 6 else "inet"
    addresses = [one.get("local", "") for link in links if link.get("ifname") == interface
                 for one in link.get("addr_info", ()) if isinstance(one, dict) and one.get("family") == family]
    return addresses[0] if addresses else ""


def _rows(context: Context, argv: list[str]) -> list[dict[str, t.Any]]:
    try:
        rows = json.loads(context.command(argv, seconds=2.0, limit=4 * 1024 * 1024).output or "[]")
    except (ValueError, RecursionError):
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _first(rows: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return rows[0] if rows else {}

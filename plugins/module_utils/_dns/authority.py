# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the name servers that are responsible for a zone say themselves, past every cache: RFC 1034, section 4.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._dns import wire as _dns_wire

_MOST_LABELS = 8
_MOST_SERVERS = 3
_ASK_S = 2.0


class Authority(t.NamedTuple):
    """``address``: of the name server ``server``. ``ttl``: the zone's own, in seconds.

    ``error``: as of :class:`_dns.wire.DnsError`, the rcode of a refusal, or ``NOT_AUTHORITATIVE``: it does not serve the zone at all.
    """

    zone: str
    server: str
    address: str
    rcode: str
    addresses: tuple[str, ...]
    ttl: int | None
    error: str


def find_zone(name: str, resolver: str, allow: t.Callable[[float], float]) -> tuple[str, tuple[str, ...]]:
    """The zone that a name is in, and its name servers. :param resolver: who is asked. :param allow: seconds that a step may take.

    :raises DnsError: the resolver does not say.
    """
    labels = name.rstrip(".").split(".")
    for skipped in range(min(len(labels), _MOST_LABELS)):
        zone = ".".join(labels[skipped:]) + "."
        answer = _dns_wire.ask(resolver, zone, "NS", allow(_ASK_S))
        if answer.name_servers:
            return zone, answer.name_servers[:_MOST_SERVERS]
        if answer.rcode not in ("NOERROR", "NXDOMAIN"):
            raise _dns_wire.DnsError(answer.rcode)
    raise _dns_wire.DnsError("NO_ZONE")


def _addresses(server: str, resolver: str, allow: t.Callable[[float], float]) -> tuple[str, ...]:
    for kind in ("A", "AAAA"):
        addresses = _dns_wire.ask(resolver, server, kind, allow(_ASK_S)).addresses
        if addresses:
            return addresses
    return ()


def ask_authorities(name: str, kind: str, resolver: str, allow: t.Callable[[float], float]) -> list[Authority]:
    """Each name server of the zone once, without recursion. :raises DnsError: there is no such zone, or nobody knows."""
    zone, servers = find_zone(name, resolver, allow)
    found = []
    for server in servers:
        for address in _addresses(server, resolver, allow)[:1]:
            try:
                answer = _dns_wire.ask(address, name, kind, allow(_ASK_S), flags=0)
            except _dns_wire.DnsError as problem:
                found.append(Authority(zone, server, address, "", (), None, str(problem)))
            else:
                error = "" if answer.authoritative else answer.rcode if answer.rcode not in ("NOERROR", "NXDOMAIN") else "NOT_AUTHORITATIVE"
                found.append(Authority(zone, server, address, answer.rcode, answer.addresses, answer.ttl, error))
    return found

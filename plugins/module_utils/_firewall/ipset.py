# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sets that rules of iptables look things up in, from what ``ipset save`` prints: ipset(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import Packet, Span


class Element(t.NamedTuple):
    """One line ``add``. ``excepted`` is ``nomatch``: what it covers is not in the set, though a wider element covers it."""

    text: str
    excepted: bool


class IpSet(t.NamedTuple):
    """``dimensions`` are what its type's name tells after the colon: ip, net, port, iface, mac, mark, set."""

    name: str
    dimensions: tuple[str, ...]
    version: int
    elements: list[Element]


def parse(text: str) -> dict[str, IpSet]:
    """The sets by name. Lines that are not understood are passed over."""
    sets: dict[str, IpSet] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 3:
            continue
        if words[0] == "create":
            sets[words[1]] = IpSet(words[1], tuple(words[2].partition(":")[2].split(",")), 6 if "inet6" in words else 4, [])
        elif words[0] == "add" and words[1] in sets:
            sets[words[1]].elements.append(Element(words[2], "nomatch" in words[3:]))
    return sets


def member(sets: dict[str, IpSet], name: str, directions: t.Sequence[str], packet: Packet) -> tuple[bool | None, str]:
    """Whether a packet is in a set.

    :param directions: ``src`` or ``dst`` for each dimension.
    :returns: the answer, None where it can't be told, and the element that matched.
    """
    found = sets.get(name)
    if found is None:
        return None, ""
    if found.dimensions == ("set",):
        return _in_list(sets, found, directions, packet)
    if found.version != packet.version and found.dimensions != ("port",):
        return False, ""
    best: tuple[int, bool, str] | None = None
    for element in found.elements:
        answer, width = _covers(element.text, found, directions, packet)
        if answer is None:
            return None, element.text
        if answer and (best is None or width < best[0]):
            best = (width, not element.excepted, element.text)
    return (best[1], best[2]) if best else (False, "")


def _in_list(sets: dict[str, IpSet], found: IpSet, directions: t.Sequence[str], packet: Packet) -> tuple[bool | None, str]:
    for element in found.elements:
        if element.text == found.name or sets.get(element.text, found).dimensions == ("set",):
            return None, element.text
        answer, text = member(sets, element.text, directions, packet)
        if answer or answer is None:
            return answer, text
    return False, ""


def _covers(text: str, ipset: IpSet, directions: t.Sequence[str], packet: Packet) -> tuple[bool | None, int]:
    """Whether an element covers the packet, and how many addresses it has: the narrowest element decides."""
    parts = text.split(",")
    if len(parts) != len(ipset.dimensions) or len(directions) < len(parts):
        return None, 0
    width, undecided = 1, False
    for part, dimension, direction in zip(parts, ipset.dimensions, directions):
        try:
            answer, covered = _DIMENSIONS[dimension](part, direction == "src", packet)
        except (KeyError, ValueError, OSError):
            return None, 0
        if answer is False:
            return False, 0
        undecided = undecided or answer is None
        width *= covered
    return (None if undecided else True), width


def _address(part: str, source: bool, packet: Packet) -> tuple[bool | None, int]:
    span = address_span(part)
    return inside(Span(*(2 * (packet.source if source else packet.destination,))), span), span.high - span.low + 1


def address_span(text: str) -> Span:
    """An address, a prefix (``10.0.0.0/8``, ``10.0.0.0/255.0.0.0``) or a range. :raises ValueError, OSError: it is none of these."""
    low, dash, high = text.partition("-")
    if dash:
        return Span(flows.address_number(low)[1], flows.address_number(high)[1])
    plain, slash, length = text.partition("/")
    version, address = flows.address_number(plain)
    if not slash:
        return Span(address, address)
    return flows.network_span(version, address, int(length) if length.isdigit() else _mask_length(length))


def _mask_length(mask: str) -> int:
    version, number = flows.address_number(mask)
    bits = 128 if version == 6 else 32
    ones = bin(number).count("1")
    if number != ((1 << ones) - 1) << (bits - ones):
        raise ValueError("a mask with holes: %s" % mask)
    return ones


def _port(part: str, source: bool, packet: Packet) -> tuple[bool | None, int]:
    protocol, colon, ports = part.rpartition(":")
    if (colon and protocol not in ("tcp", "udp")) or (protocol and flows.PROTOCOLS[protocol] != packet.protocol):
        return False, 0
    low, _dash, high = ports.partition("-")
    return inside(packet.source_port if source else packet.destination_port, Span(int(low), int(high or low))), 1


def _interface(part: str, source: bool, packet: Packet) -> tuple[bool | None, int]:
    return part == (packet.input_interface if source else packet.output_interface), 1


def _mark(part: str, source: bool, packet: Packet) -> tuple[bool | None, int]:
    return (None if isinstance(packet.mark, str) else packet.mark == int(part, 0)), 1


def inside(mine: Span, other: Span) -> bool | None:
    """None where a part of what it can be is inside."""
    if mine.high < other.low or mine.low > other.high:
        return False
    return True if other.low <= mine.low and mine.high <= other.high else None


_DIMENSIONS: dict[str, t.Callable[[str, bool, Packet], tuple[bool | None, int]]] = {
    "ip": _address,
    "net": _address,
    "port": _port,
    "iface": _interface,
    "mark": _mark,
}

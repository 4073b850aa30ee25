# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the matches of iptables say of a packet: iptables-extensions(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import pwd
import socket
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import ipset as ipsets
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import nft_value as nft
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Packet, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Doubt, Walk


class Option(t.NamedTuple):
    """One option of a rule: the module (``-m``) that it follows, its name, its arguments, and whether ``!`` stands before it."""

    module: str
    name: str
    arguments: tuple[str, ...]
    negated: bool


Answer = t.Union[bool, Doubt]
Match = t.Callable[[Option, Packet, t.Any, Walk], Answer]

_SOURCE_PORT = Doubt("source_port", "the port that the kernel will choose")
_TCP_FLAGS = {"FIN": 1, "SYN": 2, "RST": 4, "PSH": 8, "ACK": 16, "URG": 32, "ALL": 63, "NONE": 0}
_ADDRESS_TYPES = {"UNSPEC": 0, "UNICAST": 1, "LOCAL": 2, "BROADCAST": 3, "ANYCAST": 4, "MULTICAST": 5, "BLACKHOLE": 6, "UNREACHABLE": 7,
                  "PROHIBIT": 8}


def _known(answer: bool | None, doubt: Doubt = _SOURCE_PORT) -> Answer:
    return doubt if answer is None else answer


def _protocol(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    name = option.arguments[0]
    number = int(name) if name.isdigit() else {"ipv6-icmp": 58, "icmpv6": 58, "all": 0}.get(name) or socket.getprotobyname(name)
    return number in (0, packet.protocol)


def _address(source: bool) -> Match:
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        span = ipsets.address_span(option.arguments[0])
        return span.low <= (packet.source if source else packet.destination) <= span.high
    return match


def _interface(incoming: bool) -> Match:
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        name = packet.input_interface if incoming else packet.output_interface
        pattern = option.arguments[0]
        return name.startswith(pattern[:-1]) if pattern.endswith("+") else name == pattern
    return match


def _fragment(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    return False


def _ports(*which: str) -> Match:
    """``22``, ``22:25``, and with multiport ``22,80:90``; of source and destination, one is enough."""
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        answers = []
        for item in option.arguments[0].split(","):
            low, colon, high = item.partition(":")
            wanted = Span(_port(low or "0"), _port(high or "65535") if colon else _port(low))
            answers += [ipsets.inside(packet.source_port if end == "source" else packet.destination_port, wanted) for end in which]
        return True if True in answers else _known(None if None in answers else False)
    return match


def _port(text: str) -> int:
    return int(text) if text.isdigit() else socket.getservbyname(text)


def _tcp_flags(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    mask, wanted = (sum(_TCP_FLAGS[flag] for flag in words.split(",")) for words in option.arguments)
    return packet.tcp_flags & mask == wanted


def _syn(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    return packet.tcp_flags & 0x17 == flows.SYN


def _state(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    """Beside the states, ``SNAT`` and ``DNAT`` can be asked for."""
    states = option.arguments[0].split(",")
    status = packet.connection.status if packet.state in ("new", "established") else 0
    translated = ("SNAT" in states and bool(status & 16)) or ("DNAT" in states and bool(status & 32))
    return translated or (packet.state or "invalid").upper() in states


def _status(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    if packet.state not in ("new", "established"):
        return option.negated  # of no connection: no match, negated or not
    if packet.flow.loopback:
        return Doubt(UNKNOWN, "--ctstatus over loopback")
    wanted = {"NONE": 0, "EXPECTED": 1, "SEEN_REPLY": 2, "ASSURED": 4, "CONFIRMED": 8}
    mine = 10 if packet.state == "established" else 0
    bits = [wanted[name] for name in option.arguments[0].split(",")]
    return any(bits) and bool(mine & sum(bits))


def _direction(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    if packet.state not in ("new", "established"):
        return option.negated
    return (option.arguments[0] == "REPLY") == (packet.state == "established")


def _user(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    if packet.uid is None:
        return False
    if isinstance(packet.uid, str):
        return Doubt(UNKNOWN, "the packet's owner")
    low, _dash, high = option.arguments[0].partition("-")
    return _uid(low) <= packet.uid <= _uid(high or low)


def _uid(text: str) -> int:
    return int(text) if text.isdigit() else pwd.getpwnam(text).pw_uid


def _socket_exists(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    return Doubt(UNKNOWN, "the packet's owner") if isinstance(packet.uid, str) else packet.uid is not None


def _in_set(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    name, directions = option.arguments
    answer, element = ipsets.member(rule.sets, name, directions.split(","), packet)
    if answer and not option.negated:
        walk.members.append((name, element))
    return _known(answer, Doubt(UNKNOWN, "set %s" % name))


def _mark(connection: bool) -> Match:
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        if connection and packet.state not in ("new", "established"):
            return option.negated
        mark = packet.connection.mark if connection else packet.mark
        number, _slash, mask = option.arguments[0].partition("/")
        if isinstance(mark, str):
            return Doubt(UNKNOWN, "the mark")
        return mark & int(mask or "0xffffffff", 0) == int(number, 0)
    return match


def _address_type(source: bool) -> Match:
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        if any(other.name.startswith("--limit-iface") for other in rule.options):
            return Doubt(UNKNOWN, "addrtype of one interface")
        found = nft.address_type(packet, packet.source if source else packet.destination)
        wanted = {_ADDRESS_TYPES[name] for name in option.arguments[0].split(",")}
        return found in wanted if packet.version == 4 else _address_type6(found, wanted)
    return match


def _address_type6(found: int, wanted: set[int]) -> Answer:
    """For IPv6 the kernel asks for all of them at once, and takes local addresses for unicast too (net/netfilter/xt_addrtype.c)."""
    multicast, unicast, local = (_ADDRESS_TYPES[name] for name in ("MULTICAST", "UNICAST", "LOCAL"))
    if wanted - {multicast, unicast, local}:
        return Doubt(UNKNOWN, "this address type")
    if (multicast in wanted and found != multicast) or (unicast in wanted and found == multicast):
        return False
    return local not in wanted or found == local


def _packet_type(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    return Doubt(UNKNOWN, "pkttype over loopback") if packet.flow.loopback else option.arguments[0] == "unicast"


def _reverse_path(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    """Without options of its own, ``-m rpfilter`` leaves nothing to see but its ``--invert``."""
    found = nft.reverse_path(packet)
    return Doubt(UNKNOWN, "rpfilter") if found is None else not found


def _never(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    return option.negated


def _always(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
    """An option that changes how another one works, or that only writes down."""
    return not option.negated


def _stateful(kind: str, usually: bool) -> Match:
    def match(option: Option, packet: Packet, rule: t.Any, walk: Walk) -> Answer:
        return Doubt(kind, ("%s %s" % (option.name.lstrip("-"), " ".join(option.arguments))).strip(), usually)
    return match


# What asks for an extension header of IPv6, or one of IPsec, which the packets in question do not have (net/ipv6/netfilter/ip6t_rt.c).
_OF_EXTENSION_HEADERS = {
    "rt": ("--rt-type", "--rt-segsleft", "--rt-len", "--rt-0-res", "--rt-0-addrs", "--rt-0-not-strict"),
    "frag": ("--fragid", "--fraglen", "--fragres", "--fragfirst", "--fragmore", "--fraglast"),
    "hbh": ("--hbh-len", "--hbh-opts"),
    "dst": ("--dst-len", "--dst-opts"),
    "mh": ("--mh-type",),
    "ah": ("--ahspi", "--ahlen", "--ahres"),
    "esp": ("--espspi",),
}

MATCHES: dict[tuple[str, str], Match] = {
    **{(module, option): _never for module, options in _OF_EXTENSION_HEADERS.items() for option in options},
    ("", "-p"): _protocol,
    ("", "-s"): _address(True),
    ("", "-d"): _address(False),
    ("", "-i"): _interface(True),
    ("", "-o"): _interface(False),
    ("", "-f"): _fragment,
    ("", "--dport"): _ports("destination"),
    ("", "--sport"): _ports("source"),
    ("multiport", "--dports"): _ports("destination"),
    ("multiport", "--sports"): _ports("source"),
    ("multiport", "--ports"): _ports("source", "destination"),
    ("tcp", "--tcp-flags"): _tcp_flags,
    ("tcp", "--syn"): _syn,
    ("iprange", "--src-range"): _address(True),
    ("iprange", "--dst-range"): _address(False),
    ("state", "--state"): _state,
    ("conntrack", "--ctstate"): _state,
    ("conntrack", "--ctstatus"): _status,
    ("conntrack", "--ctdir"): _direction,
    ("conntrack", "--ctproto"): _protocol,
    ("owner", "--uid-owner"): _user,
    ("owner", "--socket-exists"): _socket_exists,
    ("set", "--match-set"): _in_set,
    ("mark", "--mark"): _mark(False),
    ("connmark", "--mark"): _mark(True),
    ("addrtype", "--src-type"): _address_type(True),
    ("addrtype", "--dst-type"): _address_type(False),
    ("addrtype", "--limit-iface-in"): _always,
    ("addrtype", "--limit-iface-out"): _always,
    ("pkttype", "--pkt-type"): _packet_type,
    ("rpfilter", "--invert"): _reverse_path,
    ("rpfilter", "--validmark"): _always,
    ("comment", "--comment"): _always,
    ("icmp", "--icmp-type"): _never,
    ("icmp6", "--icmpv6-type"): _never,
    ("limit", "--limit"): _stateful("limit", True),
    ("limit", "--limit-burst"): _always,
    ("connlimit", "--connlimit-above"): _stateful("connlimit", False),
    ("connlimit", "--connlimit-upto"): _stateful("connlimit", True),
    ("connlimit", "--connlimit-mask"): _always,
    ("connlimit", "--connlimit-saddr"): _always,
    ("connlimit", "--connlimit-daddr"): _always,
    ("hashlimit", "--hashlimit-above"): _stateful("limit", False),
    ("hashlimit", "--hashlimit-upto"): _stateful("limit", True),
    ("hashlimit", "--hashlimit-name"): _always,
    ("hashlimit", "--hashlimit-burst"): _always,
    ("hashlimit", "--hashlimit-mode"): _always,
    ("hashlimit", "--hashlimit-srcmask"): _always,
    ("hashlimit", "--hashlimit-dstmask"): _always,
    ("hashlimit", "--hashlimit-htable-size"): _always,
    ("hashlimit", "--hashlimit-htable-max"): _always,
    ("hashlimit", "--hashlimit-htable-expire"): _always,
    ("hashlimit", "--hashlimit-htable-gcinterval"): _always,
    ("quota", "--quota"): _stateful("quota", True),
    ("recent", "--set"): _always,
    ("recent", "--rcheck"): _stateful("recent", False),
    ("recent", "--update"): _stateful("recent", False),
    ("recent", "--remove"): _stateful("recent", False),
    ("recent", "--name"): _always,
    ("recent", "--mask"): _always,
    ("recent", "--rsource"): _always,
    ("recent", "--rdest"): _always,
    ("recent", "--seconds"): _always,
    ("recent", "--hitcount"): _always,
    ("recent", "--reap"): _always,
    ("recent", "--rttl"): _always,
    ("statistic", "--mode"): _always,
    ("statistic", "--probability"): _stateful("random", False),
    ("statistic", "--every"): _stateful("random", False),
    ("statistic", "--packet"): _always,
}

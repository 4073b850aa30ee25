# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an nftables expression is worth for a packet, and whether that is among the values of a rule or a set.

Sources: nft(8), libnftables-json(5), net/netfilter/nft_meta.c, nft_ct.c, nft_fib.c.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import pwd
import socket
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Packet, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Doubt

Json = t.Any


class Value(t.NamedTuple):
    """``kind`` tells how constants beside it are written; ``what`` is a :class:`Span` for numbers, text for interfaces."""

    kind: str
    what: t.Any


class Break(Exception):
    """The packet has no such thing, as the kernel's NFT_BREAK: the rule ends here, whatever it compares with."""


class NotKnown(Exception):
    """Nobody can say beforehand, or the expression is not understood."""

    def __init__(self, doubt: Doubt) -> None:
        super().__init__(doubt.detail)
        self.doubt = doubt


def _not_understood(what: str) -> NotKnown:
    return NotKnown(Doubt(UNKNOWN, what[:120]))


# --- constants: how each kind is written

_NAMED = {
    "protocol": {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "dccp": 33, "gre": 47, "esp": 50, "ah": 51, "icmpv6": 58, "ipv6-icmp": 58,
                 "sctp": 132, "udplite": 136, "comp": 108},
    "family": {"ipv4": 2, "ipv6": 10},
    "ethertype": {"ip": 0x0800, "arp": 0x0806, "vlan": 0x8100, "ip6": 0x86DD},
    "tcp_flags": {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128},
    "ct_state": {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64},
    "ct_status": {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512},
    "ct_direction": {"original": 0, "reply": 1},
    "packet_type": {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3},
    "address_type": {"unspec": 0, "unicast": 1, "local": 2, "broadcast": 3, "anycast": 4, "multicast": 5, "blackhole": 6,
                     "unreachable": 7, "prohibit": 8},
}
_STATE_BITS = _NAMED["ct_state"]


def constant(kind: str, written: Json) -> Span | str:
    """A constant of this kind. :raises ValueError: it can't be one, or its name is not known."""
    if isinstance(written, bool):
        return Span(int(written), int(written))
    if isinstance(written, int):
        return Span(written, written)
    if isinstance(written, list):
        return _bits(kind, written)
    if isinstance(written, dict):
        return _composed(kind, written)
    if not isinstance(written, str):
        raise ValueError("no constant: %r" % (written,))
    if kind == "interface":
        return written
    number = _number(kind, written)
    return number if isinstance(number, Span) else Span(number, number)


def _composed(kind: str, written: dict[str, Json]) -> Span:
    if "prefix" in written:
        version, address = flows.address_number(written["prefix"]["addr"])
        return flows.network_span(version, address, int(written["prefix"]["len"]))
    if "range" in written:
        low, high = (constant(kind, end) for end in written["range"])
        if isinstance(low, Span) and isinstance(high, Span):
            return Span(low.low, high.high)
    if "|" in written:
        return _bits(kind, written["|"])
    raise ValueError("no constant: %s" % sorted(written))


def _bits(kind: str, parts: t.Sequence[Json]) -> Span:
    total = 0
    for part in parts:
        one = constant(kind, part)
        if not isinstance(one, Span):
            raise ValueError("no number: %r" % (part,))
        total |= one.low
    return Span(total, total)


def _number(kind: str, text: str) -> int | Span:
    if kind == "address":
        plain, slash, length = text.partition("/")
        version, address = _address(plain)
        return flows.network_span(version, address, int(length)) if slash else address
    if text in _NAMED.get(kind, {}):
        return _NAMED[kind][text]
    try:
        return int(text, 0)
    except ValueError:
        pass
    try:
        return {"port": socket.getservbyname, "protocol": socket.getprotobyname, "user": lambda name: pwd.getpwnam(name).pw_uid}[kind](text)
    except (KeyError, OSError):
        raise ValueError("no %s: %s" % (kind, text)) from None


def _address(text: str) -> tuple[int, int]:
    try:
        return flows.address_number(text)
    except OSError:
        raise ValueError("no address: %s" % text) from None


# --- expressions: what a packet has

def value(expression: Json, packet: Packet) -> Value:
    """:raises Break: the packet has no such thing. :raises NotKnown: it can't be said."""
    if isinstance(expression, dict) and len(expression) == 1:
        (name, body), = expression.items()
        if name in _READERS:
            return _READERS[name](body, packet)
        raise _not_understood(name)
    raise _not_understood(str(expression))


def _payload(body: Json, packet: Packet) -> Value:
    protocol, field = body.get("protocol"), body.get("field")
    if protocol in ("ip", "ip6"):
        if packet.version != (4 if protocol == "ip" else 6):
            raise Break
        if field in ("saddr", "daddr"):
            address = packet.source if field == "saddr" else packet.destination
            return Value("address", Span(address, address))
        if field in ("protocol", "nexthdr"):
            return Value("protocol", Span(packet.protocol, packet.protocol))
    if protocol in ("tcp", "udp", "th"):
        if protocol != "th" and packet.protocol != flows.PROTOCOLS[protocol]:
            raise Break
        if field in ("sport", "dport"):
            return Value("port", packet.source_port if field == "sport" else packet.destination_port)
        if protocol == "tcp" and field == "flags":
            return Value("tcp_flags", Span(packet.tcp_flags, packet.tcp_flags))
    if protocol in ("icmp", "icmpv6", "igmp", "sctp", "dccp", "udplite", "esp", "ah", "comp", "gre"):
        raise Break
    raise _not_understood("%s %s" % (protocol, field))


def _meta(body: Json, packet: Packet) -> Value:
    key = body.get("key") if isinstance(body, dict) else body
    if key in ("iifname", "iif"):
        return Value("interface", packet.input_interface)
    if key in ("oifname", "oif"):
        return Value("interface", packet.output_interface)
    exact = {
        "l4proto": ("protocol", packet.protocol),
        "nfproto": ("family", 2 if packet.version == 4 else 10),
        "protocol": ("ethertype", 0x0800 if packet.version == 4 else 0x86DD),
        "pkttype": ("packet_type", UNKNOWN if packet.flow.loopback else 0),
        "mark": ("mark", packet.mark),
        "skuid": ("user", packet.uid),
    }.get(str(key))
    if exact is None:
        kind = "random" if key == "random" else "time" if key in ("time", "hour", "day") else UNKNOWN
        raise NotKnown(Doubt(kind, "meta %s" % key))
    if exact[1] is None:
        raise Break
    return _exact(exact[0], exact[1], "meta %s" % key)


def _exact(kind: str, number: int | str, what: str) -> Value:
    if isinstance(number, str):
        raise _not_understood(what)
    return Value(kind, Span(number, number))


def _ct(body: Json, packet: Packet) -> Value:
    key = body.get("key")
    if key == "state":
        number = _STATE_BITS[packet.state or "invalid"]
        return Value("ct_state", Span(number, number))
    if packet.state in ("", "untracked", "invalid"):
        raise Break
    connection = packet.connection
    answer = packet.state == "established"
    seen = 10 if answer else 0  # confirmed, and answered
    exact = {
        "status": ("ct_status", UNKNOWN if packet.flow.loopback else connection.status | seen),
        "direction": ("ct_direction", int(answer)),
        "mark": ("mark", connection.mark),
        "protocol": ("protocol", packet.protocol),
        "l3proto": ("family", 2 if packet.version == 4 else 10),
    }.get(str(key))
    if exact is None:
        raise _not_understood("ct %s" % key)
    return _exact(exact[0], exact[1], "ct %s" % key)


def _fib(body: Json, packet: Packet) -> Value:
    """``fib daddr type`` and the reverse path filter, ``fib saddr . iif oif``."""
    asked = set(body.get("flags", ())) if not isinstance(body.get("flags"), str) else {body["flags"]}
    result = body.get("result")
    if result == "type" and asked <= {"saddr", "daddr", "mark"}:
        address = packet.source if "saddr" in asked else packet.destination
        return Value("address_type", Span(*(2 * (address_type(packet, address),))))
    if result in ("oif", "oifname") and "saddr" in asked and "iif" in asked:
        found = reverse_path(packet)
        if result == "oif" and found is not None:
            return Value("fib_interface", Span(int(found), int(found)))
    raise _not_understood("fib %s" % result)


def address_type(packet: Packet, address: int) -> int:
    """The RTN_… number of an address. What is neither this host's own nor multicast nor the limited broadcast is taken for unicast."""
    if packet.is_own(address):
        return 2
    if packet.version == 6:
        return 5 if address >> 120 == 0xFF else 1
    if address == 0xFFFFFFFF:
        return 3
    return 5 if address >> 28 == 0xE else 1


def reverse_path(packet: Packet) -> bool | None:
    """Whether an answer to the packet's source would leave by the interface that it came in by; None if that is not known."""
    if packet.is_own(packet.source):
        return packet.input_interface == "lo"
    back = packet.flow.interface_to(flows.address_text(packet.version, packet.source))
    return back == packet.input_interface if back else None


def _masked(operate: t.Callable[[int, int], int]) -> t.Callable[[Json, Packet], Value]:
    def read(body: Json, packet: Packet) -> Value:
        left = value(body[0], packet)
        other = _other_operand(left, body[1:], packet)
        if not isinstance(left.what, Span) or left.what.low != left.what.high:
            raise _not_understood("arithmetic on what is not certain")
        number = operate(left.what.low, other) & 0xFFFFFFFF
        return Value(left.kind, Span(number, number))
    return read


def _other_operand(left: Value, operands: t.Sequence[Json], packet: Packet) -> int:
    if len(operands) != 1:
        raise _not_understood("an operation on %d values" % (len(operands) + 1))
    try:
        other: t.Any = constant(left.kind, operands[0])
    except (ValueError, TypeError, KeyError):
        other = value(operands[0], packet).what
    if not isinstance(other, Span) or other.low != other.high:
        raise _not_understood("arithmetic on what is not certain")
    return other.low


def _concatenation(body: Json, packet: Packet) -> Value:
    return Value("concat", tuple(value(part, packet) for part in body))


def _random(body: Json, packet: Packet) -> Value:
    raise NotKnown(Doubt("random", "numgen"))


def _extension_header(body: Json, packet: Packet) -> Value:
    """Of IPv6; the packets in question have none. Whether there is one at all is asked without a field."""
    if body.get("field"):
        raise Break
    raise _not_understood("exthdr %s" % body.get("name"))


_READERS: dict[str, t.Callable[[Json, Packet], Value]] = {
    "exthdr": _extension_header,
    "payload": _payload,
    "meta": _meta,
    "ct": _ct,
    "fib": _fib,
    "concat": _concatenation,
    "numgen": _random,
    "&": _masked(lambda one, other: one & other),
    "|": _masked(lambda one, other: one | other),
    "^": _masked(lambda one, other: one ^ other),
    "<<": _masked(lambda one, other: one << min(other, 32)),
    ">>": _masked(lambda one, other: one >> min(other, 32)),
}


# --- comparison: True, False, or None where what is known of the value does not decide

def compare(mine: Value, operator: str, written: Json, elements_of: t.Callable[[str], t.Sequence[Json]]) -> tuple[bool | None, str]:
    """:param elements_of: the elements of a named set. :returns: the answer, and the element that matched, for a person.
    :raises ValueError: a constant is not understood."""
    if operator in ("==", "!="):
        answer, element = contains(mine, written, elements_of)
        return (answer if operator == "==" or answer is None else not answer), element
    if not isinstance(mine.what, Span):
        raise ValueError("no order among %s" % mine.kind)
    other = constant(mine.kind, written)
    if not isinstance(other, Span):
        raise ValueError("no number: %r" % (written,))
    if operator in ("in", "!"):
        return bool(mine.what.low & other.low) == (operator == "in"), ""
    return _ordered(mine.what, operator, other.low), ""


def _ordered(mine: Span, operator: str, bound: int) -> bool | None:
    holds = {
        "<": lambda number: number < bound,
        ">": lambda number: number > bound,
        "<=": lambda number: number <= bound,
        ">=": lambda number: number >= bound,
    }.get(operator)
    if holds is None:
        raise ValueError("operator %s" % operator)
    at_low, at_high = holds(mine.low), holds(mine.high)
    return at_low if at_low == at_high else None


def contains(mine: Value, written: Json, elements_of: t.Callable[[str], t.Sequence[Json]]) -> tuple[bool | None, str]:
    """Whether a value is what is written: a constant, a set, or the name of one after ``@``."""
    if isinstance(written, str) and written.startswith("@"):
        return _among(mine, elements_of(written[1:]), elements_of)
    if isinstance(written, dict) and "set" in written:
        return _among(mine, written["set"], elements_of)
    if isinstance(written, dict) and "elem" in written:
        return _element(mine, written["elem"], elements_of)
    if written == "*":
        return True, "*"
    if mine.kind == "concat":
        return _each(mine, written, elements_of), text_of(written)
    return _is(mine, constant(mine.kind, written)), text_of(written)


def _element(mine: Value, element: dict[str, Json], elements_of: t.Callable[[str], t.Sequence[Json]]) -> tuple[bool | None, str]:
    answer, text = contains(mine, element["val"], elements_of)
    if answer and set(element) & {"limit", "quota", "ct count"}:
        return None, text
    return answer, text


def _among(mine: Value, elements: t.Sequence[Json], elements_of: t.Callable[[str], t.Sequence[Json]]) -> tuple[bool | None, str]:
    undecided = False
    for element in elements:
        answer, text = contains(mine, element, elements_of)
        if answer:
            return True, text
        undecided = undecided or answer is None
    return (None if undecided else False), ""


def _each(mine: Value, written: Json, elements_of: t.Callable[[str], t.Sequence[Json]]) -> bool | None:
    parts = written.get("concat") if isinstance(written, dict) else None
    if not isinstance(parts, list) or len(parts) != len(mine.what):
        raise ValueError("no concatenation of %d" % len(mine.what))
    answers = [contains(one, part, elements_of)[0] for one, part in zip(mine.what, parts)]
    return False if False in answers else None if None in answers else True


def _is(mine: Value, other: Span | str) -> bool | None:
    if isinstance(other, str) or isinstance(mine.what, str):
        return isinstance(other, str) and isinstance(mine.what, str) and _same_interface(mine.what, other)
    if mine.what.high < other.low or mine.what.low > other.high:
        return False
    return True if other.low <= mine.what.low and mine.what.high <= other.high else None


def _same_interface(name: str, pattern: str) -> bool:
    """``eth*`` is every interface whose name begins so; ``eth\\*`` is one with an asterisk in its name."""
    if pattern.endswith("*") and not pattern.endswith("\\*"):
        return name.startswith(pattern[:-1])
    return name == pattern.replace("\\*", "*")


def text_of(written: Json) -> str:
    """An element as nft(8) writes it."""
    if isinstance(written, dict):
        if "prefix" in written:
            return "%s/%s" % (written["prefix"].get("addr"), written["prefix"].get("len"))
        if "range" in written:
            return "-".join(text_of(end) for end in written["range"])
        if "concat" in written:
            return " . ".join(text_of(part) for part in written["concat"])
        if "elem" in written:
            return text_of(written["elem"].get("val"))
    return str(written)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of nftables, from what ``nft -j list ruleset`` prints.

Sources: libnftables-json(5), net/netfilter/nf_tables_core.c.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import nft_value as values
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Packet, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Action, Chain, Doubt, Rule, Walk

Json = t.Any
_FAMILIES = ("ip", "ip6", "inet", "netdev")

# What leaves the packet and the verdict as they are.
_WITHOUT_EFFECT = frozenset((
    "log", "map", "ct helper", "ct timeout", "ct expectation", "flow", "dup", "last", "secmark", "comment", "continue", "tcp option",
    "exthdr"))

# What a reject answers with, by the family of the packet: include/uapi/linux/netfilter/nf_tables.h, icmpx codes.
_ICMPX = {
    "port-unreachable": ("port_unreachable", "port_unreachable"),
    "admin-prohibited": ("admin_prohibited", "admin_prohibited"),
    "no-route": ("net_unreachable", "no_route"),
    "host-unreachable": ("host_unreachable", "address_unreachable"),
}
_ICMP = {
    "net-unreachable": "net_unreachable", "host-unreachable": "host_unreachable", "prot-unreachable": "protocol_unreachable",
    "port-unreachable": "port_unreachable", "net-prohibited": "net_prohibited", "host-prohibited": "host_prohibited",
    "admin-prohibited": "admin_prohibited",
}
_ICMPV6 = {
    "no-route": "no_route", "admin-prohibited": "admin_prohibited", "addr-unreachable": "address_unreachable",
    "port-unreachable": "port_unreachable", "policy-fail": "source_policy_failed", "reject-route": "reject_route",
}


class _Table(t.NamedTuple):
    """What rules of a table refer to by name."""

    sets: dict[str, list[Json]]
    counters: dict[str, int]
    chains: dict[str, Chain]


def chains(listing: Json, leave_out: t.Container[tuple[str, str]] = ()) -> list[Chain]:
    """The base chains of a ruleset, all others hanging from them.

    :param listing: the parsed output of ``nft -j list ruleset``.
    :param leave_out: tables, as (family, name), that another tool tells better.
    :raises ValueError: it is no such listing.
    """
    entries = listing.get("nftables") if isinstance(listing, dict) else None
    if not isinstance(entries, list):
        raise ValueError("no listing of nft")
    tables: dict[tuple[str, str], _Table] = {}
    ages: dict[tuple[str, str], int] = {}
    for kind, body in _entries(entries):
        family = body.get("family")
        name = (family, body.get("name") if kind == "table" else body.get("table"))
        if family not in _FAMILIES or name in leave_out:
            continue
        if kind == "table" and not _is_dormant(body):
            tables[name] = _Table({}, {}, {})
            ages[name] = _integer(body.get("handle")) or 0
        elif name in tables:
            _take(kind, body, tables[name], ages[name])
    return [chain for table in tables.values() for chain in table.chains.values() if chain.hook]


def table_handles(listing: Json) -> dict[tuple[str, str], int]:
    """The tables of a ruleset by (family, name), with their handles: the younger has the higher."""
    entries = listing.get("nftables") if isinstance(listing, dict) else None
    tables = [body for kind, body in _entries(entries if isinstance(entries, list) else []) if kind == "table"]
    return {(str(body.get("family")), str(body.get("name"))): _integer(body.get("handle")) or 0 for body in tables}


def _entries(entries: t.Iterable[Json]) -> t.Iterator[tuple[str, dict[str, Json]]]:
    for entry in entries:
        if isinstance(entry, dict):
            for kind, body in entry.items():
                if isinstance(body, dict):
                    yield kind, body


def _is_dormant(body: dict[str, Json]) -> bool:
    """nft 1.0 prints only the first letter of the only flag."""
    flags = body.get("flags") or []
    return any(str(flag).startswith("d") for flag in ([flags] if isinstance(flags, str) else flags))


def _take(kind: str, body: dict[str, Json], table: _Table, age: int) -> None:
    name = str(body.get("name", ""))
    if kind in ("set", "map"):
        table.sets[name] = body.get("elem") or []
    elif kind == "counter":
        table.counters[name] = _integer(body.get("packets")) or 0
    elif kind == "chain":
        table.chains[name] = _chain(body, table.chains, age)
    elif kind == "rule" and body.get("chain") in table.chains:
        chain = table.chains[body["chain"]]
        chain.rules.append(NftRule(body, len(chain.rules) + 1, table))


def _chain(body: dict[str, Json], siblings: dict[str, Chain], age: int) -> Chain:
    chain = Chain("nftables", str(body["family"]), str(body["table"]), str(body["name"]), siblings)
    chain.hook, chain.type = str(body.get("hook", "")), str(body.get("type", ""))
    chain.priority = _integer(body.get("prio")) or 0
    chain.policy = str(body.get("policy") or "accept")
    devices = body.get("dev") or body.get("devs") or ()
    chain.devices = (devices,) if isinstance(devices, str) else tuple(devices)
    chain.age = (age, _integer(body.get("handle")) or 0)
    return chain


def _integer(number: Json) -> int | None:
    return number if isinstance(number, int) and not isinstance(number, bool) else None


class NftRule(Rule):
    """A rule of nftables: statements in their order, until one does not match."""

    tool = "nftables"

    def __init__(self, body: dict[str, Json], line: int, table: _Table) -> None:
        self.statements = _statements(body.get("expr") or [])
        self.comment = str(body.get("comment", ""))
        self.named = table
        packets = next((_packets(content, table) for kind, content in self.statements if kind == "counter"), None)
        super().__init__(str(body["family"]), str(body["table"]), str(body["chain"]), line, "", _integer(body.get("handle")), packets)

    @property
    def key(self) -> tuple[str, str, str, str, int]:
        return self.tool, self.family, self.table, self.chain, self.handle or -self.line

    def apply(self, packet: Packet, walk: Walk) -> Action | None:
        doubts: list[Doubt] = []
        for kind, body in self.statements:
            if kind in _MATCHES:
                answer = self._matches(kind, body, packet, walk)
                if answer is False:
                    return None
                if isinstance(answer, Doubt):
                    doubts.append(answer)
                continue
            if kind == "counter":
                if not doubts:
                    walk.counted.append(self)
                continue
            if kind in _WITHOUT_EFFECT:
                continue
            # What follows matters, so whatever was in doubt before it does too.
            if not all(walk.assume(self, doubt) for doubt in doubts):
                return None
            doubts = []
            try:
                action = _EFFECTS.get(kind, _unknown_effect)(self, kind, body, packet, walk)
            except values.Break:
                return None
            except values.NotKnown as problem:
                action = Action(UNKNOWN, problem.doubt.detail)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError) as problem:
                action = Action(UNKNOWN, "%s: %s" % (kind, problem))
            if action is not None:
                return None if action.kind == "break" else action
        return None

    def _matches(self, kind: str, body: Json, packet: Packet, walk: Walk) -> bool | Doubt:
        try:
            return _MATCHES[kind](self, body, packet, walk)
        except values.Break:
            return False
        except values.NotKnown as problem:
            return problem.doubt
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, OSError) as problem:
            return Doubt(UNKNOWN, "%s: %s" % (kind, problem))

    def elements_of(self, name: str) -> t.Sequence[Json]:
        return self.named.sets[name]


def _statements(written: t.Sequence[Json]) -> list[tuple[str, Json]]:
    """What iptables has put there is a match, or at the end a target."""
    found = [_statement(statement) for statement in written]
    last = found[-1:]
    return found[:-1] + [("xt target", last[0][1])] if last and last[0][0] == "xt" else found


def _statement(statement: Json) -> tuple[str, Json]:
    if isinstance(statement, str):
        return statement, None
    if isinstance(statement, dict) and len(statement) == 1:
        return next(iter(statement.items()))
    return "?", statement


def _packets(content: Json, table: _Table) -> int | None:
    if isinstance(content, str):
        return table.counters.get(content)
    return _integer(content.get("packets")) if isinstance(content, dict) else None


# --- statements that match or don't

def _match(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> bool | Doubt:
    mine = values.value(body["left"], packet)
    answer, element = values.compare(mine, body["op"], body["right"], rule.elements_of)
    if answer is None:
        return _undecided(mine)
    if answer and element and isinstance(body["right"], str) and body["right"].startswith("@"):
        walk.members.append((body["right"][1:], element))
    return answer


def _undecided(mine: values.Value) -> Doubt:
    ports = mine.kind == "port" or (mine.kind == "concat" and any(part.kind == "port" for part in mine.what))
    return Doubt("source_port", "the port that the kernel will choose") if ports else Doubt("limit", "the element's own limit")


def _limit(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> Doubt:
    over = isinstance(body, dict) and bool(body.get("inv"))
    return Doubt("limit", "limit rate%s" % (" over" if over else ""), usually=not over)


def _quota(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> Doubt:
    over = isinstance(body, dict) and bool(body.get("inv"))
    return Doubt("quota", "quota%s" % (" over" if over else ""), usually=not over)


def _connection_count(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> Doubt:
    over = isinstance(body, dict) and bool(body.get("inv"))
    return Doubt("connlimit", "ct count%s %s" % (" over" if over else "", body.get("val")), usually=not over)


def _set_update(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> bool | Doubt:
    """Adding an element always goes on, unless the element has a limit of its own."""
    element = body.get("elem")
    values.value(element["elem"]["val"] if isinstance(element, dict) and "elem" in element else element, packet)
    for kind, content in (_statement(statement) for statement in body.get("stmt") or ()):
        if kind in _MATCHES:
            return _MATCHES[kind](rule, content, packet, walk)
    return True


def _xt_match(rule: NftRule, body: Json, packet: Packet, walk: Walk) -> Doubt:
    return Doubt(UNKNOWN, "xt %s" % (body.get("name", "") if isinstance(body, dict) else ""))


_MATCHES: dict[str, t.Callable[[NftRule, Json, Packet, Walk], bool | Doubt]] = {
    "match": _match,
    "limit": _limit,
    "quota": _quota,
    "ct count": _connection_count,
    "set": _set_update,
    "xt": _xt_match,
}


# --- statements that do something

def _terminal(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> Action:
    return Action(kind, str(body["target"]) if kind in ("jump", "goto") else "")


def _reject(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> Action | None:
    """Its dependency on a protocol or a family is not always listed, and holds all the same."""
    how = body or {}
    with_, code = how.get("type", "icmpx"), how.get("expr", "port-unreachable")
    index = 0 if packet.version == 4 else 1
    if with_ == "tcp reset":
        return Action("reject", "tcp_reset") if packet.protocol == flows.PROTOCOLS["tcp"] else Action("break")
    if with_ == "icmpx":
        return Action("reject", _ICMPX[code][index])
    if (with_ == "icmp") != (packet.version == 4):
        return Action("break")
    return Action("reject", (_ICMP if with_ == "icmp" else _ICMPV6)[code])


def _verdict_map(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> Action | None:
    mine = values.value(body["key"], packet)
    found = _lookup(rule, mine, body["data"], walk)
    if found is None:
        return Action("break")
    name, content = _statement(found)
    if name == "continue":
        return None
    return _EFFECTS[name](rule, name, content, packet, walk)


def _lookup(rule: NftRule, mine: values.Value, data: Json, walk: Walk) -> Json:
    """What a map has for a value, None if nothing. An element for all others counts only where no other does."""
    pairs = rule.elements_of(data[1:]) if isinstance(data, str) else data["set"]
    for key, found in sorted(pairs, key=lambda pair: _bare(pair[0]) == "*"):
        answer, element = values.contains(mine, key, rule.elements_of)
        if answer is None:
            answer = walk.assume(rule, _undecided(mine)._replace(detail="%s is in %s" % (mine.kind, values.text_of(key))))
        if answer:
            if isinstance(data, str):
                walk.members.append((data[1:], element))
            return found
    return None


def _bare(key: Json) -> Json:
    return key["elem"].get("val") if isinstance(key, dict) and isinstance(key.get("elem"), dict) else key


def _set_field(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> None:
    """Marks are followed; of other fields only those matter that rules here can ask for."""
    field = body["key"]
    mark = {"meta": packet, "ct": packet.connection}.get(next(iter(field)))
    key = next(iter(field.values()))
    if mark is not None and isinstance(key, dict) and key.get("key") == "mark":
        mark.mark = _worth(rule, "mark", body["value"], packet, walk)
    elif "payload" in field and key.get("field") in ("saddr", "daddr", "sport", "dport"):
        raise ValueError("a rule that rewrites %s" % key.get("field"))


def _worth(rule: NftRule, kind: str, written: Json, packet: Packet, walk: Walk) -> int | str:
    try:
        number: t.Any = values.constant(kind, written)
    except (ValueError, TypeError, KeyError):
        number = _mapped(rule, kind, written, packet, walk) if isinstance(written, dict) and "map" in written else None
        if number is None:
            try:
                number = values.value(written, packet).what
            except values.NotKnown:
                return UNKNOWN
    return number.low if isinstance(number, Span) and number.low == number.high else UNKNOWN


def _mapped(rule: NftRule, kind: str, written: Json, packet: Packet, walk: Walk) -> Span | str:
    found = _lookup(rule, values.value(written["map"]["key"], packet), written["map"]["data"], walk)
    if found is None:
        raise values.Break
    return values.constant(kind, found)


def _translate(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> Action | None:
    how = body or {}
    family = {"ip": 4, "ip6": 6}.get(str(how.get("family")), packet.version)
    if family != packet.version:
        return Action("break")
    address = _translated(rule, "address", how.get("addr"), packet, walk)
    port = _translated(rule, "port", how.get("port"), packet, walk)
    if kind == "redirect":
        packet.redirect(port)
    elif kind == "dnat":
        packet.change_destination(address, port)
    else:
        packet.change_source(address, port)
    return Action("accept")


def _translated(rule: NftRule, kind: str, written: Json, packet: Packet, walk: Walk) -> t.Any:
    """A port stays a range where it is one; of several addresses nobody can say which one it will be."""
    if written is None:
        return None
    found = _mapped(rule, kind, written, packet, walk) if isinstance(written, dict) and "map" in written else values.constant(kind, written)
    if not isinstance(found, Span):
        raise ValueError("no %s: %r" % (kind, written))
    if kind == "port":
        return found
    if found.low != found.high:
        raise ValueError("one of several addresses")
    return found.low


def _no_tracking(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> None:
    packet.do_not_track()


def _unknown_effect(rule: NftRule, kind: str, body: Json, packet: Packet, walk: Walk) -> Action:
    return Action(UNKNOWN, kind)


_EFFECTS: dict[str, t.Callable[[NftRule, str, Json, Packet, Walk], Action | None]] = {
    "accept": _terminal,
    "drop": _terminal,
    "return": _terminal,
    "jump": _terminal,
    "goto": _terminal,
    "reject": _reject,
    "vmap": _verdict_map,
    "mangle": _set_field,
    "dnat": _translate,
    "snat": _translate,
    "masquerade": _translate,
    "redirect": _translate,
    "notrack": _no_tracking,
}

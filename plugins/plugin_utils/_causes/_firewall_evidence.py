# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What in the rules that decide a flow tells more than that they stop it: for whom, in which zone, since when, beside whom, how many.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Pattern

# On which side a rule is, and which way the flow goes there.
_SIDES = (("client", "outbound"), ("server", "inbound"))
_STOPS = ("drop", "reject")
_RATES = ("connlimit", "limit", "recent")
_DENIES = re.compile(r"\b(drop|reject)\b", re.IGNORECASE)
# Of a rule that nobody could read, there is little.
_UNTOLD = {"direction": "", "phase": "", "address": "", "local_address": "", "owner": "none", "uid": None, "set_member": None,
           "conditional": (), "usual_verdict": ""}


def _requests(case: Case, status: str) -> t.Iterator[tuple[int, dict[str, t.Any], str]]:
    """Rules that decide what the host sends, on both sides: number, facts, side."""
    for side, direction in _SIDES:
        for number, rule in case.of("firewall.rule", side):
            data = {**_UNTOLD, **rule["data"]}
            if rule["status"] == status and (data["direction"], data["phase"]) == (direction, "request"):
                if data.get("policy"):
                    data["rule"] = "policy %s" % data["verdict"]
                # Where the flow goes, whoever looks at it.
                target = data["address"] if side == "client" else data["local_address"]
                yield number, {**data, "peer": data["address"], "address": target, "observer": rule["vantage"].get("host", "")}, side


def _connects(case: Case, address: str, status: str) -> list[int]:
    return [number for number, connect in case.of("tcp.connect", "client")
            if connect["status"] == status and connect["data"]["address"] == address]


def _beside(case: Case, check: str, side: str, rule: dict[str, t.Any]) -> list[tuple[int, dict[str, t.Any]]]:
    """What the probe told of the same flow."""
    return [(number, one["data"]) for number, one in case.of(check, side)
            if (one["data"].get("direction"), one["data"].get("address")) == (rule["direction"], rule["peer"])]


def _all(matches: t.Iterable[Match]) -> Match | None:
    found = list(matches)
    return sum(found[1:], found[0]) if found else None


# What this host's own kernel says where there is no way, or a route forbids it.
_NO_WAY = ("ENETUNREACH", "EINVAL", "EACCES")


def _fits(connect: dict[str, t.Any], rule: dict[str, t.Any], side: str) -> bool:
    """Whether what came back of a connection can be this rule's doing."""
    if connect["answer"] == "rst":
        return bool(rule.get("reject_kind") == "tcp_reset")
    if connect["answer"] == "icmp":
        return connect.get("icmp_from") == {"client": "self", "server": "target"}[side]
    if connect["error"] == "TIMEOUT" and connect.get("dropped_here") == {"client": "none", "server": "all"}[side]:
        return False
    return connect["error"] not in _NO_WAY


def _ban(rule: dict[str, t.Any]) -> str:
    """In what the peer is banned: a set that its address is an element of, or a chain of fail2ban's. Empty where it is not."""
    member = rule["set_member"]
    if isinstance(member, dict) and any(_covers(part, rule["peer"]) for part in re.split(r" \. |,", str(member.get("element", "")))):
        return "set %s, element %s" % (member["set"], member["element"])
    return "chain %s of fail2ban" % rule["chain"] if rule["owner"] == "fail2ban" else ""


def _covers(element: str, address: str) -> bool:
    """:param element: an address, a network or a range of addresses; anything else covers none."""
    low, _dash, high = element.partition("-")
    try:
        mine = ipaddress.ip_address(address.partition("%")[0])
        if high:
            first, last = ipaddress.ip_address(low), ipaddress.ip_address(high)
            return first.version == last.version == mine.version and int(first) <= int(mine) <= int(last)
        return mine in ipaddress.ip_network(low, strict=False)
    except ValueError:
        return False


def _stopped(case: Case, wanted: str, bans: bool) -> t.Iterator[Match]:
    """Failed connections with the rules of one side that stop them: those that ban the host's address, or those that do not."""
    for number, rule, side in _requests(case, "fail"):
        if side != wanted or bool(_ban(rule)) is not bans:
            continue
        failed = [other for other, connect in case.of("tcp.connect", "client") if connect["status"] == "fail"
                  and rule["address"] in ("", connect["data"]["address"]) and _fits(connect["data"], rule, side)]
        if failed:
            connect = case.observations[failed[0]]["data"]
            yield Match((*failed, number), {**connect, **rule, "address": connect["address"], "ban": _ban(rule)})


def stopped_here(case: Case) -> Match | None:
    return _all(match for bans in (False, True) for match in _stopped(case, "client", bans))


def stopped_at_the_server(case: Case) -> Match | None:
    return _all(_stopped(case, "server", bans=False))


def banned(case: Case) -> Match | None:
    return _all(_stopped(case, "server", bans=True))


def resets_here(case: Case) -> set[str]:
    """Addresses to which this host's own filter resets connections itself."""
    return {rule["address"] for _number, rule, side in _requests(case, "fail")
            if side == "client" and rule.get("reject_kind") == "tcp_reset"}


def may_reset_here(case: Case, address: str) -> bool:
    """Whether this host's own filter resets connections to this address, or was looked at for others and not for this one."""
    looked_at = {rule["address"] for status in ("ok", "fail", "cannot_tell") for _number, rule, side in _requests(case, status)
                 if side == "client"}
    return address in resets_here(case) or bool(looked_at and address not in looked_at)


def left_the_host(case: Case) -> Match | None:
    """What came from outside, and the kernel's own count of what was sent, show that packets leave."""
    own = resets_here(case)
    numbers = [
        number for number, connect in case.of("tcp.connect", "client") for data in (connect["data"],)
        if data["answer"] == "accepted" or (data["answer"] == "rst" and data["address"] not in own)
        or data.get("icmp_from") in ("target", "path") or (data["error"] == "TIMEOUT" and data.get("dropped_here") == "none")]
    return Match(tuple(numbers)) if numbers else None


def one_user(case: Case) -> Match | None:
    """A user's flow is stopped on which this probe, as another user, connects."""

    def matches() -> t.Iterator[Match]:
        for number, rule, side in _requests(case, "fail"):
            connected = _connects(case, rule["address"], "ok") if side == "client" and rule["uid"] else ()
            units = [unit["data"].get("user") for _number, unit in case.of("service.unit", "client")]
            if connected:
                user = next((str(name) for name in units if name), str(rule["uid"]))
                yield Match((number, *connected), {**rule, "user": user})

    return _all(matches())


def only_the_probe(case: Case) -> Match | None:
    """This probe's own connections are stopped on this host, all that fail, and the agent's user is let through to each: a policy that is
    none of the agent's trouble. A connection that the agent has, if it has one, is told as ``connected``.
    """
    failed = [(number, one["data"]) for number, one in case.of("tcp.connect", "client") if one["status"] == "fail"]
    passing = {rule["address"]: number for number, rule, side in _requests(case, "ok") if side == "client" and rule["uid"]}
    if not failed or not all(_made_here(data) and data["address"] in passing for _number, data in failed):
        return None
    peers = [(number, peer) for number, one in case.of("service.connections", "client") for peer in one["data"]["peers"]]
    held = [number for number, peer in peers if peer["state"] == "ESTABLISHED" and peer["address"] in passing
            and peer["port"] == failed[0][1]["port"]]
    return Match((*(number for number, _data in failed), *passing.values(), *held), {"connected": bool(held)})


def _made_here(connect: dict[str, t.Any]) -> bool:
    return connect.get("icmp_from") == "self" or connect.get("dropped_here") == "all"


def other_zone(case: Case) -> Match | None:
    """firewalld stops the flow in one zone, and somebody has opened its port in another."""

    def matches() -> t.Iterator[Match]:
        for number, rule, side in _requests(case, "fail"):
            failed = _connects(case, rule["address"], "fail")
            for other, state in _beside(case, "firewall.firewalld", side, rule) if rule["owner"] == "firewalld" and failed else ():
                opening = [zone for zone in state.get("opening_zones", ()) if zone != state["zone"]]
                if opening and state["zone"] not in state["opening_zones"]:
                    yield Match((number, other, *failed), {**rule, **_zone(state), "opening": ", ".join(opening)})

    return _all(matches())


def _zone(state: dict[str, t.Any]) -> dict[str, str]:
    by = {"default": "as nobody has put it into one", "source": "by its source", "interface": "by name"}
    return {"zone": state["zone"], "interface": state["interface"], "zone_by": by.get(state["zone_by"], state["zone_by"])}


def other_after_reload(case: Case) -> Match | None:
    """What firewalld does with the flow is not what it will do after its next start: one of the two is right by chance only."""

    def matches() -> t.Iterator[Match]:
        for status, only, denies, change in _RELOADS:
            for number, rule, side in _requests(case, status):
                for other, state in _beside(case, "firewall.firewalld", side, rule) if rule["owner"] == "firewalld" else ():
                    entries = [one for one in state[only] if one in state.get("concerning", ()) and bool(_DENIES.search(one)) is denies]
                    if entries:
                        facts = {**rule, **_zone(state), "entries": "; ".join(entries), "change": change}
                        yield Match((number, other, *_connects(case, rule["address"], "fail")), facts)

    return _all(matches())


# What the rules say now, where the entry is, whether it denies, and how that is told.
_RELOADS = (
    ("fail", "permanent_only", False, "is written and not in force"),
    ("fail", "runtime_only", True, "is in force and not written"),
    ("ok", "runtime_only", False, "is in force and not written, so that the next reload stops the flow"),
)


def other_manager(case: Case) -> Match | None:
    """One manager of rules stops what another one allows at the same place. A ban is meant so."""

    def matches() -> t.Iterator[Match]:
        for number, rule, side in _requests(case, "fail"):
            failed = _connects(case, rule["address"], "fail") if not _ban(rule) else ()
            for other, managers in _beside(case, "firewall.managers", side, rule) if failed else ():
                if managers["stopped_by"] and managers["allowed_by"]:
                    allowed = managers["allowed_by"][0]
                    yield Match((number, other, *failed), {
                        **rule, "stopper": _named(managers["stopped_by"]), "allower": _named(allowed), "allowing_rule": allowed["rule"]})

    return _all(matches())


def _named(who: dict[str, t.Any]) -> str:
    return str(who["tool"] if who["owner"] == "none" else who["owner"])


def over_a_limit(case: Case) -> Match | None:
    """All rules let the flow pass but one that counts, and what came back is what this one does."""

    def matches() -> t.Iterator[Match]:
        for number, rule, side in _requests(case, "cannot_tell"):
            for condition in rule["conditional"] if rule["usual_verdict"] == "accept" else ():
                kinds = {tuple(outcome.split(" ", 1)) for outcome in (*condition["if_matched"], *condition["otherwise"])}
                stops = {kind for kind in kinds if kind[0] in _STOPS}
                alone = condition["kind"] in _RATES and len(rule["conditional"]) == 1
                shown = [*_shown(case, rule, side, stops, condition), *_too_many(case, stops, condition)] if alone else ()
                if shown:
                    own = {key: condition[key] for key in ("rule", "tool", "table", "chain", "handle", "line")}
                    yield Match((number, *shown), {**rule, **own, "limit": condition["detail"]})

    return _all(matches())


def _shown(case: Case, rule: dict[str, t.Any], side: str, stops: t.Collection[tuple[str, ...]], condition: dict[str, t.Any]) -> list[int]:
    """What came back shows that the limit was reached; silence, only where it surely is, as others drop too."""
    rejects = {kind[1] for kind in stops if len(kind) == 2}
    wanted = "self" if side == "client" else "target"
    refused, silent = [], []
    for number, connect in case.of("tcp.connect", "client"):
        data = connect["data"]
        if connect["status"] != "fail" or data["address"] != rule["address"]:
            continue
        if data.get("icmp_from") == wanted and data.get("icmp_name") in rejects:
            refused.append(number)
        elif "tcp_reset" in rejects and data["answer"] == "rst" and _listening(case):  # else it may be a closed port that resets
            refused += [number, *_listening(case)]
        elif ("drop",) in stops and data["error"] == "TIMEOUT":
            silent.append(number)
    if side == "client":
        return refused + [number for number in silent if case.observations[number]["data"].get("dropped_here") == "all"]
    return refused or ([*silent, *_reached(case, rule, condition)] if silent and _reached(case, rule, condition) else [])


def _listening(case: Case) -> list[int]:
    return [number for number, listener in case.of("sockets.listener", "server") if listener["data"]["scope"] == "reachable"]


def _too_many(case: Case, stops: t.Collection[tuple[str, ...]], condition: dict[str, t.Any]) -> list[int]:
    """A pool opened more connections than the rule lets pass, and some of them did not open; the server has not said why."""
    limit = _limit(condition)
    return [number for number, wait in case.of("pool.wait", "client") if stops and limit is not None and wait["data"].get("open_failures")
            and not wait["data"]["open_sqlstate"] and wait["data"]["pool_largest"] > limit]


def _limit(condition: dict[str, t.Any]) -> int | None:
    numbers = re.findall(r"\d+", condition["detail"]) if condition["kind"] == "connlimit" else []
    return int(numbers[-1]) if numbers else None


def _reached(case: Case, rule: dict[str, t.Any], condition: dict[str, t.Any]) -> list[int]:
    """The server has as many connections of this very host as the rule lets pass."""
    limit = _limit(condition)
    return [number for number, connections in case.of("sockets.connections", "server") for peer in connections["data"]["peers"]
            if limit is not None and peer["address"] == rule["peer"] and peer["count"] >= limit]


def with_consequences(finder: t.Callable[[Case], Match | None]) -> Pattern:
    """What such a rule explains: the connections that fail, a pool's too, and that rules of this side stop the flow at all."""

    def explained(case: Case) -> Match | None:
        match = finder(case)
        if match is None:
            return None
        sides = {case.observations[number].get("side", "client") for number in match.numbers
                 if case.observations[number]["check"].startswith("firewall.")}
        rules = [number for side in sides for number, rule in case.of("firewall.rule", side) if rule["status"] == "fail"]
        failed = [number for check in ("tcp.connect", "pool.wait") for number, one in case.of(check, "client") if one["status"] == "fail"]
        return Match((*match.numbers, *rules, *failed))

    return Joined(explained)


def answered_nearer(case: Case) -> Match | None:
    """A TCP connection is accepted at a distance at which another protocol shows a hop that only passes packets on (RFC 1812, 5.3.1)."""

    def matches() -> t.Iterator[Match]:
        for number, accepted in case.of("route.path", "client"):
            data = accepted["data"]
            accepting = [hop["ttl"] for hop in data.get("hops", ()) if hop["answer"] == "accepted"]
            for other, path in case.of("route.path", "client") if accepting and data["method"] == "tcp" else ():
                passing = {hop["ttl"]: hop["address"] for hop in path["data"].get("hops", ()) if hop["answer"] == "ttl_exceeded"}
                nearest = min(accepting)
                if path["data"].get("method") != "tcp" and path["data"].get("address") == data["address"] and nearest in passing:
                    yield Match((number, other), {**data, "hop": nearest, "middlebox": passing[nearest]})

    return _all(matches())


def answered_there(case: Case) -> Match | None:
    """TCP is answered as far away as another protocol is."""
    distances = {(path["data"]["address"], path["data"]["method"] == "tcp"): (number, path["data"]["distance"])
                 for number, path in case.of("route.path", "client") if path["data"].get("reached")}
    for (address, is_tcp), (number, distance) in distances.items():
        other, other_distance = distances.get((address, not is_tcp), (None, None))
        if other is not None and distance == other_distance:
            return Match((number, other))
    return None


def accepted_by_nobody(case: Case) -> Match | None:
    """A connection to an address of the server itself was accepted, and nobody listens there."""

    def matches() -> t.Iterator[Match]:
        for number, listener in case.of("sockets.listener", "server"):
            for other, rule in case.of("firewall.rule", "server") if listener["data"]["scope"] in ("none", "loopback") else ():
                connected = _connects(case, rule["data"].get("local_address", ""), "ok")
                if connected:
                    yield Match((number, other, *connected), {
                        "address": rule["data"]["local_address"], "port": listener["data"]["port"], "middlebox": "something on the way"})

    return _all(matches())

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several observations of a way show together: sizes that vanish, loss, distance, filters of the reverse path, second holders.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _pace
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Match, Observation, Pattern, Seen, given, seen

# What does not come where large packets vanish. An answer of one byte, as to an SSLRequest, would.
LARGE_IS_MISSING = (
    seen("tls.handshake", "fail", error="timeout") | seen("http.response", "fail", error=("no_response", "incomplete"))
    | seen("postgresql.startup", "fail", result="timeout") | seen("postgresql.login", "fail", error_kind="timeout")
    | seen("postgresql.session", "fail", result="timeout")
)
ANY_FAILURE = (
    seen("tcp.connect", "fail") | seen("tls.handshake", "fail") | seen("tls.verify", "fail") | seen("http.response", "fail")
    | seen("postgresql.ssl_request", "fail") | seen("postgresql.startup", "fail") | seen("postgresql.login", "fail")
)
_NOTHING_CAME = (
    seen("tcp.connect", "fail", error="TIMEOUT") | LARGE_IS_MISSING | seen("postgresql.ssl_request", "fail", answer="timeout")
)
# Martians of others are dropped by the same filter; what this host's own probes met are more.
_MANY_DROPS = 10


def _joined(found: t.Sequence[tuple[tuple[int, ...], dict[str, t.Any]]]) -> Match | None:
    """All numbers, and the facts of the first."""
    return Match(tuple(number for numbers, _facts in found for number in numbers), found[0][1]) if found else None


def _by_address(case: Case, check: str) -> dict[str, tuple[int, dict[str, t.Any]]]:
    return {one["data"].get("address", ""): (number, one["data"]) for number, one in case.of(check, "client")}


@dataclasses.dataclass(frozen=True)
class Here(Pattern):
    """What shows a fault of the host that looked: it is the ``observer``."""

    pattern: Pattern

    def match(self, case: Case) -> Match | None:
        found = self.pattern.match(case)
        return found and Match(found.numbers, {**found.facts, "observer": case.host})


@dataclasses.dataclass(frozen=True)
class WayBack(Pattern):
    """The server's own way to an address of this host that got no answer is so: it answers, and its answers get nowhere."""

    lookup: Seen

    def match(self, case: Case) -> Match | None:
        attempts = list(_attempts(case))
        found = []
        for number in (self.lookup.match(case) or Match()).numbers:
            data = case.observations[number]["data"]
            met = tuple(attempt for attempt, source, _target in attempts if source == data["address"])
            if met:
                found.append(((*met, number), {**data, "observer": case.endpoint.get("server") or case.endpoint["host"]}))
        return _joined(found)


def _black_holes(case: Case, of_own_link: bool) -> Match | None:
    lookups = _by_address(case, "route.lookup")
    found = []
    for number, observed in case.of("route.mtu", "client"):
        data = observed["data"]
        if observed["status"] != "fail" or not data.get("black_hole"):
            continue
        lookup_number, lookup = lookups.get(data["address"], (number, {}))
        first_hops = (lookup.get("gateway") or data["address"],) if lookup else ()
        is_own = not data["lost_after_hop"] and (data["on_link"] or data["lost_before_hop"] in first_hops)
        if is_own == of_own_link:
            facts = {**data, "lost_after_hop": data["lost_after_hop"] or "an unknown hop", "device": lookup.get("device", "")}
            found.append(((number, lookup_number) if of_own_link else (number,), facts))
    return _joined(found)


def black_hole(case: Case) -> Match | None:
    """Somewhere beyond the first link, or it can't be told where."""
    return _black_holes(case, False)


def black_hole_of_own_link(case: Case) -> Match | None:
    """Between this host and its next hop, who is known."""
    return _black_holes(case, True)


def _allowed_loss(case: Case) -> float:
    return 1.0 - float(case.endpoint.get("thresholds", {}).get("success_rate", 0.9))


def loses(case: Case) -> Match | None:
    """The loss is surely more than the endpoint's success rate allows, and TCP meets it: echoes alone may be limited by whom they ask."""
    found = []
    for number, ping in case.of("route.ping", "client"):
        data = ping["data"]
        if not data.get("received") or data.get("loss") is None or data["loss_low"] <= _allowed_loss(case):
            continue
        met_by_tcp = (number,) if data.get("tcp_lost") else () if data.get("tcp_sent") else _steps(case, data["address"])
        if met_by_tcp:
            found.append(((number, *met_by_tcp), {
                **data, "lost": data["sent"] - data["received"], "least": round(data["loss_low"] * 100),
                "most": round(data["loss_high"] * 100), "first_lossy_hop": _first_lossy_hop(data)}))
    return _joined(found)


def _steps(case: Case, address: str) -> tuple[int, ...]:
    """Connections whose SYN was lost: they took one second more, or three, or got nothing at all (RFC 6298)."""
    return tuple(number for number, connect in case.of("tcp.connect", "client") if connect["data"].get("address") == address
                 and (connect["data"]["error"] == "TIMEOUT" or (connect["data"].get("elapsed_ms") or 0.0) > 900.0))


def _first_lossy_hop(data: t.Mapping[str, t.Any]) -> str:
    """A hop that answers few echoes may still forward all; only what is lost from some hop on to the end is lost on the way."""
    first = str(data["address"])
    for hop in reversed(data.get("by_hop", ())):
        if hop["received"] == hop["sent"]:
            break
        first = hop["address"]
    return first


def loses_nothing(case: Case) -> Match | None:
    pings = list(case.of("route.ping", "client"))
    kept = [number for number, ping in pings if ping["data"].get("loss") == 0]
    return Match(tuple(kept)) if kept and len(kept) == len(pings) else None


def silence_by_loss(case: Case) -> Match | None:
    """Where some of what is sent to the port arrives, what stayed without an answer was lost too."""
    arrives = any(path["data"].get("method") == "tcp" and path["data"].get("reached") for _number, path in case.of("route.path", "client"))
    arrives = arrives or any(
        ping["data"].get("tcp_sent", 0) > ping["data"].get("tcp_lost", 0) for _number, ping in case.of("route.ping", "client"))
    return _NOTHING_CAME.match(case) if arrives and loses(case) else None


def far(case: Case) -> Match | None:
    """An address is slow, and going there and back as often as it has to is at least half of its time."""
    found = []
    for pace in _pace.paces(case):
        measured = _pace.rtt_ms(case, pace.address)
        if pace.is_slow and measured and pace.round_trips * measured[1] >= pace.took_ms / 2:
            found.append(((pace.number, measured[0]), {
                "address": pace.address, "took_ms": round(pace.took_ms), "limit_ms": round(pace.limit_ms),
                "round_trips": pace.round_trips, "rtt_ms": round(measured[1]), "slowest_hop": _slowest_hop(case, pace.address)}))
    return _joined(found)


def _slowest_hop(case: Case, address: str) -> str:
    """The hop before which most of the time is spent: from there on everything is late."""
    for _number, path in case.of("route.path", "client"):
        if path["data"].get("address") == address and path["data"].get("method") != "tcp":
            hops = [hop for hop in path["data"]["hops"] if hop["rtt_ms"] is not None]
            steps = [(after["rtt_ms"] - before, after["address"]) for before, after in zip([0.0, *[hop["rtt_ms"] for hop in hops]], hops)]
            return str(max(steps)[1]) if steps else ""
    return ""


def near(case: Case) -> Match | None:
    pings = [(number, ping["data"]["rtt_ms"]["median"]) for number, ping in case.of("route.ping", "client")
             if (ping["data"].get("rtt_ms") or {}).get("median") is not None]
    limit_ms = float(case.endpoint.get("thresholds", {}).get("latency_ms", 1000.0))
    return Match(tuple(number for number, _median in pings)) if pings and all(
        median < limit_ms / 10 for _number, median in pings) else None


def _attempts(case: Case) -> t.Iterator[tuple[int, str, str]]:
    """Connections without an answer: number, from, to."""
    for number, connect in case.of("tcp.connect", "client"):
        if connect["status"] == "fail" and connect["data"]["error"] == "TIMEOUT":
            yield number, connect["vantage"]["address"], connect["data"]["address"]


def _arrivals(observed: Observation, address: str) -> t.Iterator[dict[str, t.Any]]:
    """The interfaces that have this address."""
    return (one for one in observed["data"].get("interfaces", ()) if address in one["addresses"])


def dropped_by_servers_reverse_path(case: Case) -> Match | None:
    """The server refuses packets of this host's address on the interface that has the address they are sent to."""
    found = []
    for number, observed in case.of("route.reverse_path", "server"):
        for attempt, source, target in _attempts(case):
            if source and observed["data"]["address"] == source:
                found += [((attempt, number), {
                    "observer": case.endpoint.get("server") or case.endpoint["host"], "peer": source, "device": one["name"],
                    "return_device": observed["data"]["return_device"] or "no interface"})
                    for one in _arrivals(observed, target) if one["accepts_peer"] is False]
    return _joined(found)


def dropped_by_own_reverse_path(case: Case) -> Match | None:
    """While probes got no answer, this host's own filter dropped as many packets as no other traffic explains, on an interface where
    it takes none of this peer.
    """
    pings = _by_address(case, "route.ping")
    found = []
    for number, observed in case.of("route.reverse_path", "client"):
        data = observed["data"]
        refusing = [one["name"] for one in data.get("interfaces", ()) if one["accepts_peer"] is False]
        ping_number, ping = pings.get(data["address"], (number, {"received": 1}))
        if data["dropped_during_probe"] >= _MANY_DROPS and refusing and not ping.get("received"):
            found += [((attempt, number, ping_number), {
                "observer": case.host, "peer": target, "device": ", ".join(refusing), "return_device": data["return_device"]})
                for attempt, _source, target in _attempts(case) if target == data["address"]]
    return _joined(found)


def reverse_path_is_open(case: Case) -> Match | None:
    """The server was asked, and takes what this host sends where it arrives."""
    numbers = tuple(number for number, observed in case.of("route.reverse_path", "server") for _attempt, _source, target in _attempts(case)
                    if any(one["accepts_peer"] is True for one in _arrivals(observed, target)))
    return Match(numbers) if numbers and not dropped_by_servers_reverse_path(case) else None


def held_twice(case: Case) -> Match | None:
    """Another machine holds this host's own address, that of its next hop, or the server's that was connected to."""
    failures = ANY_FAILURE.match(case)
    found = []
    for side, observer in (("client", case.host), ("server", case.endpoint.get("server") or case.endpoint["host"])):
        for number, observed in case.of("route.neighbours", side) if failures else ():
            if observed["status"] == "fail" and (side == "client" or observed["data"]["duplicate_address"] in _targets(case)):
                found.append(((*failures.numbers, number), {**observed["data"], "observer": observer}))
    return _joined(found)


def _targets(case: Case) -> set[str]:
    return {connect["data"]["address"] for _number, connect in case.of("tcp.connect", "client")}


def tunnel_is_down(case: Case) -> Match | None:
    """This host, or the server, has a tunnel that is down, and whose network holds the other's address."""
    failed = seen("tcp.connect", "fail", answer=lambda answer: answer != "rst").match(case)
    found = []
    for side, observer in (("client", case.host), ("server", case.endpoint.get("server") or case.endpoint["host"])):
        for number, lookup in case.of("route.lookup", side) if failed else ():
            if lookup["data"].get("tunnels_down"):
                found.append(((*failed.numbers, number), {**lookup["data"], "observer": observer}))
    return _joined(found)


def tunnel_may_be_down(case: Case) -> Match | None:
    """What is sent into a tunnel gets no answer; of its other end nothing is known."""
    silent = seen("tcp.connect", "fail", error=("TIMEOUT", "EHOSTUNREACH"), answer=("none", "icmp")).match(case)
    inside = seen("route.lookup", tunnel=given).match(case) if silent else None
    if not silent or not inside:
        return None
    return Match((), {"observer": case.host, "tunnels_down": inside.facts["device"]}) + silent + inside


def mapping_is_gone(case: Case) -> Match | None:
    """Nobody serves at the endpoint's address, which is none of the server's own; and directly it serves."""
    serves = seen_directly(case)
    found = []
    for number, connect in case.of("tcp.connect", "client") if serves else ():
        address = connect["data"]["address"]
        others = tuple(one for one, addresses in addresses_of_server(case) if address not in addresses)
        if connect["status"] == "fail" and connect["data"]["answer"] in ("rst", "none") and others:
            found.append(((number, *others, *serves.numbers), {**connect["data"], "direct": serves.facts["target"]}))
    return _joined(found)


def mapping_may_be_gone(case: Case) -> Match | None:
    """The same, where nothing is known of who holds the address."""
    serves = seen_directly(case)
    refused = seen("tcp.connect", "fail", answer=("rst", "none")).match(case)
    if not serves or not refused or any(True for _one in addresses_of_server(case)):
        return None
    return refused + Match(serves.numbers, {"direct": serves.facts["target"]})


def seen_directly(case: Case) -> Match | None:
    """What is behind the endpoint accepts connections of this host."""
    members = [(number, connect) for number, connect in case.of("tcp.connect", "member") if connect["status"] == "ok"]
    return Match(tuple(number for number, _connect in members), {"target": members[0][1]["target"]}) if members else None


def no_mapping(case: Case) -> Match | None:
    """The server holds the address itself, or it is not served directly either."""
    own = {address for number, addresses in addresses_of_server(case) for address in addresses}
    direct = [(number, connect["status"]) for number, connect in case.of("tcp.connect", "member")]
    if direct and all(status == "fail" for _number, status in direct):
        return Match(tuple(number for number, _status in direct))
    held = tuple(number for number, connect in case.of("tcp.connect", "client") if connect["data"]["address"] in own)
    return Match(held) if held else None


def addresses_of_server(case: Case) -> t.Iterator[tuple[int, list[str]]]:
    """Which IPv4 addresses the server has, where it was asked."""
    for number, observed in case.of("route.reverse_path", "server"):
        if observed["data"].get("interfaces"):
            yield number, [address for one in observed["data"]["interfaces"] for address in one["addresses"]]


_LEAST_BULK_BYTES = 65536
# More than a way's latency wavers by itself: what waits in a full queue waits for longer.
_QUEUE_MS = 20.0
_FEW_LOST = 0.02


def _too_slow(case: Case) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
    wanted = float(case.endpoint.get("thresholds", {}).get("bits_per_second") or 0.0)
    for number, moved in case.of("throughput.transfer", "client"):
        data = moved["data"]
        rate = data.get("steady_bits_per_second") or data.get("bits_per_second")
        if wanted and moved["status"] == "ok" and data["bytes"] >= _LEAST_BULK_BYTES and rate and rate < wanted:
            yield number, {**data, "megabits": round(rate / 1e6, 2), "wanted_megabits": round(wanted / 1e6, 2)}


def _way_is_full(data: t.Mapping[str, t.Any]) -> bool:
    """While bytes went over, packets waited in a queue on the way, or were dropped by a limit."""
    return (data.get("rtt_added_ms") or 0.0) > _QUEUE_MS or (data.get("loss_loaded") or 0.0) > _FEW_LOST


def full_way(case: Case) -> Match | None:
    return _joined([((number,), data) for number, data in _too_slow(case) if _way_is_full(data)])


def slow_bulk(case: Case) -> Match | None:
    return _joined([((number,), data) for number, data in _too_slow(case) if not _way_is_full(data)])


def held_once(case: Case) -> Match | None:
    """Where somebody was asked, nobody else answered."""
    asked = [(number, observed) for side in ("client", "server") for number, observed in case.of("route.neighbours", side)]
    return Match(tuple(number for number, _observed in asked)) if asked and all(
        observed["status"] == "ok" for _number, observed in asked) else None

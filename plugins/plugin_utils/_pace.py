# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an endpoint took, against what the user allows it, and how much of that the way there accounts for. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation

# What an endpoint of a scheme is timed by; the first that was seen counts.
_TIMED_BY: dict[str, tuple[str, ...]] = {
    "http": ("http.response",),
    "https": ("http.response",),
    "postgresql": ("postgresql.login", "postgresql.startup"),
    "tls": ("tls.handshake",),
    "grpcs": ("tls.handshake",),
    "tcp": ("tcp.connect",),
    "grpc": ("tcp.connect",),
}
_WORKS = ("ok", "warn")
# How often a login goes there and back: connection, SSLRequest, TLS, startup, and SCRAM's two (RFC 5802); without TLS, two less.
_LOGIN, _STARTUP, _OF_TLS = 4, 2, 2


class Pace(t.NamedTuple):
    """Of one observation, with its ``number``: times in ms, and ``round_trips``, how often a packet had to go there and back for it."""

    number: int
    address: str
    took_ms: float
    limit_ms: float
    round_trips: int

    @property
    def is_slow(self) -> bool:
        return self.took_ms >= self.limit_ms


def paces(case: Case) -> list[Pace]:
    """Of each address that works, how long it took; empty where no limit is given or nothing was timed."""
    limit_ms = case.endpoint.get("thresholds", {}).get("latency_ms")
    for check in _TIMED_BY[case.endpoint["scheme"]] if limit_ms else ():
        found = []
        for number, observation in case.of(check, "client"):
            took_ms = _took_ms(observation)
            if observation["status"] in _WORKS and took_ms is not None:
                address = str(observation["data"].get("address") or observation["target"].rpartition(":")[0].strip("[]"))
                found.append(Pace(number, address, took_ms, limit_ms, _round_trips(case, observation)))
        if found:
            return found
    return []


def _took_ms(observation: Observation) -> float | None:
    data = observation["data"]
    took = (data.get("phases") or {}).get("total_ms") if observation["check"] == "http.response" else data.get("elapsed_ms")
    return float(took) if isinstance(took, (int, float)) else None


def _round_trips(case: Case, observation: Observation) -> int:
    data = observation["data"]
    if observation["check"] == "http.response":
        phases = data["phases"]
        tls = _of_handshake(data.get("tls_version")) if phases.get("tls_ms") else 0
        return sum(bool(phases.get(key)) for key in ("connect_ms", "proxy_ms")) + tls + 1
    if observation["check"] == "tls.handshake":
        return _of_handshake(data.get("version"))
    if observation["check"].startswith("postgresql."):
        encrypted = data.get("tls") if "tls" in data else case.endpoint.get("sslmode") not in ("disable", "allow")
        return (_LOGIN if observation["check"] == "postgresql.login" else _STARTUP) + (_OF_TLS if encrypted else 0)
    return 1


def _of_handshake(version: t.Any) -> int:
    """RFC 8446, section 2: TLS 1.3 needs one round trip where TLS 1.2 needed two."""
    return 1 if version == "TLSv1.3" else 2


def rtt_ms(case: Case, address: str) -> tuple[int, float] | None:
    """The number of the observation that measured the way to an address with many packets, and their median."""
    for number, ping in case.of("route.ping", "client"):
        median = (ping["data"].get("rtt_ms") or {}).get("median")
        if ping["data"].get("address") == address and median is not None:
            return number, float(median)
    return None


def own_time(case: Case) -> str:
    """Where a server takes its time before every answer, on ways that were measured and lose nothing: a sentence for it, else ''."""
    limit_ms = case.endpoint.get("thresholds", {}).get("latency_ms")
    answers = [observation for _number, observation in case.of("http.response", "client") if observation["status"] in _WORKS]
    waits = [(observation["data"].get("phases") or {}).get("first_byte_ms") or 0.0 for observation in answers]
    ways = [ping["data"] for _number, ping in case.of("route.ping", "client")]
    if not waits or not limit_ms or min(waits) < limit_ms or not ways:
        return ""
    if any(way.get("loss") != 0 or way["rtt_ms"]["median"] > limit_ms / 2 for way in ways):
        return ""
    return "its answer began after %.0f ms (limit %.0f), of which %.0f ms are the way's: the rest is the server's own time" % (
        min(waits), limit_ms, max(way["rtt_ms"]["median"] for way in ways))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How every form reads the report: its rows, what shows a cause, and when each observation was made.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import datetime
import typing as t

# The worst first, as a person wants to see them.
WORST_FIRST = ("down", "degraded", "unknown", "healthy")
# Facts that a proof needs, and that say the least by themselves.
_BACKGROUND = ("dns.configuration", "dns.hosts_file")

Report = t.Mapping[str, t.Any]
Endpoint = t.Mapping[str, t.Any]
Observation = t.Mapping[str, t.Any]
Cause = t.Mapping[str, t.Any]


class Row(t.NamedTuple):
    """One endpoint as one host sees it."""

    host: str
    name: str
    endpoint: Endpoint

    @property
    def state(self) -> str:
        return str(self.endpoint["state"])


def rows(report: Report) -> t.Iterator[Row]:
    """In the order of the report."""
    for host, seen in report["hosts"].items():
        for name, endpoint in seen["endpoints"].items():
            yield Row(host, name, endpoint)


def proofs(endpoint: Endpoint, cause: Cause) -> list[Observation]:
    """The observations that show the cause, the most telling first."""
    return [endpoint["observations"][number] for number in evidence(endpoint, cause)]


def evidence(endpoint: Endpoint, cause: Cause) -> list[int]:
    """Their numbers, in the same order."""
    def rank(number: int) -> tuple[bool, bool]:
        observation = endpoint["observations"][number]
        return observation["status"] != "fail", observation["check"] in _BACKGROUND

    return sorted(cause["evidence"], key=rank)


def told(observation: Observation) -> str:
    """What was seen, and where, unless it was seen by the host itself."""
    elsewhere = observation.get("side") == "server"
    return observation["message"] + (" (seen on %s)" % observation["vantage"]["host"] if elsewhere else "")


def is_undecided(cause: Cause) -> bool:
    """It is a candidate: what was seen does not tell it from others."""
    return "decide_by" in cause


def percent(confidence: float) -> str:
    return "%d %%" % round(confidence * 100)


def started_ms(observation: Observation) -> float | None:
    """Milliseconds since the epoch; None for what stands for something that was not observed."""
    try:
        return datetime.datetime.fromisoformat(observation["started_at"]).timestamp() * 1000
    except ValueError:
        return None


def took_s(endpoint: Endpoint) -> float:
    """Seconds from the first observation's begin to the last one's end. Two machines' clocks are not put together."""
    spans = [(start, start + observation["duration_ms"]) for observation in endpoint["observations"]
             if observation.get("side") != "server" and (start := started_ms(observation)) is not None]
    return (max(end for _start, end in spans) - min(start for start, _end in spans)) / 1000 if spans else 0.0

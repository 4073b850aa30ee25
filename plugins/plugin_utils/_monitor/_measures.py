# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run measured of an endpoint, from its observations. Pure functions.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import bounds
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._pace import paces

Measured = t.Dict[str, t.Optional[float]]


def measured(case: Case) -> Measured:
    """:returns: by name; None for what was not measured. Of several addresses, the worst counts."""
    return {name: measure(case) for name, measure in MEASURES.items()}


def _latency_s(case: Case) -> float | None:
    """From the first packet to the answer, or to the session of a database."""
    return _worst(pace.took_ms / 1000 for pace in paces(case))


def _query_s(case: Case) -> float | None:
    """Of ``SELECT 1`` in a session that is open."""
    return _worst(milliseconds / 1000 for milliseconds in _facts(case, "postgresql.session", "select_1_ms"))


def _pool_usage(case: Case) -> float | None:
    """How much is taken of what a login may use: of the server's connections, the role's or the database's, the fullest."""
    return _worst(
        used / limit
        for _number, one in case.of("postgresql.connections", "client") if one["status"] in ("ok", "warn")
        for _whose, used, limit in bounds(one["data"]) if limit > 0)


def _certificate_days(case: Case) -> float | None:
    """Until the first certificate of the chain ends."""
    return _worst(_facts(case, "tls.certificate", "chain_days_left"), min)


def _clock_offset_s(case: Case) -> float | None:
    """This host's clock minus the one that told its time most exactly."""
    told = [one["data"] for one in case.own() if one["check"] == "clock.offset" and one["data"].get("offset_s") is not None]
    return min(told, key=_uncertainty)["offset_s"] + 0.0 if told else None


def _uncertainty(offset: t.Mapping[str, t.Any]) -> float:
    return float(offset.get("uncertainty_s") or 0.0)


MEASURES: dict[str, t.Callable[[Case], float | None]] = {
    "latency_s": _latency_s,
    "query_s": _query_s,
    "pool_usage": _pool_usage,
    "certificate_days": _certificate_days,
    "clock_offset_s": _clock_offset_s,
}


def _facts(case: Case, check: str, key: str) -> t.Iterator[float]:
    """The fact of every observation of a check that has it."""
    for _number, one in case.of(check, "client"):
        value = _fact(one, key)
        if value is not None:
            yield value


def _fact(observation: Observation, key: str) -> float | None:
    value = observation["data"].get(key)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _worst(values: t.Iterable[float], choose: t.Callable[[list[float]], float] = max) -> float | None:
    found = list(values)
    return round(choose(found), 6) if found else None

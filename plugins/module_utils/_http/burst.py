# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many requests one after the other, each on a connection of its own: what differs between them is behind a balancer.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

Ask = t.Callable[[], t.Tuple[bool, t.Mapping[str, t.Any]]]

MOST = 100
# With so many requests, one bad member of so many shows in at least one of them: 99 of 100 times.
_CERTAINTY = 0.99


def run(ask: Ask, first: tuple[bool, t.Mapping[str, t.Any]], count: int, remaining: t.Callable[[], float]) -> dict[str, t.Any]:
    """Ask until there are ``count`` answers, or time is up.

    :param ask: one request: whether it was accepted, and the data of its ``http.response``. :param first: one that was made before.
    :param count: at most 100 are made. :param remaining: seconds left for all of them.
    """
    seen = [first]
    longest = 0.0
    while len(seen) < min(count, MOST) and remaining() > longest + 0.05:
        began = time.monotonic()
        seen.append(ask())
        longest = max(longest, time.monotonic() - began)
    return _facts(seen, count)


def _facts(seen: t.Sequence[tuple[bool, t.Mapping[str, t.Any]]], count: int) -> dict[str, t.Any]:
    answers = [data for _accepted, data in seen]
    failures = sum(not accepted for accepted, _data in seen)
    took = sorted(data["phases"]["total_ms"] for data in answers if data.get("phases") and not data.get("error"))
    certificates = _counted(data.get("certificate_fingerprint_sha256") for data in answers)
    servers = _counted(data.get("server") for data in answers)
    return {
        "count": count,
        "requests": len(seen),
        "failures": failures,
        "failure_ratio": round(failures / len(seen), 3),
        "statuses": _counted(str(data["status"]) for data in answers if data.get("status")),
        "errors": _counted(data.get("error") for data in answers),
        "servers": servers,
        "certificates": certificates,
        "mixed": 0 < failures < len(seen),
        "members_differ": len(certificates) > 1 or len(servers) > 1,
        "median_ms": took[len(took) // 2] if took else None,
        "largest_ms": took[-1] if took else None,
        "detectable_ratio": round(1 - (1 - _CERTAINTY) ** (1 / len(seen)), 3),
    }


def _counted(values: t.Iterable[str | None]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for value in values:
        if value:
            counts[value] = counts.get(value, 0) + 1
    return counts

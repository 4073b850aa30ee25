# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flooded port beside what looks like it: a service that does not accept, a filter that is silent."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord


def observation(check: str, outcome: str, /, side: str = "server", **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": outcome, "target": "10.0.0.5:8200", "vantage": {"host": "apm1", "address": "", "user": "root"},
            "data": data, "message": check}
    return {**made, "side": side} if side else made


def connect(error: str, elapsed_ms: float, answer: str = "none") -> dict[str, t.Any]:
    return observation("tcp.connect", "fail" if error else "ok", "", address="10.0.0.5", port=8200, family="ipv4", error=error,
                       answer=answer, elapsed_ms=elapsed_ms, dropped_here="none")


LOST, LATE = connect("TIMEOUT", 5000.0), connect("", 1031.0, "accepted")
AT_ONCE, ANSWERED = connect("", 1.0, "accepted"), observation("http.response", "ok", "", error="", status=200)
FULL = {"listeners": [], "scope": "reachable", "families": ["ipv4"], "queue_full": True}


def connections(half_open: int, limit: int) -> dict[str, t.Any]:
    return observation("sockets.connections", "warn" if half_open >= limit else "ok", port=8200, by_state={"SYN_RECV": half_open})


def overflow(cookies: int, drops: int = 0) -> dict[str, t.Any]:
    return observation("sockets.overflow", "warn", rises={"syncookies_sent": cookies, "drops": drops, "overflows": 0})


@pytest.mark.parametrize(("seen", "listener", "expected"), [
    ([LOST, connections(512, 511), overflow(0, 400)], {"queue_full": False}, True),
    ([LATE, ANSWERED, connections(300, 511), overflow(900)], {"queue_full": False}, True),  # cookies keep it going
    ([LATE, ANSWERED, connections(3, 511), overflow(900)], {"queue_full": False}, False),  # another port's
    ([LOST, connections(512, 511), overflow(30)], FULL, False),  # the service itself lets them wait
    ([LOST, connections(2, 511), overflow(0)], {"queue_full": False}, False),
    ([AT_ONCE, ANSWERED, connections(512, 511), overflow(900)], {"queue_full": False}, False),  # it does nobody harm
])
def test_a_port_is_flooded_where_clients_lose_their_first_packet(
    seen: list[dict[str, t.Any]], listener: dict[str, t.Any], expected: bool,
) -> None:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": "https://10.0.0.5:8200", "server": "apm1"}], "web1"))
    listens = observation("sockets.listener", "ok", port=8200, **{"scope": "reachable", "families": ["ipv4"], **listener})
    causes = [cause["code"] for cause in infer(Case("web1", record.endpoints[0], [*seen, listens])).causes]
    assert ("server.syn_flood" in causes) is expected
    assert not expected or causes == ["server.syn_flood"]

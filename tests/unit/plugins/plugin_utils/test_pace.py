# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long an endpoint took, how often it went there and back for that, and whose time it was."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._pace import own_time, paces

ADDRESS = "10.0.0.5"


def observation(check: str, outcome: str, /, **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": outcome, "target": ADDRESS + ":443", "vantage": {"address": ""}, "data": data, "message": check}


def case(scheme: str, *observations: dict[str, t.Any], limit_ms: float | None = 1000.0, **described: t.Any) -> Case:
    thresholds = {} if limit_ms is None else {"latency_ms": limit_ms}
    return Case("web1", {"name": "e", "scheme": scheme, "host": "h", "port": 443, "url": "x", "server": "", "thresholds": thresholds,
                         **described}, observations)


def answered(total_ms: float, first_byte_ms: float = 1.0, outcome: str = "ok", **more: t.Any) -> dict[str, t.Any]:
    phases = {"connect_ms": 1.0, "proxy_ms": None, "tls_ms": 2.0, "first_byte_ms": first_byte_ms, "total_ms": total_ms}
    return observation("http.response", outcome, address=ADDRESS, tls_version="TLSv1.3", error="", status=200, phases={**phases, **more})


def way(median: float | None, loss: float | None = 0.0, address: str = ADDRESS) -> dict[str, t.Any]:
    return observation("route.ping", "ok", address=address, loss=loss, rtt_ms={"median": median})


@pytest.mark.parametrize(("scheme", "seen", "round_trips"), [
    ("https", answered(5.0), 3),
    ("https", observation("http.response", "ok", tls_version="TLSv1.2", phases={"connect_ms": 1, "tls_ms": 1, "total_ms": 5}), 4),
    ("http", observation("http.response", "ok", phases={"connect_ms": 1.0, "proxy_ms": None, "tls_ms": None, "total_ms": 5}), 2),
    ("https", answered(5.0, proxy_ms=3.0), 4),
    ("tls", observation("tls.handshake", "ok", version="TLSv1.3", elapsed_ms=5), 1),
    ("grpcs", observation("tls.handshake", "ok", version="TLSv1.2", elapsed_ms=5), 2),
    ("tcp", observation("tcp.connect", "ok", address=ADDRESS, elapsed_ms=5), 1),
    ("postgresql", observation("postgresql.login", "ok", tls=True, elapsed_ms=5), 6),
    ("postgresql", observation("postgresql.login", "ok", tls=False, elapsed_ms=5), 4),
    ("postgresql", observation("postgresql.startup", "ok", tls=True, elapsed_ms=5), 4),
])
def test_how_often_it_goes_there_and_back(scheme: str, seen: dict[str, t.Any], round_trips: int) -> None:
    (pace,) = paces(case(scheme, seen))
    assert (pace.address, pace.took_ms, pace.limit_ms, pace.round_trips, pace.is_slow) == (ADDRESS, 5.0, 1000.0, round_trips, False)


def test_what_failed_or_has_no_limit_is_not_timed() -> None:
    assert paces(case("https", answered(5000.0, outcome="fail"))) == []
    assert paces(case("https", answered(5000.0), limit_ms=None)) == []
    assert paces(case("https", answered(5000.0), limit_ms=0)) == []
    assert paces(case("https", observation("http.response", "ok"))) == []


def test_whether_the_way_or_the_server_is_slow() -> None:
    far = infer(case("https", answered(1260.0, 420.0), way(410.0)))
    assert [(cause["code"], cause["evidence"]) for cause in far.causes] == [("network.high_latency", [0, 1])]
    assert far.state == "degraded"
    busy = infer(case("https", answered(1260.0, 1200.0), way(0.3)))
    assert (busy.state, busy.causes) == ("degraded", ())
    assert busy.reason == (
        "its answer began after 1200 ms (limit 1000), of which 0 ms are the way's: the rest is the server's own time")
    assert infer(case("https", answered(1260.0, 420.0), way(410.0), limit_ms=2000.0)).state == "healthy"


def test_a_server_is_not_called_slow_on_a_guess() -> None:
    """Of what one packet that was sent again does to one connection, nothing follows."""
    slow = answered(1260.0, 1200.0)
    assert own_time(case("https", slow)) == ""  # nobody looked at the way
    assert own_time(case("https", slow, answered(20.0), way(0.3))) == ""  # by the other address it is quick
    assert own_time(case("https", slow, way(0.3, loss=0.02))) == ""
    assert own_time(case("https", slow, way(0.3, loss=None))) == ""
    assert own_time(case("https", slow, way(700.0))) == ""
    assert own_time(case("https", slow, way(0.3))) != ""

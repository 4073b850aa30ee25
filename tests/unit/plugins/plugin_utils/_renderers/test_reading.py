# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all forms read of the report."""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import evidence, started_ms, told, took_s


def _observation(check: str, status: str, started_at: str, duration_ms: float = 0.0, **more: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": status, "started_at": started_at, "duration_ms": duration_ms, "message": check,
            "vantage": {"host": "db1", "address": "", "user": ""}, **more}


def test_what_failed_is_told_first_and_what_is_background_last() -> None:
    endpoint = {"observations": [
        _observation("dns.configuration", "ok", ""), _observation("tcp.connect", "ok", ""), _observation("tcp.connect", "fail", "")]}
    assert evidence(endpoint, {"evidence": [0, 1, 2]}) == [2, 1, 0]


def test_what_the_server_saw_is_told_as_such() -> None:
    assert told(_observation("sockets.listener", "ok", "", side="server")) == "sockets.listener (seen on db1)"
    assert told(_observation("tcp.connect", "ok", "", side="member")) == "tcp.connect"


def test_times() -> None:
    assert started_ms(_observation("a.b", "ok", "1970-01-01T00:00:01.500Z")) == 1500.0
    assert started_ms(_observation("a.b", "ok", "")) is None
    assert took_s({"observations": []}) == 0.0
    assert took_s({"observations": [
        _observation("a.b", "ok", "1970-01-01T00:00:01.000Z", 100.0), _observation("a.b", "ok", "1970-01-01T00:00:01.200Z", 300.0),
        _observation("a.b", "ok", ""), _observation("a.b", "ok", "1970-01-01T09:00:00.000Z", side="server"),
    ]}) == 0.5

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock probe against time servers on loopback, and a real chronyd where there is one."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _clock_daemon, _clock_sources
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import clock
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.time_server import TimeServer, answer

SOURCE_KEYS = {"server", "address", "port", "kind", "file", "line", "limit_s", "error", "offset_ms", "uncertainty_ms", "delay_ms",
               "stratum", "leap", "refid", "kiss", "selected", "root_delay_ms", "root_dispersion_ms"}


def probe(port, *servers, **parameters):
    return run_probe("clock", {"servers": list(servers), "port": port, "offset_limit": 5.0, "answer_timeout": 0.5, **parameters})


def test_a_right_clock():
    with TimeServer(lambda query: [answer(query)]) as server:
        result = probe(server.port, "127.0.0.1")
    source, offset = result.one("clock.source"), result.one("clock.offset")
    assert (source["status"], offset["status"]) == ("ok", "ok")
    assert set(source["data"]) == SOURCE_KEYS
    assert (source["data"]["server"], source["data"]["stratum"], source["data"]["error"]) == ("127.0.0.1", 2, "")
    assert abs(source["data"]["offset_ms"]) < 100
    assert (offset["data"]["reference"], offset["data"]["servers"], offset["data"]["outliers"]) == ("ntp", 1, [])


def test_a_clock_that_is_ten_minutes_behind_its_server():
    with TimeServer(lambda query: [answer(query, 600.0)]) as server:
        result = probe(server.port, "127.0.0.1")
    assert result.one("clock.source")["status"] == "warn"
    offset = result.one("clock.offset")
    assert offset["status"] == "warn"
    assert offset["data"]["offset_s"] == pytest.approx(-600, abs=1)
    assert probe_limit(601.0)["status"] == "ok"


def probe_limit(limit):
    with TimeServer(lambda query: [answer(query, 600.0)]) as server:
        return probe(server.port, "127.0.0.1", offset_limit=limit).one("clock.offset")


def test_a_silent_server_is_told_and_gives_no_offset():
    with TimeServer(lambda query: []) as server:
        result = probe(server.port, "127.0.0.1")
    source = result.one("clock.source")
    assert (source["status"], source["data"]["error"], source["data"]["offset_ms"]) == ("fail", "TIMEOUT", None)
    assert "clock.offset" not in result.checks


def test_a_server_whose_name_is_unknown():
    result = probe(1, "nowhere.invalid")
    source = result.one("clock.source")
    assert source["data"]["error"].startswith("EAI_")
    assert source["data"]["address"] == ""


def test_a_kiss_of_death():
    with TimeServer(lambda query: [answer(query, stratum=0, refid=b"RATE")]) as server:
        data = probe(server.port, "127.0.0.1").one("clock.source")["data"]
    assert (data["error"], data["kiss"]) == ("KISS_OF_DEATH", "RATE")


def test_one_server_of_three_that_is_wrong_is_the_outlier(monkeypatch):
    skews = {"127.0.0.1": 0.0, "127.0.0.2": 900.0, "127.0.0.3": 0.1}
    servers = [TimeServer(lambda query, skew=skew: [answer(query, skew)], address, 0) for address, skew in skews.items()]
    sources = [_clock_sources.Source(server.address, server.port, "server", "chrony", "/x", 1) for server in servers]
    monkeypatch.setattr(clock, "_sources", lambda _parameters, _configured, _state: sources)
    for server in servers:
        server.__enter__()
    try:
        data = run_probe("clock", {"servers": [], "port": 123, "offset_limit": 5.0, "answer_timeout": 1.0}).one("clock.offset")["data"]
    finally:
        for server in servers:
            server.__exit__()
    assert data["outliers"] == ["127.0.0.2"]
    assert (data["servers"], data["spread_s"]) == (3, pytest.approx(900, abs=1))
    assert abs(data["offset_s"]) < 1


def test_what_this_hosts_daemon_says_has_its_types():
    data = probe(1, "127.0.0.1").one("clock.synchronization")["data"]
    for key, types in {"daemon": str, "unit": str, "running": bool, "sources": int, "reachable": int, "daemon_sources": list,
                       "configured": list, "selected": str, "leap": str}.items():
        assert isinstance(data[key], types), key
    assert data["synchronized"] in (True, False, None)
    assert data["enabled"] in (True, False, None)
    assert (data["synchronized"] is None) == ("reason" in data)


def test_addresses_of_a_pool_and_of_a_server():
    addresses = ["2001:db8::1", "192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::2", "192.0.2.3"]
    assert clock._chosen(addresses, "pool") == ["2001:db8::1", "192.0.2.1", "192.0.2.2", "2001:db8::2"]
    assert clock._chosen(addresses, "server") == ["2001:db8::1", "192.0.2.1"]


def test_sources_that_only_the_daemon_knows_are_asked_too():
    """From DHCP, or told by chronyc: no file has them."""
    known = ({"address": "192.0.2.1", "state": "selected", "selected": True, "reach": 255, "stratum": 2, "offset_ms": 0.0},)
    state = _clock_daemon.State(True, "192.0.2.1", 0.0, 3, "none", known, "")
    given = {"servers": [], "port": 123}
    assert [one.name for one in clock._sources(given, [], state)] == ["192.0.2.1"]
    configured = [_clock_sources.Source("a.example", 123, "pool", "chrony", "/x", 1)]
    assert clock._sources(given, configured, state) == configured
    assert [(one.name, one.port) for one in clock._sources({"servers": ["b.example"], "port": 7}, configured, state)] == [("b.example", 7)]

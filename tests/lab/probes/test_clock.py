# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock probe over ssh beside chronyc and chronyd's own measurement: a daemon that stopped, and servers that are silent or wrong."""
from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, filtered, observe
from ansible_collections.connectivity.doctor.tests.support import time_server

CLIENT, SERVER, ADDRESS, SECOND, SECOND6 = "web3", "ns1", "10.77.2.53", "10.77.2.54", "fd77:2::54"


def measured_by_chronyd(lab: Lab, server: str) -> float:
    """How far the clock is ahead of the server's, as chronyd says, which calls it wrong by the opposite. It sets nothing (``-Q``)."""
    said = lab.run(CLIENT, ["chronyd", "-Q", "-t", "8", f"server {server} iburst maxsamples 1"], check=False)
    return -float(re.search(r"System clock wrong by (\S+) seconds", said.stdout + said.stderr).group(1))


def clock(lab: Lab, /, become: bool = True, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_clock", become=become, **{"offset_limit": 5, **parameters})


def tracking(lab: Lab) -> list[str]:
    return lab.run(CLIENT, ["chronyc", "-n", "-c", "tracking"]).stdout.strip().split(",")


@contextmanager
def wrong_server(lab: Lab, address: str, port: int, skew: float, stratum: int = 2, leap: int = 0) -> Iterator[None]:
    """A time server on the lab's name server whose clock is wrong."""
    lab.put(SERVER, "/root/time_server.py", Path(time_server.__file__).read_text())
    unit = f"wrong-time-{port}"
    with broken(lab, SERVER, f"systemd-run --quiet --unit={unit} python3 /root/time_server.py {address} {port} {skew} {stratum} {leap}",
                f"systemctl stop {unit}"):
        lab.run(SERVER, f"until ss -Hlun 'sport = :{port}' | grep -q .; do sleep 0.1; done")
        yield


@contextmanager
def configured(lab: Lab, sources: str, wait_for: str) -> Iterator[None]:
    """chronyd with these sources instead of its own; its configuration names a folder of them."""
    with broken(lab, CLIENT,
                "cp /etc/chrony/chrony.conf /root/chrony.conf; mkdir -p /etc/chrony/test.d; "
                "printf 'driftfile /var/lib/chrony/chrony.drift\ncmdport 0\nsourcedir /etc/chrony/test.d\n' > /etc/chrony/chrony.conf; "
                f"printf '{sources}' > /etc/chrony/test.d/test.sources; systemctl restart chrony; "
                f"for _ in $(seq 150); do chronyc -n -c sources | grep -q '{wait_for}' && break; sleep 0.1; done",
                "cp /root/chrony.conf /etc/chrony/chrony.conf; rm -r /etc/chrony/test.d; systemctl restart chrony"):
        yield
    lab.wait_until_healthy(CLIENT)


def test_a_right_clock_as_chronyc_sees_it(lab: Lab) -> None:
    seen = clock(lab)
    synchronization = data_of(seen, "clock.synchronization")
    said = tracking(lab)
    assert (synchronization["daemon"], synchronization["running"], synchronization["enabled"]) == ("chrony", True, True)
    assert synchronization["synchronized"] is (said[13] == "Normal") is True
    assert (synchronization["selected"], synchronization["stratum"]) == (said[1], int(said[2]))
    for source in (one["data"] for one in seen if one["check"] == "clock.source"):
        assert (source["server"], source["file"], source["line"]) == ("ns1.lab.example", "/etc/chrony/chrony.conf", 1)
        assert source["offset_ms"] == pytest.approx(measured_by_chronyd(lab, source["address"]) * 1000, abs=5)
    assert {one["target"] for one in seen if one["check"] == "clock.source"} == {ADDRESS, "fd77:2::53"}
    assert data_of(seen, "clock.offset", reference="ntp")["status"] == "ok"


def test_an_ordinary_user_sees_the_offset_and_says_that_the_rest_is_hidden(lab: Lab) -> None:
    seen = clock(lab, become=False)
    synchronization = data_of(seen, "clock.synchronization")
    assert (synchronization["status"], synchronization["reason"]) == ("cannot_tell", "not_permitted")
    assert synchronization["synchronized"] is None
    assert synchronization["running"] is True
    assert data_of(seen, "clock.offset")["status"] == "ok"


def test_a_stopped_daemon(lab: Lab) -> None:
    with broken(lab, CLIENT, "systemctl stop chrony", "systemctl start chrony"):
        seen = clock(lab)
        assert lab.run(CLIENT, "systemctl is-active chrony", check=False).stdout.strip() == "inactive"
        assert lab.run(CLIENT, "systemctl is-enabled chrony").stdout.strip() == "enabled"
    lab.wait_until_healthy(CLIENT)
    synchronization = data_of(seen, "clock.synchronization")
    assert (synchronization["status"], synchronization["running"], synchronization["enabled"]) == ("fail", False, True)
    assert (synchronization["unit"], synchronization["unit_state"]) == ("chrony.service", "inactive")
    assert synchronization["synchronized"] is False
    assert data_of(seen, "clock.offset")["status"] == "ok"  # it is right for now, and will not stay so


def test_a_silent_time_server(lab: Lab) -> None:
    with configured(lab, f"server {SECOND} port 1123 iburst\n", SECOND):
        with filtered(lab, SERVER, "input", "udp dport 1123 drop"):
            seen = clock(lab, answer_timeout=1)
            said = tracking(lab)
            reach = lab.run(CLIENT, ["chronyc", "-n", "-c", "sources"]).stdout.split(",")[5]
    assert (said[13], reach) == ("Not synchronised", "0")
    synchronization = data_of(seen, "clock.synchronization")
    assert (synchronization["status"], synchronization["running"], synchronization["leap"]) == ("fail", True, "unsynchronized")
    assert (synchronization["sources"], synchronization["reachable"]) == (1, 0)
    source = data_of(seen, "clock.source")
    assert (source["error"], source["file"]) == ("TIMEOUT", "/etc/chrony/test.d/test.sources")
    assert not [one for one in seen if one["check"] == "clock.offset"]


def test_a_closed_time_server(lab: Lab) -> None:
    seen = clock(lab, servers=["10.77.2.20"])
    assert data_of(seen, "clock.source")["error"] == "ECONNREFUSED"


def test_a_time_server_that_is_ten_minutes_ahead(lab: Lab) -> None:
    with wrong_server(lab, SECOND, 1123, 600):
        with configured(lab, f"server {SECOND} port 1123 iburst\n", f"[*],{SECOND}"):
            seen = clock(lab)
            said = measured_by_chronyd(lab, f"{SECOND} port 1123")
    assert said == pytest.approx(-600, abs=1)
    offset = data_of(seen, "clock.offset", reference="ntp")
    assert (offset["status"], offset["outliers"]) == ("warn", [])
    assert offset["offset_s"] == pytest.approx(said, abs=1)
    synchronization = data_of(seen, "clock.synchronization")
    assert (synchronization["selected"], synchronization["synchronized"]) == (SECOND, True)
    assert data_of(seen, "clock.source")["selected"] is True  # so it is the source that is wrong, if other clocks contradict


def test_one_wrong_server_of_three_is_chronys_false_ticker(lab: Lab) -> None:
    sources = f"server {ADDRESS} iburst\nserver {SECOND6} port 1125 iburst\nserver {SECOND} port 1124 iburst\n"
    with wrong_server(lab, SECOND, 1124, 900, stratum=3), wrong_server(lab, SECOND6, 1125, 0, stratum=3):
        with configured(lab, sources, f"x,{SECOND}"):
            seen = clock(lab)
    offset = data_of(seen, "clock.offset")
    assert (offset["outliers"], offset["servers"]) == ([SECOND], 3)
    assert abs(offset["offset_s"]) < 1 < 899 < offset["spread_s"] < 901
    states = {one["address"]: one["state"] for one in data_of(seen, "clock.synchronization")["daemon_sources"]}
    assert states[SECOND] == "falseticker"


def test_a_time_server_that_lost_its_own_source(lab: Lab) -> None:
    with wrong_server(lab, SECOND, 1126, 0, stratum=16, leap=3):
        seen = clock(lab, servers=[SECOND], port=1126)
    assert data_of(seen, "clock.source")["error"] == "UNSYNCHRONIZED"

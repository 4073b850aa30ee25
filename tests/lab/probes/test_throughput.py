# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The throughput probe over ssh with the bandwidth capped on the router, beside curl and iperf3 under the same cap."""
from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe, tool, web_server

CLIENT, SERVER = "web1", "10.77.2.30"


@contextmanager
def capped(lab: Lab) -> Iterator[None]:
    """What the router sends to the clients: 2 Mbit/s, with a queue of 200 ms."""
    with broken(lab, "router", "tc qdisc replace dev net0 root tbf rate 2mbit burst 8kb latency 200ms", "tc qdisc del dev net0 root"):
        yield


def transfer(lab: Lab, **parameters):
    return data_of(observe(lab, CLIENT, "probe_throughput", host=SERVER, **parameters), "throughput.transfer")


def test_a_cap_as_curl_sees_it(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(4_000_000))
    with web_server("apm1", tmp_path, 8099), capped(lab):
        data = transfer(lab, port=8099, path="/large", seconds=5)
        said = tool(CLIENT, "curl", "-so", "/dev/null", "-m", "5", "-w", "%{speed_download}", f"http://{SERVER}:8099/large")
    assert (data["error"], data["limited_by"], data["http_status"]) == ("", "seconds", 200)
    assert 1.6e6 < data["bits_per_second"] < 2.1e6
    assert abs(data["bits_per_second"] - float(said) * 8) < 0.3e6
    assert data["steady_bits_per_second"] < 4e6
    assert data["rtt_loaded_ms"]["p95"] > data["rtt_idle_ms"]["median"] + 50  # the queue of the cap fills


def test_without_a_cap_it_is_bounded_in_bytes(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(40_000_000))
    with web_server("apm1", tmp_path, 8099):
        data = transfer(lab, port=8099, path="/large", transfer_bytes=30_000_000)
    assert (data["bytes"], data["limited_by"]) == (30_000_000, "bytes")
    assert data["bits_per_second"] > 20e6
    assert data["loss_loaded"] == 0


def test_a_managed_node_without_iperf3_says_so(lab: Lab) -> None:
    with broken(lab, CLIENT, "mv /usr/bin/iperf3 /usr/bin/iperf3.away", "mv /usr/bin/iperf3.away /usr/bin/iperf3"):
        data = transfer(lab, port=5201, method="iperf3", seconds=1)
    assert (data["status"], data["reason"]) == ("cannot_tell", "not_found")


@pytest.fixture
def iperf3_server(lab: Lab) -> Iterator[None]:
    with broken(lab, "apm1", "systemd-run --quiet --unit=iperf3-of-the-test iperf3 -s", "systemctl stop iperf3-of-the-test"):
        yield


def test_a_cap_as_iperf3_sees_it(lab: Lab, tmp_path: Path, iperf3_server: None) -> None:
    (tmp_path / "large").write_bytes(bytes(4_000_000))
    with web_server("apm1", tmp_path, 8099), capped(lab):
        report = json.loads(lab.run(CLIENT, ["iperf3", "-c", SERVER, "-t", "5", "-R", "-J"]).stdout)
        by_http = transfer(lab, port=8099, path="/large", seconds=5)
        by_iperf3 = transfer(lab, port=5201, method="iperf3", seconds=5)
    theirs = report["end"]["sum_received"]["bits_per_second"]
    for data in (by_http, by_iperf3):
        assert data["error"] == ""
        assert abs(data["bits_per_second"] - theirs) < 0.15 * theirs

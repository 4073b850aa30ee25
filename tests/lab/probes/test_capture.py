# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures over ssh on live faults, beside tcpdump itself on the same traffic."""
from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import data_of, filtered, run_module, web_server

CLIENT, DATABASE, PORT = "web1", "10.77.2.20", 5432


def captured(lab: Lab, machine: str = CLIENT, **parameters):
    result = run_module(lab, machine, "packet_capture", **{"host": DATABASE, "port": PORT, "connect": True, "seconds": 5, **parameters})
    return result, data_of(result["observations"], "capture.summary")


@contextlib.contextmanager
def repeated(client: str, command: str) -> Iterator[None]:
    """Over and over, so that it does not matter how late the capture begins on a busy machine."""
    work = subprocess.Popen(["ip", "netns", "exec", f"doctor-lab-{client}", "timeout", "60", "sh", "-c",
                             f"while :; do {command}; sleep 0.3; done"])
    try:
        yield
    finally:
        work.terminate()
        work.wait()


def downloading() -> contextlib.AbstractContextManager[None]:
    return repeated(CLIENT, "curl -s -o /dev/null -m 8 http://10.77.2.30:8099/large")


def test_a_healthy_connection_and_its_file_on_the_controller(lab: Lab, tmp_path: Path) -> None:
    result, data = captured(lab, dest=f"{tmp_path}/")
    assert (data["status"], data["connect_error"], data["stopped_by"], data["connections"]) == ("ok", "", "connection", 1)
    path = tmp_path / "web1.pcap"
    assert result["dest"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert "pcap" not in result
    if not shutil.which("tcpdump"):
        pytest.skip("needs tcpdump on this machine, to read the file with")
    lines = subprocess.run(["tcpdump", "-n", "-r", path], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len([line for line in lines if f"{DATABASE}.{PORT}" in line]) == sum(data["packets"].values())
    assert len([line for line in lines if "Flags [S]," in line]) == 1


def test_no_payload_is_kept_unless_asked_for(lab: Lab, tmp_path: Path) -> None:
    """An HTTP request with a token, captured while it is made."""
    for wanted, found in ((0, False), (400, True)):
        with repeated("web2", "curl -s -o /dev/null -H 'Authorization: Bearer sesame-0815' http://10.77.2.30:80/nothing"):
            _result, data = captured(lab, "web2", host="10.77.2.30", port=80, connect=False, seconds=3, payload_bytes=wanted,
                                     dest=f"{tmp_path}/{wanted}.pcap")
        assert data["bytes"]["10.77.1.12"] > 50
        assert (b"sesame-0815" in (tmp_path / f"{wanted}.pcap").read_bytes()) is found
        assert (b"HTTP/1.1" in (tmp_path / f"{wanted}.pcap").read_bytes()) is found


def test_a_syn_that_nobody_answers_seen_from_both_sides(lab: Lab) -> None:
    with filtered(lab, "db1", "input", f"iifname net0 tcp dport {PORT} drop"):
        _result, client = captured(lab, seconds=3)
        with repeated(CLIENT, f"curl -s -m 4 http://{DATABASE}:{PORT}"):
            _result, server = captured(lab, "db1", host="10.77.1.11", connect=False, seconds=6)
    assert client["connect_error"] == "TIMEOUT"
    assert [one["client"] for one in client["syn_without_answer"]] == ["10.77.1.11"]
    assert client["syns_sent_again"] >= 1
    # The server's own capture is what tells its firewall from one on the way: the SYN arrives, and nothing goes back.
    assert {one["client"] for one in server["syn_without_answer"]} == {"10.77.1.11"}
    assert set(server["packets"]) == {"10.77.1.11"}


def test_a_reset_of_the_router_in_the_servers_name_has_another_ttl(lab: Lab) -> None:
    with filtered(lab, "router", "forward", f"tcp dport {PORT} tcp flags & (syn | ack) == ack reject with tcp reset"):
        _result, data = captured(lab)
    resets = [one for one in data["resets"] if one["sender"] == DATABASE]
    assert resets
    assert resets[0]["answers"] == "data"
    assert resets[0]["other_ttl"] is not None
    assert resets[0]["ttl"] != resets[0]["other_ttl"]


def test_a_closed_port_resets_the_syn(lab: Lab) -> None:
    _result, data = captured(lab, port=5999)
    assert [(one["sender"], one["answers"], one["count"]) for one in data["resets"]] == [(DATABASE, "syn", 1)]
    assert data["syn_without_answer"] == []
    assert data["connect_error"] == "ECONNREFUSED"


def test_an_icmp_error_is_of_the_one_who_sent_it(lab: Lab) -> None:
    with filtered(lab, "router", "forward", f"tcp dport {PORT} reject with icmp type admin-prohibited"):
        _result, data = captured(lab)
    assert data["icmp_errors"] == [{"sender": "10.77.1.1", "name": "admin_prohibited", "about": "peer", "count": 1}]


def test_retransmissions_as_the_kernel_counts_them(lab: Lab, tmp_path: Path) -> None:
    """Every tenth packet is lost."""
    (tmp_path / "large").write_bytes(bytes(1_000_000))
    counter = "nstat -asz TcpRetransSegs | awk '/RetransSegs/ {print $2}'"
    with (
        web_server("apm1", tmp_path, 8099),
        filtered(lab, "router", "forward", "oifname net0 meta length > 500 numgen inc mod 10 0 drop"),
    ):
        before = int(lab.run("apm1", counter).stdout)
        with downloading():
            _result, data = captured(lab, "apm1", host="10.77.1.11", port=8099, connect=False, seconds=5, packets=20000,
                                     capture_bytes=8000000)
        sent_again = int(lab.run("apm1", counter).stdout) - before
    seen = data["retransmissions"].get("10.77.2.30", 0)
    assert data["bytes"]["10.77.2.30"] > 100_000
    assert 0 < seen <= sent_again
    assert data["dropped_by_kernel"] == 0


def test_bounds_in_packets_and_bytes(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(300_000))
    with web_server("apm1", tmp_path, 8099), downloading():
        for bound, reason in (({"packets": 3}, "packets"), ({"capture_bytes": 1024, "packets": 1000}, "bytes")):
            _result, data = captured(lab, host="10.77.2.30", port=8099, connect=False, seconds=8, **bound)
            assert data["stopped_by"] == reason
            assert data["captured"] <= 10


def test_without_privilege_it_says_so(lab: Lab) -> None:
    _result, data = captured(lab, become=False)
    assert (data["status"], data["reason"]) == ("cannot_tell", "not_permitted")


def test_nothing_is_left_running_or_lying_about(lab: Lab) -> None:
    captured(lab, seconds=1)
    assert lab.run(CLIENT, "pgrep -x tcpdump", check=False).stdout == ""
    assert lab.run(CLIENT, "find / -xdev -name '*.pcap' 2>/dev/null", check=False).stdout == ""

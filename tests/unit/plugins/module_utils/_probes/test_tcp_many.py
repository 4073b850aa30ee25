# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many ports, many connections and what a service says first, on real sockets and on paths that lose packets."""
from __future__ import annotations

import contextlib
import random
import socket
import threading
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _banner
from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer


def probe(address: str = "127.0.0.1", deadline: float = 20.0, **parameters: t.Any):
    defaults = {"host": "db", "connect_timeout": 1.5, "banner_timeout": 0.4}
    return run_probe("tcp", dict(defaults, address=address, **parameters), deadline)


def test_many_ports_at_once():
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _server in range(5)]
        ports = [server.getsockname()[1] for server in servers]
        holes = [stack.enter_context(BlackHole()).port for _hole in range(2)]
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        refused = closed.getsockname()[1]
        result = probe(ports=[*ports, *holes, refused, ports[0]])
    answers = {one["data"]["port"]: one["data"]["answer"] for one in result.observations if one["check"] == "tcp.connect"}
    assert all(answers[port] == "accepted" for port in ports)
    assert all(answers[port] == "none" for port in holes)
    assert answers[refused] == "rst"
    assert len(answers) == 8
    assert result.checks.count("tcp.connect") == 8  # a port that is named twice is tried once
    assert result.checks.count("route.lookup") == 1
    assert result.outcome.passed is False
    assert result.observations[-1]["duration_ms"] < 5000  # the two silent ones at the same time


def test_a_burst_is_so_many_connections_and_each_is_closed():
    accepted = []
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        server.settimeout(0.5)
        result = probe(port=server.getsockname()[1], count=30)
        with contextlib.suppress(socket.timeout):
            while True:
                accepted.append(server.accept()[0])
        assert len(accepted) == 31  # and the one of tcp.connect
        for connection in accepted:
            connection.settimeout(1)
            assert connection.recv(1) == b""
            connection.close()
    burst = result.one("tcp.burst")
    assert burst["status"] == "ok"
    data = burst["data"]
    assert (data["count"], data["succeeded"], data["success_rate"], data["rate_high"]) == (30, 30, 1.0, 1.0)
    assert 0.85 < data["rate_low"] < 0.9  # Wilson's for 30 of 30 is 0.886
    assert data["steps"] == {"at_once": 30, "after_1_s": 0, "after_3_s": 0, "later": 0}
    assert (data["needed_again"], data["retransmits"], data["handshake_loss"]) == (0, 0, 0.0)
    assert data["errors"] == {}


def test_a_burst_on_a_silent_port_ends_in_its_time():
    with BlackHole() as hole:
        data = probe(port=hole.port, count=5).one("tcp.burst")["data"]
    assert (data["succeeded"], data["errors"]) == (0, {"TIMEOUT": 5})
    assert data["retransmits"] >= 5  # each SYN again after a second
    assert data["elapsed_ms"]["median"] is None


def test_a_burst_that_the_deadline_would_cut_off_is_left_out():
    with BlackHole() as hole:
        burst = probe(port=hole.port, count=5, deadline=2.0).one("tcp.burst")
    assert (burst["status"], burst["data"]) == ("cannot_tell", {"reason": "deadline"})


def says(data: bytes, then_close: bool = False):
    """A server that speaks first."""
    quiet = threading.Event()

    def behave(connection: socket.socket) -> None:
        if data:
            connection.sendall(data)
        if not then_close:
            quiet.wait(2)

    return behave


@pytest.mark.parametrize(("data", "kind"), [
    (b"SSH-2.0-OpenSSH_9.2p1\r\n", "ssh"), (b"220 mx.example.com ESMTP Postfix\r\n", "smtp"), (b"220 (vsFTPd 3.0.3)\r\n", "ftp"),
    (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "imap"), (b"+OK ready\r\n", "pop3"), (b"HTTP/1.1 408 Request Timeout\r\n", "http"),
    (b"J\x00\x00\x00\x0a8.0.36\x00", "mysql"), (b"\x15\x03\x01\x00\x02\x02F", "tls_alert"), (b"\xff\xfd\x18", "telnet"),
    (b"RFB 003.008\n", "vnc"), (b"\x00\x01\x02", "unknown"),
])
def test_what_a_service_says_first(data, kind):
    with ScriptedServer(says(data)) as server:
        banner = probe(port=server.port, read_banner=True).one("tcp.banner")["data"]
    assert (banner["looks_like"], banner["silent"], banner["bytes"], banner["ended"]) == (kind, False, len(data), "")


def test_silence_is_no_end():
    with ScriptedServer(says(b"")) as server:
        result = probe(port=server.port, read_banner=True)
    banner = result.one("tcp.banner")
    assert (banner["status"], banner["data"]["silent"], banner["data"]["looks_like"]) == ("ok", True, "")
    assert result.outcome.passed


def test_silence_that_the_deadline_cut_off_is_none():
    with ScriptedServer(says(b"")) as server:
        banner = probe(port=server.port, read_banner=True, banner_timeout=3.0, deadline=0.5).one("tcp.banner")
    assert (banner["status"], banner["data"]) == ("cannot_tell", {"reason": "deadline"})


def test_a_close_is_told():
    with ScriptedServer(says(b"", then_close=True)) as server:
        banner = probe(port=server.port, read_banner=True).one("tcp.banner")
    assert banner["status"] == "warn"
    assert banner["data"]["ended"] in ("closed", "reset")
    assert banner["data"]["silent"] is False


def test_a_flood_is_read_in_its_bounds_and_made_printable():
    with ScriptedServer(says(b"\x1b[2J" + b"A" * 5_000_000)) as server:
        banner = probe(port=server.port, read_banner=True).one("tcp.banner")["data"]
    assert banner["bytes"] == 256
    assert "\x1b" not in banner["first_bytes"]
    assert len(banner["first_bytes"]) <= 257


def test_no_bytes_break_the_guess():
    source = random.Random(20260101)
    for _round in range(5000):
        data = bytes(source.getrandbits(8) for _byte in range(source.randint(0, 40)))
        kind = _banner.looks_like(data)
        assert kind if data else kind == ""


@pytest.fixture(scope="module")
def network():
    reason = net.why_not()
    if reason:
        pytest.skip(reason)
    with Network() as made:
        made.serve(7000)
        yield made


@pytest.mark.parametrize("address", [net.SERVER, net.SERVER6], ids=["ipv4", "ipv6"])
def test_lost_packets_show_as_steps_and_in_the_kernels_count(network, address):
    network.router.run("nft 'add table inet t; add chain inet t c { type filter hook forward priority 0; }; "
                       "add rule inet t c oifname toserver tcp flags == syn numgen inc mod 3 == 0 counter drop'")
    try:
        observations = network.observe({"probe": "tcp", "parameters": {
            "host": "db", "address": address, "port": 7000, "connect_timeout": 5.0, "count": 30}})
    finally:
        network.router.run("nft flush ruleset")
    data = next(one["data"] for one in observations if one["check"] == "tcp.burst")
    assert data["succeeded"] == 30
    assert data["needed_again"] == data["steps"]["after_1_s"] + data["steps"]["after_3_s"]
    assert 8 <= data["needed_again"] <= 12  # one SYN in three is dropped
    assert data["loss_low"] < 1 / 3 < data["loss_high"]
    assert data["syn_retransmits_host"] >= data["retransmits"] >= data["needed_again"]

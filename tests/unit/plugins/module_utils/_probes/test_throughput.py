# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transfers with real servers, with those that trickle, flood, talk nonsense or go away, and under a cap of the bandwidth."""
from __future__ import annotations

import http.server
import json
import random
import shutil
import socket
import struct
import subprocess
import threading
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _iperf3, _transfer
from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

DEFAULTS = {"host": "db", "address": "127.0.0.1", "method": "tcp", "path": "/", "direction": "download", "seconds": 2.0,
            "transfer_bytes": 1_000_000}


def probe(port: int, **parameters: t.Any) -> dict[str, t.Any]:
    observation = run_probe("throughput", dict(DEFAULTS, port=port, **parameters)).one("throughput.transfer")
    return dict(observation["data"], status=observation["status"], message=observation["message"])


def test_a_download_ends_at_its_bytes():
    with ScriptedServer(lambda connection: connection.sendall(bytes(50_000_000))) as server:
        data = probe(server.port)
    assert (data["status"], data["error"], data["bytes"], data["limited_by"]) == ("ok", "", 1_000_000, "bytes")


def test_a_download_ends_with_its_peer():
    with ScriptedServer(lambda connection: connection.sendall(bytes(200_000))) as server:
        data = probe(server.port)
    assert (data["bytes"], data["limited_by"]) == (200_000, "peer")


def test_a_trickle_ends_in_its_time():
    def trickle(connection: socket.socket) -> None:
        while True:
            connection.sendall(b"x")
            time.sleep(0.01)

    with ScriptedServer(trickle) as server:
        began = time.monotonic()
        data = probe(server.port, seconds=1.0)
    assert time.monotonic() - began < 3.5
    assert (data["error"], data["limited_by"]) == ("", "seconds")
    assert 20 < data["bytes"] <= 101
    assert data["bits_per_second"] < 1000


def test_the_rate_of_a_paced_server():
    def paced(connection: socket.socket) -> None:
        for _chunk in range(200):
            connection.sendall(bytes(10_000))
            time.sleep(0.02)

    with ScriptedServer(paced) as server:
        data = probe(server.port, transfer_bytes=10_000_000)
    assert 2.5e6 < data["bits_per_second"] < 4.1e6  # 10 kB in 20 ms and a little
    assert 2.5e6 < data["steady_bits_per_second"] < 4.3e6


def test_an_upload_counts_what_was_acknowledged():
    received = []

    def sink(connection: socket.socket) -> None:
        size = 0
        while True:
            chunk = connection.recv(65536)
            if not chunk:
                break
            size += len(chunk)
        received.append(size)

    with ScriptedServer(sink) as server:
        data = probe(server.port, direction="upload")
        end = time.monotonic() + 3
        while not received and time.monotonic() < end:
            time.sleep(0.01)
    assert (data["bytes"], data["limited_by"]) == (1_000_000, "bytes")
    assert received == [1_000_000]
    assert data["retransmits"] == 0


def test_an_upload_to_one_who_does_not_read_is_limited_by_him():
    stop = threading.Event()
    with ScriptedServer(lambda connection: stop.wait(5) and None) as server:
        data = probe(server.port, direction="upload", transfer_bytes=100_000_000, seconds=1.0)
        stop.set()
    assert data["limited_by"] == "seconds"
    assert data["bytes"] < 100_000_000
    assert data["receiver_limited"] is None or data["receiver_limited"] > 0.5


class _Files(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        size = 700_000 if self.path == "/large" else 0
        self.send_response(200 if size else 404)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(bytes(size))

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of it belongs in the tests' output."""


@pytest.fixture
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_over_http(web):
    data = probe(web, method="http", path="/large")
    assert (data["status"], data["http_status"], data["bytes"], data["limited_by"]) == ("ok", 200, 700_000, "peer")
    missing = probe(web, method="http", path="/missing")
    assert (missing["status"], missing["error"], missing["http_status"]) == ("fail", "http_status", 404)


@pytest.mark.parametrize("path", ["", "large", "/a b", "/x\r\nEvil: yes", "/\n", "/ü"])
def test_no_path_can_smuggle_a_header(web, path):
    data = probe(web, method="http", path=path)
    assert (data["status"], data["reason"]) == ("cannot_tell", "bad_path")


def rst(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize(("behaviour", "errors"), [
    (lambda connection: connection.recv(1000) and connection.sendall(b"SSH-2.0-x\r\n"), ("no_http",)),
    (lambda connection: connection.sendall(b"A" * 1_000_000), ("no_http", "ECONNRESET")),
    (lambda connection: connection.close(), ("no_http", "ECONNRESET")),
    (rst, ("no_http", "ECONNRESET")),
    (lambda connection: connection.recv(1000) and time.sleep(3), ("TIMEOUT",)),
])
def test_who_speaks_no_http(behaviour, errors):
    with ScriptedServer(behaviour) as server:
        data = probe(server.port, method="http", seconds=1.0)
    assert data["status"] == "fail"
    assert data["error"] in errors


def test_too_little_of_the_deadline_is_no_failure():
    with ScriptedServer(lambda connection: connection.sendall(bytes(50_000_000))) as server:
        transfer = run_probe("throughput", dict(DEFAULTS, port=server.port), deadline=1.0).one("throughput.transfer")
    assert (transfer["status"], transfer["data"]) == ("cannot_tell", {"reason": "deadline"})


def test_silence_and_refusal():
    with BlackHole() as hole:
        assert probe(hole.port, seconds=0.5)["error"] == "TIMEOUT"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert probe(closed.getsockname()[1])["error"] == "ECONNREFUSED"


def test_random_answers_to_a_request_never_break_it():
    source = random.Random(20260101)
    heads = [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"HTTP/1.0 404 \r\n\r\n", b"HTTP/1.1 200"]
    for _round in range(2000):
        data = bytearray(source.choice(heads))
        for _change in range(source.randint(0, 5)):
            data[source.randrange(len(data))] = source.getrandbits(8)
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(bytes(data))
            theirs.close()
            status, size = _transfer._head(ours, lambda: 1.0)
        assert status is None or (100 <= status <= 999 and 0 <= size <= len(data))


def test_random_reports_never_break_their_reader():
    source = random.Random(20260101)
    true = json.dumps({"intervals": [{"sum": {"end": 0.5, "bytes": 1000}}, {"sum": {"end": 1.0, "bytes": 3000}}],
                       "end": {"sum_sent": {"retransmits": 2}}})
    done = _iperf3.read_report(true, 4000)
    assert (done.error, done.bytes, done.seconds, done.limited_by, done.retransmits) == ("", 4000, 1.0, "bytes", 2)
    for _round in range(5000):
        text = list(true)
        for _change in range(source.randint(1, 6)):
            text[source.randrange(len(text))] = source.choice('{}[]",:0 9ntrue-')
        assert isinstance(_transfer.rates(_iperf3.read_report("".join(text), 4000).steps), tuple)
    for text in ("", "[]", "null", "{}", '{"intervals": 5}', '{"intervals": [{}]}', '{"error": "unable to connect"}', '{"end": [1]}'):
        assert _iperf3.read_report(text, 1).error in ("bad_output", "iperf3")


def test_iperf3_under_a_cap():
    reason = net.why_not() or ("" if shutil.which("iperf3") else "needs iperf3") or ("" if shutil.which("tc") else "needs tc")
    if reason:
        pytest.skip(reason)
    with Network() as network:
        network.router.run("tc qdisc add dev toserver root tbf rate 4mbit burst 8kb latency 100ms")
        server = subprocess.Popen([*network.server.enter(), "iperf3", "-s"], stdout=subprocess.DEVNULL)
        try:
            time.sleep(0.5)
            step = {"probe": "throughput", "parameters": {"host": "db", "address": net.SERVER, "port": 5201, "method": "iperf3",
                                                          "direction": "upload", "seconds": 3.0, "transfer_bytes": 100_000_000}}
            slow = network.observe(step)[0]["data"]
            step["parameters"].update(direction="download", transfer_bytes=2_000_000)
            fast = network.observe(step)[0]["data"]
        finally:
            server.kill()
            server.wait()
    assert (slow["error"], slow["limited_by"]) == ("", "seconds")
    assert 3.0e6 < slow["bits_per_second"] < 6.5e6  # the sender's count, with what its growing buffer takes up meanwhile
    assert (fast["error"], fast["limited_by"]) == ("", "bytes")
    assert 2_000_000 <= fast["bytes"] < 4_000_000

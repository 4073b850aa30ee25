# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One connection attempt, and what is read from it; what filters and routes do to it is tried with the tcp probe."""
from __future__ import annotations

import os
import resource
import socket
import threading
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer, says, trickles


def test_a_connection_is_open_and_blocks_no_longer_than_asked():
    with ScriptedServer(says(b"hello", first_read=False)) as server:
        attempt = _flow.connect("127.0.0.1", server.port, 3.0)
        assert (attempt.error, attempt.source, attempt.icmp) == ("", "127.0.0.1", None)
        assert attempt.sock.gettimeout() == 3.0
        assert attempt.sock.recv(5) == b"hello"
        attempt.sock.close()


@pytest.mark.parametrize("address", ["localhost", "db.example.com", "", "300.1.1.1", "127.0.0.1%lo"])
def test_only_addresses_are_connected_to(address):
    """A name would be looked up, and a wait for the DNS would pass for one of the network."""
    began = time.monotonic()
    attempt = _flow.connect(address, 80, 1.0)
    assert attempt.sock is None and attempt.error and attempt.error != "TIMEOUT"
    assert time.monotonic() - began < 0.5


def test_hundreds_of_attempts_at_once_beyond_what_select_can_take():
    """select(2) fails from descriptor 1024 on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1200:
        pytest.skip("this user may not open 1200 files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
    opened = [os.open(os.devnull, os.O_RDONLY) for _file in range(1050)]
    try:
        with BlackHole() as hole:
            attempt = _flow.connect("127.0.0.1", hole.port, 0.2)
        assert attempt.error == "TIMEOUT"
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(("address", "own"), [
    ("127.0.0.1", True), ("::1", True), ("192.0.2.77", False), ("2001:db8::77", False), ("no address", False),
])
def test_own_addresses(address, own):
    assert _flow.is_own_address(address) is own


@pytest.mark.parametrize(("address", "port", "text"), [
    ("10.0.0.5", 80, "10.0.0.5:80"), ("2001:db8::5", 80, "[2001:db8::5]:80"), ("fe80::1%eth0", 1, "[fe80::1%eth0]:1"),
])
def test_host_and_port_as_people_write_them(address, port, text):
    assert _flow.host_port(address, port) == text


@pytest.mark.parametrize(("code", "name"), [
    (111, "ECONNREFUSED"), (110, "ETIMEDOUT"), (0, "errno 0"), (None, "errno None"), (9999, "errno 9999"),
])
def test_names_of_errors(code, name):
    assert _flow.errno_name(code) == name


def reading(behaviour):
    server = ScriptedServer(behaviour)
    server.__enter__()
    return server, socket.create_connection(("127.0.0.1", server.port), 5)


def test_exactly_so_many_bytes_however_they_come():
    server, sock = reading(trickles(b"abcdef", 0.02))
    with server, sock:
        sock.sendall(b"go")
        assert _flow.read_exactly(sock, 6, _flow.monotonic_budget(3)) == b"abcdef"


def test_fewer_bytes_where_the_peer_closes():
    left, right = socket.socketpair()
    right.sendall(b"abc")
    right.close()
    with left:
        assert _flow.read_exactly(left, 10, _flow.monotonic_budget(3)) == b"abc"


def test_a_trickle_does_not_renew_the_time():
    server, sock = reading(trickles(b"x" * 1000, 0.05))
    with server, sock:
        sock.sendall(b"go")
        began = time.monotonic()
        with pytest.raises(socket.timeout):
            _flow.read_exactly(sock, 1000, _flow.monotonic_budget(0.5))
        assert 0.4 < time.monotonic() - began < 1.0


def test_what_follows_is_left_for_the_next_reader():
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"headbody")
        assert _flow.read_exactly(left, 4, _flow.monotonic_budget(1)) == b"head"
        assert _flow.read_exactly(left, 4, _flow.monotonic_budget(1)) == b"body"
        assert _flow.read_exactly(left, 0, _flow.monotonic_budget(1)) == b""


def test_a_budget_shrinks_and_is_never_negative():
    remaining = _flow.monotonic_budget(0.1)
    assert 0.05 < remaining() <= 0.1
    time.sleep(0.15)
    assert remaining() == 0.0


def test_attempts_beside_each_other_have_their_own_results():
    with BlackHole() as hole, socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        ports = {"TIMEOUT": hole.port, "": server.getsockname()[1], "ECONNREFUSED": closed.getsockname()[1]}
        errors = {}

        def attempt(expected, port):
            made = _flow.connect("127.0.0.1", port, 1.0)
            errors.setdefault(expected, set()).add(made.error)
            if made.sock:
                made.sock.close()

        threads = [threading.Thread(target=attempt, args=item) for item in list(ports.items()) * 5]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == {expected: {expected} for expected in ports}

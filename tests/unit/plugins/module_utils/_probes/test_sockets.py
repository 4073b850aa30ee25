# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port, with real listeners of each kind; processes of this test are the ones that are found."""
from __future__ import annotations

import contextlib
import os
import random
import socket
import sys
import threading

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _sock_diag, _socket_listeners
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import sockets
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe


def probe(port, **parameters):
    return run_probe("sockets", {"port": port, "protocol": "tcp", "interval": 0.0, **parameters})


def look(port):
    result = probe(port)
    assert result.checks == ["sockets.listener", "sockets.connections", "sockets.overflow"]
    return result.one("sockets.listener"), result.outcome


@contextlib.contextmanager
def listening(*addresses, ipv6_only=True):
    """One port, listened on at each of these addresses."""
    with contextlib.ExitStack() as stack:
        port = 0
        for address in addresses:
            sock = stack.enter_context(socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET))
            if ":" in address:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(ipv6_only))
            sock.bind((address, port))
            sock.listen(5)
            port = sock.getsockname()[1]
        yield port


def refuse(*_arguments):
    raise OSError(93, "Protocol not supported")


@pytest.fixture(params=["by netlink", "by proc"])
def tools(request, monkeypatch):
    """A kernel may have no sock_diag, and a sandbox may forbid it."""
    if request.param == "by proc":
        monkeypatch.setattr(_sock_diag, "read_sockets", refuse)
    return request.param


def test_nobody_listens(tools):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        seen, outcome = look(port)
    assert seen["data"] == {"port": port, "scope": "none", "families": [], "listeners": [], "process": None, "queue_full": False}
    assert seen["status"] == "fail" and outcome.passed is False
    assert seen["message"] == "nothing listens on port %d of this host" % port


def test_a_connection_of_the_port_is_no_listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port))
        accepted = server.accept()[0]
    seen, _outcome = look(port)
    assert seen["data"]["scope"] == "none"
    client.close()
    accepted.close()


@pytest.mark.parametrize(("addresses", "ipv6_only", "scope", "families"), [
    (["127.0.0.1"], True, "loopback", []),
    (["127.0.0.2"], True, "loopback", []),
    (["::1"], True, "loopback", []),
    (["127.0.0.1", "::1"], True, "loopback", []),
    (["::ffff:127.0.0.1"], False, "loopback", []),
    (["::ffff:127.0.0.2"], False, "loopback", []),
    (["0.0.0.0"], True, "reachable", ["ipv4"]),
    (["::"], False, "reachable", ["ipv4", "ipv6"]),
    (["0.0.0.0", "::"], True, "reachable", ["ipv4", "ipv6"]),
    (["::ffff:0.0.0.0"], False, "reachable", ["ipv4"]),
])
def test_each_kind_of_listener(addresses, ipv6_only, scope, families, tools):
    with listening(*addresses, ipv6_only=ipv6_only) as port:
        seen, outcome = look(port)
    data = seen["data"]
    assert (data["scope"], data["families"], data["queue_full"]) == (scope, families, False)
    assert [one["address"] for one in data["listeners"]] == addresses
    assert outcome.passed is (scope == "reachable")
    assert seen["status"] == ("ok" if scope == "reachable" else "warn")
    assert {one["limit"] for one in data["listeners"]} == ({5} if tools == "by netlink" else {None})


def test_an_ipv6_only_listener_serves_ipv6_only():
    """Only sock_diag(7) tells it from one that serves both; without it the host's default decides."""
    with listening("::", ipv6_only=True) as port:
        assert look(port)[0]["data"]["families"] == ["ipv6"]


def test_the_process_that_listens(tools):
    with listening("127.0.0.1") as port:
        process = look(port)[0]["data"]["process"]
    assert process["pid"] == os.getpid()
    with open("/proc/self/comm", encoding="utf-8") as file:
        assert process["command"] == file.read().strip()
    assert process["state"] in "RS"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_full_accept_queue(address):
    with BlackHole(address) as hole:
        seen, _outcome = look(hole.port)
    assert seen["data"]["queue_full"] is True
    (one,) = seen["data"]["listeners"]
    assert one["waiting"] == 1 and one["limit"] == 0
    assert seen["message"].endswith("and its accept queue is full")


def test_one_waiting_connection_is_no_full_queue():
    with listening("127.0.0.1") as port, socket.create_connection(("127.0.0.1", port)):
        seen, _outcome = look(port)
    assert seen["data"]["queue_full"] is False and seen["data"]["listeners"][0]["waiting"] == 1


@pytest.mark.parametrize(("text", "address"), [
    ("0100007F", "127.0.0.1"), ("00000000", "0.0.0.0"), ("00000000000000000000000000000000", "::"),
    ("B80D0120000000000000000005000000", "2001:db8::5"), ("0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"),
])
@pytest.mark.skipif(sys.byteorder != "little", reason="this machine's kernel prints them the other way round")
def test_addresses_as_a_little_endian_kernel_prints_them(text, address):
    """From /proc/net/tcp and tcp6 of x86-64 machines."""
    assert _socket_listeners._address(text) == address


def test_connections_are_counted_by_state_and_peer():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        held = [socket.create_connection(("127.0.0.1", port)) for _again in range(3)]
        accepted = [server.accept()[0] for _again in range(3)]
        held[0].shutdown(socket.SHUT_WR)  # the server's end waits to be closed
        accepted[0].recv(1)
        data = probe(port).one("sockets.connections")["data"]
        for one in held + accepted:
            one.close()
    assert data["by_state"] == {"ESTABLISHED": 2, "CLOSE_WAIT": 1}
    assert (data["total"], data["complete"], data["peers"]) == (3, True, [{"address": "127.0.0.1", "count": 3}])


def test_connections_that_cannot_be_listed(monkeypatch):
    monkeypatch.setattr(_sock_diag, "read_sockets", refuse)
    result = run_probe("sockets", {"port": 1, "protocol": "tcp", "interval": 0.0})
    assert result.one("sockets.connections")["status"] == "cannot_tell"
    assert result.one("sockets.connections")["data"]["reason"] == "not_permitted"


def test_overflows_rise_while_clients_come():
    with BlackHole() as hole:
        results = []
        thread = threading.Thread(target=lambda: results.append(probe(hole.port, interval=1.0)))
        thread.start()
        while thread.is_alive():
            with socket.socket() as client:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", hole.port))
                thread.join(0.1)
    (result,) = results
    overflow = result.one("sockets.overflow")
    assert overflow["status"] == "warn"
    assert overflow["data"]["rises"]["overflows"] >= 3
    assert overflow["data"]["drops"] >= overflow["data"]["overflows"] >= overflow["data"]["rises"]["overflows"]


def test_no_rise_is_told_without_an_interval():
    data = probe(1).one("sockets.overflow")["data"]
    assert (data["rises"], data["interval_s"]) == (None, 0.0)


@pytest.mark.parametrize(("address", "scope"), [("127.0.0.1", "loopback"), ("::1", "loopback"), ("0.0.0.0", "reachable")])
def test_udp_listeners_and_what_they_have_not_read(address, scope, tools):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, 0))
        port = server.getsockname()[1]
        with socket.socket(server.family, socket.SOCK_DGRAM) as client:
            client.sendto(b"x" * 100, ("127.0.0.1" if scope == "reachable" else address, port))
        result = probe(port, protocol="udp")
    data = result.one("sockets.udp")["data"]
    assert result.checks == ["sockets.udp"]
    assert (data["scope"], data["process"]["pid"]) == (scope, os.getpid())
    assert data["listeners"][0]["waiting_bytes"] > 0 and data["listeners"][0]["drops"] == 0


def test_udp_drops_are_told(tools):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("0.0.0.0", 0))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _again in range(20):
                client.sendto(b"x" * 1000, ("127.0.0.1", server.getsockname()[1]))
        seen = probe(server.getsockname()[1], protocol="udp").one("sockets.udp")
    assert seen["status"] == "warn" and seen["data"]["listeners"][0]["drops"] > 5


def test_nobody_listens_on_udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    seen = probe(port, protocol="udp").one("sockets.udp")
    assert (seen["status"], seen["data"]["scope"]) == ("fail", "none")
    assert seen["message"] == "nothing listens on UDP port %d of this host" % port


def test_the_socket_file_of_a_postgresql_of_that_port(tmp_path):
    path = str(tmp_path / ".s.PGSQL.5499")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert probe(5499).one("sockets.unix")["status"] == "warn"
        server.listen(1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            accepted = server.accept()[0]
            unix = probe(5499).one("sockets.unix")
            accepted.close()
    assert unix["status"] == "ok"
    assert unix["data"]["path"] == path and unix["data"]["listening"] is True
    assert unix["data"]["process"]["pid"] == os.getpid()


def test_mutated_tables_of_unix_sockets(tmp_path):
    source = random.Random(20260101)
    table = tmp_path / "unix"
    text = ("Num       RefCount Protocol Flags    Type St Inode Path\n"
            "0000000000000000: 00000002 00000000 00010000 0001 01 12345 /tmp/.s.PGSQL.5432\n")
    for _round in range(1000):
        characters = list(text)
        for _change in range(source.randint(0, 4)):
            characters[source.randrange(len(characters))] = source.choice("\n 0fz:-/")
        table.write_text("".join(characters))
        assert len(sockets.unix_sockets(".s.PGSQL.5432", str(table))) <= 1

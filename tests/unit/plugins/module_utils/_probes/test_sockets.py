# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who listens on a port, with real listeners of each kind; processes of this test are the ones that are found."""
from __future__ import annotations

import contextlib
import os
import socket
import sys

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import sockets
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe


def look(port):
    result = run_probe("sockets", {"port": port})
    assert result.checks == ["sockets.listener"]
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


@pytest.fixture(params=["with ss", "without ss"])
def tools(request, monkeypatch):
    """A host may have no ss(8): the search path is what a probe's commands get."""
    if request.param == "without ss":
        monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
        monkeypatch.setenv("PATH", "/nonexistent")
        monkeypatch.setattr(os, "environ", dict(os.environ, PATH="/nonexistent"))
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
    assert {one["limit"] for one in data["listeners"]} == ({5} if tools == "with ss" else {None})


def test_an_ipv6_only_listener_serves_ipv6_only():
    """Only ss(8) tells it from one that serves both; without ss the host's default decides."""
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
    assert sockets._address(text) == address

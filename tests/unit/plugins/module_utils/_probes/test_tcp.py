# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tcp probe on real sockets of this machine and, as root, in a network of namespaces whose routes and filters are broken."""
from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

BOTH = pytest.mark.parametrize("address", ["127.0.0.1", "::1"])


def probe(address, port, seconds=5.0, **settings):
    return run_probe("tcp", {"host": "db", "address": address, "port": port, "connect_timeout": seconds}, **settings)


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@BOTH
def test_an_accepted_connection(address):
    with socket.create_server((address, 0), family=family(address)) as server:
        port = server.getsockname()[1]
        result = probe(address, port)
        connection = server.accept()[0]
        connection.settimeout(2)
        assert connection.recv(1) == b""  # closed, and nothing was sent
        connection.close()
    assert result.outcome.passed is True
    assert result.checks == ["tcp.connect"]
    connect = result.one("tcp.connect")
    elapsed = connect["data"].pop("elapsed_ms")
    assert connect["data"] == {"address": address, "port": port, "family": "ipv6" if ":" in address else "ipv4", "error": "",
                               "answer": "accepted"}
    assert 0 <= elapsed < 1000
    assert connect["vantage"]["address"] == address
    assert connect["target"] == ("[::1]:%d" if ":" in address else "127.0.0.1:%d") % port
    assert connect["reproduce"] == "nc -zv -w 5 %s %d" % (address, port)


@BOTH
def test_one_attempt_is_one_connection(address):
    with socket.create_server((address, 0), family=family(address)) as server:
        probe(address, server.getsockname()[1])
        server.settimeout(0.5)
        server.accept()[0].close()
        with pytest.raises(socket.timeout):
            server.accept()


@BOTH
def test_a_closed_port_of_this_host_is_a_reset_and_nobody_listens(address):
    with socket.socket(family(address)) as sock:
        sock.bind((address, 0))
        result = probe(address, sock.getsockname()[1])
    assert result.outcome.passed is False
    data = result.one("tcp.connect")["data"]
    assert (data["error"], data["answer"]) == ("ECONNREFUSED", "rst")
    assert "icmp_sender" not in data and "dropped_here" not in data
    assert result.one("sockets.listener")["data"]["scope"] == "none"
    assert result.checks == ["tcp.connect", "sockets.listener"]


@BOTH
def test_silence_is_a_timeout_in_its_time(address):
    with BlackHole(address) as hole:
        began = time.monotonic()
        result = probe(address, hole.port, seconds=1.3)
        elapsed = time.monotonic() - began
    assert 1.2 < elapsed < 2.5
    data = result.one("tcp.connect")["data"]
    assert (data["error"], data["answer"]) == ("TIMEOUT", "none")
    assert data["dropped_here"] in ("none", "unknown")  # the counters are the host's, and the SYN was repeated after a second
    assert result.one("route.lookup")["data"]["type"] == "local"


def test_the_deadline_comes_before_the_probes_own_timeout():
    with BlackHole() as hole:
        began = time.monotonic()
        result = probe("127.0.0.1", hole.port, seconds=30.0, deadline=0.5)
        assert time.monotonic() - began < 1.5
    assert result.one("tcp.connect")["data"]["error"] == "TIMEOUT"


def test_a_slow_accept_is_no_fault():
    """The kernel of the server completes the handshake, whether or not the service accepts."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert probe("127.0.0.1", server.getsockname()[1]).outcome.passed


def test_descriptors_are_all_given_back():
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        before = len(os.listdir("/proc/self/fd"))
        for _round in range(20):
            probe("127.0.0.1", server.getsockname()[1])
            probe("127.0.0.1", closed.getsockname()[1])
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.fixture(scope="module")
def network():
    reason = net.why_not()
    if reason:
        pytest.skip(reason)
    with Network() as made:
        made.serve(7000)
        yield made


@pytest.fixture
def broken(network):
    """Runs commands on one of the hosts, and afterwards heals it: filters flushed, routes deleted."""
    healing = []

    def break_it(host, commands, heal="nft flush ruleset"):
        healing.append((getattr(network, host), heal))
        getattr(network, host).run(commands)

    yield break_it
    for host, heal in healing:
        host.run(heal)


def seen(network, address, port=7000, seconds=2.5):
    observations = network.observe({"probe": "tcp", "parameters": {
        "host": "db", "address": address, "port": port, "connect_timeout": seconds}})
    return {observation["check"]: observation["data"] for observation in observations}


def rule(hook, verdict, address, port=7000):
    match = ("ip6 daddr" if ":" in address else "ip daddr") + " " + address
    return ("nft 'add table inet t; add chain inet t c { type filter hook %s priority 0; }; "
            "add rule inet t c %s tcp dport %d %s'" % (hook, match, port, verdict))


FAMILIES = pytest.mark.parametrize("address", [net.SERVER, net.SERVER6], ids=["ipv4", "ipv6"])


@FAMILIES
def test_a_healthy_way_through_the_router(network, address):
    data = seen(network, address)
    assert set(data) == {"tcp.connect"} and data["tcp.connect"]["answer"] == "accepted"


@FAMILIES
def test_a_closed_port_of_another_host_is_a_reset(network, address):
    data = seen(network, address, port=7001)
    assert set(data) == {"tcp.connect"}  # it answered, so the route is no question; and it is not for us to look who listens
    assert (data["tcp.connect"]["error"], data["tcp.connect"]["answer"]) == ("ECONNREFUSED", "rst")


@FAMILIES
def test_a_drop_of_the_hosts_own_filter_is_told_by_its_counters(network, broken, address):
    broken("client", rule("output", "drop", address))
    data = seen(network, address, seconds=1.8)
    assert (data["tcp.connect"]["error"], data["tcp.connect"]["answer"]) == ("TIMEOUT", "none")
    assert data["tcp.connect"]["dropped_here"] == "all"


@FAMILIES
@pytest.mark.parametrize(("host", "hook"), [("server", "input"), ("router", "forward")])
def test_a_drop_elsewhere_leaves_this_host(network, broken, address, host, hook):
    broken(host, rule(hook, "drop", address))
    data = seen(network, address, seconds=1.8)
    assert data["tcp.connect"]["error"] == "TIMEOUT"
    assert data["tcp.connect"]["dropped_here"] == "none"
    assert data["route.lookup"]["type"] == "unicast"
    assert data["route.lookup"]["gateway"] == (net.ROUTER6 if ":" in address else net.ROUTER)
    assert data["route.lookup"]["device"] == "eth0"


SENDERS = {
    ("client", net.SERVER): (net.CLIENT, "self"), ("client", net.SERVER6): (net.CLIENT6, "self"),
    ("router", net.SERVER): (net.ROUTER, "path"), ("router", net.SERVER6): (net.ROUTER6, "path"),
    ("server", net.SERVER): (net.SERVER, "target"), ("server", net.SERVER6): (net.SERVER6, "target"),
}


@pytest.mark.parametrize(("host", "hook"), [("client", "output"), ("router", "forward"), ("server", "input")])
@pytest.mark.parametrize(("address", "kind", "error", "name"), [
    (net.SERVER, "icmp type port-unreachable", "ECONNREFUSED", "port_unreachable"),
    (net.SERVER, "icmp type admin-prohibited", "EHOSTUNREACH", "admin_prohibited"),
    (net.SERVER, "icmp type host-prohibited", "EHOSTUNREACH", "host_prohibited"),
    (net.SERVER, "icmp type net-unreachable", "ENETUNREACH", "net_unreachable"),
    (net.SERVER6, "icmpv6 type port-unreachable", "ECONNREFUSED", "port_unreachable"),
    (net.SERVER6, "icmpv6 type admin-prohibited", "EACCES", "admin_prohibited"),
    (net.SERVER6, "icmpv6 type no-route", "ENETUNREACH", "no_route"),
])
def test_a_reject_tells_what_it_is_and_whose(network, broken, host, hook, address, kind, error, name):
    broken(host, rule(hook, "reject with " + kind, address))
    data = seen(network, address)
    sender, whose = SENDERS[host, address]
    connect = data["tcp.connect"]
    assert (connect["error"], connect["answer"], connect["icmp_name"]) == (error, "icmp", name)
    assert (connect["icmp_sender"], connect["icmp_from"]) == (sender, whose)
    if whose == "self":  # others' errors may be lost or held back, and come for the second SYN
        assert connect["elapsed_ms"] < 800
    assert "route.lookup" in data


@FAMILIES
@pytest.mark.parametrize(("host", "hook"), [("router", "forward"), ("server", "input")])
def test_a_reject_by_reset_looks_like_a_closed_port(network, broken, address, host, hook):
    broken(host, rule(hook, "reject with tcp reset", address))
    data = seen(network, address)
    assert (data["tcp.connect"]["error"], data["tcp.connect"]["answer"]) == ("ECONNREFUSED", "rst")


@pytest.mark.parametrize(("kind", "error", "type_"), [
    ("blackhole", "EINVAL", "blackhole"), ("prohibit", "EACCES", "prohibit"), ("unreachable", "EHOSTUNREACH", "unreachable"),
])
@FAMILIES
def test_a_route_that_forbids(network, broken, address, kind, error, type_):
    version = "-6" if ":" in address else "-4"
    broken("client", "ip %s route add %s %s" % (version, kind, address), heal="ip %s route del %s %s" % (version, kind, address))
    data = seen(network, address)
    assert (data["tcp.connect"]["error"], data["tcp.connect"]["answer"]) == (error, "local")
    assert data["route.lookup"]["type"] == type_
    assert data["route.lookup"]["links_down"] == []


@FAMILIES
def test_no_route_at_all(network, broken, address):
    version, gateway = ("-6", net.ROUTER6) if ":" in address else ("-4", net.ROUTER)
    broken("client", "ip %s route del default" % version, heal="ip %s route add default via %s" % (version, gateway))
    data = seen(network, address)
    assert (data["tcp.connect"]["error"], data["tcp.connect"]["answer"]) == ("ENETUNREACH", "local")
    assert data["route.lookup"]["type"] == "none"


def test_a_link_that_is_down(network, broken):
    broken("client", "ip link set eth0 down",
           heal="ip link set eth0 up; ip -6 address replace %s/64 dev eth0 nodad; ip route replace default via %s; "
                "ip -6 route replace default via %s" % (net.CLIENT6, net.ROUTER, net.ROUTER6))
    data = seen(network, net.SERVER)
    assert (data["tcp.connect"]["error"], data["route.lookup"]["type"]) == ("ENETUNREACH", "none")
    assert data["route.lookup"]["links_down"] == ["eth0"]


@pytest.mark.parametrize("address", ["192.0.2.99", "2001:db8:1::99"], ids=["ipv4", "ipv6"])
def test_an_address_of_the_link_that_nobody_has(network, address):
    data = seen(network, address, seconds=6.0)
    assert data["tcp.connect"]["error"] == "EHOSTUNREACH"
    assert data["tcp.connect"]["elapsed_ms"] > 800
    assert data["route.lookup"]["next_hop"] == address
    assert data["route.lookup"]["gateway"] == ""
    assert data["route.lookup"]["next_hop_state"] in ("FAILED", "INCOMPLETE")


def test_a_gateway_that_nobody_is(network, broken):
    broken("client", "ip route replace default via 192.0.2.98", heal="ip route replace default via %s" % net.ROUTER)
    data = seen(network, net.SERVER, seconds=6.0)
    assert data["tcp.connect"]["error"] == "EHOSTUNREACH"
    assert (data["route.lookup"]["gateway"], data["route.lookup"]["next_hop"]) == ("192.0.2.98", "192.0.2.98")
    assert data["route.lookup"]["next_hop_state"] in ("FAILED", "INCOMPLETE")


def test_attempts_beside_each_other_do_not_make_a_drop_certain(network, broken):
    """The counters are the host's: with another drop beside it, 'all' would be a guess for the one that left."""
    broken("client", rule("output", "drop", net.SERVER))
    broken("server", rule("input", "drop", net.SERVER, port=7002))
    results = {}

    def look(port):
        results[port] = seen(network, net.SERVER, port=port, seconds=1.8)["tcp.connect"]

    threads = [threading.Thread(target=look, args=(port,)) for port in (7000, 7002)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[7002]["error"] == results[7000]["error"] == "TIMEOUT"
    assert results[7002]["dropped_here"] != "all"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The route probe in a network of namespaces whose router loses, shrinks, refuses and keeps silent."""
from __future__ import annotations

import contextlib
import json
import math
import random
import socket
import struct
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _error_queue, _loss
from ansible_collections.connectivity.doctor.plugins.module_utils._command import CommandResult
from ansible_collections.connectivity.doctor.plugins.module_utils._echo import EchoSocket, Question, checksum
from ansible_collections.connectivity.doctor.plugins.module_utils._route import neighbours as _route_neighbours
from ansible_collections.connectivity.doctor.plugins.module_utils._route import reverse as _route_reverse
from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

if t.TYPE_CHECKING:
    from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

ROUTERS = {net.SERVER: net.ROUTER, net.SERVER6: net.ROUTER6}
FAMILIES = pytest.mark.parametrize("address", sorted(ROUTERS), ids=["ipv6", "ipv4"])
DEFAULTS = {"host": "db", "max_hops": 8, "detectable_loss": 0.1, "power": 0.95, "answer_timeout": 0.5}


def test_how_many_packets_find_a_loss():
    for rate in (0.01, 0.05, 0.1, 0.3, 0.9):
        for power in (0.5, 0.95, 0.99):
            count = _loss.packets_to_find(rate, power)
            assert 1 - (1 - rate) ** count >= power
            assert count == 1 or 1 - (1 - rate) ** (count - 1) < power
    assert _loss.packets_to_find(0.1, 0.95) == 29


def test_the_interval_holds_the_true_rate_as_often_as_it_says():
    source = random.Random(20260101)
    for rate in (0.05, 0.3):
        held = 0
        for _round in range(2000):
            low, high = _loss.interval(sum(source.random() < rate for _packet in range(60)), 60)
            held += low <= rate <= high
        assert 0.92 < held / 2000 < 0.99
    assert _loss.interval(0, 0) == (0.0, 1.0)
    assert _loss.interval(0, 29)[0] == 0.0
    assert math.isclose(_loss.interval(0, 29)[1], 0.117, abs_tol=0.001)


def test_spread():
    assert _loss.spread([3.0, 1.0, 2.0]) == {"min": 1.0, "median": 2.0, "p95": 3.0, "max": 3.0, "jitter": 1.5}
    assert set(_loss.spread([]).values()) == {None}


def test_bytes_of_the_error_queue_never_break_its_reader():
    source = random.Random(20260101)
    true = struct.pack("=IBBBxII", 113, 2, 3, 4, 1400, 0) + struct.pack("=HH4s8x", 2, 0, socket.inet_aton("192.0.2.1"))
    found = _error_queue.read_error(true)
    assert found == (_error_queue.IcmpError("192.0.2.1", 3, 4, "fragmentation_needed"), 1400)
    for _round in range(5000):
        data = bytearray(true)
        for _change in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.getrandbits(8)
        answer = _error_queue.read_error(bytes(data[:source.randint(0, len(data))]))
        assert answer is None or isinstance(answer[0].sender, str)


def test_what_ip_says_never_breaks_its_reader():
    source = random.Random(20260101)
    true = json.dumps([{"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}]}, {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2"}]}])

    class Says:
        """A host whose ip(8) says this."""

        text = true

        def command(self, _argv: t.Sequence[str], seconds: float = 0.0) -> CommandResult:
            return CommandResult(0, self.text, "", "")

    host = Says()
    assert _route_reverse.up_addresses(t.cast("Context", host)) == [("eth0", ["192.0.2.2"])]
    for _round in range(5000):
        text = list(true)
        for _change in range(source.randint(1, 5)):
            text[source.randrange(len(text))] = source.choice('{}[]",:0 9ntrue-')
        host.text = "".join(text)
        for name, addresses in _route_reverse.up_addresses(t.cast("Context", host)):
            assert isinstance(name, str)
            assert addresses


def test_the_checksum_of_rfc_1071():
    assert checksum(b"\x00\x01\xf2\x03\xf4\xf5\xf6\xf7") == 0x220D  # RFC 1071, section 3
    assert checksum(b"\x01") == 0xFEFF


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_echo_of_this_host_by_udp_needs_no_privilege(address):
    with EchoSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, allow_icmp=False) as sock:
        assert sock.method == "udp"
        answer = sock.ask([Question(1, address)], 2.0)[1]
    assert answer.is_port_unreachable_of(address)


def test_nothing_that_is_asked_for_wrongly_is_sent():
    for wrong in ({"detectable_loss": 0.0}, {"power": 1.0}, {"max_hops": 65}):
        with pytest.raises(ValueError, match="detectable_loss"):
            run_probe("route", dict(DEFAULTS, address="127.0.0.1", **wrong))


@pytest.fixture(scope="module")
def network() -> t.Iterator[Network]:
    reason = net.why_not()
    if reason:
        pytest.skip(reason)
    with Network() as made:
        made.serve(7000)
        yield made


@contextlib.contextmanager
def filtered(host: t.Any, hook: str, *rules: str) -> t.Iterator[None]:
    host.run("nft 'add table inet t; add chain inet t c { type filter hook %s priority 0; }; %s'" % (
        hook, "; ".join("add rule inet t c " + rule for rule in rules)))
    try:
        yield
    finally:
        host.run("nft flush ruleset")


@contextlib.contextmanager
def changed(host: t.Any, change: str, heal: str) -> t.Iterator[None]:
    host.run(change)
    try:
        yield
    finally:
        host.run(heal)


def seen(network: Network, address: str, host: str = "client", **parameters: t.Any) -> dict[str, dict[str, t.Any]]:
    """Data by check; of ``route.path`` by its method too."""
    began = time.monotonic()
    step = {"probe": "route", "parameters": dict(DEFAULTS, address=address, **parameters)}
    observations = network.observe(step, deadline=20.0, host=host)
    assert time.monotonic() - began < 21
    found = {}
    for one in observations:
        name = "path." + one["data"]["method"] if one["check"] == "route.path" else one["check"]
        assert name not in found
        found[name] = dict(one["data"], status=one["status"])
    return found


@FAMILIES
def test_a_healthy_way(network, address):
    data = seen(network, address, port=7000)
    for method, answer in (("icmp", "reply"), ("tcp", "accepted")):
        path = data["path." + method]
        assert [(hop["ttl"], hop["address"], hop["answer"]) for hop in path["hops"]] == [
            (1, ROUTERS[address], "ttl_exceeded"), (2, address, answer)]
        assert (path["reached"], path["distance"], path["last_hop"], path["refused_by"]) == (True, 2, address, "")
    assert (data["route.ping"]["sent"], data["route.ping"]["received"], data["route.ping"]["loss"]) == (29, 29, 0.0)
    mtu = data["route.mtu"]
    assert (mtu["path_mtu"], mtu["interface_mtu"], mtu["black_hole"], mtu["smallest_lost"]) == (1500, 1500, False, None)
    assert (mtu["tcp_path_mtu"], mtu["tcp_segment_mtu"]) == (1500, 1500)
    assert data["route.lookup"]["gateway"] == ROUTERS[address]


@FAMILIES
def test_few_connections_reach_the_service(network, address):
    """A path by TCP opens connections at the target: as many as needed and not one for each TTL."""
    with filtered(network.server, "input", "tcp dport 7000 tcp flags == syn counter"):
        seen(network, address, port=7000, max_hops=30)
        network.server.run("nft list ruleset | grep -qE 'counter packets [1-4] '")


@FAMILIES
@pytest.mark.parametrize("limit", [1200, 1401])
def test_a_black_hole_is_found_to_the_byte(network, address, limit):
    with filtered(network.router, "forward", "meta length > %d drop" % limit):
        mtu = seen(network, address)["route.mtu"]
    assert (mtu["status"], mtu["black_hole"], mtu["icmp_seen"]) == ("fail", True, False)
    assert (mtu["largest_through"], mtu["smallest_lost"], mtu["path_mtu"]) == (limit, limit + 1, limit)
    assert (mtu["lost_after_hop"], mtu["lost_before_hop"]) == (ROUTERS[address], address)


@FAMILIES
def test_a_shrunken_link_tells_and_silenced_is_a_black_hole(network, address):
    with changed(network.router, "ip link set toserver mtu 1400", "ip link set toserver mtu 1500"):
        told = seen(network, address)["route.mtu"]
        icmp = "icmpv6 type packet-too-big" if ":" in address else "icmp type destination-unreachable icmp code 4"
        with filtered(network.router, "output", icmp + " drop"):
            silent = seen(network, address)["route.mtu"]
    assert (told["black_hole"], told["path_mtu"], told["icmp_seen"], told["icmp_mtu"]) == (False, 1400, True, 1400)
    assert told["icmp_senders"] == [ROUTERS[address]]
    assert (silent["black_hole"], silent["path_mtu"], silent["icmp_seen"]) == (True, 1400, False)


def test_a_host_that_takes_no_large_echo_is_no_black_hole(network):
    with filtered(network.server, "input", "icmp type echo-request meta length > 1000 drop"):
        mtu = seen(network, net.SERVER)["route.mtu"]
    assert (mtu["udp_agrees"], mtu["black_hole"]) == (False, False)


def test_loss_is_not_taken_for_size(network):
    with filtered(network.router, "forward", "oifname toserver numgen random mod 100 < 30 drop"):
        data = seen(network, net.SERVER, port=7000)
    assert data["route.ping"]["sent"] == 90  # one lost of the 29 that find a loss asks for as many as tell its rate
    assert data["route.ping"]["tcp_lost"] > 0
    assert data["route.ping"]["tcp_sent"] > 30  # what was sent again counts too
    assert data["route.ping"]["loss_low"] < 0.3 < data["route.ping"]["loss_high"]
    assert data["route.ping"]["status"] == "warn"
    assert data["route.ping"]["by_hop"] == [{"ttl": 1, "address": net.ROUTER, "sent": 90, "received": 90}]
    assert data["route.mtu"]["black_hole"] is False


def test_a_host_that_answers_few_echoes_loses_no_syn(network):
    with filtered(network.server, "input", "icmp type echo-request numgen random mod 100 < 30 drop"):
        ping = seen(network, net.SERVER, port=7000)["route.ping"]
    assert ping["loss_low"] > 0.1, ping
    assert (ping["tcp_sent"], ping["tcp_lost"]) == (30, 0)


@FAMILIES
def test_echo_is_filtered_and_the_port_is_not(network, address):
    with filtered(network.server, "input", "icmp type echo-request drop", "icmpv6 type echo-request drop"):
        data = seen(network, address, port=7000)
    assert (data["path.icmp"]["reached"], data["path.icmp"]["last_hop"]) == (False, ROUTERS[address])
    assert data["path.tcp"]["reached"] is True
    assert (data["route.ping"]["method"], data["route.ping"]["silent_methods"]) == ("tcp", ["icmp"])
    assert (data["route.ping"]["status"], data["route.ping"]["loss"]) == ("ok", 0.0)


@FAMILIES
def test_the_port_is_filtered_and_echo_is_not(network, address):
    with filtered(network.router, "forward", "tcp dport 7000 drop"):
        data = seen(network, address, port=7000)
    assert data["path.icmp"]["reached"] is True
    tcp = data["path.tcp"]
    assert (tcp["reached"], tcp["last_hop"], tcp["last_ttl"], tcp["hops"][-1]["answer"]) == (False, ROUTERS[address], 1, "none")


@pytest.mark.parametrize(("host", "hook", "whose"), [
    ("client", "output", "self"), ("router", "forward", "path"), ("server", "input", "target"),
])
def test_who_refuses_the_port(network, host, hook, whose):
    with filtered(getattr(network, host), hook, "tcp dport 7000 reject with icmp type admin-prohibited"):
        tcp = seen(network, net.SERVER, port=7000)["path.tcp"]
    assert (tcp["reached"], tcp["refused_with"], tcp["refused_from"]) == (False, "admin_prohibited", whose)
    assert tcp["refused_by"] == {"self": net.CLIENT, "path": net.ROUTER, "target": net.SERVER}[whose]


def test_an_address_that_nobody_has_behind_the_router(network):
    data = seen(network, "198.51.100.77", port=7000)
    assert (data["path.icmp"]["refused_by"], data["path.icmp"]["refused_with"]) == (net.ROUTER, "host_unreachable")
    assert data["route.ping"]["received"] == 0
    assert data["route.mtu"]["black_hole"] is None
    assert data["route.mtu"]["reason"] == "no_answer"


@pytest.mark.parametrize(("kind", "error"), [("blackhole", "EINVAL"), ("prohibit", "EACCES"), ("unreachable", "EHOSTUNREACH")])
def test_a_route_that_forbids(network, kind, error):
    with changed(network.client, "ip route add %s %s" % (kind, net.SERVER), "ip route del %s %s" % (kind, net.SERVER)):
        data = seen(network, net.SERVER, port=7000)
    assert data["path.icmp"]["local_error"] == error
    assert data["path.tcp"]["local_error"] == error
    assert data["route.ping"]["local_errors"] == {error: 29}
    assert data["route.lookup"]["type"] == kind


def test_a_drop_of_the_hosts_own_filter_is_an_error_of_its_own(network):
    with filtered(network.client, "output", "ip daddr %s drop" % net.SERVER):
        data = seen(network, net.SERVER)
    assert data["path.icmp"]["local_error"] == "EPERM"
    assert data["route.ping"]["local_errors"] == {"EPERM": 29}


def test_the_reverse_path_filter(network):
    other = "ip link add other type veth peer name far; ip address add 203.0.113.1/24 dev other; ip link set other up; ip link set far up; "
    strict = "echo 1 >/proc/sys/net/ipv4/conf/%s/rp_filter; "
    with changed(network.server, other + strict % "eth0" + "ip route add %s dev other" % net.CLIENT,
                 "ip link del other; echo 0 >/proc/sys/net/ipv4/conf/eth0/rp_filter"):
        refused = seen(network, net.CLIENT, host="server", local_address=net.SERVER)["route.reverse_path"]
        network.server.run("echo 2 >/proc/sys/net/ipv4/conf/eth0/rp_filter")
        loose = seen(network, net.CLIENT, host="server", local_address=net.SERVER)["route.reverse_path"]
    assert (refused["status"], refused["arrival_accepted"], refused["arrival_device"]) == ("fail", False, "eth0")
    assert refused["return_device"] == "other"
    assert {one["name"]: one["rp_filter"] for one in refused["interfaces"]}["eth0"] == 1
    assert (loose["status"], loose["arrival_accepted"]) == ("ok", True)


@pytest.mark.parametrize(("second", "own"), [(net.CLIENT, True), (net.ROUTER, False)])
def test_an_address_that_two_machines_hold(network, second, own):
    """A third machine behind a bridge would answer as the router's other end does here: from another MAC."""
    twin = "ip link add twin link toclient type macvlan mode bridge; ip address add %s/32 dev twin; ip link set twin up"
    with changed(network.router, twin % second, "ip link del twin"):
        twice = seen(network, net.SERVER, checks=["lookup", "neighbours"])["route.neighbours"]
    once = seen(network, net.SERVER, checks=["lookup", "neighbours"])["route.neighbours"]
    assert (twice["status"], twice["duplicate_address"], twice["duplicate_device"], twice["duplicate_own"]) == ("fail", second, "eth0", own)
    assert len(twice["duplicate_macs"]) >= (1 if own else 2)
    assert (once["status"], once["duplicate_address"], once["duplicate_macs"]) == ("ok", "", [])
    assert [(one["address"], one["own"], len(one["macs"])) for one in once["asked"]] == [(net.CLIENT, True, 0), (net.ROUTER, False, 1)]


_ANSWERS_FOR_ALL = """
import socket
sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
sock.bind(("toclient", 0x0806))
own = sock.getsockname()[4]
print("ready", flush=True)
while True:
    asked = sock.recv(128)
    if asked[20:22] == b"\\0\\1":
        sock.send(asked[6:12] + own + asked[12:20] + b"\\0\\2" + own + asked[38:42] + asked[22:32])
"""


def test_a_router_that_answers_for_every_address_holds_none_twice(network):
    """Local proxy ARP, as networks have it that keep their hosts apart."""
    with subprocess.Popen([*network.router.enter(), sys.executable, "-c", _ANSWERS_FOR_ALL], stdout=subprocess.PIPE) as router:
        assert router.stdout.readline() == b"ready\n"
        data = seen(network, net.SERVER, checks=["path", "lookup", "neighbours"])["route.neighbours"]
        router.kill()
    assert (data["status"], data["duplicate_macs"]) == ("ok", [])


def test_frames_never_break_their_reader():
    source = random.Random(20260101)
    true = bytes.fromhex("020000000001020000000002080600010800060400020200000000020a000001") + bytes(10)
    assert _route_neighbours.read_answer(true) == ("10.0.0.1", bytes.fromhex("020000000002"))
    for _round in range(5000):
        data = bytearray(true)
        for _change in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.getrandbits(8)
        told = _route_neighbours.read_answer(bytes(data[:source.randint(0, len(data))]))
        assert told is None or len(told[1]) == 6


def test_only_what_is_asked_for_is_looked_at(network):
    assert set(seen(network, net.SERVER, checks=["lookup", "reverse_path"])) == {"route.lookup", "route.reverse_path"}


def test_what_nobody_waited_for_is_no_silence(network):
    with filtered(network.router, "forward", "drop"):
        step = {"probe": "route", "parameters": dict(DEFAULTS, address=net.SERVER, port=7000)}
        observations = network.observe(step, deadline=3.0)
    late = {(one["check"], one["target"]): (one["status"], one["data"].get("reason")) for one in observations}
    late.pop(("route.lookup", net.SERVER))
    assert late.pop(("route.path", net.SERVER))[0] == "warn"
    assert ("route.path", net.SERVER + ":7000") in late
    assert ("route.mtu", net.SERVER) in late
    assert late.pop(("route.ping", net.SERVER)) == ("fail", None)  # it goes beside the path, and so in time
    assert {reason for (check, _target), (_status, reason) in late.items() if check != "route.reverse_path"} == {"deadline"}


@FAMILIES
def test_a_deadline_never_makes_a_black_hole(network, address):
    for deadline in (0.5, 1.0, 1.6, 2.2):
        observations = network.observe({"probe": "route", "parameters": dict(DEFAULTS, address=address)}, deadline=deadline)
        assert all(one["data"].get("black_hole") in (None, False) for one in observations if one["check"] == "route.mtu")

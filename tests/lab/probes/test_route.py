# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The route probe over ssh on live faults, beside ping, tracepath, mtr, nmap and nstat on the same."""
from __future__ import annotations

import re

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, filtered, observe, tool

CLIENT, PORT = "web1", 5432
ROUTER = {4: "10.77.1.1", 6: "fd77:1::1"}
DATABASE = {4: "10.77.2.20", 6: "fd77:2::20"}
FAMILIES = pytest.mark.parametrize("version", [4, 6])


def route(lab: Lab, machine: str = CLIENT, /, version: int = 4, **parameters):
    return observe(lab, machine, "probe_route", **{"host": DATABASE[version], **parameters})


@FAMILIES
def test_a_healthy_way_as_mtr_and_tracepath_see_it(lab: Lab, version: int) -> None:
    seen = route(lab, version=version, port=PORT)
    for method in ("icmp", "tcp"):
        path = data_of(seen, "route.path", method=method)
        assert [hop["address"] for hop in path["hops"]] == [ROUTER[version], DATABASE[version]]
        assert path["reached"] is True
    assert data_of(seen, "route.ping")["loss"] == 0
    assert data_of(seen, "route.mtu")["black_hole"] is False
    report = tool(CLIENT, "mtr", "-n", "-r", "-c", "1", DATABASE[version])
    assert re.findall(r"\|-- (\S+)", report) == [ROUTER[version], DATABASE[version]]
    assert f"pmtu {data_of(seen, 'route.mtu')['path_mtu']}" in tool(CLIENT, "tracepath", "-n", DATABASE[version]).splitlines()[-1]


def test_an_ordinary_user_sees_the_path_too(lab: Lab) -> None:
    """Without root, and with net.ipv4.ping_group_range as the kernel has it: no ICMP echo; UDP and TCP tell."""
    seen = route(lab, port=PORT, become=False)
    assert {data_of(seen, "route.path", port=PORT)["method"], data_of(seen, "route.path", port=None)["method"]} == {"tcp", "udp"}
    assert all(one["data"]["reached"] for one in seen if one["check"] == "route.path")
    assert data_of(seen, "route.ping")["method"] == "tcp"
    assert data_of(seen, "route.ping")["loss"] == 0


@FAMILIES
def test_a_black_hole_is_where_ping_loses_large_packets(lab: Lab, version: int) -> None:
    with filtered(lab, "router", "forward", "meta length > 1200 drop"):
        mtu = data_of(route(lab, version=version), "route.mtu")
        header = 28 if version == 4 else 48
        for size, answered in ((1200, 1), (1201, 0)):
            said = tool(CLIENT, "ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", str(size - header), DATABASE[version])
            assert f"{answered} received" in said
    assert (mtu["status"], mtu["black_hole"], mtu["icmp_seen"]) == ("fail", True, False)
    assert (mtu["largest_through"], mtu["smallest_lost"], mtu["path_mtu"]) == (1200, 1201, 1200)
    assert (mtu["lost_after_hop"], mtu["lost_before_hop"]) == (ROUTER[version], DATABASE[version])


@FAMILIES
def test_a_smaller_link_that_says_so_is_no_black_hole(lab: Lab, version: int) -> None:
    shrink = f"ip -{version} route replace {DATABASE[version]} dev net1 mtu lock 1300" if version == 4 else \
        f"ip -6 route replace {DATABASE[version]} dev net1 mtu 1300"
    forget = f"ip -{version} route del {DATABASE[version]} dev net1"
    with broken(lab, "router", shrink, forget):
        mtu = data_of(route(lab, version=version), "route.mtu")
        said = tool(CLIENT, "tracepath", "-n", DATABASE[version])
    lab.run(CLIENT, f"ip -{version} route flush cache")
    assert "pmtu 1300" in said
    assert (mtu["black_hole"], mtu["path_mtu"], mtu["icmp_seen"], mtu["icmp_mtu"]) == (False, 1300, True, 1300)
    assert mtu["icmp_senders"] == [ROUTER[version]]


def test_a_silenced_router_makes_the_same_link_a_black_hole(lab: Lab) -> None:
    """MTU 1300 behind the router, and its messages about it dropped on their way."""
    with (
        broken(lab, "router", f"ip route replace {DATABASE[4]} dev net1 mtu lock 1300", f"ip route del {DATABASE[4]} dev net1"),
        filtered(lab, "router", "output", "icmp type destination-unreachable icmp code 4 drop"),
    ):
        mtu = data_of(route(lab), "route.mtu")
    assert (mtu["black_hole"], mtu["path_mtu"], mtu["icmp_seen"]) == (True, 1300, False)


def test_a_larger_interface_than_the_links_is_lost_on_the_first_one(lab: Lab) -> None:
    with broken(lab, CLIENT, "ip link set net0 mtu 9000", "ip link set net0 mtu 1500"):
        mtu = data_of(route(lab, peer_mtu=1500), "route.mtu")
        said = tool(CLIENT, "ping", "-n", "-c", "1", "-W", "1", "-M", "do", "-s", "8000", ROUTER[4])
    assert "0 received" in said
    assert (mtu["black_hole"], mtu["interface_mtu"], mtu["mtu_mismatch"]) == (True, 9000, True)
    assert mtu["path_mtu"] == 1500
    assert (mtu["lost_after_hop"], mtu["lost_before_hop"]) == ("", ROUTER[4])


def test_loss_is_seen_and_placed(lab: Lab) -> None:
    with filtered(lab, "router", "forward", "oifname net1 numgen random mod 100 < 30 drop"):
        ping = data_of(route(lab, detectable_loss=0.05, power=0.995, answer_timeout=0.5), "route.ping")
        said = tool(CLIENT, "ping", "-n", "-q", "-c", "100", "-i", "0.01", "-W", "1", DATABASE[4])
    theirs = float(re.search(r"([\d.]+)% packet loss", said).group(1)) / 100
    assert ping["sent"] == 104
    assert ping["status"] == "warn"
    assert ping["loss_low"] <= 0.3 <= ping["loss_high"]
    assert abs(ping["loss"] - theirs) < 0.25
    assert ping["by_hop"] == [{"ttl": 1, "address": ROUTER[4], "sent": 104, "received": 104}]


@FAMILIES
def test_a_path_that_is_cut_for_one_port(lab: Lab, version: int) -> None:
    with filtered(lab, "router", "forward", f"tcp dport {PORT} drop"):
        seen = route(lab, version=version, port=PORT)
        state = tool(CLIENT, "nmap", "-n", "-Pn", f"-{version}", "-p", str(PORT), DATABASE[version])
    assert "filtered" in state
    assert data_of(seen, "route.path", method="icmp")["reached"] is True
    by_tcp = data_of(seen, "route.path", method="tcp")
    assert (by_tcp["reached"], by_tcp["last_hop"], by_tcp["last_ttl"]) == (False, ROUTER[version], 1)


def test_a_path_that_a_router_refuses(lab: Lab) -> None:
    with filtered(lab, "router", "forward", f"tcp dport {PORT} reject with icmp type admin-prohibited"):
        by_tcp = data_of(route(lab, port=PORT), "route.path", method="tcp")
        said = tool(CLIENT, "nmap", "-n", "-Pn", "--reason", "-p", str(PORT), DATABASE[4])
    assert f"admin-prohibited from {ROUTER[4]}" in said
    assert (by_tcp["refused_by"], by_tcp["refused_with"], by_tcp["refused_from"]) == (ROUTER[4], "admin_prohibited", "path")


def test_a_dead_gateway(lab: Lab) -> None:
    with broken(lab, CLIENT, "ip route replace default via 10.77.1.250", f"ip route replace default via {ROUTER[4]} dev net0 onlink"):
        seen = route(lab, port=PORT)
        neighbours = tool(CLIENT, "ip", "neighbour", "show", "10.77.1.250")
    lookup = data_of(seen, "route.lookup")
    assert lookup["gateway"] == "10.77.1.250"
    assert lookup["next_hop_state"] in ("FAILED", "INCOMPLETE")  # while packets are sent, the kernel goes on asking
    assert re.search("FAILED|INCOMPLETE", neighbours)
    assert data_of(seen, "route.ping")["received"] == 0
    assert all(one["data"]["last_hop"] in ("", "10.77.1.11") for one in seen if one["check"] == "route.path")
    assert data_of(seen, "route.mtu")["black_hole"] is None


def test_a_strict_reverse_path_filter_on_the_server(lab: Lab) -> None:
    """The server sends to the client by another interface than the one on which the client's packets arrive."""
    client = "10.77.1.11"
    break_it = f"sysctl -qw net.ipv4.conf.net0.rp_filter=1; ip route add {client} via 10.77.9.2 dev mgmt0"
    heal = f"ip route del {client}; sysctl -qw net.ipv4.conf.net0.rp_filter=0"
    counter = "nstat -asz TcpExtIPReversePathFilter | awk '/ReversePath/ {print $2}'"
    before = int(lab.run("db1", counter).stdout)
    with broken(lab, "db1", break_it, heal):
        assert "0 received" in tool(CLIENT, "ping", "-n", "-c", "3", "-i", "0.2", "-W", "1", DATABASE[4])
        reverse = data_of(route(lab, "db1", host=client, local_address=DATABASE[4]), "route.reverse_path")
    dropped = int(lab.run("db1", counter).stdout) - before
    healthy = data_of(route(lab, "db1", host=client, local_address=DATABASE[4]), "route.reverse_path")
    assert dropped >= 3
    assert reverse["dropped_since_boot"] >= before + 3
    assert (reverse["status"], reverse["arrival_accepted"]) == ("fail", False)
    assert (reverse["arrival_device"], reverse["return_device"]) == ("net0", "mgmt0")
    assert (healthy["status"], healthy["arrival_accepted"]) == ("ok", True)


def test_an_address_that_another_client_holds_too_as_arping_sees_it(lab: Lab) -> None:
    own = "10.77.1.11"
    with broken(lab, "web4", f"ip address add {own}/32 dev net0", f"ip address del {own}/32 dev net0"):
        twice = data_of(route(lab, checks=["lookup", "neighbours"]), "route.neighbours")
        said = tool(CLIENT, "arping", "-D", "-c", "2", "-w", "2", "-I", "net0", own)
        mac = lab.run("web4", ["cat", "/sys/class/net/net0/address"]).stdout.strip()
    once = data_of(route(lab, checks=["lookup", "neighbours"]), "route.neighbours")
    assert mac in said.lower()
    assert (twice["status"], twice["duplicate_address"], twice["duplicate_own"], twice["duplicate_macs"]) == ("fail", own, True, [mac])
    assert (once["status"], once["duplicate_macs"]) == ("ok", [])
    assert next(one["macs"] for one in once["asked"] if one["address"] == ROUTER[4]) != []

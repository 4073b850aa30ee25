# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes on the way beside what looks like them: what one observation more, or one less, makes of a recorded fault."""
from __future__ import annotations

import copy
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}

Change = t.Callable[[dict[str, t.Any]], t.Any]


def causes(name: str, change: Change = lambda _one: None, **described: t.Any) -> dict[str, dict[str, t.Any]]:
    """The causes, by code, of a recorded fault whose observations were changed: ``change`` edits one, or returns False to leave it out."""
    recorded = copy.deepcopy(RECORDED[name])
    observations = [one for one in recorded["endpoint"].pop("observations") if change(one) is not False]
    endpoint = {**recorded["endpoint"], "name": recorded["endpoint_name"], **described}
    return {cause["code"]: cause for cause in infer(Case(recorded["host"], endpoint, observations)).causes}


def codes(name: str, change: Change = lambda _one: None, **described: t.Any) -> list[str]:
    return sorted(causes(name, change, **described))


def without(*checks: str, side: str = "client") -> Change:
    return lambda one: one["check"] not in checks or one.get("side", "client") != side


def with_data(check: str, side: str = "client", /, **data: t.Any) -> Change:
    def change(one: dict[str, t.Any]) -> None:
        if one["check"] == check and one.get("side", "client") == side:
            one["data"].update(data)
    return change


def test_a_hung_server_is_none_where_only_large_packets_are_missing() -> None:
    """A PostgreSQL server that answers an SSLRequest, with one byte, and no ClientHello."""
    assert codes("network-mtu-black-hole-database") == ["network.mtu_black_hole"]
    assert codes("network-mtu-black-hole-database", with_data("route.mtu", black_hole=False)) == ["server.hung"]
    assert codes("network-mtu-black-hole-database", with_data("route.mtu", black_hole=None)) == ["server.hung"]

    def nor_small(one: dict[str, t.Any]) -> None:
        if one["check"] == "postgresql.ssl_request":
            one["status"], one["data"]["answer"] = "fail", "timeout"
    assert codes("network-mtu-black-hole-database", nor_small) == ["network.mtu_black_hole", "server.hung"]


def test_a_size_that_vanishes_harms_nobody_who_sends_nothing_of_that_size() -> None:
    def complete(one: dict[str, t.Any]) -> None:
        if one["check"] == "tls.handshake":
            one["status"], one["data"]["error"] = "ok", ""
    assert codes("network-mtu-black-hole", complete) == []


@pytest.mark.parametrize(("data", "expected"), [
    ({}, "network.mtu_mismatch"),
    ({"lost_before_hop": "10.77.2.30"}, "network.mtu_black_hole"),  # the hop that loses it is unknown
    ({"lost_before_hop": "10.77.2.30", "on_link": True}, "network.mtu_mismatch"),
    ({"lost_after_hop": "10.77.1.1", "lost_before_hop": "10.77.2.30"}, "network.mtu_black_hole"),
])
def test_the_link_on_which_it_is_lost_tells_whose_size_is_wrong(data: dict[str, t.Any], expected: str) -> None:
    assert codes("network-mtu-mismatch", with_data("route.mtu", **data)) == [expected]


@pytest.mark.parametrize(("data", "expected"), [
    ({}, ["network.packet_loss"]),
    ({"tcp_lost": 0}, []),  # who answers few echoes may pass all else on
    ({"tcp_sent": 0, "tcp_lost": 0}, ["network.packet_loss"]),  # no time for TCP, but connections of the first look lost theirs
    ({"loss_low": 0.08}, []),
    ({"loss": 0.0, "loss_low": 0.0}, []),
    ({"loss": None, "loss_low": 0.0}, []),
])
def test_loss_is_told_where_it_is_certain_and_tcp_meets_it(data: dict[str, t.Any], expected: list[str]) -> None:
    def one_syn_lost(one: dict[str, t.Any]) -> None:
        with_data("route.ping", **data)(one)
        with_data("tcp.connect", elapsed_ms=1007.0)(one)
    assert codes("network-packet-loss", one_syn_lost) == expected


def test_without_a_trace_in_tcp_loss_of_echoes_is_none() -> None:
    def quick(one: dict[str, t.Any]) -> None:
        with_data("route.ping", tcp_sent=0, tcp_lost=0)(one)
        with_data("tcp.connect", elapsed_ms=1.0)(one)
    assert codes("network-packet-loss", quick) == []


def test_who_allows_a_loss_is_told_of_none() -> None:
    allowed = {**RECORDED["network-packet-loss"]["endpoint"]["thresholds"], "success_rate": 0.2}
    assert codes("network-packet-loss", thresholds=allowed) == []


def test_a_handshake_that_loss_cut_off_is_no_hung_server() -> None:
    def cut_off(one: dict[str, t.Any]) -> bool:
        if one["check"] == "tls.handshake":
            one["status"], one["data"]["error"] = "fail", "timeout"
        return not one["check"].startswith(("http.", "tls.verify", "tls.certificate"))
    assert codes("network-packet-loss", cut_off) == ["network.packet_loss"]
    assert codes("network-packet-loss", lambda one: cut_off(one) and not one["check"].startswith("route.")) == ["server.hung"]


def test_a_filter_of_the_reverse_path_is_known_by_the_server_only() -> None:
    assert codes("network-rp-filter") == ["network.rp_filter"]
    assert codes("network-rp-filter", without("route.reverse_path", side="server")) == ["firewall.path"]
    assert "network.rp_filter" not in codes("network-rp-filter", lambda one: one.get("side") != "server")


def test_a_host_that_drops_the_answers_itself_is_known_by_its_counter() -> None:
    name = "network-rp-filter-of-the-host"
    assert codes(name) == codes(name, lambda one: one.get("side") != "server") == ["network.rp_filter"]
    assert "network.rp_filter" not in codes(name, with_data("route.reverse_path", dropped_during_probe=2))  # martians of others
    assert "network.rp_filter" not in codes(name, with_data("route.ping", received=29))


def test_an_address_that_two_hold_is_told_by_whoever_asked_for_it() -> None:
    name = "network-duplicate-address-of-the-server"
    assert codes(name) == ["network.duplicate_address"]
    assert "network.duplicate_address" not in codes(name, without("route.neighbours", side="server"))
    other = with_data("route.neighbours", "server", duplicate_address="10.77.9.30")
    assert "network.duplicate_address" not in codes(name, other)  # of the server, but not the one that was connected to


def test_a_tunnel_without_a_view_of_its_other_end_is_a_candidate() -> None:
    blind = codes("network-tunnel-down-at-its-other-end", lambda one: one.get("side") != "server")
    assert "network.tunnel_down" not in blind  # its own end is up, and nobody answers on its link: the machine may be off

    def silent(one: dict[str, t.Any]) -> bool:
        if one["check"] == "tcp.connect":
            one["data"].update(error="TIMEOUT", answer="none", dropped_here="none")
            for key in [key for key in one["data"] if key.startswith("icmp_")]:
                del one["data"][key]
        with_data("route.lookup", next_hop_state="NOARP")(one)
        return one.get("side") != "server"
    assert codes("network-tunnel-down-at-its-other-end", silent) == ["firewall.path", "firewall.server_ingress", "network.tunnel_down"]
    assert causes("network-tunnel-down-at-its-other-end", silent)["network.tunnel_down"]["summary"] == (
        "web3: tunnel vpn0 is down, which leads to 10.99.0.2")


def test_a_port_mapping_is_missed_where_the_server_is_known_to_be_another_machine() -> None:
    name = "network-port-mapping-missing"
    assert codes(name) == ["network.port_mapping_missing"]
    unknown = codes(name, lambda one: one.get("side") != "server")
    assert {"network.port_mapping_missing", "server.not_running"} <= set(unknown)  # a balancer that is down looks the same

    def its_own(one: dict[str, t.Any]) -> None:
        if one["check"] == "route.reverse_path" and one.get("side") == "server":
            one["data"]["interfaces"][0]["addresses"].append("10.77.1.1")
    assert codes(name, its_own) == ["agent.wrong_port"]  # its PostgreSQL listens on another port


def test_a_transfer_is_held_up_by_the_way_where_packets_wait_on_it_meanwhile() -> None:
    name = "network-low-bandwidth"
    assert codes(name, with_data("throughput.transfer", rtt_added_ms=0.4, loss_loaded=0.05)) == ["network.low_bandwidth"]
    assert codes(name, with_data("throughput.transfer", bits_per_second=2e7, steady_bits_per_second=2e7)) == []
    assert codes(name, with_data("throughput.transfer", bytes=3000)) == []  # too little to tell a rate
    assert codes(name, thresholds={"bits_per_second": 0.0}) == []
    held_up = causes(name, with_data("throughput.transfer", rtt_added_ms=0.4, loss_loaded=0.0))
    assert "decide_by" in held_up["network.low_bandwidth"]  # the server may be what is slow


def test_a_way_on_which_nobody_answers_an_echo_is_no_fault() -> None:
    silent = {"method": "icmp", "received": 0, "loss": 1.0, "loss_low": 0.88, "rtt_ms": dict.fromkeys(("min", "median", "max"))}
    assert codes("network-high-latency", with_data("route.ping", **silent)) == []
    assert codes("network-packet-loss", with_data("route.ping", **silent)) == []
    assert codes("network-rp-filter", with_data("route.ping", **silent)) == ["network.rp_filter"]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall probe in network namespaces of its own, with real rules in them."""
from __future__ import annotations

import shutil
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._probes import firewall
from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network

PORT = 5432


@pytest.fixture
def network() -> t.Iterator[Network]:
    reason = net.why_not()
    if reason:
        pytest.skip(reason)
    with Network() as made:
        yield made


def observe(network: Network, host: str = "client", **parameters: t.Any) -> list[dict[str, t.Any]]:
    defaults = {name: option["default"] for name, option in firewall.ARGUMENTS.items() if "default" in option}
    given = {**defaults, "host": "db", "address": net.SERVER, "port": PORT, **parameters}
    return network.observe({"probe": "firewall", "parameters": given}, host=host)


def rule(seen: list[dict[str, t.Any]], phase: str = "request") -> dict[str, t.Any]:
    found = [dict(one["data"], status=one["status"], message=one["message"], reproduce=one["reproduce"]) for one in seen
             if one["check"] == "firewall.rule" and one["data"]["phase"] == phase]
    assert len(found) == 1, seen
    return found[0]


def managers(seen: list[dict[str, t.Any]]) -> dict[str, t.Any]:
    return next(one["data"] for one in seen if one["check"] == "firewall.managers")


def nft(*rules: str, hook: str = "output", table: str = "mine") -> str:
    chain = "nft add table inet %s; nft 'add chain inet %s %s { type filter hook %s priority 0; }'\n" % (table, table, hook, hook)
    return chain + "\n".join("nft 'add rule inet %s %s %s'" % (table, hook, one) for one in rules)


def test_without_rules_nothing_stops_it(network: Network) -> None:
    seen = observe(network)
    for phase in ("request", "reply"):
        told = rule(seen, phase)
        assert (told["status"], told["verdict"], told["tool"], told["rule"], told["policy"]) == ("ok", "accept", "none", "", False)
    assert managers(seen) == {"managers": [], "ufw_enabled": managers(seen)["ufw_enabled"], "firewalld_running": False,
                              "conflict": False, "stopped_by": None, "allowed_by": [],
                              "direction": "outbound", "address": rule(seen, "request")["address"], "port": 5432}


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_counter_moves_by_the_one_packet_that_proves(network: Network, protocol: str) -> None:
    network.client.run(nft("%s dport 1-9 drop" % protocol, "%s dport %d counter drop" % (protocol, PORT)))
    told = rule(observe(network, protocol=protocol, prove=True))
    assert (told["status"], told["line"], told["counter_packets"], told["counter_delta"], told["proved"]) == ("fail", 2, 0, 1, True)
    assert told["rule"] == "%s dport %d counter drop" % (protocol, PORT)
    assert told["reproduce"] == "nft -a list chain inet mine output"
    assert "handle %d" % told["handle"] in told["message"]


def test_it_sends_nothing_unless_asked_to_prove(network: Network) -> None:
    network.client.run(nft("tcp dport %d counter drop" % PORT))
    for _time in range(2):
        told = rule(observe(network))
        assert (told["counter_packets"], told["counter_delta"], told["proved"]) == (0, None, False)


def test_a_rule_without_a_counter_proves_nothing(network: Network) -> None:
    network.client.run(nft("tcp dport %d drop" % PORT))
    told = rule(observe(network, prove=True))
    assert (told["status"], told["counter_packets"], told["counter_delta"], told["proved"]) == ("fail", None, None, False)


def test_the_server_sees_what_it_does_with_a_client(network: Network) -> None:
    network.server.run(nft("ip saddr %s tcp sport %d reject with icmpx type admin-prohibited" % (net.SERVER, PORT)))
    seen = observe(network, host="server", direction="inbound", address=net.CLIENT)
    assert rule(seen)["status"] == "ok"
    told = rule(seen, "reply")
    assert (told["status"], told["verdict"], told["reject_kind"], told["chain"]) == ("fail", "reject", "admin_prohibited", "output")


def test_a_rule_for_a_user_and_the_users_own_connection(network: Network) -> None:
    network.client.run(nft("meta skuid 4711 tcp dport %d counter reject with tcp reset" % PORT))
    agent, root = rule(observe(network, user="4711", prove=True)), rule(observe(network, prove=True))
    assert (agent["verdict"], agent["reject_kind"], agent["uid"], agent["counter_delta"]) == ("reject", "tcp_reset", 4711, 1)
    assert (root["verdict"], root["uid"]) == ("accept", 0)


def test_what_one_allows_another_stops(network: Network) -> None:
    if not shutil.which("iptables"):
        pytest.skip("needs iptables")
    network.client.run("iptables -N ufw-user-output; iptables -A OUTPUT -j ufw-user-output\n"
                       "iptables -A ufw-user-output -p tcp --dport %d -j ACCEPT\n" % PORT + nft("tcp dport %d drop" % PORT))
    seen = observe(network)
    assert rule(seen)["table"] == "mine"
    told = managers(seen)
    assert [one["name"] for one in told["managers"]] == ["nftables", "ufw"]
    assert (told["conflict"], told["stopped_by"]["rule"]) == (True, "tcp dport %d drop" % PORT)
    assert [(one["owner"], one["rule"]) for one in told["allowed_by"]] == [
        ("ufw", "-A ufw-user-output -p tcp -m tcp --dport %d -j ACCEPT" % PORT)]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_chains_of_one_priority_the_kernel_asks_the_younger(network: Network, order: int) -> None:
    if not shutil.which("iptables"):
        pytest.skip("needs iptables")
    for commands in ("iptables -A OUTPUT -p tcp -j DROP", nft("meta l4proto tcp counter drop"))[::order]:
        network.client.run(commands)
    told = rule(observe(network, prove=True))
    assert (told["tool"], told["counter_delta"]) == ("nftables" if order == 1 else "iptables", 1)


def test_what_cannot_be_known_is_told_as_that(network: Network) -> None:
    network.client.run(nft("ip ttl < 200 counter drop"))
    told = rule(observe(network))
    assert (told["status"], told["verdict"], told["reason"]) == ("cannot_tell", "unknown", "unknown_expression")
    assert [(one["rule"], one["if_matched"], one["otherwise"]) for one in told["conditional"]] == [
        ("ip ttl < 200 counter drop", ["drop"], ["accept"])]
    proved = rule(observe(network, prove=True))
    assert (proved["status"], proved["verdict"], proved["proved"], proved["counter_delta"]) == ("fail", "drop", True, 1)


def test_ipv6_and_a_loop_to_oneself(network: Network) -> None:
    network.client.run(nft("ip6 daddr %s drop" % net.SERVER6) + "\n" + nft("iifname lo tcp dport %d reject" % PORT, hook="input"))
    assert rule(observe(network, address=net.SERVER6))["verdict"] == "drop"
    assert rule(observe(network))["verdict"] == "accept"
    own = rule(observe(network, address=net.CLIENT))
    assert (own["interface"], own["chain"], own["verdict"], own["reject_kind"]) == ("lo", "input", "reject", "port_unreachable")


def test_without_a_route_or_a_user_nothing_is_told(network: Network) -> None:
    network.client.run("ip route del default")
    assert (rule(observe(network))["status"], rule(observe(network))["reason"]) == ("cannot_tell", "no_route")
    assert rule(observe(network, user="nobody-of-this-name"))["reason"] == "no_such_user"


def test_rules_of_iptables_legacy_and_its_sets(network: Network) -> None:
    if not (shutil.which("iptables-legacy") and shutil.which("ipset")):
        pytest.skip("needs iptables-legacy and ipset")
    network.client.run("ipset create banned hash:net; ipset add banned 198.51.100.0/24\n"
                       "iptables-legacy -A OUTPUT -m set --match-set banned dst -j DROP")
    told = rule(observe(network, prove=True))
    assert (told["tool"], told["line"], told["counter_delta"], told["set_member"]) == (
        "iptables-legacy", 1, 1, {"set": "banned", "element": "198.51.100.0/24"})


def test_of_a_rule_that_stops_the_flow_it_is_told_where_it_is_loaded_from_and_of_others_nothing(network: Network) -> None:
    network.client.run(nft("tcp dport %d drop" % PORT))
    assert rule(observe(network))["boot"]["why_not"], "no file has this rule"
    assert rule(observe(network, port=PORT + 1))["boot"] is None

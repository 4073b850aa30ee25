# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes in packet filters: each names the very rule, and is silent where one fact of what was recorded in the lab is another."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.tests.support.changed_cases import (
    Change,
    being,
    both,
    codes,
    having,
    never,
    proved,
    verdict,
    where,
)


@pytest.mark.parametrize(("name", "culprit"), [
    ("firewall-server-drop", {"tool": "nftables", "table": "fault", "chain": "input", "rule": "tcp dport 5432 drop"}),
    ("firewall-client-reject", {"tool": "ip6tables", "chain": "OUTPUT",
                                "rule": "-A OUTPUT -p tcp -m tcp --dport 5432 -j REJECT --reject-with icmp6-port-unreachable"}),
    ("firewall-server-drops-answers", {"chain": "output", "rule": 'oifname "net0" tcp sport 5432 drop'}),
    ("firewall-client-drops-answers", {"chain": "input", "rule": 'iifname "net0" tcp sport 5432 drop'}),
    ("firewall-banned", {"ban": "set banned6, element fd77:1::14", "tool": "nftables"}),
    ("firewall-banned-by-ipset", {"tool": "iptables", "chain": "INPUT"}),
    ("firewall-banned-by-chain", {"ban": "chain f2b-postgresql of fail2ban", "chain": "f2b-postgresql", "tool": "iptables"}),
    ("firewall-owner-rule", {"user": "netdata", "tool": "ip6tables", "chain": "OUTPUT"}),
    ("firewall-permanent-only", {"zone": "public", "entries": "service postgresql", "owner": "firewalld"}),
    ("firewall-runtime-only", {"entries": 'rich rule rule port port="5432" protocol="tcp" drop', "rule": "tcp dport 5432 drop"}),
    ("firewall-wrong-zone", {"interface": "net0", "zone": "public", "opened_in": "internal", "owner": "firewalld"}),
    ("firewall-conflicting-managers", {"stopped_by": "nftables", "allowed_by": "ufw", "table": "fault", "chain": "input",
                                       "allowing_rule": "-A ufw-user-input -i net0 -p tcp -m tcp --dport 5432 -j ACCEPT"}),
    ("firewall-connection-limit", {"limit": "connlimit-above 3", "tool": "iptables", "chain": "INPUT"}),
    ("firewall-connection-limit-of-the-client", {"limit": "ct count over 6", "tool": "nftables", "chain": "output"}),
    ("firewall-server-ufw-denies", {"owner": "ufw", "chain": "INPUT", "tool": "iptables", "rule": "policy drop"}),
    ("firewall-server-ufw-rejects", {"owner": "ufw", "chain": "ufw-user-input", "tool": "iptables"}),
    ("firewall-server-firewalld-rejects", {"owner": "firewalld", "table": "firewalld", "chain": "filter_IN_public"}),
    ("firewall-server-legacy-reset", {"tool": "iptables-legacy", "chain": "INPUT"}),
    ("firewall-server-net-prohibits", {"tool": "iptables", "chain": "INPUT"}),
    ("firewall-server-drops-ipv6", {"tool": "nftables", "table": "fault", "chain": "input", "flow": "tcp to fd77:2::20:5432"}),
    ("firewall-client-ufw-denies", {"owner": "ufw", "tool": "iptables", "chain": "ufw-user-output"}),
    ("firewall-client-firewalld-drops", {"owner": "firewalld", "chain": "OUTPUT"}),
    ("firewall-client-resets", {"chain": "OUTPUT"}),
    ("firewall-client-rejects-ipv6", {"tool": "ip6tables", "chain": "OUTPUT", "flow": "tcp to fd77:2::20:5432"}),
])
def test_the_culprit_is_the_very_rule(name: str, culprit: dict[str, str]) -> None:
    (cause,) = verdict(name).causes
    told = {key: cause["culprit"].get(key, "") for key in culprit}
    if "flow" not in culprit:  # both families are stopped by a rule of their own; which was seen first is chance
        told, culprit = ({key: _as_of_ipv4(value) for key, value in one.items()} for one in (told, culprit))
    assert told == culprit


def _as_of_ipv4(text: str) -> str:
    for ipv6, ipv4 in (("ip6tables", "iptables"), ("ufw6-", "ufw-"), ("icmp6-", "icmp-"), ("banned6", "banned4"),
                       ("fd77:1::14", "10.77.1.14")):
        text = text.replace(ipv6, ipv4)
    return text


@pytest.mark.parametrize("name", [
    "firewall-client-reject", "firewall-client-resets", "firewall-client-ufw-denies", "firewall-client-firewalld-drops",
    "firewall-server-ufw-denies", "firewall-server-ufw-rejects", "firewall-server-legacy-reset", "firewall-server-net-prohibits",
])
def test_the_flow_and_the_rule_are_of_one_family(name: str) -> None:
    culprit = verdict(name).causes[0]["culprit"]
    address = culprit["flow"].rpartition(":")[0]
    assert (":" in address) is culprit["tool"].startswith("ip6tables")


@pytest.mark.parametrize(("name", "host", "direction"), [
    ("firewall-wrong-zone", "db1", "inbound"), ("firewall-connection-limit", "db1", "inbound"),
    ("firewall-connection-limit-of-the-client", "web4", "outbound"), ("firewall-owner-rule", "web1", "outbound"),
])
def test_the_place_is_where_the_rule_is(name: str, host: str, direction: str) -> None:
    (cause,) = verdict(name).causes
    assert (cause["locus"]["host"], cause["locus"]["direction"]) == (host, direction)


@pytest.mark.parametrize(("name", "change", "expected"), [
    # The limit is there, and not reached.
    ("firewall-connection-limit", where("sockets.connections")(having(peers=[{"address": "10.77.1.14", "count": 2}])),
     ["firewall.path", "firewall.server_ingress"]),
    # Another host has these connections.
    ("firewall-connection-limit", where("sockets.connections")(having(peers=[{"address": "10.77.1.99", "count": 9}])),
     ["firewall.path", "firewall.server_ingress"]),
    # The managers agree: it is a rule as any other.
    ("firewall-conflicting-managers", where("firewall.managers", "server")(having(allowed_by=[])), ["firewall.server_ingress"]),
    # A ban is meant to stop what a rule allows.
    ("firewall-conflicting-managers", where("firewall.rule", "server")(having(owner="fail2ban")), ["firewall.banned"]),
    # A set of ports bans nobody; neither does one in which the host is not.
    ("firewall-banned", where("firewall.rule", "server")(having(set_member={"set": "closed", "element": "5432"})),
     ["firewall.server_ingress"]),
    ("firewall-banned", where("firewall.rule", "server")(having(set_member={"set": "x", "element": "192.0.2.0/24"})),
     ["firewall.server_ingress"]),
    # Networks, ranges, and addresses beside a port do.
    ("firewall-banned", where("firewall.rule", "server", address="10.77.1.14")(
        having(set_member={"set": "x", "element": "10.77.1.8-10.77.1.20 . 5432"})), ["firewall.banned"]),
    ("firewall-banned", where("firewall.rule", "server", address="10.77.1.14")(
        having(set_member={"set": "x", "element": "10.77.1.12/30,tcp:5432"})), ["firewall.banned"]),
    # The port is open nowhere else.
    ("firewall-wrong-zone", where("firewall.firewalld")(having(opening_zones=[], allowing_zones=["trusted"])), ["firewall.server_ingress"]),
    # What is only written is about another port.
    ("firewall-permanent-only", where("firewall.firewalld")(having(concerning=[], concerns_flow=False)), ["firewall.server_ingress"]),
    # What is only in force allows, so it is not what stops the flow.
    ("firewall-runtime-only", where("firewall.firewalld")(having(runtime_only=["port 5432/tcp"], concerning=["port 5432/tcp"])),
     ["firewall.server_ingress"]),
    # A rule of the agent's user, and everybody is stopped.
    ("firewall-owner-rule", where("firewall.rule")(being("ok")), []),
    # The agent goes through a proxy, and may not go past it.
    ("firewall-owner-rule", where("service.environment")(having(proxies={"https_proxy": "http://proxy.example:3128"})), []),
])
def test_one_other_fact_makes_it_another_cause(name: str, change: Change, expected: list[str]) -> None:
    assert codes(verdict(name, change)) == expected


def test_a_flow_that_only_the_runtime_lets_pass_breaks_at_the_next_reload() -> None:
    passes = both(where("firewall.rule", "server")(being("ok")), where("tcp.connect")(being("ok", error="", answer="accepted")))
    allowed_now = where("firewall.firewalld")(having(runtime_only=["port 5432/tcp"], permanent_only=[], concerning=["port 5432/tcp"]))
    told = verdict("firewall-permanent-only", both(passes, allowed_now))
    assert codes(told) == ["firewall.runtime_permanent_differ"]
    assert "the next reload stops the flow" in told.causes[0]["summary"]


def test_a_reset_that_this_host_makes_itself_is_not_the_servers() -> None:
    """The server listens, and nothing of it ever left."""
    assert proved(verdict("firewall-client-resets")) == ["firewall.client_egress"]
    assert proved(verdict("firewall-client-resets", where("firewall.rule", "client")(never))) == ["firewall.server_ingress"]


def test_a_reset_from_an_address_that_is_not_the_servers_is_not_its_firewalls() -> None:
    elsewhere = where("firewall.rule", "server")(being("ok", local_address="192.0.2.1"))
    assert "firewall.server_ingress" not in proved(verdict("firewall-server-reset", elsewhere))


def test_one_family_that_a_rule_stops_is_not_explained_by_a_rule_for_the_other() -> None:
    only4 = where("firewall.rule", "server", local_address="fd77:2::20")(being("ok"))
    assert "firewall.server_ingress" not in proved(verdict("firewall-server-drops-ipv6", only4))


@pytest.mark.parametrize("name", ["firewall-middlebox-answers", "firewall-middlebox-answers-unseen"])
def test_who_answers_from_as_far_away_as_the_server_is_the_server(name: str) -> None:
    assert codes(verdict(name, where("route.path")(never))) == (
        ["firewall.middlebox_answers"] if "unseen" not in name else ["server.hung"])
    there = both(where("sockets.listener", "server")(having(scope="reachable")), where("route.path")(having(hops=[], distance=2)))
    told = verdict(name, there)
    assert codes(told) == ["server.hung"]
    assert "firewall.middlebox_answers" in [excluded["code"] for excluded in told.causes[0]["excluded"]]


@pytest.mark.parametrize(("facts", "expected"), [
    ({"keepalive_alive": False}, False), ({"keepalive_alive": None}, False), ({"how": "server", "sqlstate": "57P05"}, False),
    ({"how": "reset"}, True), ({"how": "closed"}, True),
])
def test_only_keepalives_tell_who_forgets_idle_connections(facts: dict[str, t.Any], expected: bool) -> None:
    told = codes(verdict("firewall-idle-timeout", where("pool.idle")(having(**facts))))
    assert ("firewall.idle_timeout" in told) is expected


def test_a_policy_for_the_agents_user_alone_is_no_fault_and_no_proof_of_health() -> None:
    name = "healthy-agent-that-alone-may-send"
    assert (verdict(name).state, codes(verdict(name))) == ("healthy", [])
    # Whether an agent without a connection could have one, nobody has seen.
    idle = verdict(name, where("service.connections")(having(peers=[])))
    assert (idle.state, codes(idle)) == ("unknown", [])
    # A connection from before the rule proves nothing where the rule is for the agent too.
    stopped = verdict(name, where("firewall.rule", phase="request")(being("fail", verdict="reject", reject_kind="port_unreachable")))
    assert (stopped.state, codes(stopped)) == ("down", ["firewall.client_egress"])


def test_a_reset_is_not_the_servers_where_the_hosts_own_filter_was_not_read_for_that_address() -> None:
    assert proved(verdict("firewall-client-resets")) == ["firewall.client_egress"]
    unread = verdict("firewall-client-resets", where("firewall.rule", "client", address="fd77:2::20")(never))
    assert "firewall.client_egress" in proved(unread)
    assert "firewall.server_ingress" not in proved(unread)

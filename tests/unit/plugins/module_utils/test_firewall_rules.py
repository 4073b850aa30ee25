# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rule decides, and what is told where nobody can know; and that no listing, however damaged, makes the evaluator fail.

That it is right is shown against the kernel, in ``tests/lab/probes/test_firewall_differential.py``.
"""
from __future__ import annotations

import copy
import random
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    firewalld as _firewall_firewalld,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    ipset as _firewall_ipset,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    iptables as _firewall_iptables,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    nft as _firewall_nft,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    owner as _firewall_owner,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import (
    walk as _firewall_walk,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import Flow, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Decision, decide

ROUNDS = 3000
DPORT = {"payload": {"protocol": "tcp", "field": "dport"}}
COUNTER = {"counter": {"packets": 3, "bytes": 180}}


def match(left: t.Any, right: t.Any, operator: str = "==") -> dict[str, t.Any]:
    return {"match": {"op": operator, "left": left, "right": right}}


def nft_listing(
    *rules: t.Sequence[t.Any], hook: str = "output", policy: str = "accept", more: t.Sequence[t.Any] = (),
) -> dict[str, t.Any]:
    """A table with one base chain and its rules, each a list of statements, as ``nft -j list ruleset`` prints it."""
    base = {"family": "inet", "table": "filter", "name": hook, "handle": 1, "type": "filter", "hook": hook, "prio": 0, "policy": policy}
    return {"nftables": [
        {"metainfo": {"version": "1.0.6"}},
        {"table": {"family": "inet", "name": "filter", "handle": 1}},
        *more,
        {"chain": base},
        *({"rule": {"family": "inet", "table": "filter", "chain": hook, "handle": 10 + number, "expr": list(rule)}}
          for number, rule in enumerate(rules)),
    ]}


def flow(**changes: t.Any) -> Flow:
    given: dict[str, t.Any] = {
        "direction": "outbound", "protocol": "tcp", "local": "10.0.0.1", "peer": "10.0.0.9", "local_port": Span(32768, 60999),
        "peer_port": Span(5432, 5432), "interface": "eth0", "uid": 0, "own_addresses": frozenset(("10.0.0.1",)),
        "interface_to": lambda address: "eth0",
    }
    return Flow(**dict(given, **changes))


def nft(*rules: t.Sequence[t.Any], **options: t.Any) -> dict[str, Decision]:
    return decide(flow(), _firewall_nft.chains(nft_listing(*rules, **options)))


def iptables(text: str, sets: str = "", **changes: t.Any) -> dict[str, Decision]:
    return decide(flow(**changes), _firewall_iptables.chains(text, "ip", "iptables", _firewall_ipset.parse(sets)))


def test_the_deciding_rule_is_told_with_its_handle_its_line_and_its_counter() -> None:
    rules = [match(DPORT, 80), {"drop": None}], [match(DPORT, {"range": [5000, 6000]}), COUNTER, {"reject": None}]
    verdict = nft(*rules)["request"].phase.verdict
    assert verdict.outcome == ("reject", "port_unreachable")
    assert verdict.rule is not None
    assert (verdict.rule.handle, verdict.rule.line, verdict.rule.packets) == (11, 2, 3)


def test_a_policy_decides_where_no_rule_does() -> None:
    verdict = nft([match(DPORT, 80), {"accept": None}], policy="drop")["request"].phase.verdict
    assert (verdict.action, verdict.rule, verdict.chain.name if verdict.chain else "") == ("drop", None, "output")


def test_a_stopped_request_has_no_reply() -> None:
    assert sorted(nft([{"drop": None}])) == ["request"]
    assert nft([{"drop": None}], hook="input")["reply"].phase.verdict.action == "drop"


@pytest.mark.parametrize(("statement", "kind", "usual"), [
    ({"limit": {"rate": 5, "per": "second"}}, "limit", "drop"),
    ({"limit": {"rate": 5, "per": "second", "inv": True}}, "limit", "accept"),
    ({"ct count": {"val": 5, "inv": True}}, "connlimit", "accept"),
    ({"quota": {"val": 5, "val_unit": "mbytes", "inv": True}}, "quota", "accept"),
    (match({"numgen": {"mode": "random", "mod": 10}}, 3, "<"), "random", "accept"),
    (match({"payload": {"protocol": "ip", "field": "ttl"}}, 5), "unknown", "accept"),
    ({"xt": {"type": "match", "name": "string"}}, "unknown", "accept"),
    (match({"payload": {"protocol": "tcp", "field": "sport"}}, {"range": [40000, 40010]}), "source_port", "accept"),
])
def test_what_nobody_can_know_is_named_and_not_guessed(statement: t.Any, kind: str, usual: str) -> None:
    decision = nft([statement, {"drop": None}])["request"]
    assert [(pivot.doubt.kind, pivot.rule.handle, pivot.if_matched, pivot.otherwise) for pivot in decision.pivots] == [
        (kind, 10, (("drop", ""),), (("accept", ""),))]
    assert decision.phase.verdict.action == usual
    # Where the outcome is the same either way, it does not matter.
    certain = nft([statement, {"drop": None}], [{"drop": None}])["request"]
    assert (certain.pivots, certain.phase.verdict.action) == ((), "drop")
    # Nor where another part of the rule does not match, or where the rule only writes down.
    assert not nft([statement, match(DPORT, 80), {"drop": None}])["request"].pivots
    assert not nft([statement, {"log": {"prefix": "seen"}}])["request"].pivots


def test_a_target_of_iptables_that_nft_cannot_tell_is_not_passed_over() -> None:
    assert nft([COUNTER, {"xt": {"type": "target", "name": "REJECT"}}])["request"].phase.verdict.action == "unknown"
    assert nft([COUNTER, {"queue": None}])["request"].phase.verdict.action == "unknown"


def test_the_element_of_a_set_is_told() -> None:
    banned = {"set": {"family": "inet", "name": "banned", "table": "filter", "type": "ipv4_addr", "handle": 2, "elem": [
        "192.0.2.7", {"elem": {"val": {"prefix": {"addr": "10.0.0.0", "len": 24}}, "expires": 60}}]}}
    rule = [match({"payload": {"protocol": "ip", "field": "daddr"}}, "@banned"), {"drop": None}]
    assert nft(rule, more=[banned])["request"].phase.verdict.member == ("banned", "10.0.0.0/24")
    sets = "create banned hash:net family inet\nadd banned 10.0.0.0/8\nadd banned 10.0.0.9 nomatch\n"
    saved = "*filter\n:OUTPUT ACCEPT [0:0]\n[7:420] -A OUTPUT -m set --match-set banned dst -j DROP\nCOMMIT\n"
    assert iptables(saved, sets)["request"].phase.verdict.action == "accept"
    found = iptables(saved, sets, peer="10.0.0.8")["request"].phase.verdict
    assert (found.action, found.member, found.rule.packets if found.rule else None) == ("drop", ("banned", "10.0.0.0/8"), 7)
    assert [pivot.doubt.kind for pivot in iptables(saved, "")["request"].pivots] == ["unknown"]


def test_iptables_options_that_are_not_known_are_named() -> None:
    saved = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -m string --string \"-j ACCEPT\" --algo bm -j DROP\nCOMMIT\n"
    assert [pivot.doubt.kind for pivot in iptables(saved)["request"].pivots] == ["unknown"]


def test_many_doubts_end_as_too_complex() -> None:
    mark = {"key": {"meta": {"key": "mark"}}, "value": 1}
    rules = [[{"limit": {"rate": number}}, {"mangle": mark}] for number in range(12)]
    with pytest.raises(_firewall_walk.TooComplex):
        nft(*rules)


def test_what_docker_publishes_is_forwarded_past_input() -> None:
    saved = "\n".join([
        "*nat", ":PREROUTING ACCEPT [0:0]", ":DOCKER - [0:0]", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80", "COMMIT",
        "*filter", ":INPUT DROP [0:0]", ":FORWARD DROP [0:0]", ":DOCKER - [0:0]", "-A FORWARD -o docker0 -j DOCKER",
        "-A FORWARD -i docker0 -j ACCEPT",
        "-A DOCKER -d 172.17.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT", "COMMIT"])
    decisions = iptables(saved, direction="inbound", local_port=Span(8080, 8080), peer_port=Span(1024, 65535),
                         interface_to=lambda address: "docker0" if address.startswith("172.17.") else "eth0")
    request, reply = decisions["request"].phase, decisions["reply"].phase
    assert (request.verdict.action, request.verdict.chain.name if request.verdict.chain else "") == ("accept", "DOCKER")
    assert [one.rule.line for one in request.translated if one.rule] == [1]
    assert _firewall_owner.owner(request.verdict) == "docker"
    assert (reply.verdict.action, reply.verdict.rule.line if reply.verdict.rule else None) == ("accept", 2)


@pytest.mark.parametrize("rule", [
    "-m rt --rt-type 0", "-m rt ! --rt-type 0", "-m frag --fragfirst", "-m hbh --hbh-len 8", "-m dst --dst-len 8",
])
def test_a_packet_without_extension_headers_meets_no_rule_about_them(rule: str) -> None:
    saved = "*filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT %s -j DROP\nCOMMIT\n" % rule
    decisions = decide(flow(local="fd00::1", peer="fd00::9", own_addresses=frozenset(("fd00::1",))),
                       _firewall_iptables.chains(saved, "ip6", "ip6tables", _firewall_ipset.parse("")))
    assert decisions["request"].phase.verdict.action == "accept" and not decisions["request"].pivots


def test_nor_one_of_nft() -> None:
    decision = nft([match({"exthdr": {"name": "rt", "field": "type"}}, 0, "!="), {"drop": None}])["request"]
    assert decision.phase.verdict.action == "accept" and not decision.pivots


@pytest.mark.parametrize(("table", "chain", "expected"), [
    ("filter", "ufw-user-output", "ufw"), ("filter", "ufw6-user-input", "ufw"), ("firewalld", "filter_IN_public", "firewalld"),
    ("filter", "INPUT_direct", "firewalld"), ("filter", "IN_public_deny", "firewalld"), ("filter", "DOCKER-USER", "docker"),
    ("f2b-table", "f2b-chain", "fail2ban"), ("filter", "f2b-sshd", "fail2ban"), ("filter", "INPUT", "none"), ("mine", "input", "none"),
])
def test_owners_by_their_names(table: str, chain: str, expected: str) -> None:
    verdict = _firewall_walk.Verdict("drop", "", None, _firewall_walk.Chain("nftables", "inet", table, chain, {}))
    assert _firewall_owner.owner(verdict) == expected


ZONES = """internal (active)
  target: default
  interfaces: eth0
  sources:
  services: ssh
  ports: 5432/tcp 8000-8010/udp
  rich rules:
\trule family="ipv4" source address="10.0.0.9" port port="9" protocol="tcp" drop

public
  target: default
  interfaces:
  sources: 192.0.2.0/24
  ports:
  rich rules:
"""


def test_zones_and_what_differs_between_now_and_later() -> None:
    runtime = _firewall_firewalld.parse_zones(ZONES)
    permanent = _firewall_firewalld.parse_zones(ZONES.replace("5432/tcp ", ""))
    state = _firewall_firewalld.State("public", runtime, permanent, [], [])
    inbound = flow(direction="inbound", local_port=Span(5432, 5432))
    seen = _firewall_firewalld.view(state, inbound)
    assert (seen.zone, seen.by, seen.runtime_only, seen.permanent_only, seen.concerning, seen.allowing, seen.opening) == (
        "internal", "interface", ["port 5432/tcp"], [], ["port 5432/tcp"], ["internal"], ["internal"])
    assert _firewall_firewalld.view(state, inbound._replace(peer="192.0.2.4")).zone == "public"
    elsewhere = _firewall_firewalld.view(state, inbound._replace(interface="eth1"))
    assert (elsewhere.zone, elsewhere.by, elsewhere.assigned) == ("public", "default", False)
    assert not _firewall_firewalld.view(state, inbound._replace(local_port=Span(22, 22))).concerning


def test_what_zones_let_in_as_they_are_shipped_was_opened_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_firewall_firewalld, "service_ports", {"ssh": ["22/tcp"], "postgresql": ["5432/tcp"]}.__getitem__)
    zones = {"public": {"services": ["ssh"]}, "trusted": {"target": ["ACCEPT"]}, "work": {"services": ["ssh", "postgresql"]}}
    state = _firewall_firewalld.State("public", zones, zones, [], [])
    for port, allowing, opening in ((22, ["public", "trusted", "work"], []), (5432, ["trusted", "work"], ["work"])):
        seen = _firewall_firewalld.view(state, flow(direction="inbound", local_port=Span(port, port)))
        assert (seen.allowing, seen.opening) == (allowing, opening)


# --- damaged listings

SAMPLE = nft_listing(
    [match(DPORT, {"set": [22, {"range": [80, 90]}]}), COUNTER, {"accept": None}],
    [match({"ct": {"key": "state"}}, ["established", "new"], "in"), {"jump": {"target": "user"}}],
    [match({"concat": [{"payload": {"protocol": "ip", "field": "daddr"}}, DPORT]}, "@pair"),
     {"reject": {"type": "icmpx", "expr": "no-route"}}],
    [match({"&": [{"meta": {"key": "mark"}}, 255]}, 5), {"drop": None}],
    [{"vmap": {"key": DPORT, "data": {"set": [[22, {"accept": None}], [5432, {"goto": {"target": "user"}}], ["*", {"drop": None}]]}}}],
    [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": {"|": [{"meta": {"key": "mark"}}, 16]}}}],
    [match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"), {"limit": {"rate": 5, "per": "second"}}, {"drop": None}],
    [{"dnat": {"family": "ip", "addr": "10.0.0.8", "port": 80}}],
    [{"set": {"op": "add", "elem": {"payload": {"protocol": "ip", "field": "saddr"}}, "set": "@pair", "stmt": [{"limit": {"rate": 5}}]}}],
    more=[
        {"set": {"family": "inet", "name": "pair", "table": "filter", "type": ["ipv4_addr", "inet_service"], "handle": 2,
                 "elem": [{"concat": [{"prefix": {"addr": "10.0.0.0", "len": 24}}, {"range": [5000, 5400]}]}]}},
        {"chain": {"family": "inet", "table": "filter", "name": "user", "handle": 3}},
        {"rule": {"family": "inet", "table": "filter", "chain": "user", "handle": 4, "expr": [COUNTER, {"return": None}]}},
    ])
SAVED = """*filter
:INPUT ACCEPT [0:0]
:OUTPUT DROP [0:0]
:user - [0:0]
[1:60] -A OUTPUT ! -s 10.0.0.0/8 -p udp -m multiport --dports 53,60:70 -m comment --comment "a \\"b\\" c" -j REJECT --reject-with tcp-reset
[0:0] -A OUTPUT -m owner --uid-owner 1000-1001 -g user
[0:0] -A OUTPUT -p tcp -m connlimit --connlimit-above 5 --connlimit-mask 32 --connlimit-saddr -j REJECT --reject-with icmp-host-prohibited
[0:0] -A OUTPUT -m recent --update --seconds 30 --hitcount 6 --name x --mask 255.255.255.255 --rsource -j DROP
[0:0] -A OUTPUT -m conntrack --ctstate NEW,ESTABLISHED -m mark --mark 0x1/0xff -j MARK --set-xmark 0x5/0xffffffff
[0:0] -A OUTPUT -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m set --match-set banned dst,dst -j DNAT --to-destination 10.0.0.8:80
[0:0] -A user -m addrtype --dst-type LOCAL -m iprange --dst-range 10.0.0.1-10.0.0.9 -j RETURN
COMMIT
"""
SETS = "create banned hash:ip,port family inet\nadd banned 10.0.0.9,tcp:5432\ncreate all list:set size 8\nadd all banned\n"


def _damaged_tree(source: random.Random, tree: t.Any) -> t.Any:
    """A copy with some of its parts replaced, left out or doubled."""
    tree = copy.deepcopy(tree)
    for _change in range(source.randint(1, 4)):
        place: t.Any = tree
        while True:
            keys = list(place) if isinstance(place, dict) else range(len(place))
            if not keys:
                break
            key = source.choice(list(keys))
            if isinstance(place[key], (dict, list)) and source.random() < 0.85:
                place = place[key]
                continue
            place[key] = source.choice((
                None, -1, 70000, 2 ** 70, "", "@pair", "*", "x" * 50, [], {}, [[]], {"set": "x"}, {"range": [9]}, True, 0.5,
                {"prefix": {"addr": "x", "len": 99}}, {"concat": [1]}, {"jump": {"target": "user"}}, place[key]))
            break
    return tree


def _damaged_text(source: random.Random, text: str) -> str:
    words = text.split(" ")
    for _change in range(source.randint(1, 5)):
        at = source.randrange(len(words))
        words[at:at + source.choice((0, 1, 2))] = source.choice(([], ["!"], ["-1"], ["-m"], ["99999999999"], ["\n"], ["\""], ["-j", "user"],
                                                                 [source.choice(words)], ["x:y/z,,"], ["::1"], ["0x"]))
    return " ".join(words)


def test_no_damaged_listing_of_nft_makes_it_fail() -> None:
    source = random.Random(20260101)
    answered = 0
    for _round in range(ROUNDS):
        try:
            chains = _firewall_nft.chains(_damaged_tree(source, SAMPLE))
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # which the reader of listings tells as not understood
        try:
            answered += "request" in decide(flow(), chains)
        except _firewall_walk.TooComplex:
            continue
    assert answered > ROUNDS / 2


def test_no_damaged_listing_of_iptables_and_ipset_makes_it_fail() -> None:
    source = random.Random(20260102)
    for _round in range(ROUNDS):
        sets = _firewall_ipset.parse(_damaged_text(source, SETS))
        try:
            assert "request" in decide(flow(), _firewall_iptables.chains(_damaged_text(source, SAVED), "ip", "iptables", sets))
        except _firewall_walk.TooComplex:
            continue


def test_no_damaged_answer_of_firewalld_makes_it_fail() -> None:
    source = random.Random(20260103)
    for _round in range(ROUNDS):
        zones = _firewall_firewalld.parse_zones(_damaged_text(source, ZONES))
        state = _firewall_firewalld.State("public", zones, {}, [_damaged_text(source, "ipv4 filter OUTPUT 0 -p tcp -j DROP")], [])
        assert isinstance(_firewall_firewalld.view(state, flow()), _firewall_firewalld.View)
        _firewall_owner.direct_options(state.runtime_direct)

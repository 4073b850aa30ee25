# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned to let a flow pass, for each owner of rules: just that flow, before what stops it, with its undo; or why nothing is."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow
from ansible_collections.connectivity.doctor.plugins.plugin_utils._openings import ban
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies.open_firewall import REMEDY
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble

MARK = "connectivity.doctor run-0"
BOOT = {"why_not": "", "entry": "/etc/rules", "path": "/etc/rules.d/site", "sha256": "5a", "line": 7, "lead": "\t\t"}
OWNER = "-A OUTPUT -p tcp -m tcp --dport 5432 -m owner --uid-owner 999 -j REJECT"


def rule(**facts: t.Any) -> dict[str, t.Any]:
    """A rule of nftables that drops what goes to a database, unless the facts say otherwise."""
    return {
        "direction": "outbound", "phase": "request", "protocol": "tcp", "address": "192.0.2.20", "port": 5432, "interface": "eth0",
        "uid": 0, "verdict": "drop", "tool": "nftables", "owner": "none", "family": "inet", "table": "site", "chain": "out", "handle": 4,
        "line": 2, "rule": "tcp dport 5432 drop", "policy": False, "set_member": None, "boot": None, **facts,
    }


def iptables(**facts: t.Any) -> dict[str, t.Any]:
    plain = {"tool": "iptables", "family": "ip", "table": "filter", "chain": "OUTPUT", "handle": None, "rule": "-A OUTPUT -p tcp -j DROP"}
    return rule(**{**plain, **facts})


def ufw(**facts: t.Any) -> dict[str, t.Any]:
    return iptables(**{"owner": "ufw", "chain": "ufw-user-output", "rule": "-A ufw-user-output -o eth0 -p tcp -j DROP", **facts})


def firewalld(**facts: t.Any) -> dict[str, t.Any]:
    return rule(**{"owner": "firewalld", "table": "firewalld", "chain": "filter_IN_public_deny", "direction": "inbound", **facts})


def planned(*rules: dict[str, t.Any], code: str = "firewall.client_egress", zone: dict[str, t.Any] | None = None) -> Change:
    seen = [{"check": "firewall.rule", "data": one} for one in rules]
    if zone:
        seen.append({"check": "firewall.firewalld", "data": {"direction": rules[0]["direction"], "address": rules[0]["address"], **zone}})
    return REMEDY.plan(Trouble("web1", {"name": "db", "observations": seen}, {"code": code, "evidence": range(len(seen))}), "run-0")


def commands(change: Change) -> list[str]:
    return [" ".join(argv) for opening in change.parameters["openings"] for argv in opening["commands"]]


OUT = ["-p", "tcp", "-d", "192.0.2.20", "--dport", "5432"]
RICH = "rule priority=-32768 family=ipv4 %s address=192.0.2.20 port port=5432 protocol=tcp accept"


@pytest.mark.parametrize(("stopping", "made"), [
    (rule(), f'nft insert rule inet site out position 4 ip daddr 192.0.2.20 tcp dport 5432 accept comment "{MARK}"'),
    (rule(address="2001:db8::20"),
     f'nft insert rule inet site out position 4 ip6 daddr 2001:db8::20 tcp dport 5432 accept comment "{MARK}"'),
    (rule(policy=True, handle=None), f'nft add rule inet site out ip daddr 192.0.2.20 tcp dport 5432 accept comment "{MARK}"'),
    (rule(direction="inbound"), f'nft insert rule inet site out position 4 ip saddr 192.0.2.20 tcp dport 5432 accept comment "{MARK}"'),
    (rule(phase="reply"),
     f'nft insert rule inet site out position 4 ip saddr 192.0.2.20 tcp sport 5432 ct state established accept comment "{MARK}"'),
    (rule(direction="inbound", phase="reply"),
     f'nft insert rule inet site out position 4 ip daddr 192.0.2.20 tcp sport 5432 ct state established accept comment "{MARK}"'),
    (rule(protocol="udp", rule="meta skuid 999 drop", uid=999),
     f'nft insert rule inet site out position 4 ip daddr 192.0.2.20 udp dport 5432 meta skuid 999 accept comment "{MARK}"'),
    (iptables(), f"iptables -w -t filter -I OUTPUT 2 {' '.join(OUT)} -m comment --comment {MARK} -j ACCEPT"),
    (iptables(policy=True, line=None), f"iptables -w -t filter -A OUTPUT {' '.join(OUT)} -m comment --comment {MARK} -j ACCEPT"),
    (iptables(tool="ip6tables-legacy", address="2001:db8::20", direction="inbound", chain="INPUT"),
     f"ip6tables-legacy -w -t filter -I INPUT 2 -p tcp -s 2001:db8::20 --dport 5432 -m comment --comment {MARK} -j ACCEPT"),
    (iptables(rule=OWNER, uid=999),
     f"iptables -w -t filter -I OUTPUT 2 {' '.join(OUT)} -m owner --uid-owner 999 -m comment --comment {MARK} -j ACCEPT"),
    (ufw(), f"ufw prepend allow out proto tcp to 192.0.2.20 port 5432 comment {MARK}"),
    (ufw(rule="-A ufw-user-output -d 192.0.2.20/32 -p tcp -m tcp --dport 5432 -j DROP"),
     f"ufw prepend allow out on eth0 proto tcp to 192.0.2.20 port 5432 comment {MARK}"),
    (ufw(chain="INPUT", rule="", policy=True, direction="inbound"),
     f"ufw prepend allow in proto tcp from 192.0.2.20 to any port 5432 comment {MARK}"),
])
def test_exactly_the_flow_is_allowed_before_what_stops_it(stopping: dict[str, t.Any], made: str) -> None:
    assert commands(planned(stopping)) == [made]


@pytest.mark.parametrize(("stopping", "where"), [
    (firewalld(), "--zone=public --add-rich-rule=" + RICH % "source"),
    (firewalld(chain="filter_IN_policy_guests_deny"), "--policy=guests --add-rich-rule=" + RICH % "source"),
    (firewalld(chain="filter_OUT_policy_locked", direction="outbound"), "--policy=locked --add-rich-rule=" + RICH % "destination"),
    (iptables(owner="firewalld"), f"--direct --add-rule ipv4 filter OUTPUT -32768 {' '.join(OUT)} -m comment --comment {MARK} -j ACCEPT"),
    (iptables(owner="firewalld", chain="OUTPUT_direct"),
     f"--direct --add-rule ipv4 filter OUTPUT -32768 {' '.join(OUT)} -m comment --comment {MARK} -j ACCEPT"),
])
def test_firewalld_is_told_for_good_and_for_now_in_the_zone_policy_or_direct_rules_that_stop_it(
        stopping: dict[str, t.Any], where: str) -> None:
    change = planned(stopping, zone={"zone": "public"})
    assert commands(change) == [f"firewall-cmd --quiet --permanent {where}", f"firewall-cmd --quiet {where}"]
    assert [" ".join(argv) for argv in change.commands] == [f"firewall-cmd --quiet {where}".replace("--add-", "--remove-")]
    (written, earlier) = change.files
    assert written.startswith("/etc/firewalld/") and earlier == written + ".old"


@pytest.mark.parametrize(("stopping", "code", "refused"), [
    (rule(owner="docker"), "", "the rule belongs to docker"),
    (iptables(owner="fail2ban"), "", "the rule belongs to fail2ban"),
    (rule(tool="ebtables"), "", "a rule of ebtables is not changed"),
    (rule(verdict="accept"), "", "no rule that surely stops the flow"),
    (rule(verdict="conditional"), "firewall.connection_limit", "for a person to decide"),
    (ufw(chain="ufw-before-output"), "", "ufw's before.rules"),
    (ufw(phase="reply"), "", "ufw has no rule for answers of tcp from 192.0.2.20 port 5432 alone"),
    (ufw(uid=999), "firewall.owner_rule", "ufw has no rule for tcp of uid 999 to 192.0.2.20 port 5432 alone"),
    (firewalld(), "", "which zone of firewalld the flow falls into was not seen"),
    (firewalld(direction="outbound", chain="filter_OUTPUT"), "", "its chain filter_OUTPUT"),
    (firewalld(table="firewalld_policy_drop", chain="filter_input"), "", "its chain filter_input"),
    (firewalld(phase="reply"), "", "firewalld has no rich rule for answers of tcp from port 5432 to 192.0.2.20 alone"),
])
def test_what_cannot_be_allowed_alone_is_left_to_a_person(stopping: dict[str, t.Any], code: str, refused: str) -> None:
    with pytest.raises(NoRemedy) as why:
        planned(stopping, code=code or "firewall.client_egress")
    assert refused in str(why.value)


def test_a_file_that_shows_the_rule_gets_the_line_too_and_is_kept() -> None:
    change = planned(rule(boot=BOOT))
    (opening,) = change.parameters["openings"]
    assert opening["insertion"] == {
        "path": "/etc/rules.d/site", "sha256": "5a", "line": 7, "check": ("nft", "--check", "--file", "/etc/rules"),
        "text": f'\t\tip daddr 192.0.2.20 tcp dport 5432 accept comment "{MARK}"'}
    assert (change.files, change.mark, change.commands) == (("/etc/rules.d/site",), MARK, ())
    assert change.summary == "in nftables inet site out and /etc/rules.d/site, allow tcp to 192.0.2.20 port 5432"


def test_where_no_file_shows_it_the_plan_says_that_it_is_in_the_running_rules_only() -> None:
    change = planned(iptables(boot={"why_not": "nothing loads a file of iptables when the host boots"}))
    assert change.summary == (
        "in iptables filter OUTPUT, allow tcp to 192.0.2.20 port 5432"
        " (in the running rules only, as nothing loads a file of iptables when the host boots)")
    assert (change.files, change.mark) == ((), "")
    (undo,) = change.commands
    assert " ".join(undo) == f"iptables -w -t filter -D OUTPUT {' '.join(OUT)} -m comment --comment {MARK} -j ACCEPT"
    assert change.parameters["openings"][0]["seen"] == "-A OUTPUT -p tcp -j DROP"


def test_rules_further_down_are_preceded_first_and_one_flow_is_allowed_once() -> None:
    change = planned(iptables(line=2), iptables(line=9, address="192.0.2.21"), iptables(line=2))
    assert [command.split()[6] for command in commands(change)] == ["9", "2"]


@pytest.mark.parametrize(("stopping", "made", "undone"), [
    (rule(direction="inbound", set_member={"set": "bad", "element": "192.0.2.20"}),
     "nft delete element inet site bad { 192.0.2.20 }", "nft add element inet site bad { 192.0.2.20 }"),
    (iptables(direction="inbound", set_member={"set": "bad", "element": "192.0.2.20,tcp:5432"}),
     "ipset del bad 192.0.2.20,tcp:5432", "ipset add bad 192.0.2.20,tcp:5432"),
    (iptables(direction="inbound", owner="fail2ban", chain="f2b-postgresql"),
     "fail2ban-client set postgresql unbanip 192.0.2.20", "fail2ban-client set postgresql banip 192.0.2.20"),
    (rule(direction="inbound", owner="fail2ban", table="f2b-table", set_member={"set": "addr-set-sshd", "element": "192.0.2.20"}),
     "fail2ban-client set sshd unbanip 192.0.2.20", "fail2ban-client set sshd banip 192.0.2.20"),
    (iptables(direction="inbound", address="2001:db8::20", set_member={"set": "f2b-mail66", "element": "2001:db8::20"}),
     "fail2ban-client set mail6 unbanip 2001:db8::20", "fail2ban-client set mail6 banip 2001:db8::20"),
])
def test_a_ban_of_one_address_is_taken_back_where_it_was_made(stopping: dict[str, t.Any], made: str, undone: str) -> None:
    change = planned(stopping, code="firewall.banned")
    assert commands(change) == [made]
    assert [" ".join(argv) for argv in change.commands] == [undone]


def test_so_many_flows_that_it_is_about_a_network_are_left_to_a_person() -> None:
    hosts = [rule(direction="inbound", address=f"192.0.2.{number}") for number in range(1, 42)]
    assert len(commands(planned(*hosts[:40], code="firewall.server_ingress"))) == 40
    with pytest.raises(NoRemedy, match="it stops 41 flows, more than the 40 "):
        planned(*hosts, code="firewall.server_ingress")


def test_of_a_network_that_is_banned_one_flow_is_let_in_and_the_ban_stays() -> None:
    change = planned(rule(direction="inbound", set_member={"set": "bad", "element": "192.0.2.0/24"}), code="firewall.banned")
    assert commands(change) == [f'nft insert rule inet site out position 4 ip saddr 192.0.2.20 tcp dport 5432 accept comment "{MARK}"']
    range_of_two = rule(set_member={"set": "bad", "element": "192.0.2.20-192.0.2.21"})
    assert ban.lift(range_of_two, Flow("tcp", "192.0.2.20", 5432, incoming=True)) is None


def test_what_only_holds_until_the_next_reload_is_made_permanent_as_it_is() -> None:
    change = planned(firewalld(verdict="accept"), code="firewall.runtime_permanent_differ", zone={
        "zone": "public", "runtime_only": ["port 5432/tcp", "port 9/udp"], "concerning": ["port 5432/tcp", "service postgresql"]})
    assert commands(change) == ["firewall-cmd --permanent --zone=public --add-port=5432/tcp"]
    assert change.files == ("/etc/firewalld/zones/public.xml", "/etc/firewalld/zones/public.xml.old")
    with pytest.raises(NoRemedy, match="more than a flow"):
        planned(firewalld(verdict="accept"), code="firewall.runtime_permanent_differ", zone={
            "zone": "public", "runtime_only": ["target ACCEPT"], "concerning": ["target ACCEPT"]})

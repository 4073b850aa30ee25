# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall probe over ssh on live faults: it names the injected rule, and the kernel's own counter of it, read apart, moves with it."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe, tool

CLIENT, GUARDED, SERVER, PORT = "web1", "web2", "db1", 5432
DATABASE = {4: "10.77.2.20", 6: "fd77:2::20"}
CLIENT_ADDRESS, GUARDED_ADDRESS = "10.77.1.11", "10.77.1.12"
FAMILIES = pytest.mark.parametrize("version", [4, 6])


def firewall(lab: Lab, machine: str = CLIENT, /, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, machine, "probe_firewall", **{"host": DATABASE[4], "port": PORT, **parameters})


def request(seen: list[dict[str, Any]]) -> dict[str, Any]:
    return data_of(seen, "firewall.rule", phase="request")


def nft_packets(host: str) -> dict[int, int]:
    """The counters of the table ``test`` by the handles of their rules, as nft on the controller reads them in the host's network."""
    listing = json.loads(tool(host, "nft", "-j", "list", "table", "inet", "test"))
    rules = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
    return {rule["handle"]: part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part}


def iptables_packets(host: str, program: str, chain: str, text: str) -> int:
    saved = tool(host, program, "-c")
    found = re.findall(r"\[(\d+):\d+\] -A %s .*%s" % (chain, re.escape(text)), saved)
    assert len(found) == 1, saved
    return int(found[0])


def answer(host: str, address: str, port: int = PORT) -> str:
    """What nmap says of a port: open, closed or filtered."""
    return tool(host, "nmap", "-n", "-Pn", "-sT", "--max-retries", "0", "-oG", "-", "-p", str(port), address)


@contextmanager
def table(lab: Lab, host: str, hook: str, *lines: str, named: str = "") -> Iterator[None]:
    """A table of nftables of the test's own."""
    text = "\n".join(["table inet test {", named, "chain %s { type filter hook %s priority 0;" % (hook, hook), *lines, "}", "}"])
    with broken(lab, host, "nft -f - <<'EOF'\n%s\nEOF" % text, "nft delete table inet test"):
        yield


@FAMILIES
@pytest.mark.parametrize(("statement", "verdict", "kind"), [
    ("drop", "drop", ""),
    ("reject", "reject", "port_unreachable"),
    ("reject with icmpx type admin-prohibited", "reject", "admin_prohibited"),
    ("reject with tcp reset", "reject", "tcp_reset"),
])
def test_an_nftables_rule_of_the_client(lab: Lab, version: int, statement: str, verdict: str, kind: str) -> None:
    with table(lab, CLIENT, "output", "tcp dport 9 counter accept", "oifname \"net0\" tcp dport %d counter %s" % (PORT, statement)):
        before = nft_packets(CLIENT)
        seen = request(firewall(lab, host=DATABASE[version], prove=True))
        after = nft_packets(CLIENT)
    assert (seen["status"], seen["verdict"], seen["reject_kind"]) == ("fail", verdict, kind)
    assert (seen["tool"], seen["owner"], seen["family"], seen["table"], seen["chain"], seen["line"]) == (
        "nftables", "none", "inet", "test", "output", 2)
    assert {handle for handle in before if after[handle] > before[handle]} == {seen["handle"]}
    assert seen["counter_delta"] == after[seen["handle"]] - before[seen["handle"]] == 1
    assert seen["proved"] is True
    assert ("tcp dport %d counter" % PORT) in seen["rule"]


@pytest.mark.parametrize(("program", "address"), [("iptables", DATABASE[4]), ("ip6tables", DATABASE[6]), ("iptables-legacy", DATABASE[4])])
@pytest.mark.parametrize("target", ["DROP", "REJECT"])
def test_an_iptables_rule_of_the_client(lab: Lab, program: str, address: str, target: str) -> None:
    rule = "-o net0 -p tcp --dport %d -j %s" % (PORT, target)
    with broken(lab, CLIENT, "%s -A OUTPUT %s" % (program, rule), "%s -F OUTPUT" % program):
        save, text = program + "-save", "--dport %d -j %s" % (PORT, target)
        before = iptables_packets(CLIENT, save, "OUTPUT", text)
        seen = request(firewall(lab, host=address, prove=True))
        after = iptables_packets(CLIENT, save, "OUTPUT", text)
    assert (seen["status"], seen["verdict"], seen["tool"], seen["table"], seen["chain"], seen["line"]) == (
        "fail", target.lower(), program, "filter", "OUTPUT", 1)
    assert seen["rule"].startswith("-A OUTPUT -o net0 -p tcp")
    assert seen["reject_kind"] == ("port_unreachable" if target == "REJECT" else "")
    assert seen["counter_delta"] == after - before == 1


def test_a_filter_that_eats_the_replies(lab: Lab) -> None:
    with table(lab, CLIENT, "input", "iifname \"net0\" tcp sport %d counter drop" % PORT):
        before = nft_packets(CLIENT)
        seen = firewall(lab, prove=True)
        after = nft_packets(CLIENT)
    assert request(seen)["status"] == "ok"
    reply = data_of(seen, "firewall.rule", phase="reply")
    assert (reply["status"], reply["verdict"], reply["chain"]) == ("fail", "drop", "input")
    assert after[reply["handle"]] - before[reply["handle"]] >= reply["counter_delta"] >= 1


def test_the_servers_own_input(lab: Lab) -> None:
    with table(lab, SERVER, "input", "iifname \"net0\" tcp dport %d counter reject" % PORT):
        before = nft_packets(SERVER)
        assert "closed" in answer(CLIENT, DATABASE[4])
        after = nft_packets(SERVER)
        seen = request(firewall(lab, SERVER, host=CLIENT_ADDRESS, direction="inbound"))
    assert (seen["status"], seen["verdict"], seen["reject_kind"], seen["chain"]) == ("fail", "reject", "port_unreachable", "input")
    assert after[seen["handle"]] > before[seen["handle"]]


def test_a_ban_names_the_set_and_its_element(lab: Lab) -> None:
    ban = "set banned { type ipv4_addr; flags interval; elements = { 10.77.1.8/29, 192.0.2.1 } }"
    with table(lab, SERVER, "input", "ip saddr @banned counter drop", named=ban):
        seen = request(firewall(lab, SERVER, host=CLIENT_ADDRESS, direction="inbound"))
        before = nft_packets(SERVER)
        assert "filtered" in answer(CLIENT, DATABASE[4])
        after = nft_packets(SERVER)
    assert (seen["verdict"], seen["set_member"]) == ("drop", {"set": "banned", "element": "10.77.1.8/29"})
    assert after[seen["handle"]] > before[seen["handle"]]


def test_a_rule_for_one_user(lab: Lab) -> None:
    rule = "-o net0 -p tcp --dport %d -m owner --uid-owner netdata -j DROP" % PORT
    with broken(lab, CLIENT, "iptables -A OUTPUT " + rule, "iptables -F OUTPUT"):
        agent, root = request(firewall(lab, user="netdata", prove=True)), request(firewall(lab, prove=True))
        assert iptables_packets(CLIENT, "iptables-save", "OUTPUT", "-j DROP") == 1
    assert (agent["verdict"], agent["counter_delta"], root["verdict"]) == ("drop", 1, "accept")
    assert "--uid-owner" in agent["rule"]
    assert (agent["uid"], root["uid"]) == (int(lab.run(CLIENT, "id -u netdata").stdout), 0)


def test_a_limit_of_connections_is_told_as_one(lab: Lab) -> None:
    """Whether it is reached, only its counter tells: with one connection open, the second is refused."""
    rule = "-o net0 -p tcp --syn --dport %d -m connlimit --connlimit-above 1 --connlimit-daddr -j REJECT" % PORT
    hold = "import socket, time; s = socket.create_connection(('%s', %d)); time.sleep(20)" % (DATABASE[4], PORT)
    with broken(lab, CLIENT, "iptables -A OUTPUT " + rule, "iptables -F OUTPUT"):
        below = request(firewall(lab, prove=True))
        asked = request(firewall(lab))
        with broken(lab, CLIENT, "nohup python3 -c \"%s\" >/dev/null 2>&1 & echo $! >/run/holder" % hold, "kill $(cat /run/holder)"):
            lab.run(CLIENT, "until ss -Htn dst %s | grep -q ESTAB; do sleep 0.1; done" % DATABASE[4])
            before = iptables_packets(CLIENT, "iptables-save", "OUTPUT", "connlimit-above 1")
            above = request(firewall(lab, prove=True))
            after = iptables_packets(CLIENT, "iptables-save", "OUTPUT", "connlimit-above 1")
    assert (asked["status"], asked["reason"], asked["verdict"], asked["usual_verdict"]) == (
        "cannot_tell", "conditional", "conditional", "accept")
    assert [(one["kind"], one["line"], one["if_matched"], one["otherwise"]) for one in asked["conditional"]] == [
        ("connlimit", 1, ["reject port_unreachable"], ["accept"])]
    assert (below["verdict"], below["proved"]) == ("accept", True)
    assert (above["verdict"], above["proved"], above["line"], above["counter_delta"]) == ("reject", True, 1, after - before)


def test_an_ordinary_user_may_not_look(lab: Lab) -> None:
    seen = request(firewall(lab, become=False))
    assert (seen["status"], seen["reason"]) == ("cannot_tell", "not_permitted")


@pytest.fixture
def guarded(lab: Lab) -> Iterator[str]:
    """A machine on which firewall managers are switched on, and which is made anew afterwards."""
    yield GUARDED
    lab.reset(GUARDED)
    lab.wait_until_healthy(GUARDED)


def test_ufw(lab: Lab, guarded: str) -> None:
    lab.run(guarded, "ufw allow in on mgmt0 && ufw allow out on mgmt0 && ufw deny out on net0 to any port %d proto tcp && "
                     "ufw --force enable" % PORT)
    save = ("iptables-save", "ufw-user-output", "--dport %d -j DROP" % PORT)
    before = iptables_packets(guarded, *save)
    seen = firewall(lab, guarded, prove=True)
    after = iptables_packets(guarded, *save)
    rule = request(seen)
    assert (rule["status"], rule["verdict"], rule["owner"], rule["chain"]) == ("fail", "drop", "ufw", "ufw-user-output")
    assert rule["counter_delta"] == after - before == 1
    assert str(PORT) in lab.run(guarded, "ufw status").stdout
    managers = data_of(seen, "firewall.managers")
    assert (managers["ufw_enabled"], managers["conflict"], "ufw" in [one["name"] for one in managers["managers"]]) == (True, False, True)
    # What comes in is nobody's rule: ufw's default, which is the policy of a chain that is ufw's.
    inbound = request(firewall(lab, guarded, host=CLIENT_ADDRESS, port=4711, direction="inbound"))
    assert (inbound["verdict"], inbound["policy"], inbound["owner"], inbound["chain"]) == ("drop", True, "ufw", "INPUT")
    # Allowed there, and stopped by somebody else's table all the same.
    lab.run(guarded, "ufw allow in on net0 to any port 4711 proto tcp")
    with table(lab, guarded, "input", "iifname \"net0\" tcp dport 4711 counter drop"):
        seen = firewall(lab, guarded, host=CLIENT_ADDRESS, port=4711, direction="inbound")
    managers = data_of(seen, "firewall.managers")
    assert (request(seen)["table"], request(seen)["verdict"]) == ("test", "drop")
    assert (managers["status"], managers["conflict"], managers["stopped_by"]["table"]) == ("warn", True, "test")
    assert [(one["owner"], one["chain"]) for one in managers["allowed_by"]] == [("ufw", "ufw-user-input")]


def test_firewalld(lab: Lab, guarded: str) -> None:
    lab.run(guarded, "firewall-offline-cmd --zone=trusted --add-interface=mgmt0 && systemctl start firewalld")

    def inbound() -> tuple[dict[str, Any], dict[str, Any]]:
        seen = firewall(lab, guarded, host=CLIENT_ADDRESS, direction="inbound")
        return request(seen), data_of(seen, "firewall.firewalld")

    # Its zone does not have the port, and nobody has put the interface into a zone.
    rule, state = inbound()
    assert (rule["status"], rule["verdict"], rule["reject_kind"], rule["owner"], rule["table"]) == (
        "fail", "reject", "admin_prohibited", "firewalld", "firewalld")
    assert "filtered" in answer(CLIENT, GUARDED_ADDRESS)
    assert (state["zone"], state["zone_by"], state["interface_assigned"], state["concerns_flow"]) == ("public", "default", False, False)
    assert state["zone"] == lab.run(guarded, "firewall-cmd --get-default-zone").stdout.strip()

    # Opened now, not for good; and for good, not now.
    lab.run(guarded, "firewall-cmd --zone=public --add-port=%d/tcp" % PORT)
    rule, state = inbound()
    assert (rule["status"], rule["owner"]) == ("ok", "firewalld")
    assert "closed" in answer(CLIENT, GUARDED_ADDRESS)
    assert (state["status"], state["runtime_only"], state["permanent_only"], state["concerns_flow"]) == (
        "warn", ["port %d/tcp" % PORT], [], True)
    lab.run(guarded, "firewall-cmd --reload && firewall-cmd --permanent --zone=public --add-service=postgresql && "
                     f"firewall-cmd --zone=internal --add-port={PORT}/tcp && "
                     f"firewall-cmd --permanent --zone=internal --add-port={PORT}/tcp")
    rule, state = inbound()
    assert rule["verdict"] == "reject"
    assert (state["permanent_only"], state["concerns_flow"], state["allowing_zones"]) == (
        ["service postgresql"], True, ["internal", "nm-shared", "trusted"])

    # A rich rule, and the interface in a zone by name.
    lab.run(guarded, "firewall-cmd --zone=internal --change-interface=net0 && firewall-cmd --zone=internal --add-rich-rule="
                     "'rule family=ipv4 source address=%s port port=%d protocol=tcp drop'" % (CLIENT_ADDRESS, PORT))
    rule, state = inbound()
    assert (rule["verdict"], rule["owner"]) == ("drop", "firewalld")
    assert CLIENT_ADDRESS in rule["rule"]
    assert rule["chain"].startswith("filter_IN_internal")
    assert (state["zone"], state["zone_by"]) == ("internal", "interface")

    # A direct rule is iptables', and still firewalld's.
    lab.run(guarded, "firewall-cmd --direct --add-rule ipv4 filter OUTPUT 0 -o net0 -p tcp --dport %d -j DROP" % PORT)
    seen = firewall(lab, guarded, prove=True)
    rule = request(seen)
    assert (rule["verdict"], rule["owner"], rule["tool"], rule["counter_delta"]) == ("drop", "firewalld", "iptables", 1)
    assert iptables_packets(guarded, "iptables-save", rule["chain"], "--dport %d -j DROP" % PORT) == 1
    state = data_of(seen, "firewall.firewalld")
    assert any(one.startswith("direct rule ipv4 filter OUTPUT") for one in state["runtime_only"])

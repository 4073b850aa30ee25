# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run of ``remediate`` over ssh heals a whole fleet: a server is changed once for all, what nobody here can do is asked for."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import snapshot

_SERVERS = ("router", "db1", "apm1", "proxy1", "lb1", "ns1")
_LISTEN = "/etc/postgresql/15/main/conf.d/zz-fault.conf"
_NO_TABLE = "nft delete table inet fault"


def _filter(hook: str, *rules: str) -> tuple[str, str]:
    added = "; ".join(f"add rule inet fault {hook} {rule}" for rule in rules)
    return f"nft 'add table inet fault; add chain inet fault {hook} {{ type filter hook {hook} priority 0; }}; {added}'", _NO_TABLE


# By machine, what breaks it and what heals it.
_FAULTS = {
    "web1": ("systemctl disable --now netdata", "systemctl enable --now netdata"),
    "web2": ("echo '10.77.2.199 apm1.lab.example' >> /etc/hosts", "sed -i '/apm1.lab.example/d' /etc/hosts"),
    "web3": _filter("output", "tcp dport 8200 reject"),
    "web4": ("systemctl stop chrony", "systemctl start chrony"),
    "proxy1": _filter("output", "tcp dport 8200 reject"),
    "db1": (f"echo \"listen_addresses = 'localhost'\" > {_LISTEN}; systemctl restart postgresql@15-main",
            f"rm -f {_LISTEN}; systemctl restart postgresql@15-main"),
    "router": _filter("forward", *(f"{source} tcp dport 8200 reject with icmpx type admin-prohibited"
                                   for source in ("ip saddr 10.77.1.14", "ip6 saddr fd77:1::14"))),
}
# Two whose files and rules are compared.
_COMPARED = ("db1", "web3")
_HEALED = {
    ("web1", "agent.disabled", "restart_agent", "verified"),
    ("web2", "dns.hosts_file_stale", "fix_hosts", "verified"),
    ("web3", "firewall.client_egress", "open_firewall", "verified"),
    ("proxy1", "firewall.client_egress", "open_firewall", "verified"),
    ("web4", "clock.not_synchronized", "start_time_daemon", "verified"),
    ("db1", "server.loopback_only", "set_listen_address", "verified"),
}
_ESCALATED = {("web4", "firewall.path", "escalate", "refused")}


@pytest.fixture
def playbook(lab: Lab, tmp_path: Path) -> Iterator[Playbook]:
    yield Playbook(lab, tmp_path)
    for host in lab.hosts:
        lab.run(host, "rm -rf /var/lib/connectivity-doctor")


def rows(report: dict[str, Any]) -> set[tuple[str, str, str, str]]:
    return {(row["host"], row["code"], row["action"], row["result"]) for row in report["remediations"]}


def test_a_fleet_with_different_faults_is_healed_by_one_command(lab: Lab, playbook: Playbook) -> None:
    known = load_endpoints()
    of_clients = [known["warehouse"], known["gateway"], known["apm"]]
    fleet = {host: [known["gateway"]] if host in _SERVERS else of_clients for host in lab.hosts}
    with contextlib.ExitStack() as healing:
        for host, (breaks, heals) in _FAULTS.items():
            healing.enter_context(broken(lab, host, breaks, heals))
        variables = {"connectivity_endpoints": "{{ fleet[inventory_hostname] }}", "fleet": fleet}
        ended = playbook.run("all", [], **variables)
        assert rows(ended.report) == _HEALED | _ESCALATED, ended.output
        (server,) = [row for row in ended.report["remediations"] if row["host"] == "db1"]
        assert set(server["for"]) == set(lab.clients) and set(lab.clients) <= set(server["after"])
        (asked,) = [row for row in ended.report["remediations"] if row["result"] == "refused"]
        assert "10.77.1.14, any port, to 10.77.2.30 port 8200" in asked["request"] and "sent by: " in asked["request"]
        ill = {(host, name) for host, seen in ended.report["hosts"].items() for name, one in seen["endpoints"].items()
               if one["state"] != "healthy"}
        assert ill == {("web4", "gateway")}
        after = {host: snapshot(lab, host) for host in _COMPARED}
        again = playbook.run("all", [], **variables)
        assert rows(again.report) == _ESCALATED, again.output
        assert again.output.count(" changed=0 ") == len(lab.hosts), again.output
        assert {host: snapshot(lab, host) for host in _COMPARED} == after, "a second run changes nothing"

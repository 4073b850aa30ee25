# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run opens the same flow on four hosts, in the firewall that each of them has; all of it is predicted, and taken back to the byte."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import filtered, run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook

# Ports 5432 and 6432 are closed on each host; the first one is to be opened, and the second one is to stay as it is.
_FIREWALLD = """
cat > /etc/firewalld/policies/locked.xml <<'END'
<?xml version="1.0" encoding="utf-8"?>
<policy target="CONTINUE">
  <ingress-zone name="HOST"/>
  <egress-zone name="ANY"/>
  <rule family="ipv4"><destination address="10.77.2.0/24"/><port port="5432-6432" protocol="tcp"/><reject/></rule>
  <rule family="ipv6"><destination address="fd77:2::/64"/><port port="5432-6432" protocol="tcp"/><reject/></rule>
</policy>
END
firewall-offline-cmd --set-default-zone=trusted
systemctl start firewalld
until nft list table inet firewalld 2>/dev/null | grep -q policy_locked_deny; do sleep 0.1; done
"""
# The second rule is for the very flow: ufw keeps only one of it.
_UFW = """
ufw default allow incoming
ufw deny out to 10.77.2.20 port 5432 proto tcp
ufw deny out to any port 5432,6432 proto tcp
ufw --force enable
"""
_NFT = """
cat > /etc/nftables.conf <<'END'
#!/usr/sbin/nft -f
flush ruleset

table inet site {
        chain out {
                type filter hook output priority filter; policy accept;
                oifname "mgmt0" accept
                tcp dport { 5432, 6432 } reject
        }
}
END
systemctl enable --quiet --now nftables
"""
# Much as Arch has it; Debian's own would take ufw away. Nothing loads a file of ip6tables.
_IPTABLES = """
mkdir -p /etc/iptables
cat > /etc/iptables/rules.v4 <<'END'
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A OUTPUT -o mgmt0 -j ACCEPT
-A OUTPUT -p tcp -m multiport --dports 5432,6432 -j REJECT
COMMIT
END
cat > /etc/systemd/system/iptables.service <<'END'
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables-restore /etc/iptables/rules.v4
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable --quiet --now iptables
ip6tables -A OUTPUT -p tcp -m multiport --dports 5432,6432 -j REJECT
"""


class _Firewall(NamedTuple):
    """``close`` puts it to work, ``stop`` ends that; ``reload`` does what a boot does. ``kept`` is where it keeps its rules."""

    close: str
    reload: str
    stop: str
    kept: str


_FIREWALLS = {
    "web1": _Firewall(_FIREWALLD, "firewall-cmd --reload", "systemctl stop firewalld", "/etc/firewalld"),
    "web2": _Firewall(_UFW, "ufw reload", "ufw --force reset; nft flush ruleset", "/etc/ufw"),
    "web3": _Firewall(
        _NFT, "systemctl restart nftables", "systemctl disable --quiet --now nftables; nft flush ruleset", "/etc/nftables.conf"),
    "web4": _Firewall(
        _IPTABLES, "systemctl restart iptables",
        "systemctl disable --quiet --now iptables; rm /etc/systemd/system/iptables.service; systemctl daemon-reload; "
        "iptables -F OUTPUT; ip6tables -F OUTPUT", "/etc/iptables"),
}
# By family: the kernel tells tables in the order in which they were made.
_RULES = """
for family in inet ip ip6; do nft --stateless list ruleset $family; done
iptables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'; ip6tables-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'
ufw status verbose
[ ! -e /run/firewalld.pid ] || firewall-cmd --permanent --list-all-policies
find %s -type f -exec sha256sum {} + -exec stat -c '%%n %%a %%U %%G' {} + | sort
"""
_REACHES = "timeout 1 bash -c '</dev/tcp/%s/%d'"


@pytest.fixture
def firewalls(lab: Lab) -> Iterator[list[str]]:
    """The hosts, each with its own firewall at work; as they were at the end."""

    def begin(host: str) -> None:
        one = _FIREWALLS[host]
        lab.run(host, f"[ ! -e {one.kept} ] || cp -a {one.kept} /root/firewall.kept; {one.close}")

    def end(host: str) -> None:
        one = _FIREWALLS[host]
        lab.run(host, f"{one.stop}; rm -r {one.kept}; [ ! -e /root/firewall.kept ] || mv /root/firewall.kept {one.kept}", check=False)

    try:
        on_all(begin)
        yield list(_FIREWALLS)
    finally:
        on_all(end)


def on_all(action: Callable[[str], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor(len(_FIREWALLS)) as pool:
        return dict(zip(_FIREWALLS, pool.map(action, _FIREWALLS), strict=True))


def test_one_run_opens_the_flow_in_four_firewalls_for_good_and_its_undo_is_exact(
        lab: Lab, playbook: Playbook, firewalls: list[str]) -> None:
    hosts, endpoints = ",".join(firewalls), [load_endpoints()["warehouse"]]

    def rules() -> dict[str, str]:
        return on_all(lambda host: lab.run(host, _RULES % _FIREWALLS[host].kept, check=False).stdout)

    def reaches(address: str, port: int) -> dict[str, bool]:
        return on_all(lambda host: lab.run(host, _REACHES % (address, port), check=False).returncode == 0)

    before = rules()
    predicted = playbook.run(hosts, endpoints, "--check", "--diff")
    assert rules() == before
    assert predicted.remediations == [("open_firewall", "would_change")] * 4, predicted.output
    repaired = playbook.run(hosts, endpoints, "--diff")
    assert repaired.remediations == [("open_firewall", "verified")] * 4, repaired.output
    assert differences(repaired.output) == differences(predicted.output) != []
    done = {entry["host"]: entry for entry in repaired.report["remediations"]}
    assert {host: entry["summary"] for host, entry in done.items()} == {
        entry["host"]: entry["summary"] for entry in predicted.report["remediations"]}
    assert "in nftables inet site out and /etc/nftables.conf, " in done["web3"]["summary"]
    assert "in iptables filter OUTPUT and /etc/iptables/rules.v4, " in done["web4"]["summary"]
    assert "in the running rules only, as nothing loads a file of ip6tables" in done["web4"]["summary"]
    assert [repaired.state(host, "warehouse") for host in firewalls] == ["healthy"] * 4
    assert not any(reaches("10.77.2.20", 6432).values()), "what nobody asked for stays closed"

    after = rules()
    on_all(lambda host: lab.run(host, _FIREWALLS[host].reload))
    assert rules() == after, "the next boot loads what is in force"
    again = playbook.run(hosts, endpoints)
    assert again.remediations == [] and rules() == after

    on_all(lambda host: undo(lab, host, done[host]["name"]))
    assert rules() == before
    assert not any(reaches("10.77.2.20", 5432).values())


def test_on_a_server_the_flow_of_the_host_that_suffers_is_opened_and_no_other_one(lab: Lab, playbook: Playbook) -> None:
    known = load_endpoints()
    by_host = {"web1": [known["warehouse"]], "db1": [known["gateway"]]}
    with filtered(lab, "db1", "input", "iifname net0 tcp dport { 5432, 6432 } drop"):
        ended = playbook.run(",".join(by_host), "{{ by_host[inventory_hostname] }}", by_host=by_host)  # type: ignore[arg-type]
        assert ended.remediations == [("open_firewall", "verified")], ended.output
        open_to = {(host, address, port) for host in ("web1", "web2", "proxy1") for address in ("10.77.2.20", "fd77:2::20")
                   for port in (5432, 6432) if lab.run(host, _REACHES % (address, port), check=False).returncode == 0}
    assert open_to == {("web1", "10.77.2.20", 5432), ("web1", "fd77:2::20", 5432)}
    lab.run("db1", "rm -rf /var/lib/connectivity-doctor")


def differences(output: str) -> list[str]:
    """What ``--diff`` shows as added, without the names of the runs."""
    return sorted(re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{6}", "RUN", line) for line in output.splitlines() if line.startswith("+"))


def undo(lab: Lab, host: str, name: str) -> None:
    """As a person does; and, for what has a program of its own to ask, as the timer does when nobody comes back."""
    if host in ("web3", "web4"):
        assert run_module(lab, host, "transaction", state="rolled_back", name=name)["problems"] == []
    else:
        folder = f"/var/lib/connectivity-doctor/transactions/{name}"
        lab.run(host, f"sed -i s/committed/open/ {folder}/state.json; systemd-run --quiet --wait python3 {folder}/revert.py {folder}")
        assert "reverted_itself" in lab.run(host, f"cat {folder}/state.json").stdout

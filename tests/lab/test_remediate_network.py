# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run repairs four hosts with seven different faults of names, time and routes, each in the file of who owns the setting.

It is predicted first, and done once; what does not help is put back to the byte, and so is all of it at the end.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook

_NAME_SERVER, _TIME_SERVER, _NOBODY = "10.77.2.53", "10.77.2.53", "10.77.2.199"
# A machine that serves neither names nor time, and says so.
_NEITHER = "10.77.2.40"

# resolv.conf leads to systemd-resolved, which does not run; the time daemon asks a host that tells no time.
_RESOLVED = """
cp -a /etc/resolv.conf /etc/hosts /etc/chrony/chrony.conf /etc/systemd/resolved.conf /root
printf '[Resolve]\\nDNS=10.77.2.53\\nFallbackDNS=\\n' > /etc/systemd/resolved.conf
systemctl start systemd-resolved
systemctl stop systemd-resolved
ln -sf /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
echo '10.77.2.30 apm1.lab.example' >> /etc/hosts
sed -i 's/^server .*/server 10.77.2.40 iburst/' /etc/chrony/chrony.conf
systemctl restart chrony
sleep 1
"""
_NOT_RESOLVED = """
systemctl disable --quiet --now systemd-resolved
rm -rf /etc/resolv.conf
cp -a /root/resolv.conf /root/hosts /etc
cp -a /root/chrony.conf /etc/chrony
cp -a /root/resolved.conf /etc/systemd
systemctl restart chrony
"""
# Nobody writes resolv.conf. The way to the database is forbidden, and what would be taken instead is so too.
_FILE = f"""
cp -a /etc/resolv.conf /root
printf '# of this site\\nnameserver {_NOBODY}\\nnameserver {_NAME_SERVER}\\noptions timeout:2\\n' > /etc/resolv.conf
ip route add prohibit 10.77.2.20/32
ip route add prohibit 10.77.2.20/30
"""
_NOT_FILE = "cp -a /root/resolv.conf /etc; ip route del prohibit 10.77.2.20/32; ip route del prohibit 10.77.2.20/30"
# The route would come back with the interface.
_ROUTE = """
cp -a /etc/nsswitch.conf /etc/network/interfaces /root
sed -i 's/^hosts:.*/hosts: files  # no names from outside/' /etc/nsswitch.conf
sed -i '/^iface net0 inet static/a \\    up ip route add blackhole 10.77.2.20/32' /etc/network/interfaces
ip route add blackhole 10.77.2.20/32
"""
_NOT_ROUTE = "cp -a /root/nsswitch.conf /etc; cp -a /root/interfaces /etc/network; ip route del blackhole 10.77.2.20/32"
# NetworkManager writes resolv.conf, and its connection has no server at all.
_NETWORK_MANAGER = """
printf '[main]\\nplugins=keyfile\\nrc-manager=file\\n[keyfile]\\nunmanaged-devices=interface-name:mgmt0\\n' \
    > /etc/NetworkManager/conf.d/site.conf
cat > /etc/NetworkManager/system-connections/net0.nmconnection <<'END'
[connection]
id=net0
uuid=6f0a3b0e-5d0f-4a57-9d0c-5b0f4c1f7a10
type=ethernet
interface-name=net0
[ipv4]
method=manual
address1=10.77.1.14/24,10.77.1.1
dns-search=lab.example;
[ipv6]
method=manual
address1=fd77:1::14/64,fd77:1::1
END
chmod 600 /etc/NetworkManager/system-connections/net0.nmconnection
systemctl start NetworkManager
nmcli --wait 10 connection up net0
until grep -q NetworkManager /etc/resolv.conf; do sleep 0.1; done
"""
# What of a host these remedies could touch, without what changes by itself.
_SNAPSHOT = """
find /etc -xdev ! -name '*.lock' ! -name interface-order -printf '%M %u %p %l\\n' | sort -k3
find /etc -xdev -type f ! -name '*.lock' -exec sha256sum {} + | sort -k2
ip -4 route; ip -6 route | sed 's/ expires [^ ]*//'; ip -o link | sed 's/.*: \\([a-z0-9]*\\)[:@].* mtu \\([0-9]*\\).*/\\1 \\2/'
systemctl is-active chrony systemd-resolved NetworkManager
systemctl is-enabled chrony systemd-resolved NetworkManager
"""


class Ill(NamedTuple):
    """``endpoints``: by name, the code of their cause, the remedy, and what becomes of it. ``shows``: what is so then, and not before.

    ``heals``: empty where only a new machine is as before.
    """

    breaks: str
    heals: str
    endpoints: dict[str, tuple[str, str, str]]
    shows: str


_HOSTS = {
    "web1": Ill(_RESOLVED, _NOT_RESOLVED,
                {"warehouse": ("dns.resolvers_unreachable", "fix_resolver", "verified"),
                 "apm": ("clock.not_synchronized", "start_time_daemon", "verified")},
                "systemctl is-active systemd-resolved && systemctl is-enabled systemd-resolved"
                f" && grep -x 'server {_TIME_SERVER} iburst' /etc/chrony/chrony.conf && ! grep 10.77.2.40 /etc/chrony/chrony.conf"),
    "web2": Ill(_FILE, _NOT_FILE,
                {"gateway": ("dns.first_resolver_dead", "fix_resolver", "verified"),
                 "by_address": ("network.prohibit_route", "fix_route", "rolled_back")},
                f"grep nameserver /etc/resolv.conf | tail -1 | grep {_NOBODY} && grep '# of this site' /etc/resolv.conf"
                " && grep -x 'options timeout:2' /etc/resolv.conf"),
    "web3": Ill(_ROUTE, _NOT_ROUTE,
                {"gateway": ("dns.nsswitch", "fix_resolver", "verified"),
                 "by_address": ("network.blackhole_route", "fix_route", "verified")},
                "grep -x 'hosts: files dns  # no names from outside' /etc/nsswitch.conf && ! grep blackhole /etc/network/interfaces"
                " && ! ip route | grep blackhole"),
    "web4": Ill(_NETWORK_MANAGER, "",
                {"gateway": ("dns.no_resolver", "fix_resolver", "verified")},
                f"grep -x 'servers={_NAME_SERVER}' /etc/NetworkManager/conf.d/zz-connectivity-doctor.conf"
                f" && grep -x 'nameserver {_NAME_SERVER}' /etc/resolv.conf && grep -x 'search lab.example' /etc/resolv.conf"),
}


def _variables() -> dict[str, Any]:
    """Each host has the endpoints that it is ill of."""
    known = load_endpoints()
    by_address = {"name": "by_address", "url": "postgresql://reporting@10.77.2.20:5432/production?sslmode=require",
                  "password": "{{ lab_database_password }}", "server": "db1"}
    return {
        "endpoints_of": {host: [known.get(name, by_address) for name in ill.endpoints] for host, ill in _HOSTS.items()},
        "connectivity_endpoints": "{{ endpoints_of[inventory_hostname] }}",
        "connectivity_name_servers": [_NEITHER, _NAME_SERVER],
        "connectivity_time_servers": [_NEITHER, _TIME_SERVER],
    }


def _everywhere(work: Callable[[str], Any]) -> dict[str, Any]:
    with ThreadPoolExecutor() as pool:
        return dict(zip(_HOSTS, pool.map(work, _HOSTS), strict=True))


@pytest.fixture
def ill_hosts(lab: Lab) -> Iterator[None]:
    try:
        _everywhere(lambda host: lab.run(host, "set -e\n" + _HOSTS[host].breaks))
        yield
    finally:
        _everywhere(lambda host: lab.run(host, _HOSTS[host].heals, check=False) if _HOSTS[host].heals else lab.reset(host))
        lab.wait_until_healthy(*_HOSTS)


def _told(report: dict[str, Any]) -> set[tuple[str, str, str, str, str]]:
    return {(row["host"], row["endpoint"], row["code"], row["action"], row["result"]) for row in report["remediations"]}


def _expected(result: str = "") -> set[tuple[str, str, str, str, str]]:
    return {(host, name, code, action, result or outcome)
            for host, ill in _HOSTS.items() for name, (code, action, outcome) in ill.endpoints.items()}


def test_each_host_is_repaired_where_the_setting_is_owned_and_put_back_where_that_was_in_vain(
    lab: Lab, playbook: Playbook, ill_hosts: None,
) -> None:
    hosts = ",".join(_HOSTS)

    def snapshots() -> dict[str, str]:
        return _everywhere(lambda host: lab.run(host, _SNAPSHOT, check=False).stdout)

    def run(*arguments: str) -> Any:
        return playbook.run(hosts, [], *arguments, **_variables())

    before = snapshots()
    predicted = run("--check", "--diff")
    assert _told(predicted.report) == _expected("would_change"), predicted.output
    assert snapshots() == before
    repaired = run("--diff")
    assert _told(repaired.report) == _expected(), repaired.output
    after = snapshots()
    shown = _everywhere(lambda host: lab.run(host, _HOSTS[host].shows, check=False).returncode)
    assert set(shown.values()) == {0}, (shown, repaired.output)
    assert {line.strip() for line in after["web2"].splitlines() if line.startswith("prohibit")} == {
        "prohibit 10.77.2.20", "prohibit 10.77.2.20/30"}
    again = run()
    assert _told(again.report) == {("web2", "by_address", "network.prohibit_route", "fix_route", "refused")}, again.output
    assert snapshots() == after
    changes = [row for row in repaired.report["remediations"] if row["result"] == "verified"]

    def undo(host: str) -> list[str]:
        """The last change first."""
        return [problem for row in reversed(changes) if row["host"] == host
                for problem in run_module(lab, host, "transaction", state="rolled_back", name=row["name"])["problems"]]

    assert not any(_everywhere(undo).values())
    assert snapshots() == before

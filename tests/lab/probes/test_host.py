# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host probe over ssh beside df, findmnt, ss, conntrack, nstat and systemctl, on what really runs out.

The kernel keeps ``nf_conntrack_max``, ``pid_max`` and ``file-max`` for the whole machine: the lab can't fill those tables.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT, SERVER, ADDRESS, PORT = "web3", "apm1", "10.77.2.30", 7777
FIRST, LAST = 40000, 40019

_LISTEN = f"import socket, time; s = socket.create_server(('', {PORT}), backlog=100); time.sleep(90)"
_USE_UP = f"""
import errno, socket, time
held = []
try:
    while True:
        held.append(socket.create_connection(("{ADDRESS}", {PORT})))
except OSError as problem:
    open("/root/used-up", "w").write("%s %d" % (errno.errorcode[problem.errno], len(held)))
time.sleep(90)
"""


def host(lab: Lab, /, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_host", **{"interval": 0, **parameters})


@contextmanager
def running(lab: Lab, machine: str, unit: str, program: str) -> Iterator[None]:
    """A Python program as a unit of systemd."""
    lab.put(machine, f"/root/{unit}.py", program)
    with broken(lab, machine, f"systemd-run --quiet --unit={unit} python3 /root/{unit}.py", f"systemctl stop {unit}; rm /root/{unit}.py"):
        yield


def test_a_healthy_host(lab: Lab) -> None:
    seen = host(lab, units=["netdata.service"])
    assert {one["status"] for one in seen} == {"ok"}, [one for one in seen if one["status"] != "ok"]
    root = data_of(seen, "host.disk", mount="/")
    size, free, inodes = lab.run(CLIENT, "df -B1 --output=size,avail,itotal / | tail -1").stdout.split()
    assert (root["size_bytes"], root["inodes"]) == (int(size), int(inodes))
    assert abs(root["free_bytes"] - int(free)) < 20_000_000
    written = lab.run(CLIENT, "lsof -u netdata -a -d '^mem' -F an | grep -A1 '^a[uw]' | grep '^n/var' | cut -c2-").stdout.split()
    assert set(root["holds"]) == {path.rpartition("/")[0] for path in written} != set()
    (unit,) = data_of(seen, "host.files")["units"]
    (tasks,) = data_of(seen, "host.processes")["units"]
    limits = lab.run(CLIENT, "cat /proc/$(systemctl show netdata -p MainPID --value)/limits").stdout
    assert re.search(rf"Max open files +{unit['limit']} ", limits)
    assert re.search(rf"Max processes +{tasks['user_limit']} ", limits)


def test_a_full_file_system(lab: Lab) -> None:
    fill = "head -c 4000000 /dev/zero > /mnt/full 2>/dev/null || true"
    with broken(lab, CLIENT, "mount -t tmpfs -o size=2m test /mnt; " + fill, "umount /mnt"):
        seen = host(lab, paths=["/mnt/full"])
        assert lab.run(CLIENT, "df --output=pcent /mnt | tail -1").stdout.strip() == "100%"
    disk = data_of(seen, "host.disk", mount="/mnt")
    assert (disk["status"], disk["fraction"], disk["free_bytes"]) == ("fail", 1.0, 0)
    assert disk["inodes_fraction"] < 0.5


def test_a_file_system_that_became_read_only(lab: Lab) -> None:
    with broken(lab, CLIENT, "mount -t tmpfs test /mnt; echo 'test /mnt tmpfs rw 0 0' >> /etc/fstab; mount -o remount,ro /mnt",
                "umount /mnt; sed -i '/^test /d' /etc/fstab"):
        seen = host(lab, paths=["/mnt"])
        assert "ro" in lab.run(CLIENT, "findmnt -n -o OPTIONS /mnt").stdout.strip().split(",")
    mount = data_of(seen, "host.mount", mount="/mnt")
    assert (mount["status"], mount["read_only"], mount["expected"], mount["type"]) == ("fail", True, "rw", "tmpfs")


def test_ephemeral_ports_are_used_up(lab: Lab) -> None:
    ports = "/proc/sys/net/ipv4/ip_local_port_range"
    with running(lab, SERVER, "test-listen", _LISTEN), broken(
        lab, CLIENT, f"cat {ports} > /root/range; echo {FIRST} {LAST} > {ports}", f"cat /root/range > {ports}; rm -f /root/used-up",
    ):
        lab.run(SERVER, f"until ss -Hltn 'sport = :{PORT}' | grep -q .; do sleep 0.1; done")
        with running(lab, CLIENT, "test-use-up", _USE_UP):
            lab.run(CLIENT, "for _ in $(seq 100); do test -s /root/used-up && break; sleep 0.1; done")
            error, held = lab.run(CLIENT, "cat /root/used-up").stdout.split()
            found = data_of(host(lab), "host.ports")
            counted = len(lab.run(CLIENT, f"ss -Htan dst {ADDRESS} dport = :{PORT}").stdout.splitlines())
    assert error == "EADDRNOTAVAIL"
    assert (found["status"], found["low"], found["high"], found["size"]) == ("fail", FIRST, LAST, LAST - FIRST + 1)
    busiest = found["busiest"][0]
    assert (busiest["address"], busiest["port"]) == (ADDRESS, PORT)
    assert busiest["in_use"] == counted == int(held) >= 0.95 * found["size"]


def test_tracked_connections_are_as_many_as_conntrack_counts(lab: Lab) -> None:
    with broken(lab, CLIENT, "nft 'add table inet test; add chain inet test output { type filter hook output priority 0; }; "
                "add rule inet test output ct state new counter'", "nft delete table inet test"):
        lab.run(CLIENT, f"for _ in 1 2 3 4 5; do nc -z -w 1 {ADDRESS} 8200; done")
        found = data_of(host(lab), "host.conntrack")
        counted = int(lab.run(CLIENT, "conntrack -C").stdout)
        limit = int(lab.run(CLIENT, "cat /proc/sys/net/netfilter/nf_conntrack_max").stdout)
    assert found["tracking"] is True and found["limit"] == limit
    assert found["used"] >= 5 and abs(found["used"] - counted) <= 10


def test_counters_are_the_kernels(lab: Lab) -> None:
    found = data_of(host(lab), "host.counters")
    said = lab.run(CLIENT, "nstat -az TcpExtListenOverflows TcpExtListenDrops TcpExtSyncookiesSent TcpExtPAWSEstab").stdout
    totals = {name: int(value) for name, value in re.findall(r"TcpExt(\w+) +(\d+)", said)}
    assert {name: found["totals"][key] for name, key in (
        ("ListenOverflows", "listen_overflows"), ("ListenDrops", "listen_drops"), ("SyncookiesSent", "syncookies_sent"),
        ("PAWSEstab", "paws_established"))} == totals
    assert found["somaxconn"] == int(lab.run(CLIENT, "sysctl -n net.core.somaxconn").stdout)


def test_an_ordinary_user_sees_almost_all(lab: Lab) -> None:
    seen = host(lab, become=False)
    for check in ("host.memory", "host.files", "host.conntrack", "host.ports", "host.processes", "host.counters"):
        assert data_of(seen, check)["status"] == "ok"

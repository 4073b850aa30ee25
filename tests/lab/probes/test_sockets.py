# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sockets probe over ssh beside ss and nstat, on an accept queue that overflows, and on UDP."""
from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe, tool

CLIENT, SERVER, ADDRESS, PORT = "web3", "apm1", "10.77.2.30", 7778
_NEVER_ACCEPTS = f"import socket, time; s = socket.socket(); s.bind(('', {PORT})); s.listen(1); time.sleep(90)"
_KNOCKS = f"""
import socket, time
end = time.time() + 90
held = []
while time.time() < end:
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(("{ADDRESS}", {PORT}))
    held = held[-5:] + [client]
    time.sleep(0.1)
"""


@contextmanager
def running(lab: Lab, machine: str, unit: str, program: str) -> Iterator[None]:
    """A Python program as a unit of systemd."""
    lab.put(machine, f"/root/{unit}.py", program)
    with broken(lab, machine, f"systemd-run --quiet --unit={unit} python3 /root/{unit}.py", f"systemctl stop {unit}; rm /root/{unit}.py"):
        yield


def overflows(lab: Lab) -> int:
    return int(re.search(r"ListenOverflows +(\d+)", lab.run(SERVER, "nstat -az TcpExtListenOverflows").stdout).group(1))


def test_an_accept_queue_that_overflows(lab: Lab) -> None:
    with running(lab, SERVER, "test-never-accepts", _NEVER_ACCEPTS), running(lab, CLIENT, "test-knocks", _KNOCKS):
        lab.run(SERVER, f"for _ in $(seq 50); do ss -Hltn 'sport = :{PORT}' | grep -q 'LISTEN 2' && break; sleep 0.1; done")
        before = overflows(lab)
        seen = observe(lab, SERVER, "probe_sockets", port=PORT, interval=2)
        after = overflows(lab)
        row = lab.run(SERVER, f"ss -Hltn 'sport = :{PORT}'").stdout.split()
        pid = int(re.search(r"pid=(\d+)", lab.run(SERVER, f"ss -Hltnp 'sport = :{PORT}'").stdout).group(1))
    listener = data_of(seen, "sockets.listener")
    assert (listener["status"], listener["queue_full"], listener["scope"]) == ("warn", True, "reachable")
    assert [(one["waiting"], one["limit"]) for one in listener["listeners"]] == [(int(row[1]), int(row[2]))] == [(2, 1)]
    assert (listener["process"]["pid"], listener["process"]["unit"]) == (pid, "test-never-accepts.service")
    overflow = data_of(seen, "sockets.overflow")
    assert overflow["status"] == "warn"
    assert 3 <= overflow["rises"]["overflows"] <= after - before
    assert before <= overflow["overflows"] <= after
    assert data_of(seen, "sockets.connections")["total"] >= 2


def test_a_firewall_that_drops_is_no_overflow(lab: Lab) -> None:
    """The client sees the same silence."""
    with broken(lab, SERVER, f"nft 'add table inet test; add chain inet test input {{ type filter hook input priority 0; }}; "
                f"add rule inet test input tcp dport {PORT} drop'", "nft delete table inet test"):
        with running(lab, SERVER, "test-never-accepts", _NEVER_ACCEPTS), running(lab, CLIENT, "test-knocks", _KNOCKS):
            lab.run(SERVER, f"until ss -Hltn 'sport = :{PORT}' | grep -q .; do sleep 0.1; done")
            seen = observe(lab, SERVER, "probe_sockets", port=PORT, interval=1)
    assert data_of(seen, "sockets.listener")["queue_full"] is False
    assert data_of(seen, "sockets.overflow")["rises"]["overflows"] == 0
    assert data_of(seen, "sockets.connections")["total"] == 0


def test_connections_of_a_server_as_ss_counts_them(lab: Lab) -> None:
    seen = observe(lab, SERVER, "probe_sockets", port=19999)
    connections = data_of(seen, "sockets.connections")
    said = tool(SERVER, "ss", "-Htn", "state", "established", "sport = :19999").splitlines()
    assert connections["by_state"]["ESTABLISHED"] == len(said) >= len(lab.clients)
    assert data_of(seen, "sockets.listener")["process"]["command"] == "netdata"


def test_the_socket_file_of_postgresql(lab: Lab) -> None:
    seen = observe(lab, "db1", "probe_sockets", port=5432)
    unix = data_of(seen, "sockets.unix")
    assert (unix["listening"], unix["process"]["command"]) == (True, "postgres")
    assert unix["path"] in lab.run("db1", "ss -Hlx").stdout


def test_udp_listeners_as_ss_lists_them(lab: Lab) -> None:
    found = data_of(observe(lab, "ns1", "probe_sockets", port=53, protocol="udp"), "sockets.udp")
    said = {row.split()[3].rpartition(":")[0].strip("[]") for row in lab.run("ns1", "ss -Hlun 'sport = :53'").stdout.splitlines()}
    assert {one["address"] for one in found["listeners"]} == said == {"10.77.2.53", "10.77.2.54", "fd77:2::53", "fd77:2::54"}
    assert (found["scope"], found["families"]) == ("reachable", ["ipv4", "ipv6"])
    assert data_of(observe(lab, "ns1", "probe_sockets", port=54, protocol="udp"), "sockets.udp")["status"] == "fail"

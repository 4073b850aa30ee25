# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool probe over ssh beside psql: what there is, what it takes of it, and a balancer that ends idle connections."""
from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, filtered, observe

CLIENT, SERVER, BALANCER = "web1", "db1", "lb1"


def look(lab: Lab, host: str = SERVER, port: int = 5432, **parameters: Any) -> list[dict[str, Any]]:
    given = {
        "host": lab.hosts[host].address4, "port": port, "user": "reporting", "database": "production",
        "password": lab.vars["lab_database_password"], "parameters": {"sslmode": "require"}, "duration": 1.0, **parameters,
    }
    observations = observe(lab, CLIENT, "probe_pool", **given)
    assert lab.vars["lab_database_password"] not in str(observations)
    return observations


def psql(lab: Lab, sql: str) -> str:
    return lab.run(SERVER, ["sudo", "-u", "postgres", "psql", "-XqAt", "-d", "production", "-c", sql]).stdout.strip()


@contextmanager
def counting(lab: Lab) -> Iterator[list[int]]:
    """How many sessions the server has of the application's user, again and again."""
    counts: list[int] = []
    stop = threading.Event()

    def count() -> None:
        while not stop.is_set():
            counts.append(int(psql(lab, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reporting'")))

    thread = threading.Thread(target=count)
    thread.start()
    yield counts
    stop.set()
    thread.join()


def test_it_takes_no_more_than_its_part(lab: Lab) -> None:
    before = int(psql(lab, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'reporting'"))
    with counting(lab) as counts:
        observations = look(lab, size=30, max_overflow=20, workers=50)
    capacity = data_of(observations, "pool.capacity")
    allowed = int(psql(lab, "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int"))
    assert (capacity["asked_for"], capacity["limit"], capacity["exceeds_server"], capacity["status"]) == (50, allowed, True, "warn")
    assert capacity["cap"] == capacity["free"] // 10
    assert max(counts) - before <= capacity["cap"], counts
    wait = data_of(observations, "pool.wait")
    assert (wait["status"], wait["capped"], wait["pool_largest"]) == ("ok", True, capacity["cap"])


def test_a_pool_smaller_than_its_demand(lab: Lab) -> None:
    wait = data_of(look(lab, size=1, max_overflow=0, workers=6, hold_ms=400, pool_timeout=0.5), "pool.wait")
    assert (wait["status"], wait["exhausted"], wait["bottleneck"]) == ("fail", True, "pool")
    assert psql(lab, "SELECT 1") == "1", "the server has connections to give"


def test_the_limit_of_a_role(lab: Lab) -> None:
    with broken(lab, SERVER, "sudo -u postgres psql -qc 'ALTER ROLE reporting CONNECTION LIMIT 8'",
                "sudo -u postgres psql -qc 'ALTER ROLE reporting CONNECTION LIMIT -1'"):
        capacity = data_of(look(lab, size=10, max_overflow=0), "pool.capacity")
    assert (capacity["nearest_limit"], capacity["limit"], capacity["exceeds_server"]) == ("role", 8, True)


def test_a_balancer_that_ends_idle_connections(lab: Lab) -> None:
    change = "sed -i.kept 's/timeout client 60s/timeout client 2s/; s/timeout server 60s/timeout server 2s/' /etc/haproxy/haproxy.cfg"
    reload = "systemctl reload haproxy; sleep 1"
    conninfo = f"host={lab.hosts[BALANCER].address4} user=reporting dbname=production sslmode=require"
    with broken(lab, BALANCER, f"{change}; {reload}", f"mv /etc/haproxy/haproxy.cfg.kept /etc/haproxy/haproxy.cfg; {reload}"):
        observations = look(lab, BALANCER, idle=5, duration=0.3)
        direct = data_of(look(lab, idle=5, duration=0.3), "pool.idle")
        password = lab.vars["lab_database_password"]
        by_hand = f"(echo 'SELECT 1;'; sleep 4; echo 'SELECT 2;') | PGPASSWORD={password} psql -XqAt '{conninfo}' 2>&1"
        hand = lab.run(CLIENT, by_hand, check=False).stdout
    idle = data_of(observations, "pool.idle")
    assert (idle["status"], idle["alive"], idle["how"], idle["keepalive_alive"]) == ("fail", False, "closed", False)
    assert 1.5 <= idle["died_after_s"] <= 3.5
    assert hand.startswith("1\n") and "connection to server was lost" in hand
    assert direct["alive"] is True, "so it is the balancer"


def test_a_firewall_that_forgets_idle_connections(lab: Lab) -> None:
    """Silence, and keepalives prevent it: so it is told from a balancer."""
    setting = "net.netfilter.nf_conntrack_tcp_timeout_established"
    in_router = ["ip", "netns", "exec", "doctor-lab-router"]
    usual = subprocess.run([*in_router, "sysctl", "-n", setting], capture_output=True, text=True, check=True).stdout.strip()
    with filtered(lab, "router", "forward", "tcp dport 5432 ct state new tcp flags & syn == 0 counter drop"):
        subprocess.run([*in_router, "sysctl", "-qw", f"{setting}=5"], check=True)
        try:
            idle = data_of(look(lab, idle=13, duration=0.3, timeout=2.0, deadline=40), "pool.idle")
            dropped = lab.run("router", "nft list chain inet test forward").stdout
        finally:
            subprocess.run([*in_router, "sysctl", "-qw", f"{setting}={usual}"], check=True)
    assert (idle["status"], idle["alive"], idle["how"], idle["noticed"]) == ("fail", False, "silent", "on_use")
    assert idle["keepalive_alive"] is True
    assert "packets 0 " not in dropped, "the firewall did drop it"

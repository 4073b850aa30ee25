# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL probe over ssh beside psql, on a busy database, a pooler without a free connection, and servers behind a balancer."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT, SERVER, BALANCER = "web1", "db1", "lb1"


def look(lab: Lab, host: str = SERVER, port: int = 5432, **parameters: Any) -> list[dict[str, Any]]:
    given = {
        # One address family, so that there is one observation of each check.
        "host": lab.hosts[host].address4, "port": port, "user": lab.vars["lab_database_user"], "database": lab.vars["lab_database_name"],
        "password": lab.vars["lab_database_password"], "parameters": {"sslmode": "require"}, **parameters,
    }
    observations = observe(lab, CLIENT, "probe_postgresql", **given)
    assert lab.vars["lab_database_password"] not in str(observations)
    return observations


def psql(lab: Lab, sql: str, database: str = "production", port: int = 5432) -> list[str]:
    """As the superuser, on the server. :returns: the words of the bare output."""
    argv = ["sudo", "-u", "postgres", "psql", "-XqAt", "-F", " ", "-p", str(port), "-d", database, "-c", sql]
    return lab.run(SERVER, argv).stdout.split()


def by_hand(lab: Lab, host: str, port: int, sql: str, database: str = "production") -> str:
    """As the application's user, from the client."""
    conninfo = f"host={lab.hosts[host].address4} port={port} user=reporting dbname={database} sslmode=require connect_timeout=5"
    answer = lab.run(CLIENT, ["env", f"PGPASSWORD={lab.vars['lab_database_password']}", "psql", "-XAt", conninfo, "-c", sql], check=False)
    return answer.stdout.strip() + answer.stderr.strip()


@contextmanager
def holding(lab: Lab, host: str, port: int, sql: str) -> Iterator[None]:
    """A session of the application's user that stays open."""
    conninfo = f"host={lab.hosts[host].address4} port={port} user=reporting dbname=production sslmode=require"
    start = (f"systemd-run --quiet --unit=holds-a-session --setenv=PGPASSWORD={lab.vars['lab_database_password']} "
             f"sh -c '(echo \"{sql}\"; sleep 60) | psql -X \"{conninfo}\"'")
    with broken(lab, CLIENT, start, "systemctl stop holds-a-session"):
        time.sleep(1.5)
        yield


def test_a_lock_and_who_holds_it(lab: Lab) -> None:
    with holding(lab, SERVER, 5432, "BEGIN; LOCK TABLE measurement IN ACCESS EXCLUSIVE MODE;"):
        waits = "systemd-run --quiet --unit=waits sudo -u postgres psql -X -d production -c 'SELECT count(*) FROM measurement'"
        with broken(lab, SERVER, waits, "systemctl stop waits 2>/dev/null; true"):
            time.sleep(1)
            observations = look(lab, long_transaction_s=1.0)
            waiting = psql(lab, "SELECT w.pid, pg_blocking_pids(w.pid) FROM pg_locks w WHERE NOT w.granted")
            oldest = psql(lab, "SELECT pid FROM pg_stat_activity WHERE usename = 'reporting' AND xact_start < now() ORDER BY xact_start")
    activity = data_of(observations, "postgresql.activity")
    assert (activity["status"], activity["long"], activity["lock_waits"]) == ("warn", True, 1)
    assert [activity["waits"][0]["pid"], activity["waits"][0]["blocked_by"]] == [int(waiting[0]), [int(waiting[1].strip("{}"))]]
    assert activity["transactions"][0]["pid"] == int(oldest[0])
    assert activity["cannot_see"], "the waiting session is the superuser's"


def test_a_slot_that_nobody_uses(lab: Lab) -> None:
    with broken(lab, SERVER, "sudo -u postgres psql -qAtc \"SELECT pg_create_physical_replication_slot('left', true)\"",
                "sudo -u postgres psql -qAtc \"SELECT pg_drop_replication_slot('left')\""):
        replication = data_of(look(lab), "postgresql.replication")
        counted = psql(lab, "SELECT count(*), count(*) FILTER (WHERE NOT active) FROM pg_replication_slots")
    assert (replication["status"], replication["role"]) == ("warn", "primary")
    assert [replication["slots"], replication["slots_inactive"]] == [int(number) for number in counted]


def test_a_pooler_is_told_from_the_server_behind_it(lab: Lab) -> None:
    observations = look(lab, port=6432)
    assert data_of(observations, "postgresql.session")["pooler"] is True
    pooler = data_of(observations, "postgresql.pooler")
    assert (pooler["kind"], pooler["status"], pooler["server_host"], pooler["server_port"]) == ("pgbouncer", "ok", "127.0.0.1", 5432)
    assert pooler["version"] in by_hand(lab, SERVER, 6432, "SHOW VERSION", "pgbouncer")
    assert data_of(look(lab), "postgresql.session")["pooler"] is False


def in_use_again(lab: Lab) -> None:
    """A pooler that was restarted lets nobody in by itself until the first login went through to the server."""
    lab.wait_until_healthy(SERVER)
    assert by_hand(lab, SERVER, 6432, "SELECT 1") == "1"


def test_a_pooler_without_a_free_connection(lab: Lab) -> None:
    file = "/etc/pgbouncer/pgbouncer.ini"
    with broken(lab, SERVER, f"sed -i.kept 's/^default_pool_size.*/default_pool_size = 1/' {file}; systemctl restart pgbouncer; sleep 1",
                f"mv {file}.kept {file}; systemctl restart pgbouncer; sleep 1"):
        with holding(lab, SERVER, 6432, "SELECT 1;"):
            observations = look(lab, port=6432)
            direct = data_of(look(lab), "postgresql.session")
            shown = by_hand(lab, SERVER, 6432, "SHOW POOLS", "pgbouncer")
    in_use_again(lab)
    pooler = data_of(observations, "postgresql.pooler")
    mine = next(line for line in shown.splitlines() if line.startswith("production|reporting|")).split("|")
    assert (pooler["sv_active"], pooler["cl_active"], pooler["pool_size"]) == (int(mine[6]) if len(mine) > 14 else 1, 1, 1)
    assert (pooler["sv_idle"], pooler["state"]) == (0, "full")
    login = [one for one in observations if one["check"] in ("postgresql.login", "postgresql.session") and one["status"] == "fail"]
    assert login, "somebody else has the only connection"
    assert direct["status"] == "ok"


def test_a_pooler_without_its_server_is_told_from_a_full_one(lab: Lab) -> None:
    with broken(lab, SERVER, "systemctl stop postgresql@15-main; systemctl restart pgbouncer; sleep 1",
                "systemctl start postgresql@15-main; systemctl restart pgbouncer"):
        observations = look(lab, port=6432)
        assert "refused" in by_hand(lab, SERVER, 5432, "SELECT 1")
    assert data_of(observations, "postgresql.pooler")["state"] == "no_server"
    in_use_again(lab)


def test_members_behind_a_balancer(lab: Lab) -> None:
    members = [f"{lab.hosts[SERVER].address4}:{port}" for port in (5432, 5433)]
    observations = look(lab, BALANCER, members=members)
    summary = data_of(observations, "postgresql.members")
    assert (summary["status"], summary["members"], summary["down"], summary["primaries"]) == ("warn", 2, members[1:], members[:1])
    answers = [by_hand(lab, SERVER, port, "SELECT pg_is_in_recovery()") for port in (5432, 5433)]
    assert answers[0] == "f"
    assert "refused" in answers[1]
    assert data_of(observations, "postgresql.member", member=members[1])["connect_error"] == "ECONNREFUSED"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe of a PostgreSQL server's own host over ssh, beside what the server itself says through psql, and df."""
from __future__ import annotations

import json
import time
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

SERVER, CLIENT = "db1", "web1"


def psql(lab: Lab, sql: str, database: str = "production") -> str:
    return lab.run(SERVER, ["sudo", "-u", "postgres", "psql", "-XqAt", "-d", database, "-c", sql]).stdout.strip()


def look(lab: Lab, *logins: dict[str, Any], **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, SERVER, "probe_postgresql_server", logins=list(logins), **parameters)


def test_it_finds_what_the_server_says_of_itself(lab: Lab) -> None:
    observations = look(lab)
    instance = data_of(observations, "postgresql_server.instance")
    says = {name: psql(lab, f"SHOW {name}") for name in ("data_directory", "config_file", "hba_file", "max_connections")}
    assert (instance["data_directory"], instance["configuration"], instance["hba_file"]) == (
        says["data_directory"], says["config_file"], says["hba_file"])
    assert instance["settings"]["max_connections"]["value"] == says["max_connections"]
    source = psql(lab, "SELECT sourcefile, sourceline FROM pg_settings WHERE name = 'max_connections'").split("|")
    assert [instance["settings"]["max_connections"]["file"], str(instance["settings"]["max_connections"]["line"])] == source
    free = int(lab.run(SERVER, ["df", "-B1", "--output=avail", says["data_directory"]]).stdout.split()[1])
    assert abs(data_of(observations, "postgresql_server.space")["free_bytes"] - free) < 64 * 2 ** 20


def test_the_line_that_decides_is_the_one_that_the_server_used(lab: Lab) -> None:
    address = lab.hosts[CLIENT].address4
    lab.run(CLIENT, f"PGPASSWORD={lab.vars['lab_database_password']} psql -XqAt 'host={lab.hosts[SERVER].address4} user=reporting "
            "dbname=production sslmode=require' -c 'SELECT 1'")
    log = "/var/log/postgresql/postgresql-15-main.log"
    logged = lab.run(SERVER, f"grep ' {address} LOG:  connection authenticated' {log} | tail -n 1").stdout
    hba = data_of(look(lab, {"user": "reporting", "database": "production", "address": address}), "postgresql_server.hba")
    assert f"({hba['file']}:{hba['line']})" in logged
    rules = json.loads(psql(lab, "SELECT json_agg(r) FROM pg_hba_file_rules r"))
    assert [rule["auth_method"] for rule in rules if rule["line_number"] == hba["line"]] == [hba["method"]]


@pytest.mark.parametrize(("user", "change", "undo", "reason"), [
    ("reporting", "SELECT 1", "SELECT 1", "password_mismatch"), ("absent", "SELECT 1", "SELECT 1", "role_missing"),
    ("reporting", "ALTER ROLE reporting VALID UNTIL '2020-01-01'", "ALTER ROLE reporting VALID UNTIL 'infinity'", "password_expired"),
])
def test_why_a_login_over_the_network_was_refused(lab: Lab, user: str, change: str, undo: str, reason: str) -> None:
    as_postgres = "sudo -u postgres psql -qc "
    with broken(lab, SERVER, f'{as_postgres}"{change}" -o /dev/null', f'{as_postgres}"{undo}" -o /dev/null'):
        password = "wrong" if reason != "password_expired" else lab.vars["lab_database_password"]
        said = lab.run(CLIENT, f"PGPASSWORD={password} psql -XqAt 'host={lab.hosts[SERVER].address4} user={user} dbname=production "
                       "sslmode=require' -c 'SELECT 1' 2>&1", check=False).stdout
        login = {"user": user, "database": "production", "address": lab.hosts[CLIENT].address4}
        refusal = data_of(look(lab, login), "postgresql_server.refusal")
    assert "password authentication failed" in said, "the client is told the same in all three cases"
    assert (refusal["reason"], refusal["of_address"], refusal["method"]) == (reason, True, "scram-sha-256")
    assert lab.vars["lab_database_password"] not in str(refusal)


def test_the_sessions_are_those_of_pg_stat_activity(lab: Lab) -> None:
    hold = ("systemd-run --quiet --unit=holder --uid=postgres sh -c \"(echo 'BEGIN; LOCK TABLE measurement;'; sleep 30) | "
            "psql -q production\"; sleep 1; systemd-run --quiet --unit=waiter --uid=postgres psql -q production "
            "-c 'SELECT count(*) FROM measurement'; sleep 1")
    with broken(lab, SERVER, hold, "systemctl stop waiter holder"):
        found = data_of(look(lab), "postgresql_server.sessions")
        waits = psql(lab, "SELECT pid, pg_blocking_pids(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    (waiting,), (idle,) = found["waiting"], found["idle_in_transaction"]
    assert waits == f"{waiting['pid']}|{{{idle['pid']}}}"
    end = time.monotonic() + 10
    while data_of(look(lab), "postgresql_server.sessions")["waiting"] and time.monotonic() < end:
        time.sleep(0.5)
    assert data_of(look(lab), "postgresql_server.sessions")["status"] == "ok"


def test_a_server_that_was_stopped_on_request(lab: Lab) -> None:
    with broken(lab, SERVER, "systemctl stop postgresql@15-main", "systemctl start postgresql@15-main && systemctl restart pgbouncer"):
        observations = look(lab)
    assert data_of(observations, "postgresql_server.instance")["status"] == "fail"
    assert data_of(observations, "postgresql_server.log")["last_state"] == "stopped"
    lab.wait_until_healthy(SERVER)

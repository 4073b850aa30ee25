# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the host of a PostgreSQL server knows of it: a real server, that refuses, waits, runs and does not run."""
from __future__ import annotations

import os
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import cluster as _postgresql_cluster
from ansible_collections.connectivity.doctor.tests.support.postgresql import NotFound, PostgresqlServer, find_programs, free_port
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe

try:
    find_programs()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

psycopg = pytest.importorskip("psycopg")

PASSWORD = "correct horse"
HBA = (
    "# TYPE  DATABASE USER ADDRESS METHOD",
    "host all forbidden 127.0.0.1/32 reject",
    "host all old 127.0.0.1/32 md5",
    "host all all 127.0.0.0 255.0.0.0 scram-sha-256",
)
ROLES = (
    "CREATE ROLE app LOGIN PASSWORD '%s'" % PASSWORD,
    "CREATE ROLE expired LOGIN PASSWORD '%s' VALID UNTIL '2020-01-01'" % PASSWORD,
    "CREATE ROLE bare LOGIN",
    "SET password_encryption = 'md5'; CREATE ROLE md5only LOGIN PASSWORD '%s'; CREATE ROLE old LOGIN PASSWORD '%s'" % (PASSWORD, PASSWORD),
)


@pytest.fixture(scope="module")
def server() -> t.Iterator[PostgresqlServer]:
    with PostgresqlServer(hba=HBA, settings={"log_line_prefix": "%m [%p] %q%u@%d %h "}) as running:
        running.sql(*ROLES)
        yield running


def look(server: PostgresqlServer, *logins: dict[str, t.Any], port: int = 0) -> Result:
    return run_probe("postgresql_server", {"port": port or server.port, "logins": list(logins)})


def login(user: str, address: str = "127.0.0.1", tls: bool = False) -> dict[str, t.Any]:
    return {"user": user, "database": "postgres", "address": address, "tls": tls}


def be_refused(server: PostgresqlServer, user: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host="127.0.0.1", port=server.port, user=user, password=password, dbname="postgres")


def test_the_server_of_a_port(server: PostgresqlServer) -> None:
    result = look(server)
    assert result.outcome.passed
    instance = result.one("postgresql_server.instance")
    data = instance["data"]
    assert (instance["status"], data["state"], data["port"], data["log_kind"]) == ("ok", "ready", server.port, "file")
    assert (data["data_directory"], data["log"]) == (server.path("data"), server.path("log"))
    assert data["settings"]["listen_addresses"]["value"] == "127.0.0.1"
    assert data["settings"]["listen_addresses"]["file"] == server.path("data/postgresql.conf")
    space = result.one("postgresql_server.space")["data"]
    left = os.statvfs(server.path("data"))
    assert space["full"] is (left.f_bavail * left.f_frsize < 16 * 2 ** 20)
    assert all(observation["data"]["port"] == server.port for observation in result.observations)


@pytest.mark.parametrize(("user", "password", "reason", "line"), [
    ("app", "wrong horse", "password_mismatch", 5), ("nobody_here", "x", "role_missing", 5), ("expired", PASSWORD, "password_expired", 5),
    ("bare", "x", "no_password", 5), ("md5only", PASSWORD, "unusable_secret", 5), ("old", "wrong horse", "password_mismatch", 4),
])
def test_why_a_password_was_refused(server: PostgresqlServer, user: str, password: str, reason: str, line: int) -> None:
    be_refused(server, user, password)
    refusal = look(server, login(user)).one("postgresql_server.refusal")
    data = refusal["data"]
    assert (refusal["status"], data["reason"], data["of_address"]) == ("fail", reason, True)
    assert (data["hba_line"], data["method"]) == (line, "md5" if user == "old" else "scram-sha-256")
    assert 0 <= data["age_s"] < 60
    assert password not in repr(refusal) or password == "x"


@pytest.mark.parametrize(("destination", "form"), [("csvlog", "csv"), ("jsonlog", "json"), ("stderr", "plain"), ("stderr,csvlog", "csv")])
def test_what_a_collector_writes(destination: str, form: str) -> None:
    settings = {"logging_collector": "on", "log_destination": destination, "log_line_prefix": "%m [%p] %u@%d %h "}
    with PostgresqlServer(hba=HBA, settings=settings) as server:
        if form == "json" and int(server.sql("SHOW server_version_num")) < 150000:
            pytest.skip("this PostgreSQL writes no JSON")
        server.sql(*ROLES)
        be_refused(server, "expired", PASSWORD)
        be_refused(server, "app", "wrong horse")
        result = look(server, login("expired"), login("app"))
        server.halt()
    instance, log = result.one("postgresql_server.instance")["data"], result.one("postgresql_server.log")["data"]
    refused = [observation["data"] for observation in result.observations if observation["check"] == "postgresql_server.refusal"]
    assert (instance["log_kind"], instance["log_format"], log["last_state"]) == ("file", form, "ready")
    assert [(one["reason"], one["hba_line"], one["of_address"]) for one in refused] == [
        ("password_expired", 5, True), ("password_mismatch", 5, True)]


def test_a_user_who_was_not_refused(server: PostgresqlServer) -> None:
    be_refused(server, "nobody_here", "x")
    refusal = look(server, login("other")).one("postgresql_server.refusal")
    assert (refusal["status"], refusal["data"]["reason"]) == ("ok", "none")


def test_the_last_refusal_counts(server: PostgresqlServer) -> None:
    server.sql("CREATE ROLE turning LOGIN PASSWORD '%s'" % PASSWORD)
    be_refused(server, "turning", "wrong horse")
    server.sql("ALTER ROLE turning VALID UNTIL '2020-01-01'")
    be_refused(server, "turning", PASSWORD)
    assert look(server, login("turning")).one("postgresql_server.refusal")["data"]["reason"] == "password_expired"


@pytest.mark.parametrize(("user", "address", "status", "line", "matched"), [
    ("app", "127.9.9.9", "ok", 5, True), ("forbidden", "127.0.0.1", "fail", 3, True), ("app", "10.1.2.3", "fail", None, False),
    ("app", "::1", "fail", None, False),
])
def test_the_line_of_pg_hba_conf(
    server: PostgresqlServer, user: str, address: str, status: str, line: int | None, matched: bool,
) -> None:
    hba = look(server, login(user, address)).one("postgresql_server.hba")
    assert (hba["status"], hba["data"]["line"], hba["data"]["matched"]) == (status, line, matched)
    assert hba["data"]["missing_line"] == ("" if matched else "host postgres app %s scram-sha-256" % {
        "10.1.2.3": "10.1.2.3/32", "::1": "::1/128"}[address])


def test_who_waits_for_a_lock_even_before_being_let_in(server: PostgresqlServer) -> None:
    """Nobody can log in now, so that no query would tell."""
    with psycopg.connect(host=server.directory, port=server.port, user="postgres", dbname="postgres") as holder:
        holder.execute("LOCK TABLE pg_catalog.pg_database IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(host="127.0.0.1", port=server.port, user="app", password=PASSWORD, dbname="postgres", connect_timeout=2)
        sessions = look(server).one("postgresql_server.sessions")
        (waiting,), (idle,) = sessions["data"]["waiting"], sessions["data"]["idle_in_transaction"]
        assert (sessions["status"], waiting["user"], waiting["address"], waiting["activity"]) == ("warn", "app", "127.0.0.1", "startup")
        assert (idle["pid"], idle["user"]) == (holder.info.backend_pid, "postgres")
    end = time.monotonic() + 5
    while look(server).one("postgresql_server.sessions")["data"]["waiting"] and time.monotonic() < end:
        time.sleep(0.1)
    assert look(server).one("postgresql_server.sessions")["status"] == "ok"


def test_no_server_of_that_port(server: PostgresqlServer) -> None:
    result = look(server, port=free_port())
    assert not result.outcome.passed
    data = result.one("postgresql_server.instance")["data"]
    assert data["reason"] in ("not_found", "not_permitted")
    assert server.port in data["elsewhere"]


def test_a_server_that_does_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found by its configuration; where its log goes is then known only from where there is one."""
    port = free_port()
    server = PostgresqlServer(hba=HBA, settings={"port": str(port)})
    try:
        server.start()
        server.halt()
        os.makedirs(server.path("data/log"))
        os.rename(server.path("log"), server.path("data/log/postgresql.log"))
        monkeypatch.setattr(_postgresql_cluster, "_CONFIGURATIONS", (server.path("data/postgresql.conf"),))
        result = look(server, login("app"), port=port)
    finally:
        server.stop()
    instance = result.one("postgresql_server.instance")
    assert (instance["status"], instance["data"]["pid"], result.outcome.passed) == ("fail", None, False)
    assert result.one("postgresql_server.log")["data"]["last_state"] == "stopped"
    assert "postgresql_server.sessions" not in result.checks

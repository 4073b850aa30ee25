# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the PostgreSQL probe sees of a busy server, of its replication, and of several servers behind one name. All of them real."""
from __future__ import annotations

import contextlib
import socket
import threading
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import pooler as _postgresql_pooler
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import QueryProblem
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.members import parse
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import target_of
from ansible_collections.connectivity.doctor.tests.support.postgresql import NotFound, PostgresqlServer, find_programs
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

try:
    find_programs()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

psycopg = pytest.importorskip("psycopg")

PASSWORD = "correct horse"
ROLES = (
    "CREATE ROLE app LOGIN PASSWORD '%s'" % PASSWORD, "CREATE ROLE other LOGIN PASSWORD '%s'" % PASSWORD,
    "CREATE ROLE watcher LOGIN PASSWORD '%s' IN ROLE pg_monitor" % PASSWORD, "CREATE TABLE busy (id int)", "INSERT INTO busy VALUES (1)",
    "GRANT ALL ON busy TO app, other",
)
REPLICATION = {"wal_level": "replica", "max_wal_senders": "3", "max_replication_slots": "3"}


@pytest.fixture(scope="module")
def server() -> t.Iterator[PostgresqlServer]:
    with PostgresqlServer(settings=REPLICATION) as running:
        running.sql(*ROLES)
        yield running


def probe(server: t.Any, user: str = "app", **parameters: t.Any) -> Result:
    given = {"host": "127.0.0.1", "address": "127.0.0.1", "port": server.port, "user": user, "database": "postgres", "password": PASSWORD,
             "timeout": 3.0}
    result = run_probe("postgresql", dict(given, **parameters), secrets=(PASSWORD,))
    assert PASSWORD not in repr(result)
    return result


@contextlib.contextmanager
def session(server: PostgresqlServer, user: str) -> t.Iterator[t.Any]:
    with contextlib.closing(psycopg.connect(host="127.0.0.1", port=server.port, user=user, password=PASSWORD, dbname="postgres")) as opened:
        yield opened


# --- activity -------------------------------------------------------------------------------------------------------


def test_a_quiet_server(server: PostgresqlServer) -> None:
    activity = probe(server).one("postgresql.activity")
    data = activity["data"]
    assert (activity["status"], data["oldest_transaction_s"], data["lock_waits"], data["transactions"]) == ("ok", None, 0, [])
    assert data["database"]["commits"] > 0
    assert {"rollbacks", "deadlocks", "temporary_bytes", "conflicts"} <= set(data["database"])
    assert probe(server).checks[-1] == "postgresql.replication"


def test_a_long_transaction_of_the_same_user(server: PostgresqlServer) -> None:
    with session(server, "app") as open_one:
        open_one.execute("SELECT 1")
        time.sleep(0.4)
        activity = probe(server, long_transaction_s=0.3).one("postgresql.activity")
        pid = open_one.info.backend_pid
    assert (activity["status"], activity["data"]["long"]) == ("warn", True)
    first = activity["data"]["transactions"][0]
    assert (first["pid"], first["user"], first["state"], first["client_address"]) == (pid, "app", "idle in transaction", "127.0.0.1")
    assert first["transaction_age_s"] >= 0.3


def test_what_others_do_is_seen_with_the_rights_for_it_only(server: PostgresqlServer) -> None:
    with session(server, "other") as open_one:
        open_one.execute("SELECT 1")
        time.sleep(0.2)
        plain, rightful = probe(server, long_transaction_s=0.1), probe(server, "watcher", long_transaction_s=0.1)
    hidden = plain.one("postgresql.activity")["data"]
    assert (hidden["sessions_hidden"], hidden["oldest_transaction_s"]) == (1, None)
    assert hidden["cannot_see"] == ["queries and transactions of other users' sessions"]
    seen = rightful.one("postgresql.activity")["data"]
    assert (seen["sessions_hidden"], seen["long"], seen["cannot_see"]) == (0, True, [])
    assert seen["transactions"][0]["user"] == "other"


def test_who_waits_for_whom_is_seen_by_everybody(server: PostgresqlServer) -> None:
    with session(server, "other") as holder, session(server, "other") as waiter:
        holder.execute("LOCK TABLE busy IN ACCESS EXCLUSIVE MODE")
        waiter.execute("SET lock_timeout = '5s'")
        blocked = threading.Thread(target=lambda: waiter.execute("SELECT * FROM busy"), daemon=True)
        blocked.start()
        time.sleep(0.3)
        activity = probe(server).one("postgresql.activity")
        pids = (waiter.info.backend_pid, holder.info.backend_pid)
        holder.rollback()
        blocked.join(5)
    assert (activity["status"], activity["data"]["lock_waits"]) == ("warn", 1)
    wait = activity["data"]["waits"][0]
    assert (wait["pid"], wait["blocked_by"], wait["lock_type"], wait["relation"]) == (pids[0], [pids[1]], "relation", "busy")


def test_a_slow_answer_warns(server: PostgresqlServer) -> None:
    slow = probe(server, slow_ms=0.0001).one("postgresql.session")
    assert (slow["status"], slow["data"]["slow"]) == ("warn", True)
    assert probe(server).one("postgresql.session")["data"]["slow"] is False


# --- replication ----------------------------------------------------------------------------------------------------


def test_a_primary_with_a_slot_that_nobody_uses(server: PostgresqlServer) -> None:
    before = probe(server).one("postgresql.replication")
    assert (before["status"], before["data"]["role"], before["data"]["slots"], before["data"]["standbys"]) == ("ok", "primary", 0, 0)
    server.sql("SELECT pg_create_physical_replication_slot('left', true)")
    try:
        seen = probe(server).one("postgresql.replication")
    finally:
        server.sql("SELECT pg_drop_replication_slot('left')")
    assert (seen["status"], seen["data"]["slots_inactive"]) == ("warn", 1)
    assert seen["data"]["retained_bytes"] >= 0


def test_a_standby_that_receives_nothing_and_one_that_is_paused(server: PostgresqlServer) -> None:
    server.sql("CHECKPOINT")
    server.halt()
    try:
        with PostgresqlServer(settings=dict(REPLICATION, hot_standby="on"), copy_of=server, signal_file="standby.signal") as standby:
            data = probe(standby).one("postgresql.replication")["data"]
            assert (data["role"], data["receiving"], data["replay_paused"], data["lagging"]) == ("standby", False, False, False)
            standby.sql("SELECT pg_wal_replay_pause()")
            paused = probe(standby).one("postgresql.replication")
        assert (paused["status"], paused["data"]["replay_paused"], paused["data"]["lagging"]) == ("warn", True, True)
    finally:
        server.start()


# --- members --------------------------------------------------------------------------------------------------------


def test_members_are_asked_one_by_one(server: PostgresqlServer) -> None:
    with PostgresqlServer() as second, socket.socket() as closed:
        second.sql("CREATE ROLE app LOGIN PASSWORD '%s'" % PASSWORD, "ALTER ROLE app SET statement_timeout = 0")
        closed.bind(("127.0.0.1", 0))
        members = ["127.0.0.1:%d" % port for port in (server.port, second.port, closed.getsockname()[1])] + ["%s:5432" % ("x" * 64), "a/b"]
        result = probe(server, members=members)
    found = {one["data"]["member"]: one for one in result.observations if one["check"] == "postgresql.member"}
    assert [found[member]["data"]["result"] for member in members] == ["ok", "ok", "not_connected", "unresolved", "unresolved"]
    assert found[members[2]]["data"]["connect_error"] == "ECONNREFUSED"
    summary = result.one("postgresql.members")
    assert summary["status"] == "warn"
    assert (summary["data"]["members"], summary["data"]["down"]) == (5, sorted(members[2:]))
    assert summary["data"]["primaries"] == sorted(members[:2])
    assert summary["data"]["same_version"] is True
    assert result.outcome.passed, "the way through the balancer is what counts"


def test_a_member_with_another_password_is_told_from_one_that_is_down(server: PostgresqlServer) -> None:
    with PostgresqlServer() as second:
        second.sql("CREATE ROLE app LOGIN PASSWORD 'another'")
        result = probe(server, members=["127.0.0.1:%d" % second.port])
    member = result.one("postgresql.member")
    assert (member["status"], member["data"]["result"], member["data"]["sqlstate"]) == ("fail", "login_failed", "28P01")
    assert result.one("postgresql.members")["status"] == "fail"


def test_a_silent_member_is_bounded(server: PostgresqlServer) -> None:
    def silent(connection: socket.socket) -> None:
        time.sleep(5)

    began = time.monotonic()
    with ScriptedServer(silent) as hung:
        member = probe(server, members=["127.0.0.1:%d" % hung.port], timeout=1.0).one("postgresql.member")
    assert time.monotonic() - began < 8
    assert (member["data"]["result"], member["data"]["error_kind"]) == ("login_failed", "timeout")


@pytest.mark.parametrize(("text", "host", "port"), [
    ("db1", "db1", 5432), ("db1:6432", "db1", 6432), ("10.0.0.5:1", "10.0.0.5", 1), ("[fd00::1]:5433", "fd00::1", 5433),
    ("[fd00::1]", "fd00::1", 5432),
])
def test_members_are_hosts_with_ports(text: str, host: str, port: int) -> None:
    assert parse(text) == (host, port)


@pytest.mark.parametrize("text", ["", "db1:", "db1:0", "db1:99999", "fd00::1", "a b", "http://db1", "db1:x"])
def test_what_is_no_member(text: str) -> None:
    with pytest.raises(ValueError, match="no member"):
        parse(text)


# --- poolers --------------------------------------------------------------------------------------------------------

POOLS = [
    {"database": "production", "user": "app", "cl_active": "2", "cl_waiting": "3", "sv_active": "1", "sv_idle": "0", "sv_used": "0",
     "sv_login": "0", "maxwait": "4", "maxwait_us": "500000", "pool_mode": "transaction"},
    {"database": "production", "user": "other", "cl_active": "9", "cl_waiting": "0", "sv_active": "9", "sv_idle": "9", "sv_used": "0",
     "sv_login": "0", "maxwait": "0", "maxwait_us": "0", "pool_mode": "transaction"},
]
DATABASES = [{"name": "production", "host": "10.0.0.5", "port": "5432", "pool_size": "1"}]


class _Context:
    @staticmethod
    def text(value: object, limit: int = 600) -> str:
        return str(value)[:limit]


def pools(answers: dict[str, t.Any]) -> dict[str, t.Any]:
    def show(sql: str) -> t.Any:
        if isinstance(answers[sql], Exception):
            raise answers[sql]
        return answers[sql]

    target = target_of({"host": "h", "address": "127.0.0.1", "user": "app", "database": "production"}, "me")
    return _postgresql_pooler._pools(show, target, _Context())  # type: ignore[arg-type]


def test_the_pool_of_the_user_is_picked_out() -> None:
    """The columns are those of pgbouncer(1); the lab's tests ask a real one."""
    facts = pools({"SHOW POOLS": POOLS, "SHOW VERSION": [{"version": "PgBouncer 1.18.0"}], "SHOW DATABASES": DATABASES})
    assert (facts["cl_waiting"], facts["sv_active"], facts["maxwait_s"], facts["exhausted"]) == (3, 1, 4.5, True)
    assert facts["state"] == "full"
    assert (facts["server_host"], facts["server_port"], facts["pool_size"], facts["version"]) == ("10.0.0.5", 5432, 1, "PgBouncer 1.18.0")


def test_a_pooler_without_a_server_is_not_exhausted() -> None:
    down = [dict(POOLS[0], sv_active="0", sv_login="1")]
    facts = pools({"SHOW POOLS": down, "SHOW VERSION": [], "SHOW DATABASES": DATABASES})
    assert (facts["exhausted"], facts["cl_waiting"], facts["state"]) == (False, 3, "no_server")
    idle = [dict(POOLS[0], sv_active="0", sv_idle="1", cl_waiting="0")]
    assert pools({"SHOW POOLS": idle, "SHOW VERSION": [], "SHOW DATABASES": DATABASES})["state"] == "free"


def test_a_pooler_that_does_not_show_its_pools() -> None:
    refused = QueryProblem("error", {"server_message": "admin access needed"})
    facts = pools({"SHOW POOLS": POOLS, "SHOW VERSION": [], "SHOW DATABASES": refused})
    assert (facts["reason"], facts["server_message"]) == ("not_permitted", "admin access needed")
    assert pools({"SHOW POOLS": [{"x": "1"}], "SHOW VERSION": [], "SHOW DATABASES": []})["reason"] == "query_failed"


def test_a_postgresql_is_no_pooler(server: PostgresqlServer) -> None:
    assert "postgresql.pooler" not in probe(server).checks
    assert "postgresql.pooler" not in probe(server, password="wrong").checks

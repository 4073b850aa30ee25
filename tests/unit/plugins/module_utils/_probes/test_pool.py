# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool probe against a real PostgreSQL (and pgbouncer), and against what cuts idle connections on the way."""
from __future__ import annotations

import builtins
import contextlib
import re
import socket
import struct
import threading
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._pool import workload as _pool_workload
from ansible_collections.connectivity.doctor.plugins.module_utils._pool.capacity import connection_cap
from ansible_collections.connectivity.doctor.tests.support.postgresql import (
    NotFound,
    PgbouncerServer,
    PostgresqlServer,
    find_pgbouncer,
    find_programs,
)
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

try:
    find_programs()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

psycopg = pytest.importorskip("psycopg")
pytest.importorskip("psycopg_pool")

PASSWORD = "correct horse"
ROLES = ["CREATE ROLE %s LOGIN PASSWORD '%s'" % (name, PASSWORD) for name in ("app", "few", "restless")] + [
    "ALTER ROLE few CONNECTION LIMIT 3", "ALTER ROLE restless SET idle_session_timeout = '700ms'",
]


@pytest.fixture(scope="module")
def server() -> t.Iterator[PostgresqlServer]:
    with PostgresqlServer(settings={"max_connections": "63"}) as running:  # 60 beside the superuser's three
        running.sql(*ROLES)
        yield running


def probe(server: t.Any, port: int = 0, deadline: float = 20.0, password: str = PASSWORD, **parameters: t.Any) -> Result:
    """Once; the password must be in nothing that it returns."""
    given: dict[str, t.Any] = {
        "host": "127.0.0.1", "address": "127.0.0.1", "port": port or server.port, "user": "app", "database": "postgres",
        "password": password, "size": 2, "max_overflow": 2, "duration": 0.5, "hold_ms": 10.0, "timeout": 3.0,
    }
    result = run_probe("pool", dict(given, **parameters), deadline=deadline, secrets=(password,))
    assert password not in repr(result)
    return result


def data_of(result: Result, check: str) -> dict[str, t.Any]:
    return result.one(check)["data"]


class Counting:
    """Samples how many sessions the server has, of one role, the most often that it can."""

    def __init__(self, server: PostgresqlServer, role: str) -> None:
        self.most = 0
        self._role = role
        self._session = psycopg.connect(host=server.directory, port=server.port, user="postgres", dbname="postgres", autocommit=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._count)

    def __enter__(self) -> Counting:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._stop.set()
        self._thread.join()
        self._session.close()

    def _count(self) -> None:
        while not self._stop.is_set():
            row = self._session.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [self._role]).fetchone()
            self.most = max(self.most, row[0])
            time.sleep(0.002)


# --- what there is --------------------------------------------------------------------------------------------------


def test_a_pool_that_fits_passes(server: PostgresqlServer) -> None:
    result = probe(server)
    assert result.outcome.passed
    assert result.checks == ["pool.capacity", "pool.wait"]
    capacity, wait = data_of(result, "pool.capacity"), data_of(result, "pool.wait")
    assert (capacity["asked_for"], capacity["cap"], capacity["limit"], capacity["nearest_limit"]) == (4, 4, 60, "server")
    assert (capacity["exceeds_server"], capacity["exceeds_free"], capacity["pooler"]) == (False, False, False)
    assert (wait["capped"], wait["workers"], wait["workers_run"], wait["timeouts"], wait["bottleneck"]) == (False, 4, 4, 0, "")
    assert wait["checkouts"] > 40
    assert wait["wait_p50_ms"] <= wait["wait_p95_ms"] <= wait["wait_max_ms"] < 500
    assert wait["connect_ms"] > 0


def test_a_pool_larger_than_the_server_is_told_and_not_tried(server: PostgresqlServer) -> None:
    with Counting(server, "app") as counting:
        result = probe(server, size=40, max_overflow=30, workers=70)
    capacity, wait = result.one("pool.capacity"), data_of(result, "pool.wait")
    assert (capacity["status"], capacity["data"]["exceeds_server"], capacity["data"]["asked_for"]) == ("warn", True, 70)
    assert capacity["data"]["cap"] == capacity["data"]["free"] // 10 == 5
    assert (wait["capped"], wait["pool_largest"], wait["workers_run"]) == (True, 5, 5)
    assert 1 <= counting.most <= 5, "the probe had %d connections open at once" % counting.most


@pytest.mark.parametrize(("asked_for", "free", "wanted", "cap"), [
    (15, 100, None, 10), (15, 1000, None, 15), (15, 9, None, 1), (15, 0, None, 0), (15, 1, None, 1),
    (15, 100, 12, 12), (15, 20, 15, 10), (15, 1, 15, 0), (4, 1000, 15, 4), (15, 100, 0, 0), (15, 100, -3, 0),
])
def test_what_the_probe_may_open(asked_for: int, free: int, wanted: int | None, cap: int) -> None:
    assert connection_cap(asked_for, free, wanted) == cap


@pytest.mark.parametrize("wanted", [None, 2, 8, 500])
def test_it_never_opens_more_than_its_cap(server: PostgresqlServer, wanted: int | None) -> None:
    with Counting(server, "app") as counting:
        result = probe(server, size=10, max_overflow=20, workers=60, connection_cap=wanted, idle=0.3)
    cap = data_of(result, "pool.capacity")["cap"]
    assert cap == {None: 5, 2: 2, 8: 8, 500: 29}[wanted]
    assert counting.most <= cap, "%d connections at once with a cap of %d" % (counting.most, cap)
    assert server.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'") == "0"


def test_the_limit_of_the_role_is_the_nearest(server: PostgresqlServer) -> None:
    capacity = data_of(probe(server, user="few"), "pool.capacity")
    assert (capacity["nearest_limit"], capacity["limit"], capacity["exceeds_server"], capacity["cap"]) == ("role", 3, True, 1)


def test_the_pools_own_sessions_do_not_count_against_it(server: PostgresqlServer) -> None:
    with contextlib.ExitStack() as stack:
        for _number in range(30):
            stack.enter_context(psycopg.connect(host="127.0.0.1", port=server.port, user="app", password=PASSWORD, dbname="postgres"))
        own = data_of(probe(server, size=40, max_overflow=0), "pool.capacity")
        others = data_of(probe(server, size=40, max_overflow=0, user="restless"), "pool.capacity")
    assert (own["exceeds_free"], own["exceeds_server"]) == (False, False)
    assert (others["exceeds_free"], others["exceeds_server"]) == (True, False)


def test_without_a_free_connection_nothing_is_tried(server: PostgresqlServer) -> None:
    with contextlib.ExitStack() as stack:
        for _number in range(2):
            stack.enter_context(psycopg.connect(host="127.0.0.1", port=server.port, user="few", password=PASSWORD, dbname="postgres"))
        result = probe(server, user="few", idle=0.2)
        assert data_of(result, "pool.wait")["reason"] == "no_free_connections"
        assert result.one("pool.idle")["status"] == "skipped"
        stack.enter_context(psycopg.connect(host="127.0.0.1", port=server.port, user="few", password=PASSWORD, dbname="postgres"))
        refused = probe(server, user="few")
    assert refused.one("pool.capacity")["status"] == "fail"
    assert data_of(refused, "pool.capacity")["sqlstate"] == "53300"
    assert (refused.one("pool.wait")["status"], data_of(refused, "pool.wait")["waited_for"]) == ("skipped", "pool.capacity")


def test_a_wrong_password_and_a_bad_parameter_end_it(server: PostgresqlServer) -> None:
    wrong = probe(server, password="wrong")
    assert (wrong.one("pool.capacity")["status"], data_of(wrong, "pool.capacity")["sqlstate"]) == ("fail", "28P01")
    bad = probe(server, parameters={"sslmode": "perhaps"})
    assert data_of(bad, "pool.capacity")["error_kind"] == "bad_parameter"
    assert not wrong.outcome.passed and not bad.outcome.passed


@pytest.mark.parametrize("missing", ["psycopg", "psycopg_pool"])
def test_what_can_be_said_without_a_library(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    real = builtins.__import__

    def refuse(name: str, *arguments: t.Any, **keywords: t.Any) -> t.Any:
        if name.split(".")[0] == missing:
            raise ImportError("No module named %r" % name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    result = probe(server, idle=0.2)
    assert data_of(result, "pool.capacity")["asked_for"] == 4
    if missing == "psycopg":
        assert (data_of(result, "pool.capacity")["reason"], data_of(result, "pool.capacity")["library"]) == ("missing_library", "psycopg")
        assert not result.outcome.passed
    else:
        assert data_of(result, "pool.capacity")["free"] >= 58
        assert (data_of(result, "pool.wait")["reason"], data_of(result, "pool.wait")["library"]) == ("missing_library", "psycopg_pool")
        assert data_of(result, "pool.idle")["alive"] is True


# --- the work -------------------------------------------------------------------------------------------------------


def test_a_pool_smaller_than_its_demand_is_told(server: PostgresqlServer) -> None:
    result = probe(server, size=2, max_overflow=0, workers=8, hold_ms=300.0, duration=1.5, pool_timeout=0.4)
    wait = result.one("pool.wait")
    assert wait["status"] == "fail"
    assert (wait["data"]["exhausted"], wait["data"]["bottleneck"], wait["data"]["open_failures"]) == (True, "pool", 0)
    assert wait["data"]["timeouts"] > 0
    assert not result.outcome.passed


def test_long_waits_without_a_timeout_warn(server: PostgresqlServer) -> None:
    wait = probe(server, size=1, max_overflow=0, workers=4, hold_ms=100.0, duration=1.2, wait_warn_ms=200.0).one("pool.wait")
    assert wait["status"] == "warn"
    assert (wait["data"]["timeouts"], wait["data"]["bottleneck"]) == (0, "pool")
    assert 200 <= wait["data"]["wait_p95_ms"] < 1000


def test_a_server_that_opens_no_more_is_told_from_a_small_pool(server: PostgresqlServer) -> None:
    """The login is let in; from then on, the way refuses: what the pool meets when others take what was free."""
    with Relay(server.port, most=1) as relay:
        result = probe(server, port=relay.port, pool_timeout=1.5)
    wait = result.one("pool.wait")
    assert (wait["status"], wait["data"]["bottleneck"], wait["data"]["exhausted"]) == ("fail", "server", True)
    assert wait["data"]["open_failures"] > 0
    assert wait["data"]["open_error"]


def test_a_deadline_holds_whatever_the_pool_does(server: PostgresqlServer) -> None:
    began = time.monotonic()
    with Relay(server.port, most=1, then="hold") as relay:
        wait = probe(server, port=relay.port, deadline=4.0).one("pool.wait")
    assert time.monotonic() - began < 6
    assert (wait["status"], wait["data"]["timeout_shortened"]) == ("fail", True)


def test_through_a_pooler(server: PostgresqlServer) -> None:
    if not find_pgbouncer():
        pytest.skip("no pgbouncer on this machine")
    databases = {"postgres": "host=127.0.0.1 port=%d dbname=postgres" % server.port}
    with PgbouncerServer(databases, {"app": PASSWORD}, {"default_pool_size": "1"}) as pooler:
        result = probe(pooler, workers=6)
    assert data_of(result, "pool.capacity")["pooler"] is True
    assert result.one("pool.wait")["status"] == "ok"


def test_quantiles_are_of_the_nearest_rank() -> None:
    waits = [float(number) for number in range(1, 101)]
    assert [_pool_workload.quantile(waits, share) for share in (0.5, 0.95, 1.0)] == [50.0, 95.0, 100.0]
    assert _pool_workload.quantile([7.0], 0.5) == 7.0
    assert _pool_workload.quantile([], 0.5) is None


# --- the pause ------------------------------------------------------------------------------------------------------


class Relay:
    """A way to the server that ends connections: after ``idle_s`` without traffic (``how``: close, reset, silence), or beyond ``most``."""

    def __init__(self, port: int, idle_s: float = 0.0, how: str = "close", most: int = 1000, then: str = "close") -> None:
        self._target, self._idle_s, self._how, self._most, self._then = port, idle_s, how, most, then
        self._server = ScriptedServer(self._behave)

    def __enter__(self) -> Relay:
        self._server.__enter__()
        self.port = self._server.port
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.__exit__(*exception)

    def _behave(self, client: socket.socket) -> None:
        if self._server.connections > self._most:
            if self._then == "hold":
                time.sleep(8)
            return
        with socket.create_connection(("127.0.0.1", self._target)) as server:
            last = [time.monotonic()]
            dead = threading.Event()
            thread = threading.Thread(target=self._pump, args=(server, client, last, dead), daemon=True)
            thread.start()
            self._pump(client, server, last, dead)
            if self._how == "silence" and self._idle_s:
                time.sleep(3)
            elif self._how == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            thread.join(1)

    def _pump(self, source: socket.socket, sink: socket.socket, last: list[float], dead: threading.Event) -> None:
        source.settimeout(0.05)
        while not dead.is_set():
            try:
                data = source.recv(65536)
            except socket.timeout:
                if self._idle_s and time.monotonic() - last[0] > self._idle_s:
                    dead.set()
                continue
            except OSError:
                dead.set()
                break
            if not data:
                dead.set()
                break
            last[0] = time.monotonic()
            sink.sendall(data)


def test_an_idle_connection_that_lives(server: PostgresqlServer) -> None:
    result = probe(server, idle=0.5)
    idle = result.one("pool.idle")
    assert idle["status"] == "ok"
    data = idle["data"]
    assert (data["alive"], data["how"], data["died_after_s"], data["keepalive_alive"]) == (True, "", None, True)
    assert data["keepalives_idle_s"] > 0
    assert result.outcome.passed


@pytest.mark.parametrize(("how", "told", "noticed"), [
    ("close", "closed", "while_idle"), ("reset", "reset", "while_idle"), ("silence", "silent", "on_use"),
])
def test_a_balancer_that_ends_idle_connections(server: PostgresqlServer, how: str, told: str, noticed: str) -> None:
    with Relay(server.port, idle_s=0.7, how=how) as relay:
        result = probe(server, port=relay.port, idle=1.6, timeout=1.5, duration=0.2)
    idle = result.one("pool.idle")
    assert (idle["status"], idle["data"]["how"], idle["data"]["noticed"], idle["data"]["sqlstate"]) == ("fail", told, noticed, "")
    assert idle["data"]["keepalive_alive"] is False, "a proxy does not see keepalives"
    if noticed == "while_idle":
        assert 0.5 <= idle["data"]["died_after_s"] <= 1.3
    assert not result.outcome.passed


def test_the_servers_own_timeout_is_told_by_its_sqlstate(server: PostgresqlServer) -> None:
    if int(server.sql("SHOW server_version_num")) < 140000:
        pytest.skip("idle_session_timeout came with PostgreSQL 14")
    idle = data_of(probe(server, user="restless", idle=1.5), "pool.idle")
    assert (idle["how"], idle["sqlstate"], idle["alive"]) == ("server", "57P05", False)
    assert re.search("idle.session timeout", idle["server_message"])
    assert 0.5 <= idle["died_after_s"] <= 1.2


def test_keepalives_that_are_configured_are_told(server: PostgresqlServer) -> None:
    assert data_of(probe(server, idle=0.2, parameters={"keepalives_idle": "45"}), "pool.idle")["keepalives_idle_s"] == 45
    assert data_of(probe(server, idle=0.2, parameters={"keepalives": "0"}), "pool.idle")["keepalives_idle_s"] is None


# --- what is prepared -----------------------------------------------------------------------------------------------


def test_prepared_statements_live_in_a_session(server: PostgresqlServer) -> None:
    result = probe(server, size=20, max_overflow=0, prepared_statements=True)
    prepared = result.one("pool.prepared")
    assert (prepared["status"], prepared["data"]["survives"], prepared["data"]["moved"]) == ("ok", True, False)


def test_prepared_statements_are_not_tried_unasked(server: PostgresqlServer) -> None:
    assert "pool.prepared" not in probe(server, size=20).checks


def test_two_connections_are_needed_to_try_prepared_statements(server: PostgresqlServer) -> None:
    prepared = probe(server, size=2, connection_cap=1, prepared_statements=True).one("pool.prepared")
    assert (prepared["status"], prepared["data"]["reason"]) == ("cannot_tell", "no_free_connections")


@pytest.mark.skipif(not find_pgbouncer(), reason="needs pgbouncer")
@pytest.mark.parametrize(("mode", "status", "survives", "moved"), [
    ("session", "ok", True, False), ("transaction", "fail", False, True),
])
def test_prepared_statements_behind_a_pooler(
    server: PostgresqlServer, mode: str, status: str, survives: bool, moved: bool,
) -> None:
    databases = {"postgres": "host=127.0.0.1 port=%d" % server.port}
    with PgbouncerServer(databases, {"app": PASSWORD}, {"pool_mode": mode}) as pooler:
        for _time in range(2):  # the first leaves nothing behind that the second would trip over
            prepared = probe(server, port=pooler.port, size=20, max_overflow=0, prepared_statements=True).one("pool.prepared")
            assert (prepared["status"], prepared["data"]["survives"], prepared["data"]["moved"]) == (status, survives, moved)
            assert prepared["data"]["sqlstate"] == ("26000" if status == "fail" else "")


@pytest.mark.skipif(not find_pgbouncer(), reason="needs pgbouncer")
def test_a_pooler_with_one_server_connection_is_not_held_for_long(server: PostgresqlServer) -> None:
    databases = {"postgres": "host=127.0.0.1 port=%d" % server.port}
    with PgbouncerServer(databases, {"app": PASSWORD}, {"default_pool_size": "1"}) as pooler:
        began = time.monotonic()
        prepared = probe(server, port=pooler.port, size=20, max_overflow=0, prepared_statements=True).one("pool.prepared")
    assert (prepared["status"], prepared["data"]["moved"]) == ("cannot_tell", True)
    assert time.monotonic() - began < 10

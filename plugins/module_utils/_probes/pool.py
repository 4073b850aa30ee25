# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is an application's connection pool large enough for its work, small enough for its server, and alive after a pause.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import (
    capacity as _pool_capacity,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import (
    client as _pool_client,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import (
    idle as _pool_idle,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import (
    prepared as _pool_prepared,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import (
    workload as _pool_workload,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import (
    Connection,
    Driver,
    MissingLibrary,
    QueryProblem,
    load_driver,
    recognise_server_texts,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.login import (
    BadParameter,
    connection_string,
    login_data,
    open_connection,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import Server
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import Target, target_of
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 5432},
    "user": {"type": "str"},
    "database": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "parameters": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 5.0},
    "size": {"type": "int", "default": 5},
    "max_overflow": {"type": "int", "default": 10},
    "pool_timeout": {"type": "float", "default": 30.0},
    "workers": {"type": "int"},
    "hold_ms": {"type": "float", "default": 50.0},
    "duration": {"type": "float", "default": 2.0},
    "idle": {"type": "float", "default": 0.0},
    "recycle": {"type": "float", "default": 0.0},
    "client": {"type": "dict"},
    "prepared_statements": {"type": "bool", "default": False},
    "connection_cap": {"type": "int"},
    "wait_warn_ms": {"type": "float", "default": 1000.0},
}

_MOST_WORKERS = 64
_CHECKS = ("pool.wait", "pool.idle")
# The addresses of one server share its connections, so their pools are tried one after the other.
_ONE_AT_A_TIME = threading.Lock()


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Log in once and count; then work with a pool of the application's settings; then leave connections idle.

    Never opens more connections at once than ``cap``: a tenth of the server's free ones (at least one), or ``connection_cap``, of
    which no more than half of the free ones are taken. A smaller pool is tried with as many fewer workers.

    ``pool.capacity`` (ok, warn, fail, cannot_tell): ``size``, ``max_overflow``, ``asked_for`` (both), ``set_by_client`` (names of what the
    client's own files say), ``cap``, the facts of
    :func:`_pool.capacity.capacity` and of ``postgresql.connections``; ``pooler`` (the numbers are those of the server behind it).
    ``fail``: the login did not work, with the data of ``postgresql.login``. ``reason``: ``missing_library`` (``library``),
    ``no_password``, ``query_failed``, ``not_permitted``, ``deadline``.

    ``pool.wait`` (ok, warn, fail, cannot_tell, skipped): ``asked_for``, ``pool_largest`` (of the pool that was tried), ``capped``,
    ``workers`` (of the application), ``workers_run``, ``hold_ms``, ``duration_s``, ``timeout_s`` (may be shorter than the application's:
    ``timeout_shortened``), ``checkouts``, ``timeouts``, ``failures``, ``wait_p50_ms``, ``wait_p95_ms``, ``wait_max_ms`` (None without a
    checkout), ``connect_ms`` (mean), ``connections_opened``, ``open_failures``, ``open_error`` (text), ``open_sqlstate``, ``exhausted``
    (a worker got none in time), ``bottleneck``: ``pool`` (all its connections were in use), ``server`` (it did not open more), or "".
    ``reason``: ``missing_library`` (``library``), ``no_free_connections``, ``deadline``.

    ``pool.idle`` (ok, fail, skipped), only with ``idle``: ``idle_s``, ``alive``, ``how``, ``noticed``, ``died_after_s``, ``sqlstate``,
    ``server_message``, ``answer_ms`` (see :class:`_pool.idle.Fate`), ``keepalives_idle_s`` (of these connections, None if never),
    ``recycle_s`` (0: never; none is idle for longer than that),
    ``keepalive_alive``, ``keepalive_how``, ``keepalive_died_after_s`` (of the second connection, with a keepalive every third of the
    time; None where there was no room for it).

    ``pool.prepared`` (ok, fail, cannot_tell), only with ``prepared_statements``: ``survives`` (a prepared statement outlives its
    transaction; null if that was not seen), ``moved`` (the transaction after it was given another server process, as only poolers do),
    ``sqlstate``, ``server_message`` (why it could not be used). ``reason``: ``no_free_connections``, ``query_failed``.
    """
    client = parameters.get("client")
    if client:
        told = _pool_client.read(client, context)
        if client.get("is_all_that_is_known") and not _pool_client.describes_pool(told):
            return Outcome(True)
        parameters = _pool_client.applied(parameters, told)
    target = target_of(parameters, context.vantage["user"])
    pool = _Pool(target, parameters, context)
    try:
        driver = load_driver()
    except MissingLibrary as problem:
        pool.cannot_count("missing_library", library="psycopg", detail=context.text(problem, 200))
        return Outcome(False)
    if not _ONE_AT_A_TIME.acquire(timeout=context.deadline.remaining()):
        pool.cannot_count("deadline")
        return Outcome(False)
    try:
        cap = pool.count(driver)
        if cap is None:
            pool.skip("pool.capacity")
            return Outcome(False)
        passed = [pool.prepared(driver, cap), pool.work(driver, cap), pool.idle(driver, cap)]
        return Outcome(all(passed))
    finally:
        _ONE_AT_A_TIME.release()


class _Pool:
    def __init__(self, target: Target, parameters: dict[str, t.Any], context: Context) -> None:
        self._target = target
        self._context = context
        self._size = max(1, int(parameters.get("size", 5)))
        self._overflow = max(0, int(parameters.get("max_overflow", 10)))
        self._asked_for = self._size + self._overflow
        self._workers = max(1, int(parameters.get("workers") or self._asked_for))
        self._timeout = float(parameters.get("pool_timeout", 30.0))
        self._hold_ms = max(0.0, float(parameters.get("hold_ms", 50.0)))
        self._duration = max(0.1, float(parameters.get("duration", 2.0)))
        self._recycle_s = max(0.0, float(parameters.get("recycle", 0.0)))
        idle_s = max(0.0, float(parameters.get("idle", 0.0)))
        self._idle_s = min(idle_s, self._recycle_s) if self._recycle_s else idle_s
        self._set_by_client = list(parameters.get("set_by_client", ()))
        self._prepares = bool(parameters.get("prepared_statements"))
        self._cap = parameters.get("connection_cap")
        self._wait_warn_ms = float(parameters.get("wait_warn_ms", 1000.0))

    def _observe(self, check: str, status: str, message: str, data: dict[str, t.Any], started: float) -> None:
        self._context.observe(
            check, status, self._target.name, "%s: %s" % (self._target.name, message), data=data, started=started,
            reproduce=self._target.psql())

    def skip(self, waited_for: str) -> None:
        for check in _CHECKS if self._idle_s else _CHECKS[:1]:
            self._observe(check, "skipped", "not tried, as %s did not pass" % waited_for, {"waited_for": waited_for}, time.time())

    # -- what there is -----------------------------------------------------------------------------------------------

    def _asked(self) -> dict[str, t.Any]:
        return {"size": self._size, "max_overflow": self._overflow, "asked_for": self._asked_for, "set_by_client": self._set_by_client}

    def cannot_count(self, reason: str, **facts: t.Any) -> None:
        self._observe(
            "pool.capacity", "cannot_tell", "the pool may ask for %d connections; what the server has is not known" % self._asked_for,
            dict(self._asked(), reason=reason, **facts), time.time())
        self.skip("pool.capacity")

    def count(self, driver: Driver) -> int | None:
        """:returns: how many connections may be opened, None if nothing further can be tried."""
        started = time.time()
        data = self._asked()
        connection = None
        try:
            connection = open_connection(driver, self._target)
            ended = connection.establish(self._remaining())
            if ended != "ok":
                data.update(login_data(connection, ended, self._context))
                missing = data.get("error_kind") == "no_password"
                data.update({"reason": "no_password"} if missing else {})
                said = data.get("server_message") or data.get("detail", "")
                self._observe(
                    "pool.capacity", "cannot_tell" if missing else "fail",
                    "the pool may ask for %d connections, and not even one could be had: %s" % (self._asked_for, said), data, started)
                return None
            return self._compare(Server(connection, self._remaining(), self._context.text), data, started)
        except BadParameter as problem:
            detail = self._context.text(problem, 200)
            data.update(error_kind="bad_parameter", detail=detail)
            self._observe("pool.capacity", "fail", "libpq does not accept the parameters: %s" % detail, data, started)
            return None
        finally:
            if connection is not None:
                connection.close()

    def _compare(self, server: Server, data: dict[str, t.Any], started: float) -> int | None:
        try:
            facts = server.connections()
            data.update(facts, pooler=server.behind_pooler(), **_pool_capacity.capacity(facts, self._asked_for))
        except (QueryProblem, LookupError, TypeError, ValueError) as problem:
            fields = getattr(problem, "fields", {})
            data.update({name: self._context.text(text) for name, text in fields.items()})
            data["reason"] = "not_permitted" if fields.get("sqlstate") == "42501" else "query_failed"
            message = "the login succeeded, and how many connections there are can't be asked"
            self._observe("pool.capacity", "cannot_tell", message, data, started)
            return None
        data["cap"] = _pool_capacity.connection_cap(self._asked_for, data["free"], self._cap)
        message = "the pool may ask for %(asked_for)d connections; of %(limit)d that the %(nearest_limit)s allows, %(free)d are free" % data
        self._observe("pool.capacity", "warn" if data["exceeds_server"] or data["exceeds_free"] else "ok", message, data, started)
        return int(data["cap"])

    def _remaining(self) -> t.Callable[[], float]:
        return _flow.monotonic_budget(self._context.deadline.allow(self._target.seconds))

    # -- the work ----------------------------------------------------------------------------------------------------

    def work(self, driver: Driver, cap: int) -> bool:
        started = time.time()
        workers = self._workers if cap >= self._asked_for else max(1, round(self._workers * cap / self._asked_for))
        left = self._context.deadline.remaining() - (self._idle_s + self._for_answers() if self._idle_s else 0.0)
        settings = _pool_workload.Settings(
            self._size, cap, min(workers, _MOST_WORKERS), min(self._timeout, max(1.0, left - 1.0)), self._duration, self._hold_ms / 1000)
        data: dict[str, t.Any] = {
            "asked_for": self._asked_for, "pool_largest": cap, "capped": cap < self._asked_for, "workers": self._workers,
            "workers_run": settings.workers, "hold_ms": self._hold_ms, "duration_s": self._duration,
            "timeout_s": round(settings.timeout, 1), "timeout_shortened": settings.timeout < self._timeout,
        }
        refusal = "no_free_connections" if cap < 1 else "deadline" if left < 2.0 else ""
        if refusal:
            data["reason"] = refusal
            self._observe("pool.wait", "cannot_tell", "the pool was not tried: %s" % refusal.replace("_", " "), data, started)
            return False
        try:
            library = _pool_workload.load_pool()
        except MissingLibrary as problem:
            data.update(reason="missing_library", library="psycopg_pool", detail=self._context.text(problem, 200))
            self._observe("pool.wait", "cannot_tell", "the pool was not tried, as this host's Python has no psycopg_pool", data, started)
            return True
        text = connection_string(driver, self._target, connect_timeout=str(max(2, int(self._target.seconds))))
        done = _pool_workload.run(library, text, settings, _flow.monotonic_budget(left))
        data.update(self._met(done))
        status = "fail" if done.timeouts or not done.started else "warn" if self._slow(data) else "ok"
        self._observe("pool.wait", status, self._sentence(data), data, started)
        return status != "fail"

    def _met(self, done: _pool_workload.Workload) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {"wait_%s_ms" % name: _ms(_pool_workload.quantile(done.waits, share))
                                   for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0))}
        told = recognise_server_texts("\n".join(done.texts))
        exhausted = bool(done.timeouts) or not done.started
        facts.update(
            checkouts=len(done.waits), timeouts=done.timeouts, failures=done.failures, connect_ms=done.connect_ms,
            connections_opened=done.opened, open_failures=done.open_failures, exhausted=exhausted,
            open_error=self._context.text(done.texts[0], 300) if done.texts else "", open_sqlstate=told[0]["sqlstate"] if told else "")
        short = exhausted or self._slow(facts)
        facts["bottleneck"] = ("server" if done.open_failures or not done.started else "pool") if short else ""
        return facts

    def _slow(self, facts: dict[str, t.Any]) -> bool:
        return facts["wait_p95_ms"] is not None and facts["wait_p95_ms"] >= self._wait_warn_ms

    def _sentence(self, data: dict[str, t.Any]) -> str:
        of = "a pool of %(pool_largest)d with %(workers_run)d workers" % data
        if data["open_failures"] and data["exhausted"]:
            return "%s could not open connections: %s" % (of, data["open_error"])
        if data["exhausted"]:
            return "%s had none to give %d times within %s s" % (of, data["timeouts"], data["timeout_s"])
        return "%s: a worker waits %s ms for a connection, at most %s ms" % (of, data["wait_p50_ms"], data["wait_max_ms"])

    # -- what is prepared --------------------------------------------------------------------------------------------

    def prepared(self, driver: Driver, cap: int) -> bool:
        if not self._prepares:
            return True
        started = time.time()
        data: dict[str, t.Any] = {"survives": None, "moved": False, "sqlstate": "", "server_message": ""}
        message, connections = "two connections at once are not free to try prepared statements", []
        try:
            if cap < 2:
                data["reason"] = "no_free_connections"
            else:
                connections += [open_connection(driver, self._target) for _number in range(2)]
                if any(connection.establish(self._remaining()) != "ok" for connection in connections):
                    raise QueryProblem("closed")
                found = _pool_prepared.survival(connections[0], connections[1], self._remaining())
                data.update(survives=found.survives, moved=found.moved, sqlstate=found.sqlstate,
                            server_message=self._context.text(found.message))
                message = "a prepared statement %s the transaction that made it" % ("outlives" if found.survives else "does not outlive")
                if found.survives is None:
                    data["reason"], message = "query_failed", "whether prepared statements outlive their transaction was not seen"
        except (QueryProblem, LookupError) as problem:
            data.update(reason="query_failed", server_message=self._context.text(getattr(problem, "fields", {}).get("server_message", "")))
            message = "prepared statements could not be tried"
        finally:
            for connection in connections:
                connection.close()
        status = {True: "ok", False: "fail", None: "cannot_tell"}[data["survives"]]
        self._observe("pool.prepared", status, message, data, started)
        return status == "ok"

    def _for_answers(self) -> float:
        """Seconds that are kept for the login before the pause and the query after it; servers seldom take all that they may."""
        return min(2 * self._target.seconds, self._context.deadline.remaining() / 4)

    # -- the pause ---------------------------------------------------------------------------------------------------

    def idle(self, driver: Driver, cap: int) -> bool:
        if not self._idle_s:
            return True
        if cap < 1:
            self.skip_idle("pool.wait")
            return False
        started = time.time()
        variants: list[dict[str, str]] = [{}, _pool_idle.keepalive_parameters(self._idle_s)][:cap]
        connections: list[Connection] = []
        try:
            for changes in variants:
                connections.append(open_connection(driver, self._target, **changes))
                if connections[-1].establish(self._remaining()) != "ok":
                    self.skip_idle("the login")
                    return False
            seconds = min(self._idle_s, max(0.0, self._context.deadline.remaining() - self._for_answers()))
            answer_s = min(self._target.seconds, max(0.5, self._context.deadline.remaining() / 4))
            fates = _pool_idle.watch(connections, seconds, answer_s)
        finally:
            for connection in connections:
                connection.close()
        return self._record_idle(fates, seconds, started)

    def skip_idle(self, waited_for: str) -> None:
        self._observe("pool.idle", "skipped", "not tried, as %s did not pass" % waited_for, {"waited_for": waited_for}, time.time())

    def _record_idle(self, fates: list[_pool_idle.Fate], seconds: float, started: float) -> bool:
        plain, kept = fates[0], fates[1] if len(fates) > 1 else None
        data = {
            "idle_s": round(seconds, 1), "alive": not plain.how, "how": plain.how, "noticed": plain.noticed, "died_after_s": plain.after_s,
            "sqlstate": plain.sqlstate, "server_message": self._context.text(plain.message), "answer_ms": plain.answer_ms,
            "keepalives_idle_s": _pool_idle.effective_keepalive_s(self._target.parameters), "recycle_s": self._recycle_s,
            "keepalive_alive": None if kept is None else not kept.how, "keepalive_how": kept.how if kept else "",
            "keepalive_died_after_s": kept.after_s if kept else None,
        }
        if data["alive"]:
            message = "a connection still answers after %(idle_s)s idle seconds" % data
        else:
            when = "after %s" % plain.after_s if plain.after_s is not None else "some time in %s" % data["idle_s"]
            beside = "; one with keepalives lives" if data["keepalive_alive"] else ""
            message = "a connection died %s idle seconds (%s)%s" % (when, plain.how, beside)
        self._observe("pool.idle", "ok" if data["alive"] else "fail", message, data, started)
        return bool(data["alive"])


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login to a PostgreSQL server by libpq, and what the session then tells: the observations that need psycopg.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import statistics as _postgresql_statistics
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import (
    Connection,
    Driver,
    MissingLibrary,
    QueryProblem,
    client_error_kind,
    furthest,
    load_driver,
    parse_server_errors,
    password_file_of,
    recognise_server_texts,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import Server, bounds
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import Target


class BadParameter(Exception):
    """libpq does not know a parameter, or not its value."""


class Limits(t.NamedTuple):
    """From where on to warn: part of a limit on connections; milliseconds of a ``SELECT 1``; seconds that a transaction is open."""

    connection_ratio: float = 0.9
    slow_ms: float = 1000.0
    long_transaction_s: float = 300.0


class Login(t.NamedTuple):
    """``go_on``: the steps after this one can. ``pooler``: what answered is, or may be, a pooler."""

    go_on: bool
    pooler: bool = False


_LOOKS = ("postgresql.connections", "postgresql.activity", "postgresql.replication")
_LARGE_LAG_S = 60.0
_MOST_OVERRIDES = 20

# Never a secret among them: they are shown.
_SHOWN_PARAMETERS = ("sslmode", "target_session_attrs", "service", "sslrootcert", "gssencmode", "channel_binding", "require_auth")


def log_in(target: Target, limits: Limits, context: Context, let_in: bool) -> Login:
    """Log in once and look around.

    ``postgresql.login``, ``data``: ``error_kind`` (empty; ``server`` for an error of the server; else what libpq complains of, see
    ``_CLIENT_ERRORS`` in :mod:`_postgresql.libpq`, or ``other``), the fields of the server's error as in :mod:`_probes.postgresql`,
    ``sqlstate_source`` (``libpq``; ``text``: recognised), ``text_sqlstate`` (with ``from_pooler``: what the text stands for, as
    poolers give all that they pass on a SQLSTATE of their own), ``attempts`` (every error, as libpq may have tried with and without
    TLS), ``detail`` (libpq's text), ``user``, ``database``, ``sslmode``, ``tls``, ``needs_password``, ``used_password``,
    ``library_version``, ``libpq_version``, ``effective`` (parameters that libpq used), ``overrides`` (those among all that neither
    the endpoint nor libpq itself set: ``keyword``, ``value``, ``source``: a variable's name, or ``service``), ``password_file`` (where
    the refused password came from a file), ``environment`` (names of libpq's variables that are set), ``elapsed_ms``.
    ``cannot_tell`` has ``reason``: ``missing_library`` (and ``library``) or ``no_password``.

    ``postgresql.session`` (with ``slow``) and ``postgresql.connections``: the facts of :class:`_postgresql.session.Server`.
    ``postgresql.activity`` (with ``long``: a transaction is open for too long) and ``postgresql.replication`` (with ``lagging``): those of
    :mod:`_postgresql.statistics`. All of them with ``result`` (``ok``, ``error``, ``timeout``, ``closed``, ``too_much``, ``unexpected``)
    and, for an error, its fields.

    :param let_in: the server asked for a credential before.
    """
    started, began = time.time(), time.monotonic()
    data: dict[str, t.Any] = {
        "sslmode": target.sslmode, "user": context.text(target.user, 64), "database": context.text(target.database, 64),
        "error_kind": "", "sqlstate": "", "routine": "",
        "environment": sorted(name for name in os.environ if name.startswith("PG") and name.isupper()),
    }

    def observe(status: str, message: str, address: str = "") -> None:
        data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
        context.observe(
            "postgresql.login", status, target.name, "%s: %s" % (target.name, message), data=data, started=started,
            reproduce=target.psql(), address=address)

    connection = None
    try:
        driver = load_driver()
        data.update(library_version=driver.version, libpq_version=driver.pq.version())
        connection = open_connection(driver, target)
        ended = connection.establish(_flow.monotonic_budget(context.deadline.allow(target.seconds)))
        address = connection.source()
        data.update(login_data(connection, ended, context))
        data["overrides"] = [{key: context.text(text, 200) for key, text in override.items()}
                             for override in connection.overrides(target.conninfo())][:_MOST_OVERRIDES]
        if ended == "ok":
            observe("ok", "user %(user)s was let in to database %(database)s" % data, address)
            remaining = _flow.monotonic_budget(context.deadline.allow(target.seconds))
            return Login(True, _look_around(target, Server(connection, remaining, context.text), limits, context))
        if data["error_kind"] == "no_password":
            data["reason"] = "no_password"
            observe("cannot_tell", "user %s is asked for a password, and none was given" % data["user"], address)
            return Login(let_in)
        observe("fail", "the login of user %s failed: %s" % (data["user"], data.get("server_message") or data["detail"]), address)
        return Login(False, bool(data.get("from_pooler")) or data["error_kind"] == "timeout")
    except MissingLibrary as problem:
        data.update(reason="missing_library", library="psycopg", detail=context.text(problem, 200))
        observe("cannot_tell", "no login was tried, as this host's Python has no usable psycopg 3")
        return Login(let_in)
    except BadParameter as problem:
        data.update(error_kind="bad_parameter", detail=context.text(problem, 200))
        observe("fail", "libpq does not accept the endpoint's parameters: %s" % data["detail"])
        return Login(False)
    finally:
        if connection is not None:
            connection.close()


def connection_string(driver: Driver, target: Target, **changes: str) -> str:
    """With the password, so never to be shown. :raises BadParameter: libpq does not know a parameter."""
    secret = {"password": target.password} if target.password else {}
    given = dict({"fallback_application_name": "connectivity.doctor"}, **target.conninfo(**dict(secret, **changes)))
    try:
        return driver.make_conninfo(**given)
    except driver.error as problem:
        raise BadParameter(str(problem).strip()) from None


def open_connection(driver: Driver, target: Target, **changes: str) -> Connection:
    """A connection that is begun. :param changes: of libpq's parameters. :raises BadParameter:"""
    text = connection_string(driver, target, **changes)
    try:
        return Connection(driver, text)
    except driver.error as problem:
        raise BadParameter(str(problem).strip()) from None


def login_data(connection: Connection, ended: str, context: Context) -> dict[str, t.Any]:
    """What is known of a login that has ended so, as in ``postgresql.login``."""
    data: dict[str, t.Any] = {
        "tls": connection.tls,
        "needs_password": connection.needs_password,
        "used_password": connection.used_password,
        "effective": {name: context.text(value, 200) for name, value in connection.effective(_SHOWN_PARAMETERS).items()},
    }
    if ended == "ok":
        return data
    if ended != "failed":
        return dict(data, error_kind="timeout" if ended == "timeout" else "other", detail=ended)
    text = connection.error_text()
    errors = parse_server_errors(text)
    source = "libpq" if errors else "text"
    errors = errors or recognise_server_texts(text)
    if errors:
        cleaned = [{name: context.text(value) for name, value in error.items()} for error in errors[:4]]
        data.update(furthest(cleaned), error_kind="server", attempts=cleaned)
        data.update(sqlstate_source=source, from_pooler=not data["routine"], password_file=context.text(password_file_of(text), 200))
        if data["from_pooler"]:  # poolers give all they pass on one SQLSTATE of their own (08P01), but keep the server's text
            passed_on = recognise_server_texts("%(severity)s:  %(server_message)s" % data)
            data["text_sqlstate"] = passed_on[0]["sqlstate"] if passed_on else ""
        return data
    kind = "no_password" if connection.needs_password else client_error_kind(text)
    return dict(data, error_kind=kind, detail=context.text(text.strip(), 300))


def _look_around(target: Target, server: Server, limits: Limits, context: Context) -> bool:
    """:returns: whether a pooler answers, or may be what does not answer."""

    def look(
        check: str, question: t.Callable[[], dict[str, t.Any]], judge: t.Callable[[dict[str, t.Any]], tuple[str, str]],
    ) -> dict[str, t.Any]:
        started = time.time()
        data, status, message = _ask(server, context, question, judge)
        context.observe(check, status, target.name, message, data=data, started=started, reproduce=target.psql())
        return data

    session = look("postgresql.session", server.session, lambda facts: _judge_session(facts, limits.slow_ms))
    if session["result"] != "ok":
        skip(target, context, _LOOKS, "postgresql.session")
        return bool(session["from_pooler"]) or session["result"] == "timeout"
    version, standby = session["server_version_num"], session["in_hot_standby"]
    look("postgresql.connections", server.connections, lambda facts: _judge_connections(facts, limits.connection_ratio))
    look("postgresql.activity", lambda: _postgresql_statistics.activity(server, version),
         lambda facts: _judge_activity(facts, limits.long_transaction_s))
    look("postgresql.replication", lambda: _postgresql_statistics.replication(server, standby), _judge_replication)
    return bool(session["pooler"])


def _ask(
    server: Server, context: Context, question: t.Callable[[], dict[str, t.Any]],
    judge: t.Callable[[dict[str, t.Any]], tuple[str, str]],
) -> tuple[dict[str, t.Any], str, str]:
    """:returns: data, status and message. It has failed only if not even the first query was answered."""
    try:
        data = dict(question(), result="ok")
        status, message = judge(data)
    except (LookupError, TypeError, ValueError):
        data, status = {"result": "unexpected", "reason": "query_failed"}, "cannot_tell"
        message = "the server answers queries, but not as PostgreSQL does"
    except QueryProblem as problem:
        data = {name: context.text(text) for name, text in problem.fields.items()}
        data["result"] = problem.result
        data.setdefault("sqlstate", "")
        data["from_pooler"] = problem.result == "error" and not data.get("routine")
        status, message = "fail", "the login succeeded, then a query failed: %s" % (data.get("server_message") or problem.result)
        if server.answers:
            status, data["reason"] = "cannot_tell", "not_permitted" if data["sqlstate"] == "42501" else "query_failed"
    return data, status, message


def _judge_session(facts: dict[str, t.Any], slow_ms: float) -> tuple[str, str]:
    facts["slow"] = facts["select_1_ms"] >= slow_ms
    if facts["in_hot_standby"]:
        return "warn", "the server is a hot standby: it accepts no writes"
    if facts["default_transaction_read_only"]:
        return "warn", "transactions are read-only by default here"
    if facts["slow"]:
        return "warn", "PostgreSQL %s took %s ms for SELECT 1" % (facts["server_version"], facts["select_1_ms"])
    return "ok", "PostgreSQL %s answers in %s ms" % (facts["server_version"], facts["select_1_ms"])


def _judge_connections(facts: dict[str, t.Any], warn_ratio: float) -> tuple[str, str]:
    """Adds the bound that is nearest: ``limit`` (for this user), ``nearest_limit`` (``server``, ``role``, ``database``), ``used_ratio``."""
    ratio, whose, used, limit = max((used / max(1, limit), whose, used, limit) for whose, used, limit in bounds(facts))
    facts.update(limit=limit, used_ratio=round(ratio, 3), nearest_limit=whose)
    return "warn" if ratio >= warn_ratio else "ok", "%d of the %d connections that the %s allows are in use" % (used, limit, whose)


def _judge_activity(facts: dict[str, t.Any], long_s: float) -> tuple[str, str]:
    oldest = facts["oldest_transaction_s"]
    facts["long"] = oldest is not None and oldest >= long_s
    waits = "%d sessions wait for a lock" % facts["lock_waits"] if facts["lock_waits"] else "nobody waits for a lock"
    age = "no transaction is seen open" if oldest is None else "the oldest transaction that is seen is open for %s s" % oldest
    return "warn" if facts["long"] or facts["lock_waits"] else "ok", "%s, %s" % (age, waits)


def _judge_replication(facts: dict[str, t.Any]) -> tuple[str, str]:
    """A standby of an idle primary replays nothing, and is not behind: only a backlog, or a stop, makes the time a lag."""
    if facts["role"] == "standby":
        behind = (facts["replay_lag_s"] or 0.0) >= _LARGE_LAG_S and bool(facts["replay_backlog_bytes"])
        facts["lagging"] = behind or bool(facts["replay_paused"])
        state = "is paused" if facts["replay_paused"] else "is behind" if behind else "keeps up"
        receives = "receives" if facts["receiving"] else "receives nothing"
        status = "warn" if facts["lagging"] or not facts["receiving"] else "ok"
        return status, "a standby, which %s, and whose replay %s" % (receives, state)
    facts["lagging"] = (facts["largest_lag_s"] or 0.0) >= _LARGE_LAG_S
    message = "a primary with %(standbys)d standbys and %(slots)d replication slots, of which %(slots_inactive)d are not in use" % facts
    return "warn" if facts["lagging"] or facts["slots_inactive"] else "ok", message


def skip(target: Target, context: Context, checks: t.Iterable[str], waited_for: str) -> None:
    for check in checks:
        context.observe(check, "skipped", target.name, "not tried, as %s did not pass" % waited_for, data={"waited_for": waited_for})

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server says to a client, step by step: TLS or not, who may come, the login, the session, its connections.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import getpass
import os
import shlex
import socket
import ssl
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import (
    _flow,
    _postgresql_libpq as libpq,
    _postgresql_wire as wire,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql_session import Server
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 5432},
    "user": {"type": "str"},
    "database": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "parameters": {"type": "dict", "default": {}},
    "timeout": {"type": "float", "default": 5.0},
    "connection_warn_ratio": {"type": "float", "default": 0.9},
}

# The order in which libpq tries the transports of each sslmode ("SSL Support" in libpq's documentation), True being TLS.
_TRANSPORTS = {
    "disable": (False,), "allow": (False, True), "prefer": (True, False),
    "require": (True,), "verify-ca": (True,), "verify-full": (True,),
}
_TLS_REQUIRED = ("require", "verify-ca", "verify-full")
# Startup parameters that libpq sends to the server, by libpq's name and the server's.
_SENT_PARAMETERS = {"application_name": "application_name", "options": "options", "client_encoding": "client_encoding"}
# Never a secret among them: they are shown.
_SHOWN_PARAMETERS = ("sslmode", "target_session_attrs", "service", "sslrootcert", "gssencmode", "channel_binding", "require_auth")


class _Target(t.NamedTuple):
    """One server as libpq would be told of it."""

    host: str
    address: str
    port: int
    user: str
    database: str
    password: str
    parameters: dict[str, str]
    sslmode: str
    seconds: float

    @property
    def name(self) -> str:
        return _flow.host_port(self.address, self.port)

    def conninfo(self, **changes: str) -> dict[str, t.Any]:
        given = {"host": self.host, "hostaddr": self.address, "port": self.port, "dbname": self.database, "user": self.user}
        return dict(self.parameters, **dict({key: value for key, value in given.items() if value}, **changes))

    def psql(self, **changes: str) -> str:
        """A psql command that does the same and never asks for a password."""
        pairs = " ".join("%s=%s" % (key, _quoted(str(value))) for key, value in self.conninfo(**changes).items() if "password" not in key)
        return "psql -w -c 'SELECT 1' %s" % shlex.quote(pairs)


def _quoted(value: str) -> str:
    """A value of a connection string, in quotes where it needs them."""
    if value and not set(value) & set(" \t\n'\\"):
        return value
    return "'%s'" % value.replace("\\", "\\\\").replace("'", "\\'")


class _Attempt(t.NamedTuple):
    """``result`` is one of the results of ``postgresql.startup``; ``let_in``: the server would go on with a login."""

    tls: bool
    result: str
    sqlstate: str

    @property
    def let_in(self) -> bool:
        return self.result in ("authentication_requested", "ready")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Ask for TLS, start a session without a credential, then log in and look around.

    ``postgresql.ssl_request``, ``data``: ``answer`` (``S``, ``N``, ``error``, ``other``, ``closed``, ``reset``, ``timeout``,
    ``not_connected``), ``sslmode``, ``tls_required``, ``elapsed_ms``; with ``error`` the error's fields (below); with ``other``
    ``first_bytes`` (hexadecimal) and ``looks_like``; with ``not_connected`` ``error`` (an errno name or ``TIMEOUT``).

    ``postgresql.startup``, once for each transport: ``tls``, ``sslmode``, ``result`` (``authentication_requested``, ``ready``,
    ``error``, ``closed``, ``reset``, ``timeout``, ``not_postgresql``, ``tls_failed``, ``not_connected``), ``purpose`` (``as_libpq``:
    libpq would try the same; ``comparison``: it would not, this only shows whether the other transport is let in), ``attempt``
    (1, 2), ``authentication_method``, ``mechanisms``, ``client_certificate`` (``none``, ``loaded``, ``unusable``), ``user``,
    ``database``, ``parameter_status``, ``elapsed_ms``.

    Fields of a server's error: ``severity``, ``sqlstate``, ``routine``, ``server_message``, ``server_detail``, ``server_hint``,
    ``server_file``, ``server_line``, ``from_pooler`` (a guess: the error names no routine).

    ``postgresql.login``: ``error_kind`` (empty, ``server``, or what libpq complains of), the error's fields, ``sqlstate_source``
    (``libpq``, ``text``), ``text_sqlstate`` (with ``from_pooler``: the SQLSTATE that belongs to the text), ``attempts`` (every error in order), ``needs_password``, ``used_password``, ``library_version``,
    ``libpq_version``, ``effective`` (parameters that libpq used), ``environment`` (names of libpq variables that are set).

    ``postgresql.session`` and ``postgresql.connections``: see :mod:`_postgresql_session`; ``result`` (``ok``, ``error``, ``timeout``,
    ``closed``, ``too_much``).
    """
    target = _target(parameters)
    answer = _ssl_request(target, context)
    transports = _transports(target.sslmode, answer)
    if not transports:
        _skip(target, context, ("postgresql.startup", "postgresql.login"), "postgresql.ssl_request")
        return Outcome(False)
    attempts = _startups(target, transports, answer == "S", context)
    possible = [attempt for attempt in attempts if attempt.let_in or attempt.result == "tls_failed"]
    if not possible:
        _skip(target, context, ("postgresql.login",), "postgresql.startup")
        return Outcome(False)
    return Outcome(_login(target, parameters.get("connection_warn_ratio", 0.9), context, any(a.let_in for a in possible)))


def _target(parameters: dict[str, t.Any]) -> _Target:
    given = {key: str(value) for key, value in (parameters.get("parameters") or {}).items()}
    user = parameters.get("user") or os.environ.get("PGUSER") or getpass.getuser()
    sslmode = given.get("sslmode") or ("verify-full" if given.get("sslrootcert") == "system" else os.environ.get("PGSSLMODE") or "prefer")
    seconds = float(parameters.get("timeout", 5.0))
    if given.get("connect_timeout", "").isdigit() and int(given["connect_timeout"]) > 0:
        seconds = min(seconds, max(2.0, float(given["connect_timeout"])))  # libpq never waits less than two seconds
    return _Target(
        parameters["host"], parameters["address"], int(parameters.get("port", 5432)), user,
        parameters.get("database") or os.environ.get("PGDATABASE") or user,
        parameters.get("password") or "", given, sslmode, seconds,
    )


def _connect(target: _Target, context: Context) -> tuple[_flow.Attempt, t.Callable[[], float]]:
    remaining = _flow.monotonic_budget(context.deadline.allow(target.seconds))
    return _flow.connect(target.address, target.port, max(0.001, remaining())), remaining


def _ssl_request(target: _Target, context: Context) -> str:
    started, began = time.time(), time.monotonic()
    data: dict[str, t.Any] = {"sslmode": target.sslmode, "tls_required": target.sslmode in _TLS_REQUIRED}
    attempt, remaining = _connect(target, context)
    if attempt.sock is None:
        data.update(answer="not_connected", error=attempt.error)
    else:
        with attempt.sock as sock:
            try:
                data["answer"], fields, first_bytes = wire.request_tls(sock, remaining)
                if fields:
                    data.update(wire.error_data(fields, context.text))
                if data["answer"] == "other":
                    data.update(first_bytes=first_bytes.hex(), looks_like=wire.looks_like(first_bytes))
            except wire.WireProblem as problem:
                data["answer"] = problem.result
    data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
    fine = data["answer"] == "S" or (data["answer"] == "N" and not data["tls_required"])
    context.observe(
        "postgresql.ssl_request", "ok" if fine else "fail", target.name, _ssl_request_sentence(target, data), data=data, started=started,
        reproduce="openssl s_client -starttls postgres -connect %s -servername %s </dev/null" % (target.name, shlex.quote(target.host)),
        address=attempt.source,
    )
    return data["answer"]


def _ssl_request_sentence(target: _Target, data: dict[str, t.Any]) -> str:
    sentences = {
        "S": "%(where)s is a PostgreSQL server and offers TLS",
        "N": "%(where)s is a PostgreSQL server and has no TLS, which sslmode=%(sslmode)s " + ("requires" if data["tls_required"] else "allows"),
        "error": "%(where)s refused at once: %(message)s",
        "other": "%(where)s does not speak PostgreSQL's protocol, it looks like: %(looks_like)s",
        "closed": "%(where)s closed the connection when asked for TLS",
        "reset": "%(where)s reset the connection when asked for TLS",
        "timeout": "%(where)s accepted the connection and then said nothing for %(elapsed_ms)s ms",
        "not_connected": "%(where)s could not be connected to: %(error)s",
    }
    return sentences[data["answer"]] % dict(
        data, where=target.name, message=data.get("server_message", ""), looks_like=data.get("looks_like", ""), error=data.get("error", ""))


def _transports(sslmode: str, answer: str) -> list[bool]:
    """The transports that libpq would try after this answer to the request for TLS, in its order. True is TLS."""
    wanted = _TRANSPORTS.get(sslmode, _TRANSPORTS["prefer"])
    if answer in ("S", "N"):
        return [tls for tls in wanted if answer == "S" or not tls]
    # With these modes libpq begins without asking for TLS, so that a server that can't bear the question may still serve.
    return [False] if sslmode in ("disable", "allow") and answer != "not_connected" else []


def _startups(target: _Target, transports: list[bool], has_tls: bool, context: Context) -> list[_Attempt]:
    """As libpq, until the server would go on. Then, where the only attempt was refused by pg_hba.conf, the other transport as well."""
    attempts: list[_Attempt] = []
    for tls in transports:
        attempts.append(_startup(target, tls, "as_libpq", len(attempts) + 1, context))
        if attempts[-1].let_in:
            return attempts
    if len(attempts) == 1 and attempts[0].sqlstate == "28000" and (attempts[0].tls or has_tls):
        _startup(target, not attempts[0].tls, "comparison", 2, context)
    return attempts


def _startup(target: _Target, tls: bool, purpose: str, number: int, context: Context) -> _Attempt:
    started, began = time.time(), time.monotonic()
    data: dict[str, t.Any] = {
        "tls": tls, "sslmode": target.sslmode, "purpose": purpose, "attempt": number, "user": context.text(target.user, 64),
        "database": context.text(target.database, 64), "sqlstate": "", "routine": "", "authentication_method": "", "mechanisms": [],
    }
    connection, remaining = _connect(target, context)
    if connection.sock is None:
        data.update(result="not_connected", error=connection.error)
    else:
        try:
            data.update(_converse(connection.sock, target, tls, remaining, context))
        except wire.WireProblem as problem:
            data["result"] = problem.result
            if problem.result == "not_postgresql":
                data.update(first_bytes=problem.first_bytes.hex(), looks_like=wire.looks_like(problem.first_bytes))
    data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
    attempt = _Attempt(tls, data["result"], data["sqlstate"])
    context.observe(
        "postgresql.startup", "ok" if attempt.let_in else "fail", target.name, _startup_sentence(target, data), data=data, started=started,
        reproduce=target.psql(sslmode="require" if tls else "disable"), address=connection.source,
    )
    return attempt


def _converse(sock: socket.socket, target: _Target, tls: bool, remaining: t.Callable[[], float], context: Context) -> dict[str, t.Any]:
    data: dict[str, t.Any] = {}
    with sock:
        if tls:
            answer = wire.request_tls(sock, remaining)[0]
            if answer != "S":  # offered a moment ago, and now not
                return {"result": "tls_failed", "tls_error": "the server answered %s to the request for TLS" % answer}
            tls_context, data["client_certificate"] = _unverified_tls(target)
            try:
                sock.settimeout(max(0.001, remaining()))
                sock = tls_context.wrap_socket(sock, server_hostname=target.host or None)
            except socket.timeout:
                raise wire.WireProblem("timeout") from None
            except (OSError, ValueError) as problem:
                return dict(data, result="tls_failed", tls_error=context.text(getattr(problem, "reason", None) or problem, 200))
        with sock:
            options = {sent: target.parameters[name] for name, sent in _SENT_PARAMETERS.items() if target.parameters.get(name)}
            reply = wire.start_session(sock, wire.startup_message(target.user, target.database, options), remaining)
    data.update(result=reply.result, authentication_method=reply.authentication_method, mechanisms=list(reply.mechanisms))
    if reply.fields:
        data.update(wire.error_data(reply.fields, context.text))
    if reply.result == "ready":
        data["parameter_status"] = {context.text(name, 64): context.text(value, 100) for name, value in list(reply.parameter_status.items())[:40]}
    return data


def _unverified_tls(target: _Target) -> tuple[ssl.SSLContext, str]:
    """TLS without verification: only the user's and the database's names are sent, as they would be in plain text.

    The certificate is judged by the TLS probe and by libpq's login. A client certificate is shown if there is one, as
    some servers let nobody in without it.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    certificate = target.parameters.get("sslcert")
    if not certificate:
        return tls, "none"
    try:
        tls.load_cert_chain(certificate, target.parameters.get("sslkey") or None, password=lambda: target.parameters.get("sslpassword", ""))
    except (OSError, ValueError):
        return tls, "unusable"
    return tls, "loaded"


def _startup_sentence(target: _Target, data: dict[str, t.Any]) -> str:
    who = "%s as user %s to database %s %s" % (target.name, data["user"], data["database"], "with TLS" if data["tls"] else "without TLS")
    result = data["result"]
    if result == "authentication_requested":
        return "%s: the server asks for a credential (%s)" % (who, ", ".join([data["authentication_method"]] + data["mechanisms"]))
    if result == "error":
        return "%s: refused with SQLSTATE %s: %s" % (who, data["sqlstate"], data["server_message"])
    sentences = {
        "ready": "the server lets us in without a credential",
        "closed": "the server closed the connection without an answer",
        "reset": "the server reset the connection",
        "timeout": "no answer within %s ms" % data["elapsed_ms"],
        "not_postgresql": "the answer is not PostgreSQL's protocol",
        "tls_failed": "TLS could not be established: %s" % data.get("tls_error", ""),
        "not_connected": "no connection: %s" % data.get("error", ""),
    }
    return "%s: %s" % (who, sentences[result])


def _login(target: _Target, warn_ratio: float, context: Context, let_in: bool) -> bool:
    started, began = time.time(), time.monotonic()
    remaining = _flow.monotonic_budget(context.deadline.allow(target.seconds))
    data: dict[str, t.Any] = {
        "sslmode": target.sslmode, "error_kind": "", "sqlstate": "", "routine": "",
        "environment": sorted(name for name in os.environ if name.startswith("PG") and name.isupper()),
    }

    def observe(status: str, message: str) -> None:
        data["elapsed_ms"] = round((time.monotonic() - began) * 1000, 1)
        context.observe("postgresql.login", status, target.name, message, data=data, started=started, reproduce=target.psql())

    try:
        driver = libpq.load_driver()
    except libpq.MissingLibrary as problem:
        data.update(reason="missing_library", library="psycopg", detail=context.text(problem, 200))
        observe("cannot_tell", "no login was tried, as this host's Python has no usable psycopg 3")
        return let_in
    data.update(library_version=driver.version, libpq_version=driver.pq.version())
    secret = {"password": target.password} if target.password else {}
    try:
        connection = libpq.Connection(driver, driver.make_conninfo(**dict(
            {"fallback_application_name": "connectivity.doctor"}, **target.conninfo(**secret))))
    except driver.error as problem:
        data.update(error_kind="bad_parameter", server_message="", detail=context.text(problem, 200))
        observe("fail", "libpq does not accept the endpoint's parameters: %s" % context.text(problem, 200))
        return False
    try:
        ended = connection.establish(remaining)
        data.update(_login_data(connection, ended, context))
        if ended != "ok" and data["error_kind"] == "no_password":
            data["reason"] = "no_password"
            observe("cannot_tell", "%s asks user %s for a password, and none was given" % (target.name, context.text(target.user, 64)))
            return let_in
        if ended != "ok":
            observe("fail", "%s: the login failed: %s" % (target.name, data.get("server_message") or data.get("detail") or data["error_kind"]))
            return False
        observe("ok", "%s let user %s in to database %s" % (target.name, context.text(target.user, 64), context.text(target.database, 64)))
        _look_around(target, Server(connection, _flow.monotonic_budget(context.deadline.allow(target.seconds)), context.text), warn_ratio, context)
        return True
    finally:
        connection.close()


def _login_data(connection: libpq.Connection, ended: str, context: Context) -> dict[str, t.Any]:
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
    errors = libpq.parse_server_errors(text)
    source = "libpq" if errors else "text"
    errors = errors or libpq.recognise_server_texts(text)
    if errors:
        cleaned = [{name: context.text(value) for name, value in error.items()} for error in errors[:4]]
        data.update(libpq.furthest(cleaned), error_kind="server", attempts=cleaned)
        data.update(sqlstate_source=source, from_pooler=not data["routine"])
        if data["from_pooler"]:  # poolers give all they pass on one SQLSTATE of their own (08P01), but keep the server's text
            passed_on = libpq.recognise_server_texts("%(severity)s:  %(server_message)s" % data)
            data["text_sqlstate"] = passed_on[0]["sqlstate"] if passed_on else ""
        return data
    kind = "no_password" if connection.needs_password else libpq.client_error_kind(text)
    return dict(data, error_kind=kind, detail=context.text(text.strip(), 300))


def _look_around(target: _Target, server: Server, warn_ratio: float, context: Context) -> None:
    if _ask(target, context, "postgresql.session", server.session, _judge_session):
        _ask(target, context, "postgresql.connections", server.connections, lambda facts: _judge_connections(facts, warn_ratio))
    else:
        _skip(target, context, ("postgresql.connections",), "postgresql.session")


def _ask(
    target: _Target, context: Context, check: str, question: t.Callable[[], dict[str, t.Any]],
    judge: t.Callable[[dict[str, t.Any]], tuple[str, str]],
) -> bool:
    started = time.time()
    try:
        data = dict(question(), result="ok")
        status, message = judge(data)
    except libpq.QueryProblem as problem:
        data = {name: context.text(text) for name, text in problem.fields.items()}
        data["result"] = problem.result
        data.setdefault("sqlstate", "")
        data["from_pooler"] = problem.result == "error" and not data.get("routine")
        status, message = "fail", "the login succeeded, then a query failed: %s" % (data.get("server_message") or problem.result)
        if data["sqlstate"] == "42501":
            status, data["reason"] = "cannot_tell", "not_permitted"
    context.observe(check, status, target.name, message, data=data, started=started, reproduce=target.psql())
    return data["result"] == "ok"


def _judge_session(facts: dict[str, t.Any]) -> tuple[str, str]:
    if facts["in_hot_standby"]:
        return "warn", "the server is a hot standby: it accepts no writes"
    if facts["default_transaction_read_only"]:
        return "warn", "transactions are read-only by default here"
    return "ok", "PostgreSQL %s answers in %s ms" % (facts["server_version"], facts["select_1_ms"])


def _judge_connections(facts: dict[str, t.Any], warn_ratio: float) -> tuple[str, str]:
    """Adds ``available`` (slots for this user) and ``used_ratio`` (of the bound that is nearest)."""
    reserved = 0 if facts["is_superuser"] else facts["superuser_reserved_connections"] + (facts["reserved_connections"] or 0)
    bounds = [("the server", facts["used"], facts["max_connections"] - reserved)]
    if facts["role_connection_limit"] is not None and facts["role_connection_limit"] >= 0:
        bounds.append(("the role", facts["used_by_user"], facts["role_connection_limit"]))
    if facts["database_connection_limit"] is not None and facts["database_connection_limit"] >= 0:
        bounds.append(("the database", facts["used_in_database"], facts["database_connection_limit"]))
    ratio, whose, used, limit = max((used / max(1, limit), whose, used, limit) for whose, used, limit in bounds)
    facts.update(available=limit, used_ratio=round(ratio, 3), nearest_limit=whose.split()[-1])
    return "warn" if ratio >= warn_ratio else "ok", "%d of the %d connections that %s allows are in use" % (used, limit, whose)


def _skip(target: _Target, context: Context, checks: t.Iterable[str], waited_for: str) -> None:
    for check in checks:
        context.observe(check, "skipped", target.name, "not tried, as %s did not pass" % waited_for, data={"waited_for": waited_for})

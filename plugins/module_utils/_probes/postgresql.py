# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server says to a client, step by step: TLS or not, who may come, the login, the session, its connections.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import shlex
import socket
import ssl
import threading
import time
import typing as t
import weakref

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    members as _postgresql_members,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    pooler as _postgresql_pooler,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import wire
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import (
    Driver,
    MissingLibrary,
    QueryProblem,
    load_driver,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.login import BadParameter, Limits, log_in, skip
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import TLS_REQUIRED, Target, target_of
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
    "slow_ms": {"type": "float", "default": 1000.0},
    "long_transaction_s": {"type": "float", "default": 300.0},
    "members": {"type": "list", "elements": "str", "default": []},
}

# The members of a balancer are the same behind each of its addresses: whose run comes first asks them, once for each plan.
_MEMBERS_ASKED: weakref.WeakKeyDictionary[t.Any, set[tuple[t.Any, ...]]] = weakref.WeakKeyDictionary()
_MEMBERS_LOCK = threading.Lock()

# The order in which libpq tries the transports of each sslmode ("SSL Support" in libpq's documentation), True being TLS.
_TRANSPORTS = {
    "disable": (False,), "allow": (False, True), "prefer": (True, False),
    "require": (True,), "verify-ca": (True,), "verify-full": (True,),
}
# Of libpq's parameters, those that the server gets with the startup message.
_SENT_PARAMETERS = ("application_name", "options", "client_encoding")
_MOST_PARAMETERS = 40  # servers tell about fifteen


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

    ``postgresql.login``, ``postgresql.session``, ``postgresql.connections``, ``postgresql.activity`` and ``postgresql.replication``: see
    :func:`_postgresql.login.log_in`.

    ``postgresql.pooler`` (ok, warn, cannot_tell), where a pooler answers, or may be what does not: see :func:`_postgresql.pooler.ask`.

    ``postgresql.member`` and ``postgresql.members``, with ``members``: see :func:`_postgresql.members.observe`.
    """
    target = target_of(parameters, context.vantage["user"])
    outcome = _one_server(target, parameters, context)
    members = parameters.get("members") or []
    if members and _is_first(context, (context.labels.get("endpoint", ""), target.host, target.port, *members)):
        _postgresql_members.observe(members, target, _driver(), parameters.get("slow_ms", 1000.0), context)
    return outcome


def _is_first(context: Context, what: tuple[t.Any, ...]) -> bool:
    with _MEMBERS_LOCK:
        asked = _MEMBERS_ASKED.setdefault(context.recorder, set())
        if what in asked:
            return False
        asked.add(what)
        return True


def _driver() -> Driver | None:
    try:
        return load_driver()
    except MissingLibrary:
        return None


def _one_server(target: Target, parameters: dict[str, t.Any], context: Context) -> Outcome:
    answer = _ssl_request(target, context)
    transports = _transports(target.sslmode, answer)
    if not transports:
        skip(target, context, ("postgresql.startup", "postgresql.login"), "postgresql.ssl_request")
        return Outcome(False)
    attempts = _startups(target, transports, answer == "S", context)
    possible = [attempt for attempt in attempts if attempt.let_in or attempt.result == "tls_failed"]
    if not possible:
        skip(target, context, ("postgresql.login",), "postgresql.startup")
        return Outcome(False)
    limits = Limits(
        parameters.get("connection_warn_ratio", 0.9), parameters.get("slow_ms", 1000.0), parameters.get("long_transaction_s", 300.0))
    login = log_in(target, limits, context, any(a.let_in for a in possible))
    driver = _driver() if login.pooler else None
    if driver is not None:
        _ask_pooler(driver, target, context)
    return Outcome(login.go_on)


def _ask_pooler(driver: Driver, target: Target, context: Context) -> None:
    started = time.time()
    try:
        data = _postgresql_pooler.ask(driver, target, context)
    except (BadParameter, QueryProblem) as problem:
        data = {"kind": "", "reason": "query_failed", "detail": context.text(problem, 200)}
    if data is None:
        return
    if data.get("reason"):
        status, message = "cannot_tell", "%s is asked for its pools: %s" % (target.name, data["reason"].replace("_", " "))
    else:
        status = "warn" if data["cl_waiting"] else "ok"
        message = "%s: %d clients wait, %d are served; %d server connections are in use, %d are idle" % (
            target.name, data["cl_waiting"], data["cl_active"], data["sv_active"], data["sv_idle"])
    context.observe(
        "postgresql.pooler", status, target.name, message, data=data, started=started,
        reproduce=target._replace(database="pgbouncer").psql().replace("SELECT 1", "SHOW POOLS"))


def _connect(target: Target, context: Context) -> tuple[_flow.Attempt, t.Callable[[], float]]:
    remaining = _flow.monotonic_budget(context.deadline.allow(target.seconds))
    return _flow.connect(target.address, target.port, max(0.001, remaining())), remaining


def _ssl_request(target: Target, context: Context) -> str:
    started, began = time.time(), time.monotonic()
    data: dict[str, t.Any] = {"sslmode": target.sslmode, "tls_required": target.sslmode in TLS_REQUIRED}
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


def _ssl_request_sentence(target: Target, data: dict[str, t.Any]) -> str:
    verdict = "requires" if data["tls_required"] else "allows"
    sentences = {
        "S": "%(where)s is a PostgreSQL server and offers TLS",
        "N": "%(where)s is a PostgreSQL server and has no TLS, which sslmode=%(sslmode)s " + verdict,
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


def _startups(target: Target, transports: list[bool], has_tls: bool, context: Context) -> list[_Attempt]:
    """As libpq, until the server would go on. Then, where the only attempt was refused by pg_hba.conf, the other transport as well."""
    attempts: list[_Attempt] = []
    for tls in transports:
        attempts.append(_startup(target, tls, "as_libpq", len(attempts) + 1, context))
        if attempts[-1].let_in:
            return attempts
    if len(attempts) == 1 and attempts[0].sqlstate == "28000" and (attempts[0].tls or has_tls):
        _startup(target, not attempts[0].tls, "comparison", 2, context)
    return attempts


def _startup(target: Target, tls: bool, purpose: str, number: int, context: Context) -> _Attempt:
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


def _converse(sock: socket.socket, target: Target, tls: bool, remaining: t.Callable[[], float], context: Context) -> dict[str, t.Any]:
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
            options = {name: target.parameters[name] for name in _SENT_PARAMETERS if target.parameters.get(name)}
            reply = wire.start_session(sock, wire.startup_message(target.user, target.database, options), remaining)
    data.update(result=reply.result, authentication_method=reply.authentication_method, mechanisms=list(reply.mechanisms))
    if reply.fields:
        data.update(wire.error_data(reply.fields, context.text))
    if reply.result == "ready":
        told = list(reply.parameter_status.items())[:_MOST_PARAMETERS]
        data["parameter_status"] = {context.text(name, 64): context.text(value, 100) for name, value in told}
    return data


def _unverified_tls(target: Target) -> tuple[ssl.SSLContext, str]:
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


def _startup_sentence(target: Target, data: dict[str, t.Any]) -> str:
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

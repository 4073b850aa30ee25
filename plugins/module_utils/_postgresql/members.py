# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The servers behind a balancer, each asked by itself: which of them is down, a standby, slow, or has another certificate.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib
import re
import threading
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._http import proxy as _http_proxy
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.libpq import Driver, QueryProblem
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.login import BadParameter, login_data, open_connection
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import Server
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.target import Target
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import attempt as _tls_attempt
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import place as _tls_place

_MOST_MEMBERS = 20
_DEFAULT_PORT = 5432


def parse(member: str) -> tuple[str, int]:
    """:param member: ``host``, ``host:port`` or ``[address]:port``. :raises ValueError: it is none."""
    found = re.fullmatch(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]/@]+))(?::(\d{1,5}))?", member.strip())
    port = int(found.group(3) or _DEFAULT_PORT) if found else 0
    if not found or not 0 < port < 65536:
        raise ValueError("no member: %s" % member)
    return found.group(1) or found.group(2), port


def observe(members: t.Sequence[str], target: Target, driver: Driver | None, slow_ms: float, context: Context) -> None:
    """All at once, one login each. The server's name stays the balancer's, as a client sees it.

    ``postgresql.member``, for each (ok, warn, fail, cannot_tell): ``member``, ``address``, ``port``, ``result``: ``ok``, ``unresolved``,
    ``not_connected`` (``connect_error``), ``login_failed`` (``error_kind``, ``sqlstate``, ``routine``, ``server_message``),
    ``query_failed``, ``not_tried`` (no login without psycopg; the connection stands); ``certificate_fingerprint_sha256`` ("": no TLS),
    ``in_hot_standby``,
    ``server_version``, ``select_1_ms``, ``slow``.

    ``postgresql.members`` (ok, warn, fail): ``members``, ``down`` (names), ``standbys``, ``primaries``, ``slow`` (names),
    ``same_certificate``, ``same_version`` (None: fewer than two are known).
    """
    started = time.time()
    results: list[dict[str, t.Any]] = []
    threads = [
        threading.Thread(target=lambda one=member: results.append(_member(one, target, driver, slow_ms, context)), daemon=True)
        for member in list(dict.fromkeys(members))[:_MOST_MEMBERS]
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(context.deadline.remaining())
    _summarise(list(results), len(threads), target, started, context)


def _member(member: str, target: Target, driver: Driver | None, slow_ms: float, context: Context) -> dict[str, t.Any]:
    started = time.time()
    facts: dict[str, t.Any] = {"member": context.text(member, 255), "address": "", "port": 0, "result": "unresolved", "slow": False,
                               "certificate_fingerprint_sha256": ""}
    one = target
    try:
        host, port = parse(member)
        addresses, facts["resolver_error"] = _http_proxy.resolve(host, port, context.deadline.allow(target.seconds))
        if addresses:
            one = target._replace(address=addresses[0], port=port)
            facts.update(address=one.address, port=port)
            facts.update(_ask(one, driver, context))
    except ValueError:
        facts["resolver_error"] = "no host and port"
    except BadParameter as problem:
        facts.update(result="login_failed", error_kind="bad_parameter", detail=context.text(problem, 200))
    facts["slow"] = (facts.get("select_1_ms") or 0.0) >= slow_ms
    status = {"ok": "warn" if facts["slow"] else "ok", "not_tried": "cannot_tell"}.get(facts["result"], "fail")
    if facts["result"] == "not_tried":
        facts.update(reason="missing_library", library="psycopg")
    context.observe(
        "postgresql.member", status, one.name if facts["address"] else facts["member"],
        "member %s: %s" % (facts["member"], _sentence(facts)), data=facts, started=started, reproduce=one.psql())
    return facts


def _sentence(facts: dict[str, t.Any]) -> str:
    if facts["result"] == "ok":
        return "a %s, which answers in %s ms" % ("standby" if facts["in_hot_standby"] else "primary", facts["select_1_ms"])
    why = facts.get("connect_error") or facts.get("server_message") or facts.get("detail", "")
    return "%s %s" % (facts["result"].replace("_", " "), why)


def _ask(one: Target, driver: Driver | None, context: Context) -> dict[str, t.Any]:
    attempt = _flow.connect(one.address, one.port, context.deadline.allow(one.seconds))
    if attempt.sock is None:
        return {"result": "not_connected", "connect_error": attempt.error}
    attempt.sock.close()
    facts: dict[str, t.Any] = {"result": "not_tried", "certificate_fingerprint_sha256": _fingerprint(one, context)}
    if driver is None:
        return facts
    remaining = _flow.monotonic_budget(context.deadline.allow(one.seconds))
    connection = open_connection(driver, one)
    try:
        ended = connection.establish(remaining)
        if ended != "ok":
            return dict(facts, **dict(login_data(connection, ended, context), result="login_failed"))
        session = Server(connection, remaining, context.text).session()
        kept = ("in_hot_standby", "server_version", "select_1_ms", "server_address", "pooler")
        return dict(facts, result="ok", **{name: session[name] for name in kept})
    except (QueryProblem, LookupError, TypeError, ValueError) as problem:
        return dict(facts, result="query_failed", detail=context.text(problem, 200))
    finally:
        connection.close()


def _fingerprint(one: Target, context: Context) -> str:
    """Of the certificate that this member serves, empty where it has no TLS."""
    if one.sslmode == "disable":
        return ""
    where = _tls_place.place({"address": one.address, "host": one.host, "port": one.port}, "postgresql")
    remaining = _flow.monotonic_budget(context.deadline.allow(one.seconds))
    seen = _tls_attempt.attempt(where, _tls_place.new_context("none"), where.server_name(), remaining)
    seen.close()
    return hashlib.sha256(seen.chain[0]).hexdigest() if seen.chain else ""


def _summarise(results: list[dict[str, t.Any]], asked: int, target: Target, started: float, context: Context) -> None:
    down = sorted(one["member"] for one in results if one["result"] not in ("ok", "not_tried"))
    slow = sorted(one["member"] for one in results if one["slow"])
    data = {
        "members": asked, "answered": len(results), "down": down, "slow": slow,
        "standbys": sorted(one["member"] for one in results if one.get("in_hot_standby")),
        "primaries": sorted(one["member"] for one in results if one.get("in_hot_standby") is False),
        "same_certificate": _same(results, "certificate_fingerprint_sha256"), "same_version": _same(results, "server_version"),
    }
    differ = data["same_certificate"] is False or data["same_version"] is False or (bool(data["standbys"]) and bool(data["primaries"]))
    status = "fail" if results and len(down) == asked else "warn" if down or slow or differ or len(results) < asked else "ok"
    message = "%d of %d members behind %s do not work" % (len(down), asked, target.host)
    context.observe("postgresql.members", status, target.name, message, data=data, started=started, reproduce=target.psql())


def _same(results: list[dict[str, t.Any]], key: str) -> bool | None:
    known = [one[key] for one in results if one.get(key)]
    return None if len(known) < 2 else len(set(known)) == 1

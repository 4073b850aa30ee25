# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a server answer HTTP, or gRPC over it, at one address and port, directly or through a proxy; what does it say, and how fast.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import email.utils
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _agent_trust, _flow, _grpc_call
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    answer as _http_answer,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    burst as _http_burst,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    proxy as _http_proxy,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    request as _http_request,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    route as _http_route,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    token as _http_token,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder, clean_text
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    channel as _tls_channel,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    place as _tls_place,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    plaintext as _tls_plaintext,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    sweep as _tls_sweep,
)

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "scheme": {"type": "str", "choices": ["http", "https", "grpc", "grpcs"], "default": "https"},
    "path": {"type": "str", "default": "/"},
    "method": {"type": "str", "default": "GET"},
    "headers": {"type": "dict", "default": {}},
    "credential_header": {"type": "str", "default": "Authorization", "no_log": False},
    "credential": {"type": "str", "no_log": True},
    "expected_status": {"type": "list", "elements": "int"},
    "body_limit": {"type": "int", "default": 65536},
    "proxy": {"type": "str"},
    "proxy_credential": {"type": "str", "no_log": True},
    "server_name": {"type": "str"},
    "verify": {"type": "str", "choices": ["full", "ca", "none"], "default": "full"},
    "ca_file": {"type": "path"},
    "agent_trust": _agent_trust.ARGUMENT,
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
    "count": {"type": "int", "default": 1},
}

_TIMEOUT_S, _BODY_LIMIT, _EXCERPT = 10.0, 65536, 300
_ASK_S = 2.0
_UNAUTHORIZED = (401, 403)
_NOTHING_CAME = ("closed", "reset", "no_response")
_BODYLESS_METHODS = ("GET", "HEAD", "OPTIONS", "DELETE")
_OVER_TLS, _GRPC = ("https", "grpcs"), {"grpc": "http", "grpcs": "https"}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Send one request on a connection of its own and read the answer, all of it within ``timeout`` and the byte limits.

    ``proxy.connect`` (ok, fail, cannot_tell), with a proxy only: ``proxy`` (URL), ``proxy_address``, ``proxy_port``, ``error``:
    "", an errno name, ``TIMEOUT``, ``unresolved`` (``gai_error``), ``closed``, ``reset``, ``timeout``, ``not_http`` (``first_bytes``,
    ``looks_like``), ``incomplete``; ``status`` (None where there was no answer), ``answered_by`` (``proxy``, ``origin``,
    ``unknown``), ``proxy_authenticate`` (list of scheme and realm), ``server``, ``via``, ``x_cache``, ``x_squid_error``, ``connect_ms``.
    ``reason`` where it can't tell: ``unsupported_scheme``, ``invalid_url``, ``credentials_in_url``.

    ``http.response`` (ok, fail, cannot_tell): ``address``, ``port``, ``scheme``, ``error``: "", ``no_response`` (connected, then silence),
    ``closed``, ``reset`` (before any byte), ``not_http`` (``first_bytes``, ``looks_like``; ``answer``: what the request itself met,
    where another question found it out), ``incomplete`` (``ended_by``: ``timeout``, ``closed``, ``reset``, ``limit``, ``malformed``),
    ``tls_failed`` (``tls_error`` as in ``tls.handshake`` and ``tls.verify``, ``alert``, ``verify_code``, ``verify_message``,
    ``tls_reason``), ``connect_failed`` (``connect_error``), ``proxy_failed``;
    ``status`` (None without an answer), ``reason_phrase``, ``server``, ``via``, ``content_type``, ``location`` (without its query),
    ``www_authenticate``, ``retry_after``, ``date``, ``clock_offset_s`` (server minus this host, within 0.5 s; None: unknown),
    ``body_excerpt``, ``body_bytes``, ``truncated``, ``bytes_received``, ``credential_sent``, ``credential_from`` and ``credential_until``
    (from when until when the one that was sent says that it is valid, in seconds since the epoch; None: it does not say),
    ``speaks_tls`` (whether a plain port answered TLS; None: not tried), ``phases`` (``connect_ms``, ``proxy_ms``, ``tls_ms``,
    ``first_byte_ms``, ``total_ms``; None: not reached), and for https ``tls_version``, ``certificate_fingerprint_sha256``,
    ``certificate_issuer``, ``client_certificate_requested`` (None: unknown). ``reason``: ``credential_withheld`` where a credential was
    refused that was not sent, as TLS was not verified; ``invalid_request`` (``invalid``: which part).
    What gRPC answers is told as the answer of HTTP that means the same: ``grpc_status`` (its number), the ``status`` for that, its name as
    ``reason_phrase`` and its message as ``body_excerpt``.

    ``http.burst`` (ok, warn, fail), with ``count`` above 1: as many requests in all, each on a connection of its own, at most 100, as far
    as the deadline lets: ``requests``, ``failures`` (not accepted), ``failure_ratio``, ``mixed`` (some were accepted, and some not),
    ``statuses``, ``errors``, ``servers`` (Server fields) and ``certificates`` (fingerprints), each value with how often it was seen,
    ``members_differ`` (more than one server or certificate), ``median_ms``, ``largest_ms``, ``detectable_ratio`` (a share of bad members
    that would have shown in so many requests, 99 times of 100).
    """
    parameters = {**parameters, "ca_file": _agent_trust.trusted_file(parameters, context)}
    outcome, data = _exchange_once(parameters, context)
    count = parameters.get("count") or 1
    if count > 1 and data:
        _burst(parameters, context, (outcome.passed, data), count)
    return outcome


def _exchange_once(parameters: dict[str, t.Any], context: Context) -> tuple[Outcome, dict[str, t.Any]]:
    exchange = _Exchange(parameters, context)
    return exchange.run(), exchange.data


def _burst(parameters: dict[str, t.Any], context: Context, first: tuple[bool, dict[str, t.Any]], count: int) -> None:
    started = time.time()
    unrecorded = Context(Recorder(), context.deadline, context.vantage, context.secrets, context.labels, context.environment)

    def ask() -> tuple[bool, dict[str, t.Any]]:
        outcome, data = _exchange_once(parameters, unrecorded)
        return outcome.passed, data

    facts = _http_burst.run(ask, first, count, context.deadline.remaining)
    data = dict(facts, address=parameters.get("address", ""), port=parameters["port"], scheme=parameters.get("scheme", "https"))
    told = facts["statuses"] if not facts["errors"] else dict(facts["statuses"], **facts["errors"])
    bad = facts["failures"] == facts["requests"]
    target = _flow.host_port(data["address"] or parameters["host"], data["port"])
    context.observe(
        "http.burst", "fail" if bad else "warn" if facts["mixed"] or len(facts["certificates"]) > 1 else "ok", target,
        "%s: %d of %d requests failed (%s)" % (
            target, facts["failures"], facts["requests"], ", ".join("%s: %d" % pair for pair in sorted(told.items()))),
        data=data, started=started)


def date_seconds(date: str) -> int | None:
    """:param date: of a Date field, in any of its three forms (RFC 9110, 5.6.7). :returns: seconds since the epoch, None if it is none."""
    try:
        parts = email.utils.parsedate_tz(date)
        return email.utils.mktime_tz(parts) if parts else None
    except (ValueError, IndexError, TypeError, OverflowError):
        return None  # the library's reader fails in more ways than it tells


class _Exchange:
    def __init__(self, parameters: dict[str, t.Any], context: Context) -> None:
        given = {key: value for key, value in parameters.items() if value is not None}
        self._context = context
        self._host = given["host"].rstrip(".")
        self._port = given["port"]
        self._scheme = given.get("scheme", "https")
        self._address = given.get("address", "")
        self._method = given.get("method", "GET")
        self._path = _http_request.quoted_path(given.get("path", "/"))
        self._headers = [(str(name), str(value)) for name, value in given.get("headers", {}).items()]
        self._credential = given.get("credential", "")
        self._credential_header = given.get("credential_header") or "Authorization"
        self._proxy_url = given.get("proxy", "")
        self._proxy: _http_proxy.Proxy | None = None
        self._proxy_address = ""
        self._proxy_credential = given.get("proxy_credential", "")
        self._security = _http_route.Security(
            given.get("verify", "full"), given.get("ca_file", ""), given.get("client_certificate", ""), given.get("client_key", ""))
        self._server_name = given.get("server_name", "")
        self._expected = given.get("expected_status") or ()
        self._body_limit = max(0, given.get("body_limit", _BODY_LIMIT))
        self._timeout = float(given.get("timeout", _TIMEOUT_S))
        self._secrets = self._all_secrets()
        self._credential_sent = False
        self._began, self._sent_at, self._first_byte_ms = time.time(), 0.0, None
        self.data: dict[str, t.Any] = {}  # of http.response, once it is recorded

    def _all_secrets(self) -> tuple[str, ...]:
        values = [self._credential, *(value for name, value in self._headers if _http_request.is_secret_field(name))]
        if self._proxy_credential:
            values += [_http_request.basic(self._proxy_credential), self._proxy_credential, self._proxy_credential.partition(":")[2]]
        parts = [*self._context.secrets, *(part for value in values for part in _http_request.secret_parts(value))]
        return tuple(sorted(parts, key=len, reverse=True))

    def _text(self, value: object, limit: int = 200) -> str:
        return clean_text(value, self._secrets, limit)

    @property
    def _target(self) -> str:
        return _flow.host_port(self._host if self._proxy_url else self._address, self._port)

    @property
    def _url(self) -> str:
        return "%s://%s%s" % (self._scheme, _http_request.authority(self._host, self._port, self._scheme), self._path)

    def run(self) -> Outcome:
        if not self._is_sound():
            return Outcome(False)
        remaining = _flow.monotonic_budget(self._context.deadline.allow(self._timeout))
        where = _tls_place.place({
            "address": "" if self._proxy else self._address, "host": self._host, "port": self._port, "server_name": self._server_name})
        route = _http_route.Route(where, self._host, remaining, _grpc_call.ALPN if self._scheme in _GRPC else ())
        answer, failure = None, {}
        try:
            answer = self._exchange(route, remaining)
        except _http_route.Failed as problem:
            failure = problem.facts
        finally:
            route.close()
        return Outcome(self._record(route, where, answer, failure))

    def _is_sound(self) -> bool:
        """Nothing is sent to anybody where a part of it can't be sent."""
        try:
            self._proxy = _http_proxy.parse(self._proxy_url) if self._proxy_url else None
        except ValueError as problem:
            self._context.observe(
                "proxy.connect", "cannot_tell", self._target, "the proxy's URL can't be used: %s" % str(problem).replace("_", " "),
                data={"reason": str(problem)})
            return False
        try:
            _http_request.authority(self._host, self._port)
            _http_request.request_bytes(self._method, self._path, [*self._headers, (self._credential_header, self._credential)])
        except ValueError as problem:
            part = "host" if isinstance(problem, UnicodeError) else self._text(problem)
            self._context.observe(
                "http.response", "cannot_tell", self._target, "this can't be sent as HTTP: the %s" % part,
                data={"reason": "invalid_request", "invalid": part})
            return False
        return True

    # -- the exchange ------------------------------------------------------------------------------------------------

    def _exchange(self, route: _http_route.Route, remaining: _tls_channel.Remaining) -> _http_answer.Answer:
        channel = self._open_proxy(route, self._proxy, remaining) if self._proxy else route.connect(self._address, self._port)
        absolute = self._proxy is not None and self._scheme == "http"
        if self._proxy and not absolute:
            self._judge(route, self._proxy, route.tunnel(channel, self._proxy_credential), tunnel=True)
        if self._scheme in _OVER_TLS:
            channel = route.secure(channel, self._security)
        request = self._request(self._fields(route.verified, absolute), absolute)
        self._sent_at, sent = time.time(), time.monotonic()
        try:
            channel.write(request, remaining)
        except OSError:
            pass  # what it said before it stopped to listen may still be read
        answer = _grpc_call.read_answer(channel, remaining) if self._scheme in _GRPC else _http_answer.read_answer(
            channel, self._method, self._body_limit, remaining)
        if answer.first_byte_at is not None:
            self._first_byte_ms = round((answer.first_byte_at - sent) * 1000, 1)
        if self._proxy and absolute:
            self._judge(route, self._proxy, answer, tunnel=False)
        if "tls_failed" in (answer.error, answer.ended_by):
            raise _http_route.Failed(**route.objection())
        return answer

    def _request(self, fields: list[tuple[str, str]], absolute: bool) -> bytes:
        if self._scheme not in _GRPC:
            return _http_request.request_bytes(self._method, self._url if absolute else self._path, fields)
        scheme = _GRPC[self._scheme]
        metadata = [(name.lower(), value) for name, value in fields]
        return _grpc_call.request_bytes(
            scheme, _http_request.authority(self._host, self._port, scheme), self._path, metadata,
            [name for name, _value in metadata if _http_request.is_secret_field(name) or name == self._credential_header.lower()])

    def _fields(self, verified: bool, absolute: bool) -> list[tuple[str, str]]:
        defaults = [("User-Agent", _http_request.USER_AGENT)] if self._scheme in _GRPC else [
            ("Host", _http_request.authority(self._host, self._port, self._scheme)), ("User-Agent", _http_request.USER_AGENT),
            ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "close"),
        ]
        if self._method not in _BODYLESS_METHODS and self._scheme not in _GRPC:
            defaults.append(("Content-Length", "0"))
        given = list(self._headers)
        self._credential_sent = bool(self._credential) and (verified or self._scheme not in _OVER_TLS)
        if self._credential_sent:
            given.append((self._credential_header, self._credential))
        if absolute and self._proxy_credential:
            given.append(("Proxy-Authorization", _http_request.basic(self._proxy_credential)))
        return _http_request.merged_fields(defaults, given)

    # -- the proxy ---------------------------------------------------------------------------------------------------

    def _open_proxy(
        self, route: _http_route.Route, proxy: _http_proxy.Proxy, remaining: _tls_channel.Remaining,
    ) -> _http_route.Channel:
        self._proxy_address, problem = _http_route.find_proxy(proxy, self._address, remaining)
        seen = _http_proxy.Seen(proxy, self._proxy_address, None, "unresolved", gai_error=problem)
        if self._proxy_address:
            try:
                return route.connect(self._proxy_address, proxy.port)
            except _http_route.Failed as failed:
                seen = seen._replace(connect_ms=route.phases["connect_ms"], error=failed.facts["connect_error"], gai_error="")
        self._record_proxy(route, seen)
        raise _http_route.Failed(error="proxy_failed")

    def _judge(self, route: _http_route.Route, proxy: _http_proxy.Proxy, answer: _http_answer.Answer, tunnel: bool) -> None:
        """Record what the proxy did. :raises Failed: the origin was not reached."""
        error = "" if answer.head else "timeout" if answer.error == "no_response" else answer.error
        seen = _http_proxy.Seen(
            proxy, self._proxy_address, route.phases["connect_ms"], error, answer.head, tunnel, first_bytes=answer.first_bytes)
        self._record_proxy(route, seen)
        if seen.failed:
            raise _http_route.Failed(error="proxy_failed")

    def _record_proxy(self, route: _http_route.Route, seen: _http_proxy.Seen) -> None:
        self._context.observe(
            "proxy.connect", "fail" if seen.failed else "ok", _flow.host_port(seen.proxy.host, seen.proxy.port), seen.message(self._text),
            data=seen.data(self._text), started=self._began, reproduce=self._curl(), address=route.source)

    # -- what was seen -----------------------------------------------------------------------------------------------

    def _record(
        self, route: _http_route.Route, where: _tls_place.Place, answer: _http_answer.Answer | None, failure: dict[str, t.Any]
    ) -> bool:
        data: dict[str, t.Any] = {
            "address": where.address,
            "port": self._port,
            "scheme": self._scheme,
            "error": "",
            "status": None,
            "credential_sent": self._credential_sent,
            **_http_token.validity(self._credential if self._credential_sent else "")._asdict(),
            "speaks_tls": None,
            "phases": dict(
                route.phases, first_byte_ms=self._first_byte_ms, total_ms=round((time.time() - self._began) * 1000, 1)),
        }
        for key, value in (*route.tls_facts.items(), *failure.items()):
            data[key] = self._text(value) if isinstance(value, str) else value
        if answer is not None:
            data.update(self._facts_of(answer))
        if self._scheme not in _OVER_TLS and not self._proxy:
            self._ask_otherwise(where, data)
        self.data = data
        # Whatever a profile makes of a 400: this one says that a plain request is none here.
        accepted = not data["error"] and not data["speaks_tls"] and self._is_accepted(data["status"])
        withheld = bool(self._credential) and not self._credential_sent and data["status"] in _UNAUTHORIZED
        if withheld and not accepted:
            data["reason"] = "credential_withheld"
        self._context.observe(
            "http.response", "ok" if accepted else "cannot_tell" if withheld else "fail", self._target, self._sentence(data),
            data=data, started=self._began, reproduce=self._curl(), address=route.source)
        return accepted

    def _is_accepted(self, status: int | None) -> bool:
        if status is None:
            return False
        return status in self._expected if self._expected else 200 <= status < 400

    def _facts_of(self, answer: _http_answer.Answer) -> dict[str, t.Any]:
        facts: dict[str, t.Any] = {
            "error": answer.error,
            "ended_by": answer.ended_by,
            "bytes_received": answer.received,
            "truncated": answer.truncated,
        }
        if answer.error == "not_http":
            facts.update(first_bytes=answer.first_bytes.hex(), looks_like=_tls_plaintext.looks_like(answer.first_bytes))
        head = answer.head
        if head is not None:
            names = ("server", "via", "content-type", "retry-after", "date")
            facts.update({name.replace("-", "_"): self._text(head.get(name)) for name in names})
            facts.update(
                status=head.status,
                **({"grpc_status": int(head.get("grpc-status"))} if head.get("grpc-status").isdigit() else {}),
                reason_phrase=self._text(head.reason),
                location=self._text(head.get("location").partition("?")[0]),  # a query may carry a token
                www_authenticate=_http_proxy.challenges(head, "www-authenticate", self._text),
                clock_offset_s=self._clock_offset(head, answer.first_byte_at),
                body_excerpt=self._text(answer.body.decode("utf-8", "backslashreplace"), _EXCERPT),
                body_bytes=len(answer.body),
            )
        return facts

    def _clock_offset(self, head: _http_answer.Head, first_byte_at: float | None) -> float | None:
        """Server minus this host. A Date has whole seconds: half of one is added, as the truth is somewhere within it."""
        served = date_seconds(head.get("date"))
        if served is None or first_byte_at is None or head.get("age") not in ("", "0"):
            return None  # a cache repeats the Date of when it stored the answer
        answered = time.time() - (time.monotonic() - first_byte_at)
        return round(served + 0.5 - (self._sent_at + answered) / 2, 1)

    def _ask_otherwise(self, where: _tls_place.Place, data: dict[str, t.Any]) -> None:
        """TLS and PostgreSQL meet a request in plain text with nothing, an HTTPS server perhaps with a 400: ask in their words."""
        nothing = data["error"] in _NOTHING_CAME
        if not nothing and data["status"] != 400:
            return
        reply = _tls_sweep.ask_anything(where, _flow.monotonic_budget(self._context.deadline.allow(_ASK_S)))
        data["speaks_tls"] = reply.answer in ("server_hello", "alert")
        found, heard = "tls" if data["speaks_tls"] else "", reply.first_bytes
        if not found and data["error"] in ("closed", "reset"):
            heard = _tls_plaintext.ask_postgresql(where.address, where.port, self._context.deadline.allow(_ASK_S))
            found = "postgresql" if heard else ""
        if found and nothing:
            data.update(answer=data["error"], error="not_http", first_bytes=heard.hex(), looks_like=found)

    def _sentence(self, data: dict[str, t.Any]) -> str:
        where = self._target
        if not data["error"]:
            return "%s answered %d %s after %s ms" % (where, data["status"], data["reason_phrase"], data["phases"]["total_ms"])
        tls_said = data.get("verify_message") or data.get("alert") or data.get("tls_error", "")
        return {
            "no_response": "%s accepted the connection and never answered the request" % where,
            "closed": "%s closed the connection without an answer" % where,
            "reset": "%s reset the connection without an answer" % where,
            "not_http": "%s does not speak HTTP, it looks like %s" % (where, data.get("looks_like")),
            "incomplete": "%s began to answer and did not end (%s after %d bytes)" % (
                where, data.get("ended_by"), data.get("bytes_received", 0)),
            "tls_failed": "%s: no TLS: %s" % (where, tls_said.replace("_", " ")),
            "connect_failed": "%s: no connection: %s" % (where, data.get("connect_error")),
            "proxy_failed": "%s was not reached, as the proxy failed" % where,
        }.get(data["error"], "%s: %s" % (where, data["error"]))

    def _curl(self) -> str:
        options = ["--max-time", "%g" % self._timeout]
        if self._proxy:
            options += ["-x", self._proxy.url, *(["--proxy-user", "<secret>"] if self._proxy_credential else [])]
        elif self._address != self._host:
            options += ["--resolve", "%s:%d:%s" % (self._host, self._port, self._address)]
        if self._scheme in _OVER_TLS:
            authorities = self._security.ca_file
            options += ["--capath" if authorities.endswith("/") else "--cacert", authorities] if authorities else []
            options += ["-k"] if self._security.verify == "none" else []
        fields = [*self._headers, *([(self._credential_header, "<secret>")] if self._credential else [])]
        if self._scheme not in _GRPC:
            return self._text(_http_request.curl(self._url, self._method, fields, options), 600)
        url = _GRPC[self._scheme] + self._url[len(self._scheme):]
        call = _http_request.curl(url, "POST", [*fields, ("te", "trailers"), ("content-type", "application/grpc")],
                                  [*options, "--http2-prior-knowledge", "--data-binary", "@-"])
        return self._text("printf '\\0\\0\\0\\0\\0' | %s" % call, 700)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Does a server answer HTTP at one address and port, directly or through a proxy; what does it say, and how fast.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import email.utils
import hashlib
import socket
import ssl
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import (
    _flow,
    _http_answer,
    _http_proxy,
    _http_request,
    _tls_certificate,
    _tls_channel,
    _tls_place,
    _tls_plaintext,
    _tls_sweep,
    _tls_wire,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import clean_text
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS = {
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "scheme": {"type": "str", "choices": ["http", "https"], "default": "https"},
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
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path"},
    "timeout": {"type": "float", "default": 10.0},
}

_EXCERPT = 300
_IDENTIFY_S = 2.0
_PROXY_HEAD_LIMIT = 4096
_UNAUTHORIZED = (401, 403)


class _Failed(Exception):
    """The exchange ended before an answer; ``facts`` go into ``data``, with ``error`` among them."""

    def __init__(self, **facts: t.Any) -> None:
        super().__init__(facts["error"])
        self.facts = facts


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Send one request on a connection of its own and read the answer, all of it within ``timeout`` and the byte limits.

    ``proxy.connect`` (ok, fail, cannot_tell), with a proxy only: ``proxy`` (URL), ``proxy_address``, ``proxy_port``, ``error``:
    "", an errno name, ``TIMEOUT``, ``unresolved`` (``gai_error``), ``closed``, ``reset``, ``timeout``, ``not_http`` (``first_bytes``,
    ``looks_like``), ``incomplete``; ``status`` (None where there was no answer), ``answered_by`` (``proxy``, ``origin``,
    ``unknown``), ``proxy_authenticate`` (list of scheme and realm), ``server``, ``via``, ``x_cache``, ``x_squid_error``, ``connect_ms``.
    ``reason`` where it can't tell: ``unsupported_scheme``, ``invalid_url``, ``credentials_in_url``.

    ``http.response`` (ok, fail, cannot_tell): ``address``, ``port``, ``scheme``, ``error``: "", ``no_response`` (connected, then silence),
    ``closed``, ``reset`` (before any byte), ``not_http`` (``first_bytes``, ``looks_like``), ``incomplete`` (``ended_by``: ``timeout``,
    ``closed``, ``reset``, ``limit``, ``malformed``), ``tls_failed`` (``tls_error`` as in ``tls.handshake`` and ``tls.verify``, ``alert``,
    ``verify_code``, ``verify_message``, ``tls_reason``), ``connect_failed`` (``connect_error``), ``proxy_failed``;
    ``status`` (None without an answer), ``reason_phrase``, ``server``, ``via``, ``content_type``, ``location``, ``www_authenticate``,
    ``retry_after``, ``date``, ``clock_offset_s`` (server minus this host, within 0.5 s; None: unknown), ``body_excerpt``, ``body_bytes``,
    ``truncated``, ``bytes_received``, ``credential_sent``, ``speaks_tls`` (whether a plain port answered TLS; None: not tried),
    ``phases`` (``connect_ms``, ``proxy_ms``, ``tls_ms``, ``first_byte_ms``, ``total_ms``; None: not reached), and for https
    ``tls_version``, ``certificate_fingerprint_sha256``, ``certificate_issuer``. ``reason``: ``credential_withheld`` where a credential
    was refused that was not sent, as TLS was not verified; ``invalid_request`` (``invalid``: which part).
    """
    return _Exchange(parameters, context).run()


class _Exchange:
    def __init__(self, parameters: dict[str, t.Any], context: Context) -> None:
        self._context = context
        self._host = parameters["host"].rstrip(".")
        self._port = parameters["port"]
        self._scheme = parameters.get("scheme") or "https"
        self._address = parameters.get("address") or ""
        self._parameters = parameters
        self._method = parameters.get("method") or "GET"
        self._path = _http_request.quoted_path(parameters.get("path") or "/")
        self._headers = [(str(name), str(value)) for name, value in (parameters.get("headers") or {}).items()]
        self._credential = parameters.get("credential") or ""
        self._proxy_credential = parameters.get("proxy_credential") or ""
        self._proxy: _http_proxy.Proxy | None = None
        self._remaining = _flow.monotonic_budget(context.deadline.allow(float(parameters.get("timeout") or 10.0)))
        self._secrets = self._all_secrets()
        self._began = time.time()
        self._monotonic = time.monotonic()
        self._source = ""
        self._sent_at = 0.0
        self._phases: dict[str, t.Any] = dict.fromkeys(("connect_ms", "proxy_ms", "tls_ms", "first_byte_ms", "total_ms"))
        self._tls_facts: dict[str, t.Any] = {}
        self._credential_sent = False

    def _all_secrets(self) -> tuple[str, ...]:
        parts = list(self._context.secrets)
        values = [self._credential, *(value for name, value in self._headers if _http_request.is_secret_field(name))]
        if self._proxy_credential:
            values += [_http_request.basic(self._proxy_credential), self._proxy_credential, self._proxy_credential.partition(":")[2]]
        for value in values:
            parts += _http_request.secret_parts(value)
        return tuple(sorted(parts, key=len, reverse=True))

    def _text(self, value: object, limit: int = 200) -> str:
        return clean_text(value, self._secrets, limit)

    def run(self) -> Outcome:
        proxy_url = self._parameters.get("proxy") or ""
        try:
            self._proxy = _http_proxy.parse(proxy_url) if proxy_url else None
        except ValueError as problem:
            self._context.observe(
                "proxy.connect", "cannot_tell", self._target, "the proxy's URL can't be used: %s" % str(problem).replace("_", " "),
                data={"reason": str(problem)})
            return Outcome(False)
        try:
            _http_request.request_bytes(self._method, self._path, [*self._headers, (self._credential_header, self._credential)])
            _http_request.authority(self._host, self._port)
        except ValueError as problem:
            part = "host" if isinstance(problem, UnicodeError) else str(problem)
            self._context.observe(
                "http.response", "cannot_tell", self._target, "this can't be sent as HTTP: the %s" % self._text(part),
                data={"reason": "invalid_request", "invalid": self._text(part)})
            return Outcome(False)
        opened: list[socket.socket] = []
        try:
            answer = self._exchange(opened)
        except _Failed as problem:
            self._record(problem.facts, None)
            return Outcome(False)
        finally:
            for sock in opened:
                sock.close()
        return Outcome(self._record({}, answer))

    @property
    def _credential_header(self) -> str:
        return str(self._parameters.get("credential_header") or "Authorization")

    @property
    def _target(self) -> str:
        return _flow.host_port(self._address or self._host, self._port)

    @property
    def _url(self) -> str:
        return "%s://%s%s" % (self._scheme, _http_request.authority(self._host, self._port, self._scheme), self._path)

    # -- the exchange ------------------------------------------------------------------------------------------------

    def _exchange(self, opened: list[socket.socket]) -> _http_answer.Answer:
        sock = self._connect_proxy() if self._proxy else self._connect(self._address, self._port)
        opened.append(sock)
        channel: _tls_channel.SocketChannel | _tls_channel.TlsChannel = _tls_channel.SocketChannel(sock)
        if self._scheme == "https":
            if self._proxy:
                self._tunnel(channel)
            channel = self._secure(channel)
        through_proxy = self._proxy is not None and self._scheme == "http"
        target = self._url if through_proxy else self._path
        try:
            channel.write(_http_request.request_bytes(self._method, target, self._fields(through_proxy)), self._remaining)
        except OSError:
            pass  # what it said before it stopped to listen may still be read
        self._sent_at = time.time()
        answer = _http_answer.read_answer(channel, self._method, self._limit, self._remaining)
        if answer.first_byte_at is not None:
            self._phases["first_byte_ms"] = self._since(self._monotonic) - sum(self._phases[key] or 0 for key in ("connect_ms", "proxy_ms", "tls_ms"))
        if through_proxy:
            self._judge_proxy_answer(answer)
        if answer.error == "tls_failed" or answer.ended_by == "tls_failed":
            self._fail_after_handshake(answer)
        return answer

    @property
    def _limit(self) -> int:
        return max(0, int(self._parameters.get("body_limit") or 65536))

    def _fields(self, through_proxy: bool) -> list[tuple[str, str]]:
        given = list(self._headers)
        verified = self._scheme == "http" or bool(self._tls_facts.get("verified"))
        if self._credential and verified:
            given.append((self._credential_header, self._credential))
            self._credential_sent = True
        if through_proxy and self._proxy_credential:
            given.append(("Proxy-Authorization", _http_request.basic(self._proxy_credential)))
        defaults = [
            ("Host", _http_request.authority(self._host, self._port, self._scheme)), ("User-Agent", "connectivity.doctor"),
            ("Accept", "*/*"), ("Accept-Encoding", "identity"), ("Connection", "close"),
        ]
        if self._method not in ("GET", "HEAD", "OPTIONS", "DELETE"):
            defaults.append(("Content-Length", "0"))
        return _http_request.merged_fields(defaults, given)

    @staticmethod
    def _since(began: float) -> float:
        return round((time.monotonic() - began) * 1000, 1)

    def _connect(self, address: str, port: int) -> socket.socket:
        attempt = _flow.connect(address, port, max(0.001, self._remaining()))
        self._source = attempt.source
        self._phases["connect_ms"] = attempt.elapsed_ms
        if attempt.sock is None:
            raise _Failed(error="connect_failed", connect_error=attempt.error)
        return attempt.sock

    def _secure(self, transport: _tls_channel.SocketChannel) -> _tls_channel.TlsChannel:
        verify = self._parameters.get("verify") or "full"
        where = _tls_place.place(dict(self._parameters, address=self._address))
        began = time.monotonic()
        try:
            context = _tls_place.new_context(
                verify, self._parameters.get("ca_file") or "",
                self._parameters.get("client_certificate") or "", self._parameters.get("client_key") or "")
            shaken = _tls_channel.handshake(transport, context, where.server_name(), self._remaining)
        except _tls_place.UnusableFile as problem:
            raise _Failed(error="tls_failed", tls_error=problem.error) from problem
        except ValueError as problem:
            raise _Failed(error="tls_failed", tls_error="invalid_server_name") from problem
        self._phases["tls_ms"] = self._since(began)
        self._note_certificate(shaken)
        if shaken.channel is None:
            alert = shaken.witness.alert if shaken.error == "alert" else None
            raise _Failed(
                error="tls_failed", tls_error=shaken.error, tls_reason=shaken.reason, alert=_tls_wire.alert_name(alert), alert_number=alert,
                verify_code=shaken.verify_code or None, verify_message=self._text(shaken.verify_message),
                first_bytes=shaken.first_bytes.hex(),
                looks_like=_tls_plaintext.looks_like(shaken.first_bytes) if shaken.error == "not_tls" else "")
        self._tls_facts.update(verified=verify != "none", tls_version=shaken.version)
        return shaken.channel

    def _note_certificate(self, shaken: _tls_channel.Handshake) -> None:
        """Through an intercepting proxy it is another one than the server's own."""
        self._tls_facts["witness"] = shaken.witness
        chain = shaken.witness.chain
        if not chain:
            return
        self._tls_facts["certificate_fingerprint_sha256"] = hashlib.sha256(chain[0]).hexdigest()
        try:
            self._tls_facts["certificate_issuer"] = self._text(_tls_certificate.parse(chain[0]).issuer)
        except ValueError:
            self._tls_facts["certificate_issuer"] = ""

    def _fail_after_handshake(self, answer: _http_answer.Answer) -> None:
        witness = self._tls_facts.get("witness")
        alert = witness.alert if witness else None
        raise _Failed(
            error="tls_failed", tls_error="alert" if alert is not None else "protocol_error", tls_reason="", alert=_tls_wire.alert_name(alert),
            alert_number=alert, verify_code=None, verify_message="", bytes_received=answer.received)

    # -- the proxy ---------------------------------------------------------------------------------------------------

    def _connect_proxy(self) -> socket.socket:
        assert self._proxy is not None
        addresses, problem = _http_proxy.resolve(self._proxy.host, self._proxy.port, self._remaining())
        if not addresses:
            self._record_proxy("unresolved", gai_error=problem)
            raise _Failed(error="proxy_failed")
        self._proxy_address = addresses[0]
        try:
            return self._connect(self._proxy_address, self._proxy.port)
        except _Failed as failed:
            self._record_proxy(failed.facts["connect_error"])
            raise _Failed(error="proxy_failed") from failed

    _proxy_address = ""

    def _tunnel(self, channel: _tls_channel.SocketChannel) -> None:
        began = time.monotonic()
        target = _http_request.authority(self._host, self._port)
        fields = [("Host", target), ("User-Agent", "connectivity.doctor")]
        if self._proxy_credential:
            fields.append(("Proxy-Authorization", _http_request.basic(self._proxy_credential)))
        try:
            channel.write(_http_request.request_bytes("CONNECT", target, fields), self._remaining)
        except OSError:
            pass  # a refusal sent before the close may still be read
        answer = _http_answer.read_answer(channel, "CONNECT", _PROXY_HEAD_LIMIT, self._remaining)
        self._phases["proxy_ms"] = self._since(began)
        if answer.head is None:
            self._record_proxy(self._proxy_error(answer), first_bytes=answer.first_bytes)
            raise _Failed(error="proxy_failed")
        self._record_proxy("", answer.head, tunnel=True)
        if answer.head.status >= 300:
            raise _Failed(error="proxy_failed")

    def _judge_proxy_answer(self, answer: _http_answer.Answer) -> None:
        """An answer to a plain request may be the proxy's own or the origin's."""
        if answer.head is None:
            self._record_proxy(self._proxy_error(answer), first_bytes=answer.first_bytes)
            raise _Failed(error="proxy_failed")
        if self._record_proxy("", answer.head) == "fail":
            raise _Failed(error="proxy_failed")

    @staticmethod
    def _proxy_error(answer: _http_answer.Answer) -> str:
        return "timeout" if answer.error == "no_response" else answer.error

    def _record_proxy(
        self, error: str, head: _http_answer.Head | None = None, tunnel: bool = False, gai_error: str = "", first_bytes: bytes = b""
    ) -> str:
        assert self._proxy is not None
        who = _http_proxy.answered_by(head, tunnel) if head else ""
        refused = head is not None and who == "proxy" and head.status >= (300 if tunnel else 400)
        data = {
            "proxy": self._proxy.url, "proxy_address": self._proxy_address, "proxy_port": self._proxy.port, "error": error,
            "gai_error": gai_error, "status": head.status if head else None, "answered_by": who,
            "proxy_authenticate": [
                {key: self._text(value) for key, value in challenge.items()} for challenge in _http_proxy.challenges(head, "proxy-authenticate")
            ] if head else [],
            "connect_ms": self._phases["connect_ms"],
        }
        for name in ("server", "via", "x-cache", "x-squid-error"):
            data[name.replace("-", "_")] = self._text(head.get(name)) if head else ""
        if error == "not_http":
            data.update(first_bytes=first_bytes.hex(), looks_like=_tls_plaintext.looks_like(first_bytes))
        status = "fail" if error or refused else "ok"
        where = "the proxy %s" % self._proxy.url
        if error:
            message = "%s: %s" % (where, " ".join(word for word in (error.replace("_", " "), gai_error) if word))
        elif refused and head is not None:
            message = "%s refuses: %d %s" % (where, head.status, self._text(head.reason, 80))
        else:
            message = "%s passes the request on" % where
        self._context.observe(
            "proxy.connect", status, "%s:%d" % (self._proxy.host, self._proxy.port), message, data=data, started=self._began,
            reproduce=self._curl(), address=self._source)
        return status

    # -- what was seen -----------------------------------------------------------------------------------------------

    def _record(self, failure: dict[str, t.Any], answer: _http_answer.Answer | None) -> bool:
        self._phases["total_ms"] = self._since(self._monotonic)
        head = answer.head if answer else None
        data: dict[str, t.Any] = {
            "address": self._address, "port": self._port, "scheme": self._scheme, "error": answer.error if answer else "",
            "status": head.status if head else None, "credential_sent": self._credential_sent, "speaks_tls": None,
            "bytes_received": answer.received if answer else 0, "truncated": bool(answer and answer.truncated),
            "ended_by": answer.ended_by if answer else "",
            "phases": {key: None if value is None else round(value, 1) for key, value in self._phases.items()},
        }
        data.update({key: value for key, value in self._tls_facts.items() if key not in ("verified", "witness")})
        data.update(failure)
        if head is not None and answer is not None:
            data.update(self._facts_of(head, answer))
        if answer is not None and answer.error == "not_http":
            data.update(first_bytes=answer.first_bytes.hex(), looks_like=_tls_plaintext.looks_like(answer.first_bytes))
        self._perhaps_tls(data)
        accepted = not data["error"] and self._is_expected(data["status"])
        withheld = bool(self._credential) and not self._credential_sent and data["status"] in _UNAUTHORIZED
        if withheld:
            data["reason"] = "credential_withheld"
        status = "ok" if accepted else "cannot_tell" if withheld else "fail"
        self._context.observe(
            "http.response", status, self._target, self._sentence(data), data=data, started=self._began, reproduce=self._curl(), address=self._source)
        return accepted

    def _is_expected(self, status: int | None) -> bool:
        expected = self._parameters.get("expected_status")
        return status in expected if expected else status is not None and 200 <= status < 400

    def _facts_of(self, head: _http_answer.Head, answer: _http_answer.Answer) -> dict[str, t.Any]:
        names = ("server", "via", "content-type", "location", "retry-after", "date")
        return dict(
            {name.replace("-", "_"): self._text(head.get(name)) for name in names},
            reason_phrase=self._text(head.reason, 80),
            www_authenticate=[
                {key: self._text(value) for key, value in challenge.items()} for challenge in _http_proxy.challenges(head, "www-authenticate")],
            clock_offset_s=self._clock_offset(head, answer),
            body_excerpt=self._text(answer.body.decode("utf-8", "backslashreplace"), _EXCERPT),
            body_bytes=len(answer.body),
        )

    def _clock_offset(self, head: _http_answer.Head, answer: _http_answer.Answer) -> float | None:
        """Server minus this host. A Date has whole seconds: half of one is added, as the truth is somewhere within it."""
        if answer.first_byte_at is None or head.get("age") not in ("", "0"):
            return None  # a cache repeats the Date of when it stored the answer
        try:
            served = email.utils.mktime_tz(email.utils.parsedate_tz(head.get("date")) or ())  # type: ignore[arg-type]
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        first_byte_at = time.time() - (time.monotonic() - answer.first_byte_at)
        return round(served + 0.5 - (self._sent_at + first_byte_at) / 2, 1)

    def _perhaps_tls(self, data: dict[str, t.Any]) -> None:
        """A plain request to a TLS port is met with silence, a close or a 400: ask the port in TLS."""
        met_with_nothing = data["error"] in ("closed", "reset", "no_response")
        if self._scheme != "http" or self._proxy or not (met_with_nothing or data["status"] == 400):
            return
        where = _tls_place.place(dict(self._parameters, address=self._address))
        remaining = _flow.monotonic_budget(self._context.deadline.allow(_IDENTIFY_S))
        reply = _tls_sweep.ask_anything(where, remaining)
        data["speaks_tls"] = reply.answer in ("server_hello", "alert")
        if data["speaks_tls"] and met_with_nothing:
            data.update(answer=data["error"], error="not_http", first_bytes="", looks_like="tls")

    def _sentence(self, data: dict[str, t.Any]) -> str:
        where = self._target
        if not data["error"]:
            return "%s answered %d %s after %s ms" % (where, data["status"], data["reason_phrase"], data["phases"]["total_ms"])
        return {
            "no_response": "%s accepted the connection and never answered the request" % where,
            "closed": "%s closed the connection without an answer" % where,
            "reset": "%s reset the connection without an answer" % where,
            "not_http": "%s does not speak HTTP, it looks like %s" % (where, data.get("looks_like")),
            "incomplete": "%s began to answer and did not end (%s after %d bytes)" % (where, data["ended_by"], data["bytes_received"]),
            "tls_failed": "%s: no TLS: %s" % (
                where, data.get("verify_message") or data.get("alert") or str(data.get("tls_error", "")).replace("_", " ")),
            "connect_failed": "%s: no connection: %s" % (where, data.get("connect_error")),
            "proxy_failed": "%s was not reached, as the proxy failed" % where,
        }.get(data["error"], "%s: %s" % (where, data["error"]))

    def _curl(self) -> str:
        options = ["--max-time", "%g" % float(self._parameters.get("timeout") or 10.0)]
        if self._proxy:
            options += ["-x", self._proxy.url, *(["--proxy-user", "<secret>"] if self._proxy_credential else [])]
        elif self._address and self._address != self._host:
            options += ["--resolve", "%s:%d:%s" % (self._host, self._port, self._address)]
        if self._scheme == "https":
            options += ["--cacert", str(self._parameters["ca_file"])] if self._parameters.get("ca_file") else []
            options += ["-k"] if self._parameters.get("verify") == "none" else []
        fields = [*self._headers, *([(self._credential_header, "<secret>")] if self._credential else [])]
        return self._text(_http_request.curl(self._url, self._method, fields, options), 600)

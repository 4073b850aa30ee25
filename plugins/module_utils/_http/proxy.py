# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP proxies: where one is, and whether an answer is its own or the origin's.

Sources: RFC 9110 (7.6.3 Via, 9.3.6 CONNECT, 15.5.8 status 407), RFC 9209 (Proxy-Status).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import socket
import threading
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._http import answer as _http_answer
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import plaintext as _tls_plaintext

Text = t.Callable[[object], str]

_DEFAULT_PORT = 3128
_GAI_NAMES = {getattr(socket, name): name for name in dir(socket) if name.startswith("EAI_")}
# Server fields that proxies put on pages of their own making; one that forwards leaves the origin's in place.
_PROXY_SOFTWARE = re.compile(
    r"squid|tinyproxy|privoxy|polipo|mcafee|bluecoat|proxysg|zscaler|websense|forcepoint|ironport|fortigate|cisco", re.IGNORECASE)


class Proxy(t.NamedTuple):
    """``url`` is without credentials."""

    host: str
    port: int
    url: str


def parse(url: str) -> Proxy:
    """:param url: ``http://host:port``, ``host:port`` or ``host``.

    :raises ValueError: ``unsupported_scheme``, ``invalid_url``, or ``credentials_in_url`` (they would show in messages).
    """
    parts = urllib.parse.urlsplit(url if "://" in url else "http://" + url)
    if parts.scheme != "http":
        raise ValueError("unsupported_scheme")
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials_in_url")
    try:
        host, port = parts.hostname or "", parts.port or _DEFAULT_PORT
    except ValueError:
        host, port = "", 0
    if not host or re.search(r"[\s<>{}\"'\\^`|\x00-\x1f\x7f]", host):
        raise ValueError("invalid_url")
    return Proxy(host, port, "http://%s:%d" % ("[%s]" % host if ":" in host else host, port))


def resolve(host: str, port: int, seconds: float) -> tuple[list[str], str]:
    """The addresses of a proxy as this host's resolver has them.

    :returns: addresses, and ``EAI_…`` or ``TIMEOUT`` where there are none.
    """
    found: list[str] = []
    problem: list[str] = []

    def ask() -> None:
        try:
            for answer in socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM):
                found.append(str(answer[4][0]))
        except socket.gaierror as error:
            problem.append(_GAI_NAMES.get(error.errno or 0, "EAI_FAIL"))
        except (OSError, UnicodeError):
            problem.append("EAI_FAIL")

    thread = threading.Thread(target=ask, daemon=True)  # the resolver's own time-outs can't be shortened
    thread.start()
    thread.join(seconds)
    addresses = list(dict.fromkeys(found))
    return addresses, "" if addresses else problem[0] if problem else "TIMEOUT"


def answered_by(head: _http_answer.Head, tunnel: bool) -> str:
    """Who made this answer: ``proxy``, ``origin`` or ``unknown``.

    :param tunnel: it answers a CONNECT, which only the proxy sees.
    """
    own = (
        tunnel
        or head.status == 407
        or bool(head.get("proxy-authenticate") or head.get("x-squid-error"))
        or "error=" in head.get("proxy-status").lower()
        or (head.status >= 400 and _PROXY_SOFTWARE.search(head.get("server")) is not None)
    )
    if own:
        return "proxy"
    return "origin" if head.get("via") or head.get("x-cache") else "unknown"


def challenges(head: _http_answer.Head, field: str, text: Text) -> list[dict[str, str]]:
    """What an authentication field asks for: scheme and realm of each (RFC 9110, 11.6.1), at most 5.

    :param text: makes a peer's text safe to keep.
    """
    found = []
    for value in head.all(field)[:5]:
        scheme = re.match(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", value)
        realm = re.search(r'realm="((?:[^"\\]|\\.){0,200})"', value, re.IGNORECASE)
        found.append({"scheme": text(scheme.group(0) if scheme else ""), "realm": text(realm.group(1) if realm else "")})
    return found


class Seen(t.NamedTuple):
    """What a proxy did: the outcome of ``proxy.connect``. ``error`` is as in its ``data``, ``head`` what the proxy sent."""

    proxy: Proxy
    address: str
    connect_ms: float | None
    error: str
    head: _http_answer.Head | None = None
    tunnel: bool = False
    gai_error: str = ""
    first_bytes: bytes = b""

    @property
    def answered_by(self) -> str:
        return answered_by(self.head, self.tunnel) if self.head else ""

    @property
    def failed(self) -> bool:
        """It did not come to an answer, or the answer is the proxy's own refusal."""
        if self.head is None:
            return True
        return self.answered_by == "proxy" and self.head.status >= (300 if self.tunnel else 400)

    def message(self, text: Text) -> str:
        if self.error:
            why = " ".join(word for word in (self.error.replace("_", " "), self.gai_error) if word)
            return "the proxy %s: %s" % (self.proxy.url, why)
        if self.failed and self.head is not None:
            return "the proxy %s refuses: %d %s" % (self.proxy.url, self.head.status, text(self.head.reason))
        return "the proxy %s passes the request on" % self.proxy.url

    def data(self, text: Text) -> dict[str, t.Any]:
        """:param text: makes a peer's text safe to keep."""
        head = self.head or _http_answer.Head(0, "", [])
        facts: dict[str, t.Any] = {
            "proxy": self.proxy.url,
            "proxy_address": self.address,
            "proxy_port": self.proxy.port,
            "connect_ms": self.connect_ms,
            "error": self.error,
            "gai_error": self.gai_error,
            "status": self.head.status if self.head else None,
            "answered_by": self.answered_by,
            "proxy_authenticate": challenges(head, "proxy-authenticate", text),
        }
        facts.update({name.replace("-", "_"): text(head.get(name)) for name in ("server", "via", "x-cache", "x-squid-error")})
        if self.error == "not_http":
            facts.update(first_bytes=self.first_bytes.hex(), looks_like=_tls_plaintext.looks_like(self.first_bytes))
        return facts

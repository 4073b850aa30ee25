# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one HTTP/1.1 request, and keeps its secrets out of everything else.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import re
import shlex
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._tls import place as _tls_place

USER_AGENT = "connectivity.doctor"
DEFAULT_PORTS = {"http": 80, "https": 443}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# Names of header fields whose values are secrets, wherever they come from.
_SECRET_FIELD = re.compile(r"auth|key|token|secret|cookie|passw|credential|session|signature", re.IGNORECASE)
# A word of a credential shorter than this ("Bearer", "Basic") is not the secret part of it.
_SECRET_WORD = 8


def authority(host: str, port: int, scheme: str = "") -> str:
    """``host:port`` for a Host field; the port is left out where the scheme implies it."""
    name = host.split("%")[0]
    name = ("[%s]" % name if ":" in name else name) if _tls_place.is_address(host) else _tls_place.ascii_name(host)
    return name if port == DEFAULT_PORTS.get(scheme) else "%s:%d" % (name, port)


def request_bytes(method: str, target: str, fields: t.Sequence[tuple[str, str]]) -> bytes:
    """:raises ValueError: a part of it can't be sent as HTTP; the text names which, without its value."""
    if not _TOKEN.fullmatch(method):
        raise ValueError("method")
    lines = ["%s %s HTTP/1.1" % (method, target)]
    for name, value in fields:
        if not _TOKEN.fullmatch(name):
            raise ValueError("header name")
        if not _VALUE.fullmatch(value):
            raise ValueError("header %s" % name)
        lines.append("%s: %s" % (name, value))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")


def quoted_path(path: str) -> str:
    """The path and query as they can stand in a request line; what is already percent-encoded stays."""
    return urllib.parse.quote(path if path.startswith("/") else "/" + path, safe="/?&=:;,@!$'()*+~%[]-._#").split("#")[0]


def merged_fields(defaults: t.Sequence[tuple[str, str]], given: t.Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """``given`` replaces ``defaults`` of the same name."""
    names = {name.lower() for name, _value in given}
    return [field for field in defaults if field[0].lower() not in names] + list(given)


def is_secret_field(name: str) -> bool:
    return bool(_SECRET_FIELD.search(name))


def secret_parts(value: str) -> list[str]:
    """A credential and the words of it that a server might repeat alone, the longest first."""
    words = {value, *(word for word in re.split(r"[\s=,;]+", value) if len(word) >= _SECRET_WORD)}
    return sorted((word for word in words if word), key=len, reverse=True)


def basic(credential: str) -> str:
    """:param credential: ``user:password``. :returns: the value of an Authorization field (RFC 7617)."""
    return "Basic " + base64.b64encode(credential.encode("utf-8")).decode("ascii")


def curl(url: str, method: str, fields: t.Sequence[tuple[str, str]], options: t.Sequence[str]) -> str:
    """The command with which a person sees the same. Secrets stand in it as the name of what to fill in."""
    words = ["curl", "-sv", "-o", "/dev/null"]
    words += ["--head"] if method == "HEAD" else ["-X", method] if method != "GET" else []
    for name, value in fields:
        words += ["-H", "%s: %s" % (name, "<secret>" if is_secret_field(name) else value)]
    return " ".join(shlex.quote(word) for word in (*words, *options, url))

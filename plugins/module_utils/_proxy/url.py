# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a proxy's URL before anybody uses it.

Sources: RFC 3986 (generic syntax), curl(1) (``--proxy``: schemes, and port 1080 where none is given).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t
import urllib.parse

_SUPPORTED = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
_LONGEST = 2048

# Name, whether nothing can work with it, and where it shows. The order is that of the report.
_PROBLEMS: tuple[tuple[str, bool, t.Pattern[str]], ...] = (
    ("empty", True, re.compile(r"^\s*$")),
    ("quotes", True, re.compile(r"^\s*[\"'].*|.*[\"']\s*$", re.DOTALL)),
    ("placeholder", True, re.compile(
        r".*(?:<[^>]*>|\{\{|\$\{|\$\(|%\(|change_?-?me|your[-_.]?proxy|placeholder|proxy\.example\.(?:com|org|net)|^x{3,}$|\btodo\b).*",
        re.IGNORECASE | re.DOTALL)),
    ("whitespace", True, re.compile(r".*\S\s+\S.*|^\s+\S.*|.*\S\s+$", re.DOTALL)),
    ("scheme_doubled", True, re.compile(r"^[a-z0-9]+://[a-z0-9]+:/?/", re.IGNORECASE)),
    ("scheme_malformed", True, re.compile(r"^(?:https?|socks\w*)(?::(?!//)/?(?!\d+/?$)|//|;//|:///)", re.IGNORECASE)),
    ("scheme_missing", False, re.compile(r"^(?![a-z][a-z0-9+.-]*:/)(?!(?:https?|socks\w*)(?:[:;]|//)(?!\d+/?$)).+", re.IGNORECASE)),
)


class Lint(t.NamedTuple):
    """``problems`` by name, those that let nothing work in ``fatal`` too. ``url`` and ``host`` have no credentials; ``port``: 0 if none.

    ``credential``: ``user:password`` as it stood in the URL, decoded; never to be shown.
    """

    url: str
    scheme: str
    host: str
    port: int
    credential: str
    problems: tuple[str, ...]
    fatal: tuple[str, ...]


def lint(value: str) -> Lint:
    """:param value: of a variable or a setting.

    Problems: ``empty``, ``quotes``, ``placeholder``, ``whitespace``, ``scheme_doubled``, ``scheme_malformed``, ``scheme_missing``,
    ``scheme_unsupported``, ``scheme_https`` (TLS to the proxy itself: many clients can't), ``host_missing``, ``port_invalid``,
    ``port_missing`` (clients differ in what they take), ``credentials_in_url``, ``path_present``.
    """
    text = value[:_LONGEST]
    problems: list[str] = []
    fatal: list[str] = []
    for name, is_fatal, pattern in _PROBLEMS:
        if pattern.match(text):
            problems.append(name)
            fatal += [name] if is_fatal else []
    scheme, _separator, rest = text.strip().strip("\"'").rpartition("://")
    scheme = scheme.rpartition("/")[2].lower()
    authority, _slash, path = rest.partition("/")
    secret, _at, place = authority.rpartition("@")
    host, port, port_problem = _host_port(place)
    checks = () if fatal else (
        ("scheme_unsupported", True, bool(scheme) and scheme.rstrip(":") not in _SUPPORTED),
        ("scheme_https", False, scheme == "https"),
        ("host_missing", True, not host),
        ("port_invalid", True, port_problem),
        ("port_missing", False, not port and not port_problem and bool(host)),
        ("credentials_in_url", False, "@" in text),
        ("path_present", False, bool(path.strip("/"))),
    )
    problems += [name for name, _is_fatal, holds in checks if holds]
    fatal += [name for name, is_fatal, holds in checks if holds and is_fatal]
    shown = re.sub(r"^(?:(.*?://))?.*@", r"\1********@", text, flags=re.DOTALL)
    return Lint(shown, scheme, host, port, urllib.parse.unquote(secret), tuple(problems), tuple(fatal))


def _host_port(place: str) -> tuple[str, int, bool]:
    """Host, port (0 if none), and whether what stands for the port is none."""
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%]+)\](?::(.*))?", place)
    host, colon, port = (bracketed.group(1), ":" if bracketed.group(2) is not None else "", bracketed.group(2) or "") if bracketed \
        else place.partition(":")
    if not colon:
        return host, 0, False
    valid = re.fullmatch(r"[0-9]{1,5}", port) and 0 < int(port) < 65536
    return host, int(port) if valid else 0, not valid

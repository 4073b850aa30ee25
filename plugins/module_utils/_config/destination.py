# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Corrects a part of where an agent is told to send, and leaves the rest as it is written: other destinations, a user, a path, a protocol.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.endpoint import (
    parse_destination,
    same_host,
    split_destinations,
)

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)(://)((?:[^/?#@]*@)?)(\[[^\]]*\]|[^/?#:]*)((?::\d+)?)([^?#]*)(.*)")
# stream.conf of netdata: [PROTOCOL:]HOST[%INTERFACE][:PORT][:SSL]
_PLAIN = re.compile(r"((?:(?:tcp|udp):)?)(\[[^\]]*\]|[^:/%]*)((?:%[^:/]*)?)((?::\d+)?)((?:/[^:]*)?)((?::SSL)?)", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TLS = {"https": True, "tls": True, "grpcs": True, "http": False, "tcp": False, "grpc": False}
_VARIABLE = re.compile(r"\$[\w{(]|\{\{")


class Parts(t.NamedTuple):
    """What is to be other: empty, 0 and None for what stays."""

    host: str = ""
    port: int = 0
    scheme: str = ""
    path: str | None = None


class CannotCorrect(Exception):
    """The value is written in a way in which that part can't be changed for sure. The text holds nothing of the value."""


def corrected(value: str, now: Parts, parts: Parts) -> str:
    """:param value: one destination, or several. :param now: what tells the one that is meant, where there are several.

    :raises CannotCorrect: with what is in the way.
    """
    if _VARIABLE.search(value):
        raise CannotCorrect("it is put together of variables")
    texts = split_destinations(value)
    meant = [text for text in texts if len(texts) == 1 or _is(text, now)]
    if len(meant) != 1 or value.count(meant[0]) != 1:
        raise CannotCorrect("it names several destinations" if texts else "it is empty")
    new = _corrected(meant[0], parts)
    found = parse_destination(new)
    right = (not parts.host or same_host(found.host, parts.host.lower())) and parts.port in (0, found.port) and (
        parts.path is None or found.path == parts.path)
    if not right:
        raise CannotCorrect("it has a form of its own")
    return value.replace(meant[0], new)


def _is(text: str, now: Parts) -> bool:
    found = parse_destination(text)
    return found.host == now.host and found.port in (0, now.port)


def _corrected(text: str, parts: Parts) -> str:
    host = "[%s]" % parts.host.strip("[]") if ":" in parts.host else parts.host
    url = _URL.fullmatch(text)
    if url:
        scheme, separator, user, old_host, port, path, rest = url.groups()
        scheme = _scheme(scheme, parts.scheme)
        if parts.port:
            port = "" if not port and _DEFAULT_PORTS.get(scheme.lower()) == parts.port else ":%d" % parts.port
        return "".join([scheme, separator, user, host or old_host, port, path if parts.path is None else parts.path, rest])
    plain = _PLAIN.fullmatch(text)
    if not plain:
        raise CannotCorrect("it has a form of its own")
    protocol, old_host, interface, port, path, tls = plain.groups()
    if parts.scheme and _TLS.get(parts.scheme) is not bool(tls):
        if not tls:
            raise CannotCorrect("it names no scheme, and how this agent is told to use TLS is not known")
        tls = ""
    port = ":%d" % parts.port if parts.port else port
    return "".join([protocol, host or old_host, "" if host else interface, port, path if parts.path is None else parts.path, tls])


def _scheme(written: str, wanted: str) -> str:
    """One that means TLS for one that does not, or the other way round, of the same protocol."""
    if not wanted or _TLS.get(written.lower()) == _TLS.get(wanted):
        return written
    pairs = {"http": "https", "grpc": "grpcs", "tcp": "tls"}
    other = {**pairs, **{tls: plain for plain, tls in pairs.items()}}.get(written.lower())
    if not other:
        raise CannotCorrect("its scheme is none that is known")
    return other

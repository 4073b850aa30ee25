# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client's own configuration says of its connections: values of keys of their own, and parameters of the url that it is told.

Only settings of known names are read, so that no password of such a url is ever among them.

Sources: PostgreSQL documentation, "libpq - C Library" (parameter key words, connection URIs); SQLAlchemy's documentation of its pool.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import Declared, Setting, settings
from ansible_collections.connectivity.doctor.plugins.module_utils._config.query import parameters_of
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact_url

# libpq's parameters that a url may have, too.
LIBPQ = (
    "sslmode", "sslrootcert", "channel_binding", "target_session_attrs", "connect_timeout", "tcp_user_timeout", "keepalives",
    "keepalives_idle", "keepalives_interval", "keepalives_count", "application_name",
)
POOL = ("pool.size", "pool.max_overflow", "pool.pool_timeout", "pool.recycle")
NAMES = (*LIBPQ, *POOL, "user", "database", "proxy", "no_proxy")

_LONGEST = 300
_LIBPQ_URL = re.compile(r"postgres(?:ql)?(?:\+\w+)?://", re.IGNORECASE)


class ClientSetting(t.NamedTuple):
    """``value`` None where the key is not set. ``stands_in``: what holds it; ``parameter`` of the url that this is, if it is one.

    ``is_part``: it is another part of a url, which is not changed by itself.
    """

    name: str
    value: str | None
    stands_in: Setting | None
    parameter: str = ""
    is_part: bool = False


def declared_keys(told: t.Mapping[str, str]) -> dict[str, list[str]]:
    """:param told: by name, a dotted key, or one with ``?`` and a parameter of the url that is its value. :returns: the keys alone."""
    return {name: [key.partition("?")[0]] for name, key in told.items()}


def client_settings(
    files: t.Sequence[Declared], told: t.Sequence[t.Mapping[str, str]], variables: t.Mapping[str, t.Any], environment: t.Mapping[str, str],
) -> list[ClientSetting]:
    """All that is declared, whether it is set or not; then what the parameters of the endpoint's own url say beside it.

    :param told: for each file, as in :func:`declared_keys`. :param variables: by role, the names of the variables that count more.
    """
    keys = {name: key for one in told for name, key in one.items()}
    found = []
    for name, key in keys.items():
        holder = next(iter(settings(name, files, variables, environment)), None)
        parameter = key.partition("?")[2]
        value = holder.value if holder else None
        if holder and parameter:
            value = parameters_of(holder.value).get(parameter)
        found.append(ClientSetting(name, value, holder, parameter))
    for holder in settings("endpoint", files, variables, environment)[:1]:
        if _LIBPQ_URL.match(holder.value):
            given = parameters_of(holder.value)
            found += [ClientSetting(name, given.get(name), holder, name) for name in LIBPQ if name not in keys]
            found += [ClientSetting(name, part, holder, "", True) for name, part in _parts(holder.value) if part and name not in keys]
    return found


def _parts(url: str) -> list[tuple[str, str]]:
    """Who logs in, and to what; the password between them is not looked at."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return []
    user = parts.netloc.rpartition("@")[0].partition(":")[0]
    return [("user", urllib.parse.unquote(user)), ("database", urllib.parse.unquote(parts.path.lstrip("/")))]


def values(found: t.Iterable[ClientSetting]) -> dict[str, str]:
    """By name, those that are set to something."""
    return {one.name: one.value for one in found if one.value}


def differs(value: str, other: str) -> bool:
    """``30``, ``30.0`` and `` 30`` are the same, and so are a url with a slash at its end and one without."""
    return _plain(value) != _plain(other)


def _plain(value: str) -> str:
    text = value.strip().rstrip("/")
    return text[:-2] if re.fullmatch(r"\d+\.0", text) else text


def shown(value: str) -> str:
    """As a report may have it: a proxy's url may hold a password."""
    return redact_url(value)[:_LONGEST]

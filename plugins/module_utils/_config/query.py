# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and changes one parameter in the query of a url, and leaves all else of the url as it is written, a password in it above all.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._config.destination import CannotCorrect

_VARIABLE = re.compile(r"\$[\w{(]|\{\{")


def parameters_of(url: str) -> dict[str, str]:
    """Of one that is there twice, the last counts, as for libpq."""
    query = url.partition("#")[0].partition("?")[2]
    return dict(urllib.parse.parse_qsl(query, keep_blank_values=True))


def with_parameter(url: str, name: str, value: str) -> str:
    """:returns: the url with that parameter, at its end where it had none. :raises CannotCorrect: that can't be done for sure."""
    if _VARIABLE.search(url):
        raise CannotCorrect("it is put together of variables")
    if "://" not in url:
        raise CannotCorrect("it is no url")
    written = urllib.parse.quote(value, safe="/:,.-_")
    head, mark, fragment = url.partition("#")
    path, _question, query = head.partition("?")
    parts = query.split("&") if query else []
    at = [number for number, part in enumerate(parts) if urllib.parse.unquote_plus(part.partition("=")[0]) == name]
    if len(at) > 1:
        raise CannotCorrect("it has %s several times" % name)
    pair = "%s=%s" % (name, written)
    parts = [*parts[:at[0]], pair, *parts[at[0] + 1:]] if at else [*parts, pair]
    return _checked(path + "?" + "&".join(parts) + mark + fragment, name, value)


def _checked(url: str, name: str, value: str) -> str:
    found: t.Mapping[str, str] = parameters_of(url)
    if found.get(name) != value:
        raise CannotCorrect("it has a form of its own")
    return url

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks what looks like a secret in text of files and logs, whose secrets nobody has named. It masks too much rather than too little.

The rules are in :mod:`._redaction.rules`, for all that masks. What spans lines, and what stands in the place of a secret in a support
bundle, is :mod:`._redaction.bundle`'s.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.rules import (
    NAMED,
    RULES,
    SECRETIVE,
    Rule,
    is_no_secret,
)

MASK = "********"

# A line is cut to this before it is searched, so that no pattern works on a text without end.
SEARCHED = 3000

# From a rule's name and a secret to what stands in its place.
Masking = t.Callable[[str, str], str]

_AFTER_SECRETIVE = re.compile("(" + SECRETIVE + r"\b).*", re.IGNORECASE | re.DOTALL)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|cred|dsn|auth|licen[sc]e|psk|header", re.IGNORECASE)
_URL_USER = re.compile(r"(://)[^/?#]*@")
_URL_PARAMETER = re.compile(r"([?&])([^=&#?]{1,60})=[^&#]*")


def redact(text: str, limit: int = 400) -> str:
    """:param text: a line of a log, or of a configuration. :param limit: characters kept, counted after masking."""
    text = masked(text[:SEARCHED], lambda _rule, _secret: MASK)
    return text if len(text) <= limit else text[:limit] + "…"


def masked(line: str, masking: Masking, settings: bool = False, guesses: bool = True) -> str:
    """One line, of at most :data:`SEARCHED` characters, with another text for each secret in it.

    :param settings: it is of a configuration, where a value goes to the end of the line.
    :param guesses: words that only look like a key, too.
    """
    named = bool(NAMED.search(line))
    for rule in RULES:
        if (rule.named and not named) or (rule.settings and not settings) or (rule.guess and not guesses):
            continue
        line = _applied(rule, line, masking)
    return line


def _applied(rule: Rule, line: str, masking: Masking) -> str:
    def replaced(match: t.Match[str]) -> str:
        begin, end = match.span("secret")
        secret = line[begin:end]
        if not secret or is_no_secret(match.groupdict().get("name") or "", secret):
            return match.group()
        return line[match.start():begin] + masking(rule.name, secret) + line[end:match.end()]

    return rule.pattern.sub(replaced, line)


def redact_setting(line: str, limit: int = 200) -> str:
    """A line of a configuration that could not be read, so that nobody knows where its value begins."""
    return redact(_AFTER_SECRETIVE.sub(r"\1 " + MASK, line[:SEARCHED]), limit)


def redact_url(url: str) -> str:
    """A URL without its user and password, nor what a parameter with the name of a secret has."""
    return _URL_PARAMETER.sub(_without_secret, _URL_USER.sub(r"\1" + MASK + "@", url))


def _without_secret(match: t.Match[str]) -> str:
    return "%s%s=%s" % (match.group(1), match.group(2), MASK) if is_secret_name(match.group(2)) else match.group()


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    return bool(_SECRET_NAME.search(name))

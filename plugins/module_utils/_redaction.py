# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Masks what looks like a secret in text of files and logs, whose secrets nobody has named. It masks too much rather than too little.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re

MASK = "********"

# A line is cut to this before it is searched, so that no pattern works on a text without end.
_SEARCHED = 3000

_SECRETIVE = (
    r"(?:pass(?:word|wd|phrase|wort)?|pwd|secret|token|credentials?|dsn|psk|authorization|"
    r"(?:api|licen[sc]e|access|account|private|auth|ingest\w*|encryption)?[ _.-]?key)"
)
_RULES = tuple((re.compile(pattern, re.IGNORECASE), replacement) for pattern, replacement in (
    (r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*", MASK),
    # The part of a URL or DSN before the host; a password may hold a slash.
    (r"(\w://)[^\s'\"/?#]*@", r"\1" + MASK + "@"),
    (r"(\w://)[^\s'\"@/]*:[^\s'\"@]*@", r"\1" + MASK + "@"),
    (r"\b(bearer|apikey|splunk)[ ]+(?!\*)[^\s,;'\"]+", r"\1 " + MASK),
    (r"\b(basic|digest|token)[ ]+(?=[^\s'\"]*[\d=])[^\s,;'\"]+", r"\1 " + MASK),
    # key = value, "key": "value", key=value&…
    (r"((?<![\w.-])[\w.-]{0,80}?" + _SECRETIVE + r"[\w.-]{0,40}\\?[\"']?\s*[:=]\s*)"
     r"(\\?\"[^\"]*\"|'[^']*'|(?:bearer |basic )?[^\s,;&}\]\"']+)", r"\1" + MASK),
    (r"(\b" + _SECRETIVE + r"\s+)(\"[^\"]+\"|'[^']+')", r"\1" + MASK),
    (r"\beyJ[\w-]{6,}\.[\w-]+\.?[\w-]*", MASK),
    (r"\bdt0[a-z]\d\d\.[A-Z0-9.]+", MASK),
    (r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", MASK),
    # Any long word of letters and digits is more often a key than not.
    (r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{24,}={0,2}", MASK),
))

_AFTER_SECRETIVE = re.compile("(" + _SECRETIVE + r"\b).*", re.IGNORECASE | re.DOTALL)
_SECRET_NAME = re.compile(r"pass|pwd|secret|token|key|cred|dsn|auth|licen[sc]e|psk|header", re.IGNORECASE)
_URL_USER = re.compile(r"(://)[^/?#]*@")


def redact(text: str, limit: int = 400) -> str:
    """:param text: a line of a log, or of a configuration. :param limit: characters kept, counted after masking."""
    text = text[:_SEARCHED]
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text if len(text) <= limit else text[:limit] + "…"


def redact_setting(line: str, limit: int = 200) -> str:
    """A line of a configuration that could not be read, so that nobody knows where its value begins."""
    return redact(_AFTER_SECRETIVE.sub(r"\1 " + MASK, line[:_SEARCHED]), limit)


def redact_url(url: str) -> str:
    """A URL without its user and password."""
    return _URL_USER.sub(r"\1" + MASK + "@", url)


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name may hold a secret."""
    return bool(_SECRET_NAME.search(name))

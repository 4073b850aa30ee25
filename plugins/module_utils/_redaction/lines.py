# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that a single line does not show: keys between their PEM lines, and values that stand below their name.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.rules import SECRETIVE, is_no_secret
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import SEARCHED, Masking, masked

# What of PEM (RFC 7468) is public; all else is taken for a key.
_PEM = re.compile(r"-----BEGIN (?!(?:TRUSTED |X509 )?CERTIFICATE|(?:RSA |EC |DSA )?PUBLIC KEY|X509 CRL|DH PARAMETERS|EC PARAMETERS|"
                  r"PGP PUBLIC|PGP SIGN|NEW CERTIFICATE)[A-Z0-9 ]+-----", re.IGNORECASE)
_PEM_END = re.compile(r"-----END [A-Z0-9 ]+-----", re.IGNORECASE)

_CALLED = r"[\"']?[\w. -]{0,80}?(?:" + SECRETIVE + r"|headers)[\w.-]{0,40}[\"']?\s*"
# A name whose value is on the next lines: of YAML, JSON, TOML, Python, Ruby, HCL.
_OPENS = re.compile(r"^[\s#]*(?:- +)?" + _CALLED + r"(?:[:=]|=>)\s*(?:[&!][\w!-]+\s*)?"
                    r"(?P<opener>[|>][+-]?\d?[+-]?|\"\"\"|'''|\[|\{|\()?\s*(?:#.*)?$", re.IGNORECASE)
# A plain value of YAML may go on below without any sign; a line that goes on by a backslash has one.
_PLAIN = re.compile(r"^\s*(?:- +)?" + _CALLED + r":\s+\S", re.IGNORECASE)
_CONTINUES = re.compile(_CALLED + r"[:=]\s*\S.*\\$", re.IGNORECASE)
_PAIR_OR_ITEM = re.compile(r"\s*(?:- |#|[\"']?[\w./-]+[\"']?\s*[:=]|[}\])])")
_NAMED = re.compile(r"\bname[\"']?\s*[:=]\s*" + _CALLED + r",?\s*$", re.IGNORECASE)
_ITS_VALUE = re.compile(r"\s*[\"']?value[\"']?\s*[:=]")

_VALUE = re.compile(r"^(?P<head>\s*(?:- +)?(?:[\"']?(?P<name>[\w.-]+)[\"']?\s*(?::\s+|=>?\s*))?[\"'{\[]?)"
                    r"(?P<secret>[^\s\"'{}\[\]].*?)(?P<tail>[\"',;}\]\s\\]*)$")
_NO_VALUE = re.compile(r"[\s\[\]{}(),;\"'|>\\+-]*")
_BRACKETS = {"[": "]", "{": "}", "(": ")"}
# No key has more lines; without its end, what follows is seen again.
_LONGEST_KEY = 250
_CUT = "… (%d characters left out)"


def redacted_lines(text: str, masking: Masking, settings: bool, guesses: bool) -> t.Iterator[str]:
    """Line by line; the lines of a key are one.

    :param settings: it is a configuration, whose lines belong together. :param guesses: words that only look like a key, too.
    """
    key: list[str] = []
    value: _Below | None = None
    for line in text.split("\n"):
        if key or _begins_key(line):
            key.append(line)
            if len(key) > 1 and (_PEM_END.search(line) or len(key) > _LONGEST_KEY):
                yield masking("private_key", "\n".join(key))
                key = []
        elif value and value.has(line):
            yield _masked_value(line, masking)
        else:
            value = _Below.after(line[:SEARCHED]) if settings else None
            yield masked(_cut(line), masking, settings, guesses)
    if key:
        yield masking("private_key", "\n".join(key))


def _begins_key(line: str) -> bool:
    begin = _PEM.search(line)
    return bool(begin) and not _PEM_END.search(line, begin.end() if begin else 0)


def _cut(line: str) -> str:
    return line if len(line) <= SEARCHED else line[:SEARCHED] + _CUT % (len(line) - SEARCHED)


def _masked_value(line: str, masking: Masking) -> str:
    """A line that is a value, or of a pair its second half. Of one beyond all measure nothing is shown."""
    if _NO_VALUE.fullmatch(line):
        return line
    match = _VALUE.match(line) if len(line) <= SEARCHED else None
    if match is None:
        return masking("value_below", line.strip())
    if is_no_secret(match.group("name") or "", match.group("secret")):
        return line
    return match.group("head") + masking("value_below", match.group("secret")) + match.group("tail")


class _Below:
    """Which of the next lines are the value of the name that a line ends with."""

    def __init__(self, line: str, opener: str, kind: str) -> None:
        self._indent, self._opener, self._kind = _indent(line), opener, kind
        self._depth = 1 if opener in _BRACKETS else 0
        self._open = True

    @classmethod
    def after(cls, line: str) -> _Below | None:
        """None where the line opens nothing."""
        match = _OPENS.match(line)
        if match:
            return cls(line, match.group("opener") or "", "block")
        kinds = (("continued", _CONTINUES.search), ("pair", _NAMED.search), ("plain", _PLAIN.match))
        return next((cls(line, "", kind) for kind, known in kinds if known(line)), None)

    def has(self, line: str) -> bool:
        if self._open:
            self._open = getattr(self, "_" + self._kind)(line)
            return self._open or (self._opener not in ("", "|", ">") and self._closes(line))
        return False

    def _closes(self, line: str) -> bool:
        """What stands before the closing quotes or bracket belongs to it."""
        return line.strip()[:1] not in ("]", "}", ")")

    def _block(self, line: str) -> bool:
        if self._opener in ("\"\"\"", "'''"):
            return self._opener not in line
        if self._depth:
            self._depth += line.count(self._opener) - line.count(_BRACKETS[self._opener])
        item = not self._opener and _indent(line) == self._indent and line.lstrip().startswith("- ")  # as YAML lets a list begin
        return self._depth > 0 or not line.strip() or _indent(line) > self._indent or item

    def _plain(self, line: str) -> bool:
        return not line.strip() or (_indent(line) > self._indent and not _PAIR_OR_ITEM.match(line))

    def _continued(self, line: str) -> bool:
        self._kind = "continued" if line.endswith("\\") else "ended"
        return True

    def _ended(self, line: str) -> bool:
        del line
        return False

    def _pair(self, line: str) -> bool:
        self._kind = "plain"
        return bool(_ITS_VALUE.match(line))


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())

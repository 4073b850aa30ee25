# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that are known, found in whatever dress they go: as they are, escaped, in a URL, in hexadecimal, in base64 at any place of it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import json
import re
import typing as t
import urllib.parse
from xml.sax import saxutils

# A secret shorter than this is masked as a word of its own only: it may be a part of any other.
_SHORT = 6
# So much of base64 must be sure, or any text would match.
_LEAST_BASE64 = 6
_BASE64 = r"[A-Za-z0-9+/_-]"


class Known:
    """Finds known secrets. :param secrets: the longest wins where they overlap."""

    def __init__(self, secrets: t.Iterable[str]) -> None:
        self._forms: dict[str, str] = {}
        self._encoded: list[tuple[t.Pattern[str], str]] = []
        self._secrets: set[str] = set()
        self._pattern: t.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: t.Iterable[str]) -> None:
        new = {secret for secret in secrets if secret} - self._secrets
        for secret in sorted(new, key=len, reverse=True):
            self._secrets.add(secret)
            for form in _forms(secret):
                self._forms.setdefault(form, secret)
            cores = sorted(map(re.escape, _base64_cores(secret)))
            if cores:
                self._encoded.append((re.compile("%s*(?:%s)%s*={0,2}" % (_BASE64, "|".join(cores), _BASE64)), secret))
        if new:
            self._pattern = re.compile("|".join(map(_word, sorted(self._forms, key=len, reverse=True))))

    def masked(self, text: str, masking: t.Callable[[str, str], str]) -> str:
        """:param masking: from the name of the rule and the secret itself, however it was dressed, to what stands there instead."""
        if self._pattern is None:
            return text
        forms = self._forms

        def plain(match: t.Match[str]) -> str:
            return masking("known", forms[match.group()])

        text = self._pattern.sub(plain, text)
        for pattern, secret in self._encoded:
            if any(core in text for core in _base64_cores(secret)):
                replacement = masking("known_encoded", secret)
                text = pattern.sub(lambda _match, replacement=replacement: replacement, text)  # type: ignore[misc]
        return text


def _word(form: str) -> str:
    escaped = re.escape(form)
    return escaped if len(form) >= _SHORT else r"(?<!\w)%s(?!\w)" % escaped


def _forms(secret: str) -> set[str]:
    """As the formats that are met write it."""
    raw = secret.encode("utf-8", "surrogatepass")
    quoted = [quote(raw, safe=safe) for quote in (urllib.parse.quote, urllib.parse.quote_plus) for safe in ("", "/")]
    backslashed = secret.replace("\\", "\\\\")
    return {
        secret, *quoted, *(re.sub("%[0-9A-F]{2}", lambda match: match.group().lower(), one) for one in quoted),
        json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], json.dumps(secret)[1:-1].replace("/", "\\/"),
        backslashed, backslashed.replace(":", "\\:"), secret.replace("'", "''"), secret.replace("\"", "\"\""),
        secret.replace("'", "'\\''"), secret.replace("'", "'\"'\"'"), secret.replace("%", "%%"), secret.replace("$", "$$"),
        saxutils.escape(secret), saxutils.escape(secret, {"\"": "&quot;", "'": "&apos;"}),
        *((raw.hex(), raw.hex().upper()) if len(raw) >= _SHORT else ()),
    }


def _base64_cores(secret: str) -> set[str]:
    """What base64 of any text with this secret in it has for sure: at each of three places, without what neighbours have a share in."""
    raw = secret.encode("utf-8", "surrogatepass")
    cores = set()
    for before in range(3):
        first, last = -(-before * 8 // 6), (before + len(raw)) * 8 // 6
        encoded = base64.b64encode(b"\0" * before + raw).decode()[first:last]
        if len(encoded) >= _LEAST_BASE64:
            cores |= {encoded, encoded.replace("+", "-").replace("/", "_")}
    return cores

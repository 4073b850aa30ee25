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
import string
import typing as t
import urllib.parse
from xml.sax import saxutils

# A secret shorter than this is masked as a word of its own only: it may be a part of any other.
_SHORT = 6
# So much of base64 must be sure, or any text would match.
_LEAST_BASE64 = 6
_BASE64 = frozenset(string.ascii_letters + string.digits + "+/_-=")


class Known:
    """Finds known secrets. :param secrets: the longest wins where they overlap."""

    def __init__(self, secrets: t.Iterable[str]) -> None:
        self._forms: dict[str, str] = {}
        self._cores: dict[str, str] = {}
        self._secrets: set[str] = set()
        self.add(secrets)

    def add(self, secrets: t.Iterable[str]) -> None:
        for secret in sorted({secret for secret in secrets if secret} - self._secrets, key=len, reverse=True):
            self._secrets.add(secret)
            for form in _forms(secret):
                self._forms.setdefault(form, secret)
            for core in _base64_cores(secret):
                self._cores.setdefault(core, secret)

    def masked(self, text: str, masking: t.Callable[[str, str], str]) -> str:
        """:param masking: from the name of the rule and the secret itself, however it was dressed, to what stands there instead.

        What is there is looked for first: a pattern of all that could be there would take its time at every character.
        """
        for form in _present(self._forms, text):
            text = _without_form(text, form, lambda secret=self._forms[form]: masking("known", secret))  # type: ignore[misc]
        for core in _present(self._cores, text):
            text = _without_word(text, core, lambda secret=self._cores[core]: masking("known_encoded", secret))  # type: ignore[misc]
        return text


def _present(forms: t.Iterable[str], text: str) -> list[str]:
    return sorted((form for form in forms if form in text), key=len, reverse=True)


def _without_form(text: str, form: str, masking: t.Callable[[], str]) -> str:
    escaped = re.escape(form)
    return re.sub(escaped if len(form) >= _SHORT else r"(?<!\w)%s(?!\w)" % escaped, lambda _match: masking(), text)


def _without_word(text: str, core: str, masking: t.Callable[[], str]) -> str:
    """With what stands around it in the same word of base64, where the rest of the secret is."""
    parts, at = [], 0
    place = text.find(core)
    while place >= 0:
        begin, end = place, place + len(core)
        while begin > at and text[begin - 1] in _BASE64:
            begin -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        parts += [text[at:begin], masking()]
        at = end
        place = text.find(core, at)
    return "".join([*parts, text[at:]])


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

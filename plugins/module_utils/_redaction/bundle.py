# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole texts made fit to be handed over: in the place of a secret stands a token, the same for the same secret in all texts of one key.

The key is made for one bundle and is not in it: nobody can try passwords against the tokens.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib
import hmac
import json
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.known import Known
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.lines import redacted_lines
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.places import Places
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.rules import tells
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import MASK, SEARCHED, masked

_MARK = "REDACTED_"
_IS_TOKEN = re.compile(r"REDACTED_[0-9a-f]{10}|" + re.escape(MASK))
# What a configuration tells to be a secret is one in the logs, too, where it can hardly be anything else.
_LEARNED = ("value", "setting", "quoted_pair", "url_password", "pgpass", "userlist", "argument", "directive", "word_and_value",
            "value_below", "name_and_value", "element", "header", "user_and_password")
_LEAST_LEARNED = 8
_MOST_LEARNED = 200
# A shorter one would be found in other words.
_LEAST_FOUND = 6
# What is only remarked may be prose.
_COMMENTS = ("#", ";", "//", "*")
_CLASSES = tuple(map(re.compile, (r"[a-z]", r"[A-Z]", r"\d", r"[^a-zA-Z\d]")))

# How a text is to be read: a configuration, a log, what a command says of things that are no secret, or of what is the same everywhere,
# where a version is not to be taken for an address.
CONFIGURATION, LOG, FACT, PUBLIC = KINDS = ("configuration", "log", "fact", "public")


class Redactor:
    """:param key: of the run. :param known: secrets that are masked wherever they stand. :param places: maps addresses and names, or None.

    ``counts``: by text and rule, how many secrets were masked.
    """

    def __init__(self, key: str, known: t.Iterable[str] = (), places: Places | None = None) -> None:
        self._key = key.encode("utf-8", "surrogatepass")
        self._known = Known(known)
        self._places = places
        self._learned: set[str] = set()
        self.counts: dict[str, dict[str, int]] = {}

    def token(self, secret: str) -> str:
        if _IS_TOKEN.fullmatch(secret):
            return secret
        return _MARK + hmac.new(self._key, secret.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:10]

    def learn(self, text: str) -> None:
        """Take note of the secrets of a configuration, before any text is redacted."""
        def noted(rule: str, secret: str) -> str:
            if rule in _LEARNED and len(self._learned) < _MOST_LEARNED and _is_distinct(secret.strip()):
                self._learned.add(secret.strip())
            return self.token(secret)

        told = "\n".join(line for line in _opened_up(text).split("\n") if not line.lstrip().startswith(_COMMENTS))
        for _line in redacted_lines(told, noted, True, False):
            pass
        self._known.add(self._learned)

    def text(self, name: str, text: str, kind: str) -> str:
        """A whole text. :param name: under which its secrets are counted. :param kind: one of :data:`KINDS`."""
        counted = self._counted(name)
        text = _opened_up(text) if kind == CONFIGURATION else text
        known = self._known.masked(text, counted)
        redacted = "\n".join(redacted_lines(known, counted, kind == CONFIGURATION, kind in (CONFIGURATION, LOG)))
        if known != text:
            redacted = self._without(redacted, self._found(text, known, kind))
        return redacted if kind == PUBLIC else self._mapped(redacted)

    def _found(self, text: str, known: str, kind: str) -> set[str]:
        """What rules know for a secret in the text as it was: what is known may be a part of what tells them where another is.

        Of the lines of which that may be so, all; of others, which may be prose, what is a secret wherever it stands.
        """
        found: set[str] = set()

        def noted(_rule: str, secret: str) -> str:
            found.add(secret.strip())
            return self.token(secret)

        for _line in redacted_lines(text, noted, kind == CONFIGURATION, False):
            pass
        found = set(filter(_is_distinct, found))
        for before, after in zip(text.split("\n"), known.split("\n")):
            if before != after:
                masked(before[:SEARCHED], noted, kind == CONFIGURATION, False)
        return {secret for secret in found if len(secret) >= _LEAST_FOUND}

    def _without(self, text: str, secrets: t.Iterable[str]) -> str:
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, self.token(secret))
        return text

    def value(self, name: str, value: t.Any) -> t.Any:
        """Every text in a structure of JSON's; its shape and its numbers stay. Of its keys, only what is known is masked and mapped."""
        if isinstance(value, dict):
            counted = self._counted(name)
            return {self._mapped(self._known.masked(str(key), counted)): self.value(name, item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(name, item) for item in value]
        if not isinstance(value, str):
            return value
        counted = self._counted(name)
        value = self._known.masked(value, counted)
        return self._mapped("\n".join(masked(line[:SEARCHED], counted, False, False) for line in value.split("\n")))

    def _mapped(self, text: str) -> str:
        return self._places.mapped(text) if self._places else text

    def _counted(self, name: str) -> t.Callable[[str, str], str]:
        counts = self.counts.setdefault(name, {})

        def masking(rule: str, secret: str) -> str:
            if not _IS_TOKEN.fullmatch(secret):
                counts[rule] = counts.get(rule, 0) + 1
            return self.token(secret)

        return masking


def _is_distinct(secret: str) -> bool:
    """Whether a text is so much of a secret that it is one wherever it stands: long, not one word, and no part of what tells of others."""
    secret = secret.strip(" .,;:!?()[]{}'\"")
    usable = len(secret) >= _LEAST_LEARNED and not _IS_TOKEN.search(secret) and not tells(secret)
    return usable and sum(bool(one.search(secret)) for one in _CLASSES) >= 2


def _opened_up(text: str) -> str:
    """JSON of one long line gets lines, as what is too long to be searched is left out."""
    if any(len(line) > SEARCHED for line in text.split("\n")) and text.lstrip()[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
        except (ValueError, RecursionError):
            return text
    return text

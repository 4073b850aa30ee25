# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Judges a credential without showing it: is there one, is it a placeholder, has it the right form, is it the right one.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.stray import cleaned
from ansible_collections.connectivity.doctor.plugins.module_utils._fingerprint import SHOWN, fingerprint

_LONGEST = 8192

# What people and templates leave where a key should be. A whole value must match.
PLACEHOLDERS = (
    r"<.*>", r"\[.*\]", r"\{\{.*\}\}", r"\{%.*%\}", r"%\w+%", r"@\w+@", r"__\w+__", r"\$\{[^}]*\}|\$[A-Z][A-Z0-9_]+",
    r"(?i)(your|my|insert|enter|put|add|replace|set|paste)[-_ .]?.*(key|token|secret|licen[sc]e|password|here|me|this).*",
    r"(?i).*(key|token|secret|licen[sc]e|password)[-_ .]?(goes)?[-_ .]?here",
    r"(?i)(change|replace|fill)[-_ ]?(me|this|it)( ?in)?!?",
    r"(?i)(api|licen[sc]e|access|secret|auth|ingest)?[-_ ]?(key|token|license)",
    r"(?i)todo.*|fixme.*|tbd|placeholder|none|null|undefined|redacted",
    r"(?i)x{3,}|\*{3,}|\.{3,}|-+", r"(.)\1{7,}",
    # The examples in netdata's and others' documentation.
    r"0{8}(-0{4}){3}-0{12}|1{8}-2{4}-3{4}-4{4}-5{12}|0123456789abcdef.*",
)


class Verdict(t.NamedTuple):
    """``state``: ``ok``, ``missing``, ``empty``, ``placeholder``, ``malformed`` or ``different``. ``compared``: a fingerprint was at hand.

    ``right_when_cleaned``: wrong as it stands, and right without the stray characters in it. ``shown``: the part of its fingerprint
    that hosts can be compared by; empty without a salt.
    """

    state: str
    compared: bool = False
    right_when_cleaned: bool = False
    length: int = 0
    shown: str = ""


def judge(
    value: str | None,
    form: str = "",
    placeholders: t.Sequence[str] = (),
    salt: str = "",
    expected: str = "",
) -> Verdict:
    """:param value: None where the key is not there. :param form: a pattern for the whole value. :param placeholders: patterns beside the
    usual ones. :param salt: and :param expected: of the credential that should be there (see ``_fingerprint``).
    """
    compared = bool(salt and expected)
    if value is None:
        return Verdict("missing", compared)
    if not value.strip():
        return Verdict("empty", compared)
    value = value[:_LONGEST]
    state = _state(value, form, placeholders, salt, expected)
    tidy = cleaned(value)
    mended = state != "ok" and tidy != value and bool(form or compared) and _state(tidy, form, placeholders, salt, expected) == "ok"
    return Verdict(state, compared, mended, len(value), fingerprint(value, salt)[:SHOWN] if salt else "")


def _state(value: str, form: str, placeholders: t.Sequence[str], salt: str, expected: str) -> str:
    if salt and expected and fingerprint(value, salt) == expected.lower():
        return "ok"  # whatever it looks like
    if any(re.fullmatch(pattern, value.strip()) for pattern in (*PLACEHOLDERS, *placeholders)):
        return "placeholder"
    if form and not re.fullmatch(form, value):
        return "malformed"
    return "different" if salt and expected else "ok"


def region_of(text: str, regions: t.Mapping[str, t.Mapping[str, str]], what: str) -> str:
    """The region that a credential, or the host of an endpoint, belongs to; empty where no rule says.

    :param regions: by name, each with a pattern for ``credential`` and one for ``host``. :param what: which of the two the text is.
    """
    return next((name for name, rule in regions.items() if rule.get(what) and re.search(rule[what], text[:_LONGEST])), "")

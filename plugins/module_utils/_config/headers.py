# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The credential among the header fields that an agent is told to send along: ``Authorization: Bearer x``, or ``x-api-key=x,tenant=y``.

Sources: RFC 9110 (5.5, 11.6.2) for a field with a colon, the OpenTelemetry specification (OTEL_EXPORTER_OTLP_HEADERS) for a list with
equals signs, whose values are percent-encoded; RFC 7617 for ``Basic``.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import binascii
import re
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import is_secret_name

_FIELD = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*([:=])\s*(.*)", re.DOTALL)
_SCHEME = re.compile(r"(?:Bearer|Basic|ApiKey|Api-Key|Api-Token|Token|Splunk|GenieKey)\s+", re.IGNORECASE)


class Shown(t.NamedTuple):
    """What a field shows. ``scheme``: what stands before the credential, with its blank. ``field``: its name as it is written."""

    field: str
    scheme: str
    credential: str


def credential_in(value: str, name: str = "") -> Shown | None:
    """:param value: one field or several, as an agent is told them. :param name: of the field that holds the credential; empty where
    that is not known: then the first whose name is one of a secret's. None where there is no such field.
    """
    for field, _separator, text in _fields(value):
        if field.lower() == name.lower() if name else is_secret_name(field):
            scheme = _SCHEME.match(text)
            before = scheme.group() if scheme else ""
            credential = text[len(before):]
            return Shown(field, before, _password(credential) if before.strip().lower() == "basic" else credential)
    return None


def with_credential(value: str, name: str, credential: str) -> str | None:
    """The same fields with another credential in the one of that name; None where it is not there, or holds more than a credential."""
    now = credential_in(value, name)
    if not name or now is None or now.scheme.strip().lower() == "basic":
        return None
    changed = []
    for field, separator, text in _fields(value):
        text = now.scheme + credential if field.lower() == name.lower() else text
        changed.append("%s=%s" % (field, urllib.parse.quote(text, safe="!#$&'()*+-./:<>?@[]^_`{|}~=")) if separator == "="
                       else "%s: %s" % (field, text))
    return ",".join(changed)


def _fields(value: str) -> t.Iterator[tuple[str, str, str]]:
    """Name, separator and value of each. A field with a colon stands alone, as its value may have commas."""
    first = _FIELD.fullmatch(value)
    if first and first.group(2) == ":":
        yield first.group(1), ":", first.group(3).rstrip()
        return
    for part in value.split(","):
        field = _FIELD.fullmatch(part)
        if field and field.group(2) == "=":
            yield field.group(1), "=", urllib.parse.unquote(field.group(3).strip())


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode("utf-8", "surrogateescape").partition(":")[2]
    except (binascii.Error, ValueError):
        return credentials

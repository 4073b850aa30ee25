# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a value is written in each format of configurations, and how a line with a new key is.

Sources: YAML 1.2 (7.3, 10.3), TOML 1.0, RFC 8259, XML 1.0 (2.4), systemd.exec(5) for ``env``, java.util.Properties, collectd.conf(5);
what the others take is plain.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import re
import typing as t
from xml.sax import saxutils

# YAML 1.1 and 1.2: what stands without quotes and is no text.
_NO_TEXT_IN_YAML = re.compile(
    r"[-+]?(\d[\d_]*(\.\d*)?|\.\d+)([eE][-+]?\d+)?|0[xo][0-9a-fA-F]+|[-+]?\.(inf|nan)|[\d:.-]+(T.*)?"
    r"|y|n|yes|no|true|false|on|off|null|~|", re.IGNORECASE)
_PLAIN_IN_YAML = re.compile(r"[\w./+(][^\"'\[\]{}#,\n]*(?<![\s:])")
_PLAIN_IN_ENV = re.compile(r"[\w.,:/@%+=~^-]*")
_PLAIN_IN_TOML = re.compile(r"true|false|[+-]?\d+")
_PLAIN_IN_COLLECTD = re.compile(r"[0-9A-Za-z_]+")
_PLAIN_IN_JSON = re.compile(r"true|false|null|-?\d+")

# A spelling gives None where a value can't be written so.
Spelling = t.Callable[[str], t.Optional[str]]


def _plain(allowed: re.Pattern[str]) -> Spelling:
    return lambda value: value if allowed.fullmatch(value) else None


def _as_it_is(value: str) -> str | None:
    """Where nothing can be quoted, blanks at the ends would get lost and a line can't be broken."""
    return value if value == value.strip() and "\n" not in value else None


def _in_json(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _in_single_quotes_of_yaml(value: str) -> str | None:
    return None if "\n" in value else "'%s'" % value.replace("'", "''")


def _in(quote: str, forbidden: str) -> Spelling:
    return lambda value: None if set(value) & set(forbidden) else quote + value + quote


def _in_properties(value: str) -> str:
    kept = re.sub(r"[\\\t\n\r\f]", lambda match: {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f"}[match.group()], value)
    return "\\" + kept if kept[:1] in (" ", "=", ":") else kept


def _in_collectd(value: str) -> str | None:
    return None if "\n" in value else '"%s"' % value.replace("\\", "\\\\").replace('"', '\\"')


def _in_xml(value: str) -> str | None:
    """In an element, and in an attribute of either quote."""
    return None if value != value.strip() else saxutils.escape(value, {'"': "&quot;", "'": "&apos;"})


def _in_cdata(value: str) -> str | None:
    return None if value != value.strip() or "]]>" in value else value


# By format, the simplest first: the style in which a value stands is kept where it can be.
SPELLINGS: dict[str, tuple[Spelling, ...]] = {
    "yaml": (_plain(_PLAIN_IN_YAML), _in_json, _in_single_quotes_of_yaml),
    "toml": (_in_json, _in("'", "'\n"), _plain(_PLAIN_IN_TOML)),
    "json": (_in_json, _plain(_PLAIN_IN_JSON)),
    "env": (_plain(_PLAIN_IN_ENV), _in('"', '"\\$`\n'), _in("'", "'\n")),
    "ini": (_as_it_is,),
    "key_value": (_as_it_is,),
    "properties": (_in_properties,),
    "collectd": (_in_collectd, _plain(_PLAIN_IN_COLLECTD)),
    "xml": (_in_xml, _in_cdata),
}
# How a line of a new key begins. Of INI it is as in the line beside it.
_NEW_LINES = {"yaml": "{0}: {1}", "toml": "{0} = {1}", "json": '"{0}": {1},', "env": "{0}={1}", "ini": "{0} = {1}",
              "key_value": "{0}={1}", "properties": "{0}={1}", "collectd": "{0} {1}", "xml": "<{0}>{1}</{0}>"}
# Formats without sections: a dot in a key is a part of its name.
FLAT = ("env", "key_value", "properties")
# Before the line beside it, as the last one of an object has no comma.
GOES_BEFORE = ("json",)


def spellings(file_format: str, value: str, is_text: bool = False) -> t.Iterator[tuple[int, str]]:
    """All ways to write a value, each with its number. :param is_text: it must not be taken for a number or a switch."""
    for number, spelling in enumerate(SPELLINGS.get(file_format, ())):
        written = spelling(value)
        if written is not None and not (is_text and _is_no_text(file_format, written)):
            yield number, written


def _is_no_text(file_format: str, written: str) -> bool:
    if file_format == "yaml":
        return bool(_NO_TEXT_IN_YAML.fullmatch(written))
    return file_format in ("toml", "json") and written[:1] not in ("'", '"')


def new_line(file_format: str, name: str, value: str, is_text: bool, beside: str = "") -> str | None:
    """A line that sets a key. :param beside: a line of the same place, whose look it gets. None where it can't be written."""
    written = next((text for _number, text in spellings(file_format, value, is_text)), None)
    if written is None or not re.fullmatch(r"[\w][\w .-]*", name):
        return None
    indentation = beside[:len(beside) - len(beside.lstrip())]
    form = "{0}={1}" if file_format == "ini" and beside and not re.search(r"\s=", beside) else _NEW_LINES[file_format]
    return indentation + form.format(name, written) + ("\r" if beside.endswith("\r") else "")

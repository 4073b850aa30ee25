# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that others wrote, made safe to show: one line, bounded, and nothing in it that a terminal, a page or a parser would obey.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

# Longer than any text of a probe; what a saved report of another origin holds may be of any length.
LONGEST = 2000
_LINE_ENDS = {"\n": " ⏎ ", "\r": "", "\t": " "}


def visible(text: object, limit: int = LONGEST) -> str:
    """:param limit: characters of the text that are kept; the report itself has all of them.

    :returns: what is printable stays; control, format (such as those that turn the direction of writing) and surrogate characters are
        shown as escapes, line ends as a sign.
    """
    whole = str(text)
    kept = whole[:limit]
    if not kept.isprintable():
        kept = "".join(character if character.isprintable() else _escaped(character) for character in kept)
    return kept if len(whole) <= limit else "%s… (%d more characters)" % (kept, len(whole) - limit)


def visible_lines(text: object) -> list[str]:
    """The same of a text that has lines with right."""
    return [visible(line) for line in str(text).splitlines()]


def _escaped(character: str) -> str:
    number = ord(character)
    return _LINE_ENDS.get(character, "\\x%02x" % number if number < 0x100 else "\\u%04x" % number)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what goes into a support bundle: files, logs from their end, and what commands say; each bounded, and none that may not be shown.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import fnmatch
import glob
import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._bundle_sources import NEVER
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import read_text
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._log.reading import Log

LARGEST = 524288
_MOST_OF_A_PATTERN = 50
_COMMAND_S = 5.0
_JOURNAL_LINES = 5000


class Text(t.NamedTuple):
    """``problem``: empty, or why there is none. ``truncated``: there was more."""

    text: str = ""
    problem: str = ""
    truncated: bool = False


def matching(patterns: t.Iterable[str]) -> list[str]:
    """The files that there are, each once. A pattern finds at most 50; a path that is none is a file that should be there."""
    found: list[str] = []
    for pattern in patterns:
        pattern = os.path.expanduser(pattern)
        found += sorted(filter(os.path.isfile, glob.glob(pattern)))[:_MOST_OF_A_PATTERN] if glob.has_magic(pattern) else [pattern]
    return list(dict.fromkeys(found))


def read_file(path: str) -> Text:
    problem = _why_not(path)
    if problem:
        return Text(problem=problem)
    text, problem, _detail = read_text(path)
    if problem:
        return Text(problem=problem)
    if "\0" in text:
        return Text(problem="binary")
    return Text(_printable(text)[:LARGEST], "", len(text) > LARGEST)


def _why_not(path: str) -> str:
    """A link that a user may have laid to what that user may not read must not be followed by who may."""
    real = os.path.realpath(path)
    if any(fnmatch.fnmatch(one, pattern) for pattern in NEVER for one in (path, real)):
        return "never_collected"
    try:
        if os.path.islink(path) and os.lstat(path).st_uid not in (0, os.stat(path).st_uid):
            return "link_of_another_user"
    except OSError:
        return "missing"
    return ""


def read_log(path: str, since: float, now: float, context: Context) -> Text:
    """The lines of a window, the newest of them where there are too many. :param since: and :param now: seconds since the epoch."""
    problem = _why_not(path)
    if problem:
        return Text(problem=problem)
    log = Log(path, since, now, lambda: context.deadline.remaining() <= 0)
    lines: list[str] = []
    size = 0
    for line in log:
        size += len(line.text) + 1
        if size > LARGEST:
            break
        lines.append(_printable(line.text))
    if log.error and not lines:
        return Text(problem=log.error)
    return Text("\n".join([*lines[::-1], ""]) if lines else "", "" if lines else "nothing_in_window", size > LARGEST or log.truncated)


def read_journal(unit: str, since: float, context: Context) -> Text:
    """:param unit: its name or a pattern; empty for the kernel. :param since: seconds since the epoch."""
    what = ["--unit=" + unit] if unit else ["--dmesg"]
    read = run(["journalctl", "--no-pager", "--quiet", "--utc", "--output=short-iso-precise", "--since=@%d" % since,
                "--lines=%d" % _JOURNAL_LINES, *what], context)
    empty = not read.problem and (not read.text.strip() or read.text.startswith("-- No entries --"))
    return Text(problem="nothing_in_window") if empty else read


def run(argv: t.Sequence[str], context: Context) -> Text:
    """What a command says, also where it fails: that is a fact of its own."""
    answer = context.command(argv, seconds=_COMMAND_S, limit=LARGEST)
    if answer.problem and not answer.output:
        return Text(problem=answer.problem)
    said = answer.output if answer.exit_code == 0 else "%s%s\n(exit code %s)\n" % (answer.output, answer.errors, answer.exit_code)
    return Text(_printable(said), "", bool(answer.problem) or len(answer.output) >= LARGEST)


def _printable(text: str) -> str:
    """Bytes that were no text, as they are written in Python; a terminal's control characters, too."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else "".join(one if one.isprintable() or one in "\n\t" else "\\x%02x" % ord(one) for one in text)

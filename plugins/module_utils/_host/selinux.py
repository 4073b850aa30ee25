# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SELinux (selinux(8)): whether it enforces, and which accesses of the network it denied lately, by the audit log.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._host import numbers as _host_numbers

_ENFORCE = "/sys/fs/selinux/enforce"
_AUDIT_LOG = "/var/log/audit/audit.log"
_TAIL_BYTES = 1024 * 1024
_MOST_LINES = 20000
_MOST_SHOWN = 20
_DENIED = re.compile(
    r"audit\((?P<time>\d{1,12}(?:\.\d{1,6})?):\d{1,20}\): avc: {1,4}denied {1,4}"
    r"\{ (?P<permissions>[a-z_ ]{1,200})\} for (?P<rest>.{0,2000})"
)
_FIELD = re.compile(r"\b(comm|dest|src|scontext|tcontext|tclass|permissive|path|name)=(\"[^\"]{0,200}\"|\S{1,200})")


class Denial(t.NamedTuple):
    """``port``: that was connected or bound to, None for other accesses. ``blocked``: false where SELinux was only permissive."""

    permission: str
    process: str
    port: int | None
    target_class: str
    source_context: str
    target_context: str
    blocked: bool
    count: int
    last: float


def mode() -> str:
    """``enforcing``, ``permissive`` or ``disabled``."""
    return {"1": "enforcing", "0": "permissive"}.get(_host_numbers.text(_ENFORCE).strip(), "disabled")


def read_denials(context: Context) -> list[Denial] | None:
    """Of sockets, the newest first. None where neither log may be read."""
    content = _tail(_AUDIT_LOG)
    if content is None:
        answer = context.command(
            ["journalctl", "--quiet", "--no-pager", "--boot", "--lines=%d" % _MOST_LINES, "-o", "cat", "_TRANSPORT=audit"],
            4.0, _TAIL_BYTES)
        if answer.exit_code != 0 or "not seeing messages" in answer.errors:
            return None
        content = answer.output
    return parse_denials(content)


def _tail(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read(_TAIL_BYTES).decode("utf-8", "backslashreplace")
    except OSError:
        return None


def parse_denials(content: str) -> list[Denial]:
    found: dict[tuple[t.Any, ...], tuple[int, float]] = {}
    for line in content.splitlines()[-_MOST_LINES:]:
        match = _DENIED.search(line)
        if not match:
            continue
        fields = {name: value.strip('"') for name, value in _FIELD.findall(match.group("rest"))}
        if not fields.get("tclass", "").endswith("socket"):
            continue
        port = _host_numbers.integer(fields.get("dest", fields.get("src", "")))
        for permission in match.group("permissions").split():
            what = (permission, fields.get("comm", ""), port, fields["tclass"], fields.get("scontext", ""), fields.get("tcontext", ""),
                    fields.get("permissive") != "1")
            count, last = found.get(what, (0, 0.0))
            found[what] = (count + 1, max(last, float(match.group("time"))))
    denials = [Denial(*what, *when) for what, when in found.items()]
    return sorted(denials, key=lambda denial: -denial.last)[:_MOST_SHOWN]

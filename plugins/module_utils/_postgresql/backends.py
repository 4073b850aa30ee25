# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server's sessions do, from the titles that it gives to its processes: it need not let anybody in for that.

Source: PostgreSQL documentation, "Standard Unix Tools" (process titles).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._process import read_process

_LONGEST_TITLE = 4096
_MOST_SESSIONS = 20000
# postgres: [cluster: ]user database address(port) what it does
_TITLE = re.compile(
    r"^\S*postgres: (?:\S+: )?(?P<user>\S+) (?P<database>\S+) (?P<address>\[local\]|[0-9A-Fa-f:.%\w]+)\((?P<port>\d+)\) (?P<activity>.+)$"
    r"|^\S*postgres: (?:\S+: )?(?P<user_>\S+) (?P<database_>\S+) \[local\] (?P<activity_>.+)$")
_WAITING = " waiting"


class Session(t.NamedTuple):
    """``activity``: ``idle``, ``idle in transaction``, ``startup``, ``authentication`` or a command. ``waiting``: for a lock."""

    pid: int
    user: str
    database: str
    address: str
    activity: str
    waiting: bool
    age_s: float

    @property
    def idle_in_transaction(self) -> bool:
        return self.activity.startswith("idle in transaction")


def sessions_of(postmaster: int) -> list[Session]:
    """The client sessions of a server. Those in another state than they say are those of a server with update_process_title off."""
    found = []
    for pid in _children(postmaster)[:_MOST_SESSIONS]:
        session = session_of(pid, _title(pid))
        if session is not None:
            found.append(session)
    return found


def _children(parent: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir("/proc/%d/task" % parent):
            with open("/proc/%d/task/%s/children" % (parent, thread), encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        pass
    return found


def _title(pid: int) -> str:
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read(_LONGEST_TITLE).decode("utf-8", "backslashreplace").rstrip("\0 ")
    except OSError:
        return ""


def session_of(pid: int, title: str) -> Session | None:
    """None for what is no client's session."""
    match = _TITLE.match(title)
    if match is None:
        return None
    fields = {name.rstrip("_"): value for name, value in match.groupdict().items() if value is not None}
    waiting = fields["activity"].endswith(_WAITING)
    activity = fields["activity"][:-len(_WAITING)] if waiting else fields["activity"]
    process = read_process(pid)
    age = max(0.0, time.time() - process.started) if process else 0.0
    return Session(pid, fields["user"], fields["database"], fields.get("address", ""), activity, waiting, round(age, 1))

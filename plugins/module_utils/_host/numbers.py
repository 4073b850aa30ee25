# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the kernel in /proc and /sys: memory, pressure, file table, connection tracking, processes, and those of units (cgroups(7)).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._process import process_ids

_LARGEST_FILE = 1024 * 1024
_CGROUP_TREES = ("/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory")


def text(path: str) -> str:
    """Empty where it is not there or may not be read."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""


def integer(words: str) -> int | None:
    """The first word as a number; ``max`` and the like are None."""
    first = words.split()[:1]
    return int(first[0]) if first and first[0].isascii() and first[0].isdigit() and len(first[0]) < 25 else None


def number(path: str) -> int | None:
    return integer(text(path))


def table(content: str) -> dict[str, int]:
    """Lines of a name and a number: /proc/meminfo (in kB), /proc/vmstat, a cgroup's ``….events``."""
    found = {}
    for line in content.splitlines():
        name, _space, value = line.replace(":", " ", 1).partition(" ")
        amount = integer(value)
        if amount is not None:
            found[name] = amount
    return found


def pressure(resource: str) -> dict[str, float | None]:
    """PSI (Documentation/accounting/psi.rst): per cent of the last 10 and 60 seconds in which ``some`` or all (``full``) tasks waited."""
    return parse_pressure(text("/proc/pressure/" + resource))


def parse_pressure(content: str) -> dict[str, float | None]:
    found: dict[str, float | None] = {"some_avg10": None, "some_avg60": None, "full_avg10": None, "full_avg60": None}
    for line in content.splitlines():
        words = line.split()
        for word in words[1:]:
            name, _equals, value = word.partition("=")
            key = "%s_%s" % (words[0], name)
            if key in found and value.replace(".", "", 1).isdigit() and value.isascii():
                found[key] = float(value)
    return found


def conntrack_statistics() -> dict[str, int]:
    """``drop`` (the table was full), ``early_drop`` (an unreplied one had to go) and ``insert_failed``, of all processors."""
    return parse_conntrack(text("/proc/net/stat/nf_conntrack"))


def parse_conntrack(content: str) -> dict[str, int]:
    lines = [line.split() for line in content.splitlines()]
    sums = dict.fromkeys(("drop", "early_drop", "insert_failed"), 0)
    for row in lines[1:]:
        for name, value in zip(lines[0], row):
            if name in sums and len(value) <= 16 and all(character in "0123456789abcdefABCDEF" for character in value):
                sums[name] += int(value, 16)
    return sums


class Unit(t.NamedTuple):
    """What a unit of systemd uses and may; None where it has no limit or it can't be seen. ``folders``: those that systemd made for it."""

    unit: str
    pid: int | None
    tasks: int | None
    tasks_limit: int | None
    tasks_rejected: int | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    oom_kills: int | None
    folders: tuple[str, ...]


# Where the folders are that systemd makes for a unit, each by its setting (RuntimeDirectory= in systemd.exec(5)).
_FOLDERS = {"StateDirectory": "/var/lib", "CacheDirectory": "/var/cache", "LogsDirectory": "/var/log"}


def read_units(names: t.Sequence[str], context: Context) -> list[Unit]:
    if not names:
        return []
    answer = context.command(["systemctl", "show", "-p", "Id,ControlGroup,MainPID," + ",".join(_FOLDERS), "--", *names])
    units = []
    for block in answer.output.split("\n\n")[:len(names)]:
        properties = dict(line.partition("=")[::2] for line in block.splitlines())
        folders = [tree + properties.get("ControlGroup", "") for tree in _CGROUP_TREES] if properties.get("ControlGroup") else []
        events = table(_first(folders, "memory.events"))
        units.append(Unit(
            context.text(properties.get("Id", ""), 255), integer(properties.get("MainPID", "")) or None,
            integer(_first(folders, "pids.current")), integer(_first(folders, "pids.max")),
            table(_first(folders, "pids.events")).get("max"),
            integer(_first(folders, "memory.current") or _first(folders, "memory.usage_in_bytes")),
            integer(_first(folders, "memory.max")), events.get("oom_kill"),
            tuple(os.path.join(base, name) for key, base in _FOLDERS.items() for name in properties.get(key, "").split()),
        ))
    return units


def _first(folders: t.Iterable[str], name: str) -> str:
    return next(filter(None, (text(os.path.join(folder, name)) for folder in folders)), "")


def process_limit(pid: int) -> tuple[int | None, int | None]:
    """How many tasks the user of a process has, and how many it may have (RLIMIT_NPROC of setrlimit(2)). Root has no limit."""
    limit = None
    for line in text("/proc/%d/limits" % pid).splitlines():
        if line.startswith("Max processes"):
            limit = integer(" ".join(line.split()[2:3]))
    owner = _owner(pid)
    if owner is None:
        return None, limit
    if owner == 0:
        limit = None
    return sum(_tasks(other) for other in process_ids() if _owner(other) == owner), limit


def _owner(pid: int) -> int | None:
    try:
        return os.stat("/proc/%d" % pid).st_uid
    except OSError:
        return None


def _tasks(pid: int) -> int:
    fields = text("/proc/%d/stat" % pid).rpartition(")")[2].split()
    return int(fields[17]) if len(fields) > 17 and fields[17].isdigit() else 0

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel counts for a service's control group: memory, processes, and what it refused or killed.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

_ROOT = "/sys/fs/cgroup"


class ControlGroup(t.NamedTuple):
    """Numbers are None where the kernel doesn't count them here; a limit of None is no limit.

    ``oom_kills``: processes that were killed for want of memory. ``forks_refused``: because of the limit of processes.
    """

    version: int
    oom_kills: int | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    processes: int | None
    processes_limit: int | None
    forks_refused: int | None


def read_group(path: str, root: str = _ROOT) -> ControlGroup | None:
    """:param path: as in systemd's ``ControlGroup`` or /proc/PID/cgroup. None where there is no such group."""
    unified = root + path
    memory, pids = root + "/memory" + path, root + "/pids" + path
    if os.path.exists(unified + "/cgroup.procs"):
        return ControlGroup(
            2, _counter(unified + "/memory.events", "oom_kill"), _number(unified + "/memory.current"), _number(unified + "/memory.max"),
            _number(unified + "/pids.current"), _number(unified + "/pids.max"), _counter(unified + "/pids.events", "max"))
    if os.path.isdir(memory) or os.path.isdir(pids):
        limit = _number(memory + "/memory.limit_in_bytes")
        return ControlGroup(
            1, _counter(memory + "/memory.oom_control", "oom_kill"), _number(memory + "/memory.usage_in_bytes"),
            None if limit is None or limit > 1 << 60 else limit,  # what version 1 has for no limit
            _number(pids + "/pids.current"), _number(pids + "/pids.max"), _counter(pids + "/pids.events", "max"))
    return None


def members(path: str, most: int, root: str = _ROOT) -> list[int]:
    """The processes of a group and of those below it."""
    found: list[int] = []
    for top in (root + path, root + "/systemd" + path, root + "/pids" + path):
        for folder, _folders, _files in os.walk(top):
            text = _text(folder + "/cgroup.procs")
            found += [int(word) for word in text.split() if word.isdigit()]
            if len(found) >= most:
                break
        if found:
            break
    return sorted(found)[:most]


def of_process(pid: int) -> str:
    """The path of a process's group (proc(5)); empty if it can't be told."""
    groups = [line.split(":", 2) for line in _text("/proc/%d/cgroup" % pid).splitlines()]
    for wanted in ("", "memory", "pids", "name=systemd"):
        for group in groups:
            if len(group) == 3 and wanted in group[1].split(",") and group[2] != "/":
                return group[2]
    return ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="backslashreplace") as file:
            return file.read(262144)
    except OSError:
        return ""


def _number(path: str) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _counter(path: str, name: str) -> int | None:
    for line in _text(path).splitlines():
        key, _blank, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return None

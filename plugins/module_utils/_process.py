# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes of this host, read from /proc (proc(5)).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import time
import typing as t

MOST_PROCESSES = 20000


class Process(t.NamedTuple):
    """``state``: the letter of proc(5): R, S, D, T (stopped), Z. ``started``: seconds since the epoch. ``unit``: of systemd, or empty."""

    pid: int
    command: str
    state: str
    started: float
    unit: str


def process_ids() -> list[int]:
    """In ascending order, so that parents mostly come before their children."""
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[:MOST_PROCESSES]


def read_process(pid: int) -> Process | None:
    """None where it has ended meanwhile."""
    try:
        with open("/proc/%d/stat" % pid, encoding="utf-8", errors="backslashreplace") as file:
            head, _paren, tail = file.read().rpartition(")")
        with open("/proc/%d/cgroup" % pid, encoding="utf-8", errors="backslashreplace") as file:
            units = re.findall(r"/([^/\s]+\.service)", file.read())
    except OSError:
        return None
    fields = tail.split()
    started = _boot_time() + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    return Process(pid, head.partition("(")[2], fields[0], started, units[-1] if units else "")


def _boot_time() -> float:
    """Seconds since the epoch. Start times in /proc count from the machine's boot, whose clock is CLOCK_BOOTTIME."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)


def descriptors(pid: int) -> tuple[int | None, int | None]:
    """How many file descriptors a process has open, and how many it may have; None where this user may not look."""
    used: int | None = None
    limit: int | None = None
    try:
        used = len(os.listdir("/proc/%d/fd" % pid))
    except OSError:
        pass
    try:
        with open("/proc/%d/limits" % pid, encoding="ascii") as lines:
            for line in lines:
                if line.startswith("Max open files"):
                    words = line.split()
                    limit = int(words[3]) if words[3].isdigit() else None
    except OSError:
        pass
    return used, limit

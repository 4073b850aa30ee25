# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel's own log, where this user may read it: what it refused, killed or gave up.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

_MOST_RECORDS = 50000
_MOST_BYTES = 4 * 1024 * 1024
_LONGEST_RECORD = 8192
_READ_S = 1.0

# What the kernel writes when a limit of the host is reached; the words are the kernel's own.
EVENTS = {
    "conntrack_full": re.compile(r"nf_conntrack: (?:nf_conntrack: )?table full, dropping packet"),
    "oom_kill": re.compile(r"(?:Out of memory|Memory cgroup out of memory): Kill(?:ed)? process \d+ \((?P<process>[^)]{1,40})\)"),
    "files_full": re.compile(r"VFS: file-max limit \d+ reached"),
    "pids_rejected": re.compile(r"cgroup: fork rejected by pids controller in (?P<process>\S{1,200})"),
    "remounted_read_only": re.compile(r"(?:EXT4-fs|XFS|BTRFS).{0,200}(?:[Rr]emounting filesystem read-only|forced readonly|Shutting down)"),
    "syn_flood": re.compile(r"[Pp]ossible SYN flooding on port (?P<process>\S{1,80}?)\. "),
    "tcp_memory": re.compile(r"TCP: out of memory -- consider tuning tcp_mem"),
    "neighbours_full": re.compile(r"neighbou?r table overflow|neighbour: \S+: neighbor table overflow"),
    "avc": re.compile(r"audit\([\d.]{1,30}:\d{1,20}\): avc:"),
}


class Event(t.NamedTuple):
    """``age_s``: seconds before now. ``process``: the process, cgroup or port that the line names, or empty."""

    kind: str
    age_s: float
    process: str
    text: str


def read_events(context: Context) -> list[Event] | None:
    """Oldest first. None where this user may not read the log."""
    lines = _from_device()
    if lines is None:
        answer = context.command(["dmesg"], 3.0, _MOST_BYTES)
        if answer.exit_code != 0:
            return None
        lines = answer.output.splitlines()
    return parse_events(lines, time.clock_gettime(time.CLOCK_MONOTONIC))


def _from_device() -> list[str] | None:
    """``[seconds] text``, as dmesg(1) prints. The device gives a record at each read, and EAGAIN at the end."""
    try:
        descriptor = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    lines = []
    end = time.monotonic() + _READ_S
    try:
        while len(lines) < _MOST_RECORDS and time.monotonic() < end:
            try:
                record = os.read(descriptor, _LONGEST_RECORD).decode("utf-8", "backslashreplace")
            except BrokenPipeError:
                continue  # overwritten before it was read: the next one follows
            except OSError:
                break
            head, _semicolon, text = record.partition(";")
            fields = head.split(",")
            if len(fields) > 2 and fields[2].isdigit():
                lines.append("[%.6f] %s" % (int(fields[2]) / 1e6, text.partition("\n")[0]))
    finally:
        os.close(descriptor)
    return lines


_STAMP = re.compile(r"\[ *(\d{1,12}(?:\.\d{1,9})?)\] ")


def parse_events(lines: t.Iterable[str], now: float) -> list[Event]:
    """:param lines: as dmesg(1) prints them. :param now: seconds since boot."""
    found = []
    for line in lines:
        stamp = _STAMP.match(line)
        if not stamp:
            continue
        text = line[stamp.end():][:1000]
        for kind, pattern in EVENTS.items():
            match = pattern.search(text)
            if match:
                process = match.groupdict().get("process") or ""
                found.append(Event(kind, round(max(0.0, now - float(stamp.group(1))), 1), process, text))
                break
    return found


def summary(events: list[Event] | None, kind: str) -> dict[str, t.Any]:
    """``logged``: how often the log has it, None where the log can't be read; ``logged_s_ago``: when last."""
    if events is None:
        return {"logged": None, "logged_s_ago": None}
    ages = [event.age_s for event in events if event.kind == kind]
    return {"logged": len(ages), "logged_s_ago": min(ages) if ages else None}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who a process is, or a user would be: the ids and capabilities by which the kernel decides (credentials(7)).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import grp
import os
import pwd
import typing as t

# capabilities(7): either of them reads every file.
_READS_EVERYTHING = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


class Identity(t.NamedTuple):
    """``reads_everything``: has the privilege to pass over modes and access lists. ``group``: the name of the first of its groups."""

    name: str
    uid: int
    groups: frozenset[int]
    reads_everything: bool
    group: str = ""


def of_process(pid: int) -> Identity | None:
    """The identity that a process has now (proc(5), ``status``). None where it has ended."""
    fields = {}
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="backslashreplace") as lines:
            for line in lines:
                key, _colon, value = line.partition(":")
                fields[key] = value.split()
        uid = int(fields["Uid"][3])  # of the file system: real, effective, saved, file system
        groups = frozenset(int(group) for group in [fields["Gid"][3], *fields.get("Groups", [])])
        capabilities = int(fields.get("CapEff", ["0"])[0], 16)
    except (OSError, KeyError, IndexError, ValueError):
        return None
    return Identity(_user_name(uid), uid, groups, bool(capabilities & _READS_EVERYTHING), _group_name(int(fields["Gid"][3])))


def of_user(user: str) -> Identity | None:
    """The identity that a service would get from ``User=``. :param user: a name, or a number. None where there is no such user."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        return None
    groups = frozenset(os.getgrouplist(entry.pw_name, entry.pw_gid))
    return Identity(entry.pw_name, entry.pw_uid, groups, entry.pw_uid == 0, _group_name(entry.pw_gid))


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def owner_names(status: os.stat_result) -> tuple[str, str]:
    """The owner and the group of a file; numbers where they have no names."""
    return _user_name(status.st_uid), _group_name(status.st_gid)

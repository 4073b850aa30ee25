# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file systems behind some paths: mount options (proc_pid_mountinfo(5), fstab(5)), and what is left of space and inodes (statvfs(3)).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import stat
import threading
import typing as t

_MOST_MOUNTS = 20000
_LARGEST_FILE = 8 * 1024 * 1024
_MOST_DESCRIPTORS = 4096
# What looks like files of these is no file that takes space.
_NO_FILES = ("/dev/", "/proc/", "/sys/", "/memfd:")
# Made to be read only, whatever the options.
_NEVER_WRITTEN = ("squashfs", "erofs", "iso9660", "cramfs", "romfs", "composefs")


class Mount(t.NamedTuple):
    """``read_only``: as it is now. ``expected``: ``rw`` or ``ro`` as fstab(5) or its kind says, empty where nothing says it."""

    mount: str
    device: str
    type: str
    options: str
    read_only: bool
    expected: str


class Space(t.NamedTuple):
    """Bytes and inodes; ``free_bytes`` is what a user who is not root may still write. ``inodes`` is 0 where they are not counted."""

    size_bytes: int
    used_bytes: int
    free_bytes: int
    inodes: int
    inodes_free: int

    @property
    def fraction(self) -> float:
        """Of what users may have, as df(1) counts: root's reserve is neither used nor free."""
        usable = self.used_bytes + self.free_bytes
        return self.used_bytes / usable if usable else 0.0

    @property
    def inodes_fraction(self) -> float:
        return (self.inodes - self.inodes_free) / self.inodes if self.inodes else 0.0


def read_mounts(mountinfo: str = "/proc/self/mountinfo", fstab: str = "/etc/fstab") -> list[Mount]:
    """In the order in which they were mounted: a later one hides an earlier one of the same mount point."""
    return parse_mounts(_text(mountinfo), _text(fstab))


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read(_LARGEST_FILE)
    except OSError:
        return ""


def parse_mounts(mountinfo: str, fstab: str) -> list[Mount]:
    wanted = {}
    for fields in (line.split("#")[0].split() for line in fstab.splitlines()[:_MOST_MOUNTS]):
        if len(fields) > 3:
            wanted[_unescaped(fields[1])] = "ro" if "ro" in fields[3].split(",") else "rw"
    found = []
    for line in mountinfo.splitlines()[:_MOST_MOUNTS]:
        left, _dash, right = line.partition(" - ")
        before, after = left.split(), right.split()
        if len(before) < 6 or len(after) < 3:
            continue
        mount, kind = _unescaped(before[4]), after[0]
        read_only = "ro" in before[5].split(",") or "ro" in after[2].split(",")
        expected = "ro" if kind in _NEVER_WRITTEN else wanted.get(mount, "")
        found.append(Mount(mount, _unescaped(after[1]), kind, before[5], read_only, expected))
    return found


def _unescaped(text: str) -> str:
    """Blanks and backslashes are written as three octal digits."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda match: chr(int(match.group(1), 8)), text)


def mount_of(path: str, mounts: list[Mount]) -> Mount | None:
    """The file system that a path is on: the deepest mount point, and of those the last."""
    real = os.path.realpath(path)
    best: Mount | None = None
    for mount in mounts:
        inside = real == mount.mount or real.startswith(mount.mount.rstrip("/") + "/")
        if inside and (best is None or len(mount.mount) >= len(best.mount)):
            best = mount
    return best


def space(path: str, seconds: float) -> Space | None:
    """None where the file system does not answer in time, as a dead NFS server's, or not at all: a thread may be left behind."""
    answer: list[os.statvfs_result] = []

    def ask() -> None:
        try:
            answer.append(os.statvfs(path))
        except OSError:
            pass

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        return None
    got = answer[0]
    unit = got.f_frsize or got.f_bsize
    return Space(got.f_blocks * unit, (got.f_blocks - got.f_bfree) * unit, got.f_bavail * unit, got.f_files, got.f_ffree)


def written_folders(pid: int) -> list[str]:
    """Folders of the files that a process holds open for writing, as far as this user may see them (proc_pid_fd(5))."""
    folder = "/proc/%d/fd" % pid
    found = set()
    try:
        names = os.listdir(folder)[:_MOST_DESCRIPTORS]
    except OSError:
        return []
    for name in names:
        try:
            is_written = os.lstat(os.path.join(folder, name)).st_mode & stat.S_IWUSR
            path = os.readlink(os.path.join(folder, name))
        except OSError:
            continue  # closed meanwhile
        if is_written and path.startswith("/") and not path.startswith(_NO_FILES):
            found.add(os.path.dirname(path))
    return sorted(found)

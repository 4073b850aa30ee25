# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May somebody else read this file? Evaluated as the kernel does it, without becoming that user.

Sources: path_resolution(7) for the search permission of every directory, inode(7) for modes, acl(5) for access lists.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import stat
import struct
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._identity import Identity

_READ, _SEARCH = 4, 1

# The extended attribute in which Linux keeps an access list, and the tags of its entries (linux/posix_acl_xattr.h).
_ACL_ATTRIBUTE = "system.posix_acl_access"
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20


class Access(t.NamedTuple):
    """``readable`` is None where this probe may not look. ``blocked_by``: the directory or file that says no, and ``why``:
    ``mode``, ``acl``, ``missing`` or ``not_permitted`` (to this probe)."""

    readable: bool | None
    blocked_by: str = ""
    why: str = ""


def may_read(path: str, who: Identity) -> Access:
    """Whether a user can open a file: search permission on every directory above it, and read permission on itself.

    A symbolic link counts with the directories above the link and those above what it points to.
    """
    real = os.path.realpath(path)
    directories = list(dict.fromkeys(_above(os.path.abspath(path)) + _above(real)))
    for place, wanted in [(directory, _SEARCH) for directory in directories] + [(real, _READ)]:
        try:
            status = os.stat(place)
            entries = _access_list(place)
        except FileNotFoundError:
            return Access(False, place, "missing")
        except OSError:
            return Access(None, place, "not_permitted")
        if not permits(status, entries, who, wanted):
            return Access(False, place, "acl" if entries else "mode")
    return Access(True)


def _above(path: str) -> list[str]:
    """The directories that lead to a path, from the root."""
    found = []
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        found.append(path)
    return found[::-1]


Entries = t.List[t.Tuple[int, int, int]]  # tag, permissions, id


def _access_list(path: str) -> Entries:
    """Empty where the file has none, or its file system knows none."""
    try:
        return parse_access_list(os.getxattr(path, _ACL_ATTRIBUTE))
    except OSError:
        return []


def parse_access_list(raw: bytes) -> Entries:
    """:param raw: a version (2) of 32 bits, then entries of tag, permissions (16 bits each) and id (32 bits), all little-endian."""
    if len(raw) < 4 or (len(raw) - 4) % 8 or struct.unpack_from("<I", raw)[0] != 2:
        return []
    return list(struct.iter_unpack("<HHI", raw[4:]))


def permits(status: os.stat_result, entries: Entries, who: Identity, wanted: int) -> bool:
    """:param entries: the access list, or none. :param wanted: 4 to read, 1 to search. :returns: what acl(5) decides."""
    if who.reads_everything:
        return True
    mode = status.st_mode
    if not entries or not mode & stat.S_IRWXG:  # with an empty mask, Linux does not look at the list (fs/namei.c)
        entries = [(_USER_OBJ, mode >> 6 & 7, 0), (_GROUP_OBJ, mode >> 3 & 7, 0), (_OTHER, mode & 7, 0)]
    mask = next((permissions for tag, permissions, _id in entries if tag == _MASK), 7)
    if who.uid == status.st_uid:
        return any(permissions & wanted for tag, permissions, _id in entries if tag == _USER_OBJ)
    for tag, permissions, uid in entries:
        if tag == _USER and uid == who.uid:
            return bool(permissions & mask & wanted)
    own = [
        permissions for tag, permissions, gid in entries
        if (tag == _GROUP_OBJ and status.st_gid in who.groups) or (tag == _GROUP and gid in who.groups)
    ]
    if own:  # one group that permits is enough, and where none does, the others' permissions no longer count
        return any(permissions & mask & wanted for permissions in own)
    return any(permissions & wanted for tag, permissions, _id in entries if tag == _OTHER)


def mode_text(status: os.stat_result) -> str:
    """As chmod(1) takes it: four octal digits."""
    return "%04o" % stat.S_IMODE(status.st_mode)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""May another user read a file: the evaluation beside the kernel's own answer, on random modes, owners and access lists."""
from __future__ import annotations

import json
import os
import random
import struct

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _file_access, _identity

UID, GID, GROUP = 61001, 61002, 61003
IDENTITY = _identity.Identity("test", UID, frozenset((GID, GROUP)), False)
CASES = 400


def access_list(rng):
    """A valid list: the three of the mode, named users and groups, and a mask."""
    named = [(2, rng.randrange(8), uid) for uid in rng.sample([UID, 61009], rng.randint(0, 2))]
    groups = [(8, rng.randrange(8), gid) for gid in sorted(rng.sample([GID, GROUP, 61010], rng.randint(0, 3)))]
    entries = [(1, rng.randrange(8), 2**32 - 1), *sorted(named, key=lambda entry: entry[2]), (4, rng.randrange(8), 2**32 - 1), *groups,
               (16, rng.randrange(8), 2**32 - 1), (32, rng.randrange(8), 2**32 - 1)]
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def kernel_says(paths):
    """Of a process that really has that identity, whether it opens each of them."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([GROUP])
        os.setresgid(GID, GID, GID)
        os.setresuid(UID, UID, UID)
        opened = []
        for path in paths:
            try:
                os.close(os.open(path, os.O_RDONLY))
                opened.append(True)
            except PermissionError:
                opened.append(False)
        os.write(writing, json.dumps(opened).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        opened = json.loads(answer.read())
    os.waitpid(child, 0)
    return opened


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be another user")
@pytest.mark.parametrize("with_lists", [False, True])
def test_agrees_with_the_kernel(tmp_path_factory, with_lists):
    rng = random.Random(11)
    base = tmp_path_factory.getbasetemp().parent / ("access-%d-%s" % (os.getpid(), with_lists))
    base.mkdir(mode=0o755)
    for folder in [base, *base.parents]:
        if not _file_access.may_read(str(folder), IDENTITY).readable and folder.name.startswith("pytest"):
            folder.chmod(0o755)
    paths = []
    for number in range(CASES):
        folder = base / str(number)
        folder.mkdir()
        file = folder / "file"
        file.write_text("x")
        for place in (file, folder):
            if with_lists and rng.random() < 0.6:
                try:
                    os.setxattr(place, "system.posix_acl_access", access_list(rng))
                except OSError:
                    pytest.skip("this file system keeps no access lists")
            else:
                place.chmod(rng.choice((0o000, 0o400, 0o440, 0o444, 0o640, 0o644, 0o700, 0o710, 0o711, 0o755, 0o604, 0o074)))
            os.chown(place, rng.choice((0, UID)), rng.choice((0, GID, GROUP)))
        if rng.random() < 0.2:
            link = base / ("link%d" % number)
            link.symlink_to(file)
            file = link
        paths.append(str(file))
    ours = [_file_access.may_read(path, IDENTITY) for path in paths]
    kernels = kernel_says(paths)
    assert [access.readable for access in ours] == kernels
    assert CASES * 0.15 < sum(kernels) < CASES * 0.85
    blocked = next(access for access in ours if not access.readable)
    assert blocked.blocked_by.startswith(str(base)) and blocked.why in ("mode", "acl")


def test_privilege_reads_everything_and_missing_is_told(tmp_path):
    file = tmp_path / "key"
    file.write_text("x")
    file.chmod(0)
    assert _file_access.may_read(str(file), _identity.Identity("root", 0, frozenset([0]), True)) == (True, "", "")
    assert _file_access.may_read(str(tmp_path / "none"), _identity.Identity("root", 0, frozenset([0]), True)).why == "missing"


def test_identity_of_this_process_and_of_users():
    own = _identity.of_process(os.getpid())
    assert own.uid == os.geteuid()
    assert set(os.getgroups()) | {os.getegid()} == own.groups
    assert _identity.of_process(2**22 + 1) is None
    assert _identity.of_user("root").reads_everything
    assert _identity.of_user("0").name == "root"
    assert _identity.of_user("no such user") is None


def test_garbage_is_no_access_list():
    rng = random.Random(5)
    for _round in range(2000):
        raw = bytes(rng.randrange(256) for _byte in range(rng.randrange(40)))
        assert isinstance(_file_access.parse_access_list(raw), list)

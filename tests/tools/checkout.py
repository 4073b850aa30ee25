# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are: the checkout, the cache beside it, and the files that belong to the repository."""
from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cache() -> Path:
    """The folder for what is worth keeping between runs: in the checkout, or the user's cache when that can't be written."""
    if os.access(ROOT, os.W_OK):
        folder = ROOT / ".cache"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "connectivity.doctor"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def files() -> list[Path]:
    """Every file that is in the repository or about to be, relative to :data:`ROOT`, without the symlink in .collections."""
    listed = subprocess.run(
        ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout
    names = (Path(name) for name in sorted(set(listed.split("\0"))) if name)
    return [name for name in names if name.parts[0] != ".collections" and (ROOT / name).is_file()]


@contextmanager
def collection_copy() -> Iterator[Path]:
    """A copy of the repository's files where Ansible's tools want a collection, outside the checkout.

    Inside it, git would call them ignored, and ansible-test would pass after testing no file at all.
    """
    with tempfile.TemporaryDirectory(prefix="doctor-test-") as folder:
        copy = Path(folder, "ansible_collections", "connectivity", "doctor")
        for name in files():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
        yield copy

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine that really run, old ones too: what a managed node may have."""
from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

_NAMES = ["python2.7"] + ["python3.%d" % minor for minor in range(5, 15)]


def found() -> dict[tuple[int, int], str]:
    """By version, the path of one interpreter. This one is among them."""
    home = os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv"))
    pythons = {(sys.version_info[0], sys.version_info[1]): sys.executable}
    for name in _NAMES:
        version = tuple(int(part) for part in name[len("python"):].split("."))
        for path in [*glob.glob(os.path.join(home, "versions", "*", "bin", name)), shutil.which(name)]:
            if path and version not in pythons and _runs(path, version):
                pythons[version[0], version[1]] = path
    return pythons


def _runs(path: str, version: tuple[int, ...]) -> bool:
    """A name on PATH may be a shim that only says that there is no such version."""
    answer = subprocess.run([path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False, timeout=30)
    return answer.stdout.decode().strip() == ".".join(map(str, version))

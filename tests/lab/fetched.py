# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lab's tests need from outside: fetched once and kept, and before they run, as then there is no network but the lab's."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.tools.checkout import cache
from ansible_collections.connectivity.doctor.tests.tools.environments import controllers, environment

LAB_PYTHON = "3.11"  # Debian 12's
_LIBRARIES = ("pip", "psycopg[binary]", "psycopg-pool", "dnspython", "typing-extensions")


def fetch() -> None:
    """All of it. :raises RuntimeError, CalledProcessError: pip could not fetch it."""
    wheels()
    if has_java():
        event_driven()


def has_java() -> bool:
    """Whether ansible-rulebook can run: its engine is a Java program."""
    return shutil.which("java") is not None


def event_driven() -> Path:
    """The bin folder of an environment with ansible-rulebook."""
    return environment(controllers()[0].python, ("eda.txt",))


def wheels() -> Path:
    """A folder with the libraries that ``bootstrap`` puts on a host of the lab."""
    folder = cache() / f"wheels-{LAB_PYTHON}-{platform.machine()}"
    if not folder.exists():
        part = folder.with_suffix(".part")
        subprocess.run(
            [controllers()[0].python.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input",
             "--dest", part, "--only-binary=:all:", "--python-version", LAB_PYTHON,
             "--platform", f"manylinux2014_{platform.machine()}", *_LIBRARIES], check=True, stdin=subprocess.DEVNULL)
        part.rename(folder)
    return folder

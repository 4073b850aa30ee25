# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Pythons of this machine, and virtual environments made from them once and kept."""
from __future__ import annotations

import functools
import hashlib
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import NamedTuple

from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT, cache

MANAGED_NODE = (3, 8)  # the oldest Python that modules and module_utils must run under
CONTROLLER = (3, 11)  # the oldest Python that everything else must run under
OLDEST_CORE = "ansible-core==2.19.*"

_DESCRIBE = "import ensurepip, ssl, sys, venv; print(*sys.version_info[:2], sys.executable)"
_locks: dict[str, threading.Lock] = {}
_locks_lock = threading.Lock()


class Python(NamedTuple):
    """A Python that really runs and can make environments."""

    version: tuple[int, int]
    executable: Path

    @property
    def name(self) -> str:
        return "{}.{}".format(*self.version)


@functools.cache
def pythons() -> list[Python]:
    """One for each version from :data:`MANAGED_NODE` on, oldest first; a name on PATH may be a shim that only fails."""
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    folders += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin"))
    # An environment's own python is left out: it would make environments that depend on that one.
    folders = [folder for folder in folders if not (folder.parent / "pyvenv.cfg").exists()]
    found: dict[tuple[int, int], Python] = {}
    for folder in folders:
        for executable in sorted(folder.glob("python3.*")):
            name = re.fullmatch(r"python3\.(\d+)", executable.name)
            if name is None or (3, int(name[1])) in found or (3, int(name[1])) < MANAGED_NODE:
                continue
            answer = subprocess.run([executable, "-c", _DESCRIBE], capture_output=True, text=True, check=False, timeout=30)
            if answer.returncode == 0:
                major, minor, path = answer.stdout.strip().split(" ", 2)
                found.setdefault((int(major), int(minor)), Python((int(major), int(minor)), Path(path)))
    return [found[version] for version in sorted(found)]


class Controller(NamedTuple):
    """An Ansible to test with: an environment of one ansible-core on one Python."""

    python: Python
    requirement: str

    @property
    def name(self) -> str:
        return f"{self.requirement.replace('==', ' ')} on Python {self.python.name}"

    def environment(self, *extra: str) -> Path:
        """The environment's bin folder, with run.txt, test.txt and these further requirement files in it."""
        return environment(self.python, ("run.txt", "test.txt", *extra), self.requirement)


def controllers() -> list[Controller]:
    """The oldest supported ansible-core on the oldest Python for it, and the newest one on the newest Python."""
    able = [python for python in pythons() if python.version >= CONTROLLER]
    if not able:
        raise RuntimeError("no Python {}.{} or newer with venv and pip on this machine".format(*CONTROLLER))
    found = [Controller(able[0], OLDEST_CORE)]
    if able[-1] != able[0]:
        found.append(Controller(able[-1], "ansible-core"))
    return found


def environment(python: Python, requirements: tuple[str, ...], *packages: str) -> Path:
    """Make an environment, or find it made, and return its bin folder.

    :param requirements: names of files in ``requirements/``. :param packages: requirements beyond those.
    :raises RuntimeError: pip could not install it; the message holds its output.
    """
    contents = "\n".join([*packages, *map(_contents, requirements), str(python.executable)])
    name = f"py{python.name}-{hashlib.sha256(contents.encode()).hexdigest()[:12]}"
    folder = cache() / "environments" / name
    with _locks_lock:
        lock = _locks.setdefault(name, threading.Lock())
    with lock:
        if not (folder / "complete").exists():
            _run(python.executable, "-m", "venv", "--clear", folder)
            files = [argument for file in requirements for argument in ("-r", ROOT / "requirements" / file)]
            _run(folder / "bin" / "python", "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input", *files, *packages)
            (folder / "complete").touch()
    return folder / "bin"


def _contents(name: str) -> str:
    """A requirement file with those that it includes."""
    text = (ROOT / "requirements" / name).read_text()
    return "\n".join([text, *map(_contents, re.findall(r"^-r (\S+)", text, re.MULTILINE))])


def _run(*command: str | Path) -> None:
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    answer = subprocess.run(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if answer.returncode:
        raise RuntimeError("{} failed:\n{}".format(" ".join(map(str, command)), answer.stdout))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-test sanity: the checks that Ansible itself has for a collection, and that every file imports on its Pythons."""
from __future__ import annotations

import ast
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.tools import checks, reading
from ansible_collections.connectivity.doctor.tests.tools.checkout import cache, collection_copy
from ansible_collections.connectivity.doctor.tests.tools.environments import controllers, pythons

# ansible-test makes environments without pip, and fetches pip's installer from a vendor's host if it is not in this cache.
# Python brings pip along, so the installer can be replaced by asking for that one.
_PIP_INSTALLER = """\
import subprocess
import sys

subprocess.check_call([sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL)
"""
_PIP_INSTALLER_NAMES = ("get_pip_24_2.py", "get_pip_25_2.py")


def sanity() -> Iterator[checks.Result]:
    """All sanity tests, with every supported ansible-core; compile and import with every Python found.

    pylint only with the newest: it takes as long as all others together, and the older one says less of the same.
    """
    *_older, newest = controllers()
    for controller in controllers():
        left_out = [] if controller == newest else ["--skip-test", "pylint"]
        tools = controller.environment()
        env = _environ(tools)
        with collection_copy() as copy:
            yield _all_files_seen(controller.name, tools, env, copy)
            command = [tools / "ansible-test", "sanity", "--color", "no", "--python", "default", *left_out]
            yield checks.command(f"ansible-test sanity, {controller.name}", command, env, cwd=copy, seconds=900)


def _environ(tools: Path) -> dict[str, str]:
    """A home of its own, as ansible-test keeps its cache there; real interpreters before shims, which it can't run."""
    home = cache() / "home"
    installers = home / ".ansible" / "test" / "cache"
    installers.mkdir(parents=True, exist_ok=True)
    for name in _PIP_INSTALLER_NAMES:
        (installers / name).write_text(_PIP_INSTALLER)
    _keep_pip_settings(tools, home)
    path = [str(tools), *(str(python.executable.parent) for python in pythons()), os.environ["PATH"]]
    path.append(str(reading.linters()))  # for shellcheck
    return checks.environ(tools, HOME=str(home), PATH=os.pathsep.join(path))


def _keep_pip_settings(tools: Path, home: Path) -> None:
    """ansible-test drops PIP_… variables, and the new home has no settings: where packages come from must stay as it was."""
    listed = subprocess.run([tools / "python", "-m", "pip", "config", "list"], capture_output=True, text=True, check=True).stdout
    settings = {}
    for line in sorted(listed.splitlines(), key=lambda line: line.startswith(":env:")):  # what a variable says stands above a file
        key, value = line.split("=", 1)
        section, option = key.split(".", 1)
        if section in ("global", ":env:"):
            settings[option] = ast.literal_eval(value)
    settings["quiet"] = "2"
    target = home / ".config" / "pip" / "pip.conf"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("[global]\n" + "".join(f"{option} = {value}\n" for option, value in sorted(settings.items())))


def _all_files_seen(name: str, tools: Path, env: dict[str, str], copy: Path) -> checks.Result:
    answer = subprocess.run([tools / "ansible-test", "env", "--list-files"], cwd=copy, env=env, capture_output=True, text=True, check=False)
    seen = set(answer.stdout.splitlines())
    wanted = {str(path.relative_to(copy)) for path in copy.rglob("*.py")}
    problems = [f"ansible-test does not see {path}" for path in sorted(wanted - seen)]
    if not wanted:
        problems.append("the copy holds no Python file")
    return checks.outcome(f"files seen, {name}", problems + ([answer.stderr] if answer.returncode else []), f"{len(wanted)} Python files")

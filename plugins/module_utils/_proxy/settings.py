# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy settings that a program gets, and those that a person gets who logs in to try it by hand.

Sources: proc(5) (environ, cmdline), systemd.exec(5) (Environment, EnvironmentFile), pam_env(8) (/etc/environment), bash(1) (login shells).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

_PROXY_NAME = re.compile(r"(?:https?|all|no)_proxy", re.IGNORECASE)
# Where Java finds its proxy.
_JAVA_NAMES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")
_SHELLS = ("/bin/bash", "/bin/sh")
_LARGEST = 65536


class Settings(t.NamedTuple):
    """``variables`` are those of proxies, as they stand, with the empty ones; ``java``: the options of virtual machines. ``source``:
    ``process``, ``unit`` (what systemd would give it), ``login``. ``pid``: 0 if none. ``problem``: ``not_permitted``, ``no_process``."""

    variables: dict[str, str]
    java: dict[str, str]
    command_line: list[str]
    source: str
    pid: int
    problem: str = ""


def of_login(context: Context) -> Settings:
    """What a login shell of this user has: /etc/environment, then the profiles that the shell reads."""
    environment = dict(_process_environment.of_file("/etc/environment") or {}, **os.environ)
    shell = next((path for path in _SHELLS if os.access(path, os.X_OK)), "")
    if shell:
        answer = context.command([shell, "-l", "-c", "env -0"], seconds=3.0)
        if answer.exit_code == 0:
            environment.update(_process_environment.parse(answer.output.encode("utf-8", "backslashreplace")))
    return _chosen(environment, [], "login", 0)


def of_unit(unit: str, context: Context) -> Settings:
    """What the unit's main process has; where it does not run, what systemd would give it."""
    answer = context.command(["systemctl", "show", "--no-pager", "--property=MainPID", "--value", "--", unit])
    pid = int(answer.output) if answer.output.strip().isdigit() else 0
    if pid:
        return of_process(pid)
    environment = _process_environment.of_unit(unit, context)
    return _chosen(environment or {}, [], "unit", 0, "no_process" if environment is None else "")


def of_process(pid: int) -> Settings:
    """:param pid: of a running process; of another user's, root may read it."""
    environment = _process_environment.of_process(pid)
    words: list[str] = []
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read(_LARGEST).decode("utf-8", "backslashreplace").split("\0")
    except OSError:
        pass
    problem = "" if environment is not None else "not_permitted" if os.path.exists("/proc/%d" % pid) else "no_process"
    return _chosen(environment or {}, words, "process", pid, problem)


def _chosen(environment: t.Mapping[str, str], words: list[str], source: str, pid: int, problem: str = "") -> Settings:
    variables = {name: value for name, value in environment.items() if _PROXY_NAME.fullmatch(name)}
    java = {name: environment[name] for name in _JAVA_NAMES if environment.get(name)}
    return Settings(variables, java, words, source, pid, problem)

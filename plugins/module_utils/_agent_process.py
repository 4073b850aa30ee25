# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The process of an agent, whoever started it: its id, the user that it runs as, and its environment.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _identity, _process, _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context


class AgentProcess(t.NamedTuple):
    """``pid`` 0 where none runs: user and environment are then those that its unit would give it.

    ``environment`` is None where it can't be read; ``environment_from``: ``process``, ``unit`` or empty.
    """

    pid: int
    user: _identity.Identity | None
    environment: dict[str, str] | None
    environment_from: str


def find_agent(unit: str, process: str, user: str, context: Context) -> AgentProcess:
    """:param unit: of systemd, or empty. :param process: the name of the program, where no unit runs it. :param user: if known better."""
    properties = _unit(unit, context) if unit else {}
    pid = int(properties.get("MainPID") or 0) or by_name(process or ("" if properties else unit))
    who = _identity.of_user(user) if user else _identity.of_process(pid) if pid else None
    if who is None and properties and not user:
        who = _identity.of_user(properties.get("User") or "root")
    environment = _process_environment.of_process(pid) if pid else None
    if environment is not None:
        return AgentProcess(pid, who, environment, "process")
    environment = _process_environment.of_unit(unit, context) if properties else None
    return AgentProcess(pid, who, environment, "unit" if environment is not None else "")


def _unit(unit: str, context: Context) -> dict[str, str]:
    """Empty without systemd, or without such a unit."""
    answer = context.command(["systemctl", "show", "--no-pager", "--property=LoadState,MainPID,User", "--", unit])
    properties = dict(line.split("=", 1) for line in answer.output.splitlines() if "=" in line)
    return properties if answer.exit_code == 0 and properties.get("LoadState") == "loaded" else {}


def by_name(command: str) -> int:
    """The first process of that name; 0 where there is none."""
    return next(iter(all_by_name(command)), 0)


def all_by_name(command: str) -> list[int]:
    """The kernel keeps 15 characters of a process's name."""
    found = []
    for pid in _process.process_ids() if command else ():
        process = _process.read_process(pid)
        if process and process.command == command[:15] and process.state != "Z":
            found.append(pid)
    return found

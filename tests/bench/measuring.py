# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processor time and seconds of a command, with all that it starts, and of the lab's machines meanwhile.

The controller's figure is that of a control group (cgroups(7), version 2) in which the command runs: it holds ssh's connection
masters too, which outlive the command and which ``getrusage`` does not see.
"""
from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.lab.machines import CONTROL_GROUP, HIERARCHIES

_MACHINES = Path(CONTROL_GROUP)
_STOP_S = 5.0


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and processor seconds of the controller and of all the machines together."""

    seconds: float
    controller_cpu_s: float
    machines_cpu_s: float


def hierarchy() -> Path:
    """Where control groups count processor time. :raises RuntimeError: nowhere on this machine."""
    for path in HIERARCHIES:
        if (path / _MACHINES / "cpu.stat").exists():
            return path
    raise RuntimeError("no lab runs, or its control groups are not of version 2: the machines' processor time can't be counted")


def cpu_s(group: Path) -> float:
    """Processor seconds of all that ever ran in a control group or below it."""
    for line in (group / "cpu.stat").read_text().splitlines():
        key, value = line.split()
        if key == "usage_usec":
            return int(value) / 1e6
    raise RuntimeError(f"{group}/cpu.stat has no usage_usec")


def idle_machines_cpu(seconds: float) -> float:
    """Processor seconds a second that the machines use by themselves, with nobody asking them anything."""
    group = hierarchy() / _MACHINES
    before = cpu_s(group)
    time.sleep(seconds)
    return (cpu_s(group) - before) / seconds


@contextlib.contextmanager
def control_group(name: str) -> Iterator[Path]:
    """A control group for one contender; all that is left in it is ended, and it is removed."""
    group = hierarchy() / name
    group.mkdir()
    try:
        yield group
    finally:
        end_all(group)
        group.rmdir()


def end_all(group: Path) -> None:
    """End what the commands of this group have left running, which is ssh's connection masters."""
    deadline = time.monotonic() + _STOP_S
    while pids := (group / "cgroup.procs").read_text().split():
        last = time.monotonic() > deadline
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL if last else signal.SIGTERM)
        time.sleep(0.02)


def measure(
    group: Path, command: Sequence[str], env: Mapping[str, str], cwd: Path, idle_cpu: float, seconds: float = 300.0
) -> tuple[Cost, int, str]:
    """Run a command in a control group.

    :param idle_cpu: what :func:`idle_machines_cpu` said, taken off the machines' figure. :param seconds: its longest time.
    :returns: what it cost, its exit status, and its output. :raises subprocess.TimeoutExpired: it did not end.
    """
    machines = hierarchy() / _MACHINES
    before_machines, before = cpu_s(machines), cpu_s(group)
    began = time.monotonic()
    ran = subprocess.run(
        ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(group), *command],
        env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        timeout=seconds,
    )
    took = time.monotonic() - began
    cost = Cost(took, cpu_s(group) - before, max(0.0, cpu_s(machines) - before_machines - idle_cpu * took))
    return cost, ran.returncode, ran.stdout

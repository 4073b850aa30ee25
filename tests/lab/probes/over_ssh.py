# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module on a machine of the lab, over ssh as a user runs it; and an independent tool in the same machine's network."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab, controller


def run_module(lab: Lab, machine: str, module: str, /, become: bool = True, **parameters: Any) -> dict[str, Any]:
    """What the module returns. :param become: as root; otherwise as the lab's ordinary user."""
    command = [controller.program("ansible"), "--inventory", str(lab.inventory), "--one-line",
               "--module-name", f"connectivity.doctor.{module}", "--args", json.dumps(parameters), machine]
    answer = lab.on_controller([*command, "--become"] if become else command, env=controller.environment())
    return json.loads(answer.stdout.partition("=>")[2])


def observe(lab: Lab, machine: str, module: str, /, **parameters: Any) -> list[dict[str, Any]]:
    """The observations of :func:`run_module`."""
    return run_module(lab, machine, module, **parameters)["observations"]


def data_of(observations: list[dict[str, Any]], check: str, **facts: Any) -> dict[str, Any]:
    """The data, and the ``status``, of the one observation of a check that has these facts."""
    found = [dict(one["data"], status=one["status"]) for one in observations
             if one["check"] == check and all(one["data"].get(key) == value for key, value in facts.items())]
    assert len(found) == 1, observations
    return found[0]


def tool(host: str, *command: str, seconds: float = 60) -> str:
    """What an independent program of this machine says in the network of a machine of the lab; skips the test where it is missing."""
    if not shutil.which(command[0]):
        pytest.skip(f"needs {command[0]} on this machine, to compare with")
    ended = subprocess.run(["ip", "netns", "exec", f"doctor-lab-{host}", *command], stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, timeout=seconds, check=False)
    return ended.stdout + ended.stderr


@contextmanager
def broken(lab: Lab, host: str, commands: str, heal: str) -> Iterator[None]:
    """Commands on a machine, undone at the end even where the test fails."""
    lab.run(host, commands)
    try:
        yield
    finally:
        lab.run(host, heal)


@contextmanager
def filtered(lab: Lab, host: str, hook: str, *rules: str) -> Iterator[None]:
    """A table of nftables of the test's own."""
    chain = f"add table inet test; add chain inet test {hook} {{ type filter hook {hook} priority 0; }}; "
    with broken(lab, host, "nft '" + chain + "; ".join(f"add rule inet test {hook} {rule}" for rule in rules) + "'",
                "nft delete table inet test"):
        yield


@contextmanager
def web_server(machine: str, folder: Path, port: int) -> Iterator[None]:
    """The files of a folder of this machine, served over HTTP in the network of a machine of the lab."""
    process = subprocess.Popen(["ip", "netns", "exec", f"doctor-lab-{machine}", sys.executable, "-u", "-m", "http.server", str(port),
                                "--directory", str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        assert b"Serving" in process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()

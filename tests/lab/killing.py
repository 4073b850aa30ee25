# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook in the background, and three ways to kill it: on the controller, between it and a host, and on the host."""
from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from .lab import Lab

# What sshd runs: all that Ansible does on a machine.
_LISTENER = "$(systemctl show -p MainPID --value ssh)"
_OF_SSHD = "ps -eo pid=,unit=,comm= | awk '$2 == \"ssh.service\" && $3 ~ /%s/ {print $1}' | grep -vx " + _LISTENER
# The controller's connections to a machine end. What runs there is hung up where it has a terminal, and loses its output otherwise.
_KILL_CONNECTION = "kill -KILL $(%s)" % (_OF_SSHD % "^sshd")
# The next module that runs there, as by the kernel when memory is short.
_KILL_MODULE = """
for _ in $(seq 100); do
    pids=$(%s)
    [ -z "$pids" ] || { kill -KILL $pids && break; }
    sleep 0.02
done
""" % (_OF_SSHD % "^python3")
ON_HOST = {"connection": _KILL_CONNECTION, "module": _KILL_MODULE}


class Background:
    """A command of the lab's controller, and what it has said so far."""

    def __init__(self, lab: Lab, command: Sequence[str], environment: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*lab.controller_prefix, *command], env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, start_new_session=True)

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_until_it_says(self, text: str, seconds: float = 120.0) -> float:
        """:returns: when it did, by the monotonic clock; 0 where it ended before."""
        end = time.monotonic() + seconds
        while text not in self.output:
            if self._process.poll() is not None:
                return 0.0
            assert time.monotonic() < end, self.output
            time.sleep(0.05)
        return time.monotonic()

    def wait(self, seconds: float = 200.0) -> None:
        self._process.wait(seconds)

    def kill(self) -> None:
        """It and all that it has started and that is still of its group; its connections stay."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def kill_on_host(lab: Lab, host: str, kind: str) -> None:
    lab.run(host, ON_HOST[kind], check=False)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start the servers of the demonstration, run a command on their inventory, stop them::

    python -m ansible_collections.connectivity.doctor.tests.demo -- ansible-playbook connectivity.doctor.diagnose
    python -m ansible_collections.connectivity.doctor.tests.demo DIRECTORY

The second writes ``inventory.yml`` to the directory and keeps the servers until it is interrupted.
"""
from __future__ import annotations

import contextlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

import yaml

from ansible_collections.connectivity.doctor.tests.demo.servers import Setting, http_endpoints, postgresql_endpoints
from ansible_collections.connectivity.doctor.tests.support.postgresql import NotFound

# Ansible's exit status when a host has failed, which for a diagnosis means that an endpoint is down.
_HOSTS_FAILED = 2


def say(text: str) -> None:
    print("demo: " + text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def demonstration(directory: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """The servers run while the context is open. :returns: the inventory. :raises NotFound: there is no PostgreSQL."""
    say("starting a PostgreSQL server and some small web servers on loopback …")
    with contextlib.ExitStack() as running:
        setting = Setting(directory, running)
        endpoints = postgresql_endpoints(setting) + http_endpoints(setting)
        host: dict[str, t.Any] = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
            **{"demo_%s_password" % role: password for role, password in setting.passwords.items()},
            "connectivity_endpoints": endpoints,
        }
        inventory = directory / "inventory.yml"
        inventory.touch(0o600)
        inventory.write_text(yaml.safe_dump({"all": {"hosts": {"localhost": host}}}, sort_keys=False), encoding="utf-8")
        say("they serve %d endpoints: two are well, the others ill, each in its own way" % len(endpoints))
        yield inventory


def run(command: list[str], inventory: pathlib.Path) -> int:
    """:returns: 0 where the command did its work, which is to find most endpoints down; else its exit status."""
    began = time.time()
    with subprocess.Popen([*command, "-i", str(inventory)]) as process:
        while True:
            try:
                status = process.wait()
                break
            except KeyboardInterrupt:
                continue  # the command was interrupted as well, and ends by itself
    if status == _HOSTS_FAILED and _reported_since(began, command):
        say("endpoints of this demonstration are down on purpose: run by itself, the command ends with status %d then" % status)
        return 0
    return status


def _reported_since(began: float, command: list[str]) -> bool:
    """Ansible ends with the same status where the diagnosis itself broke down, but then there is no new report."""
    if any("connectivity_report_dir" in argument for argument in command):
        return True  # where it is, only Ansible knows
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path("connectivity-report", "report.json").stat().st_mtime >= began - 1
    return False


def main(arguments: list[str]) -> int:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    directories, command = arguments[:end], arguments[end + 1:]
    if len(directories) > 1 or not (directories or command):
        print(__doc__, file=sys.stderr)
        return 64
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(128 + signal.SIGTERM))
    try:
        return _demonstrate(directories, command)
    except KeyboardInterrupt:  # all servers are stopped by now
        return 128 + signal.SIGINT if command else 0
    except NotFound as problem:
        say(str(problem))
        return 1


def _demonstrate(directories: list[str], command: list[str]) -> int:
    with contextlib.ExitStack() as stack:
        name = directories[0] if directories else stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-demo-"))
        directory = pathlib.Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        inventory = stack.enter_context(demonstration(directory.resolve()))
        if command:
            return run(command, inventory)
        say("the inventory is %s; interrupt me (Ctrl-C) to stop the servers" % inventory)
        while True:
            time.sleep(1)  # unlike signal.pause(), it can't miss an interrupt that comes just before


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

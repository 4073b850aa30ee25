# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: ``python -m ansible_collections.connectivity.doctor.tests.lab up``."""

from __future__ import annotations

import argparse
import sys

from .lab import Lab
from .shell import CommandError
from .topology import DEFAULT_CLIENTS


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    top = argparse.ArgumentParser(prog="lab", description="A real fleet of machines on one machine. Needs root.")
    commands = top.add_subparsers(dest="action", required=True)
    up = commands.add_parser("up", help="bring the lab up (builds its image the first time)")
    up.add_argument("--clients", type=int, help=f"how many clients (default {DEFAULT_CLIENTS})")
    down = commands.add_parser("down", help="remove the lab, but not its image")
    down.add_argument("--purge", action="store_true", help="remove the image and the folder too")
    commands.add_parser("status", help="which machines run, and their addresses")
    run = commands.add_parser("run", help="run a command on a machine, as root")
    run.add_argument("host")
    run.add_argument("command", nargs=argparse.REMAINDER)
    return top


def status(lab: Lab) -> int:
    """Print a line for each machine; 0 when all run."""
    for host in lab.hosts.values():
        state = "up" if lab.is_running(host.name) else "down"
        print(f"{host.name:8} {state:5} ssh {host.management_address:12} data {host.address4:12} {host.address6}")
    return 0 if lab.is_up() else 1


def run(lab: Lab, host: str, command: list[str]) -> int:
    """Run a command on a machine; its exit status."""
    result = lab.run(host, command[0] if len(command) == 1 else command, check=False, timeout=3600)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    return result.returncode


def main() -> int:
    """Do what the command line says; the exit status."""
    arguments = parser().parse_args()
    lab = Lab(clients=getattr(arguments, "clients", None))
    try:
        if arguments.action == "up":
            lab.up()
        elif arguments.action == "down":
            lab.down(purge=arguments.purge)
        elif arguments.action == "status":
            return status(lab)
        else:
            return run(lab, arguments.host, arguments.command)
    except (CommandError, PermissionError, KeyError, RuntimeError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is measured: how each is run over the whole lab, and what proves that it really did all of its work."""
from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.connectivity.doctor.tests.lab.lab import Lab

HERE = Path(__file__).resolve().parent
PARALLEL = "10"
_CONTROL_PERSIST_S = 60


class Disturbed(Exception):
    """A contender did not do all of its work, or found something broken: this run measures nothing."""


@dataclass(frozen=True)
class Field:
    """Where one contender runs: the lab, and a folder of its own that holds its connections and what it writes."""

    lab: Lab
    folder: Path

    @property
    def variables(self) -> dict[str, Any]:
        """The inventory's variables for all hosts."""
        return yaml.safe_load(self.lab.inventory.read_text())["all"]["vars"]

    def environment(self) -> dict[str, str]:
        """As ``./doctor`` makes it; settings of whoever runs the benchmark stay out."""
        ours = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return {
            **ours,
            "ANSIBLE_COLLECTIONS_PATH": str(HERE.parents[1] / ".collections"),
            "ANSIBLE_FORKS": PARALLEL,
            "ANSIBLE_HOME": str(self.folder),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.folder / "cp"),
        }


@dataclass(frozen=True)
class Contender:
    """``command`` is run where the lab's controller is. ``check`` raises :class:`Disturbed`, given the command's output.

    ``keeps_connections``: a second run can use the connections of the first.
    """

    name: str
    does: str
    command: Callable[[Field], list[str]]
    check: Callable[[Field, str], None]
    keeps_connections: bool = True


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _playbook(playbook: str | Path, field: Field, *arguments: str) -> list[str]:
    return [_program("ansible-playbook"), "-i", str(field.lab.inventory), *arguments, str(playbook)]


# --- ours

def _diagnose(field: Field) -> list[str]:
    variables = field.folder / "variables.json"
    endpoints = yaml.safe_load((HERE / "endpoints.yml").read_text(encoding="utf-8"))
    variables.write_text(json.dumps({"connectivity_endpoints": endpoints, "connectivity_report_dir": str(field.folder / "report")}))
    return _playbook("connectivity.doctor.diagnose", field, "-e", f"@{variables}")


# What the diagnosis must have observed on each host to have answered the questions of checks.yml.
ANSWERED = {
    "warehouse": ("dns.resolve", "tcp.connect", "tls.verify", "postgresql.login", "postgresql.session"),
    "gateway": ("dns.resolve", "tcp.connect", "tls.verify", "http.response"),
    "apm": ("dns.resolve", "tcp.connect", "http.response"),
    "proxied": ("dns.resolve", "tcp.connect", "proxy.connect", "http.response"),
    "balanced": ("dns.resolve", "tcp.connect", "http.response"),
    "intake": ("dns.resolve", "tcp.connect", "tls.verify", "http.response", "service.unit", "service.process", "service.configuration"),
}


def observations(field: Field) -> dict[str, list[dict[str, Any]]]:
    """By host, all that the last diagnosis observed."""
    files = (field.folder / "report" / "spool").glob("*.client.json")
    records = (json.loads(file.read_text(encoding="utf-8")) for file in files)
    return {record["host"]: record["observations"] for record in records}


def _check_diagnose(field: Field, output: str) -> None:
    summary = json.loads((field.folder / "report" / "report.json").read_text(encoding="utf-8"))["summary"]
    hosts = len(field.lab.hosts)
    if summary["healthy"] != hosts * len(ANSWERED):
        raise Disturbed(output)
    for host, observed in observations(field).items():
        good = {(one.get("endpoint"), one["check"]) for one in observed if one["status"] == "ok"}
        missing = {(name, check) for name, checks in ANSWERED.items() for check in checks} - good
        if missing:
            raise Disturbed(f"{host} was not asked all: {sorted(missing)}")


# --- plays of stock tasks

def tasks(playbook: str) -> list[str]:
    """The names of a playbook's tasks."""
    (play,) = yaml.safe_load((HERE / playbook).read_text(encoding="utf-8"))
    return [task["name"] for task in play["tasks"]]


def checks() -> int:
    """How many checks checks.yml makes on a host: its tasks, twice where there are two families."""
    (play,) = yaml.safe_load((HERE / "checks.yml").read_text(encoding="utf-8"))
    return sum(2 if "loop" in task else 1 for task in play["tasks"])


def _check_recap(playbook: str) -> Callable[[Field, str], None]:
    def check(field: Field, output: str) -> None:
        good = re.findall(r"^(\S+) +: ok=%d .*unreachable=0 +failed=0 " % len(tasks(playbook)), output, re.MULTILINE)
        if sorted(good) != sorted(field.lab.hosts):
            raise Disturbed(output)
    return check


# --- pyinfra

def _pyinfra(field: Field) -> list[str]:
    known = field.variables
    data = {name: value for name, value in known.items() if name.startswith("lab_")} | {
        "ssh_user": known["ansible_user"],
        "ssh_key": known["ansible_ssh_private_key_file"],
        "ssh_known_hosts_file": str(field.lab.folder / "known_hosts"),
        "ssh_strict_host_key_checking": "yes",
        "ssh_allow_agent": False,
        "ssh_look_for_keys": False,
        "addresses": {name: [host.address4, host.address6] for name, host in field.lab.hosts.items()},
    }
    inventory = field.folder / "inventory.py"
    inventory.touch(mode=0o600)
    inventory.write_text("hosts = %r\n" % [(host.management_address, data) for host in field.lab.hosts.values()])
    return [_program("pyinfra"), "-y", "--parallel", PARALLEL, str(inventory), str(HERE / "checks.py")]


def _check_pyinfra(field: Field, output: str) -> None:
    total = re.search(r"Grand total +(\d+) +(\d+)", output)
    wanted = str(len(field.lab.hosts) * len(tasks("checks.yml")))
    if not total or total.groups() != (wanted, wanted):
        raise Disturbed(output)


# --- ssh alone

def _ssh(field: Field) -> list[str]:
    known = field.variables
    ssh = ["ssh", *shlex.split(known["ansible_ssh_common_args"]), "-C", "-i", known["ansible_ssh_private_key_file"],
           "-l", known["ansible_user"], "-o", "ControlMaster=auto", "-o", f"ControlPersist={_CONTROL_PERSIST_S}",
           "-o", f"ControlPath={field.folder}/%h"]
    hosts = [host.management_address for host in field.lab.hosts.values()]
    # Each answers with a line; xargs says with its status whether one of them failed.
    script = "printf '%s\\n' " + shlex.join(hosts) + f" | xargs -P {PARALLEL} -I{{}} " + shlex.join(ssh) + " {} 'true && echo reached'"
    return ["sh", "-c", script]


def _check_ssh(field: Field, output: str) -> None:
    if output.count("reached") != len(field.lab.hosts):
        raise Disturbed(output)


OURS = "diagnose"
CONTENDERS = (
    Contender(OURS, "connectivity.doctor.diagnose", _diagnose, _check_diagnose),
    Contender("stock tasks", "a play of stock tasks, one a check",
              lambda field: _playbook(HERE / "checks.yml", field), _check_recap("checks.yml")),
    Contender("pyinfra", "the same checks as shell operations", _pyinfra, _check_pyinfra, keeps_connections=False),
    Contender("ping", "a play of one trivial task",
              lambda field: _playbook(HERE / "ping.yml", field), _check_recap("ping.yml")),
    Contender("ssh true", "ssh to each host, no Ansible", _ssh, _check_ssh),
)

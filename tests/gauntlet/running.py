# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one fault: inject, diagnose over ssh by the playbook as a user would, heal."""
from __future__ import annotations

import contextlib
import json
import pathlib
import tempfile
import time
import typing as t

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, described, machine_of
from ansible_collections.connectivity.doctor.tests.lab import controller
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab

_SERVED_CERTIFICATE = ("/etc/ssl/lab/server.pem", "/etc/ssl/lab/server.key")
_TRUSTED_CERTIFICATE = "/etc/ssl/lab/ca.pem"
# What makes a machine serve another certificate; on the others it is nginx.
_RELOAD = {"db1": "systemctl reload postgresql@15-main && sleep 0.5"}


class Diagnosis(t.NamedTuple):
    """``endpoints``: of the report, by host and name. ``seconds``: of the whole command. ``output``: what it printed."""

    endpoints: dict[str, dict[str, dict[str, t.Any]]]
    seconds: float
    output: str
    exit_status: int


def diagnose(
    lab: Lab, limit: str, endpoints: list[dict[str, t.Any]], arguments: t.Sequence[str] = (), become: bool = True,
) -> Diagnosis:
    """Run the playbook from where the lab's controller is. It may exit with 2, as it does for endpoints that are down."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {"connectivity_endpoints": endpoints, "connectivity_report_dir": folder + "/report"}
        began = time.monotonic()
        ran = controller.play(lab, "diagnose", limit, pathlib.Path(folder), variables, *arguments, become=become, timeout=120.0)
        seconds = time.monotonic() - began
        report = pathlib.Path(folder) / "report" / "report.json"
        if ran.returncode not in (0, 2) or not report.exists():
            raise RuntimeError("the playbook did not run (status %d):\n%s\n%s" % (ran.returncode, ran.stdout, ran.stderr))
        hosts = json.loads(report.read_text(encoding="utf-8"))["hosts"]
        return Diagnosis({host: seen["endpoints"] for host, seen in hosts.items()}, seconds, ran.stdout, ran.returncode)


def diagnose_fault(lab: Lab, fault: Fault) -> Diagnosis:
    """Diagnose while the fault is there; it is healed whatever happens."""
    with injected(lab, fault):
        return diagnose(lab, ",".join((fault.host, *fault.beside)), [described(fault)], become=fault.become)


@contextlib.contextmanager
def injected(lab: Lab, fault: Fault) -> t.Iterator[None]:
    """The fault is there inside of the block, and over after it; what can't be healed keeps nothing else from being healed."""
    with contextlib.ExitStack() as healing:
        if fault.machines:
            healing.callback(lab.wait_until_healthy, *fault.machines, fault.host)
        for turn, script in reversed(fault.heal.items()):
            healing.callback(lab.run, machine_of(turn), "set -e\n" + script)
        readied = {machine_of(turn) for turn in fault.inject}
        served = {machine: dict(options) for machine, options in fault.certificate.items()}
        for machine in sorted(set(served) - readied):
            healing.callback(_put_certificate, lab, machine, _serve(lab, machine, served.pop(machine)))
        for turn, script in fault.inject.items():
            lab.run(machine_of(turn), "set -e\n" + script)
        for machine, options in served.items():
            healing.callback(_put_certificate, lab, machine, _serve(lab, machine, options))
        for machine, dates in fault.trust.items():
            healing.callback(lab.put, machine, _TRUSTED_CERTIFICATE, lab.run(machine, ["cat", _TRUSTED_CERTIFICATE]).stdout)
            lab.put(machine, _TRUSTED_CERTIFICATE, lab.authority.root_dated(**dates))
        yield


def _serve(lab: Lab, machine: str, options: dict[str, t.Any]) -> tuple[str, str]:
    """Let the machine serve a certificate made so; returns what it served before."""
    kept = tuple(lab.run(machine, ["cat", path]).stdout for path in _SERVED_CERTIFICATE)
    made = lab.mint(*options.pop("names"), **options)
    _put_certificate(lab, machine, (made.chain, made.key))
    return kept[0], kept[1]


def _put_certificate(lab: Lab, machine: str, files: tuple[str, str]) -> None:
    for path, content in zip(_SERVED_CERTIFICATE, files, strict=True):
        lab.put(machine, path, content, mode=0o640 if path.endswith(".key") else 0o644)
    lab.run(machine, _RELOAD.get(machine, "nginx -s reload && sleep 0.5"))

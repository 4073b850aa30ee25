# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in the agent's own process on the managed node. The unit's record of how it ended tells them apart.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Pattern, above, given, seen

_ENABLED = ("enabled", "enabled-runtime", "static", "generated", "alias", "indirect", "linked", "linked-runtime")
_ENDED_BADLY = ("exit-code", "signal", "core-dump", "timeout", "watchdog", "start-limit-hit", "protocol")
_NO_PROGRAM = 203  # systemd.exec(5): EXIT_EXEC
_NO_UNIT = seen("service.unit", load_state=("masked", "not-found"))
_UNIT = {"unit": "{unit}"}


def _unit(**facts: object) -> Pattern:
    return seen("service.unit", "fail", load_state=facts.pop("load_state", "loaded"), **facts)


def _within(address: str, prefixes: str) -> bool:
    host = ipaddress.ip_address(address.partition("%")[0])
    networks = (ipaddress.ip_network(prefix, strict=False) for prefix in prefixes.split())
    return any(host.version == network.version and host in network for network in networks)


def _sandboxed(case: Case) -> Match | None:
    """The host connects, and the unit's settings forbid it the very address (systemd.resource-control(5): allow wins over deny)."""
    for number, unit in case.of("service.unit", "client"):
        settings = unit["data"].get("sandbox") or {}
        forbidden = [connected for connected, connect in case.of("tcp.connect", "client")
                     if connect["status"] == "ok" and _forbids(settings, connect["data"]["address"])]
        if forbidden:
            return Match((number, *forbidden), {**unit["data"], "sandbox": ", ".join("%s=%s" % item for item in settings.items())})
    return None


def _forbids(settings: dict[str, str], address: str) -> bool:
    denied = _within(address, settings.get("IPAddressDeny", "")) and not _within(address, settings.get("IPAddressAllow", ""))
    family = "AF_INET6" if ":" in address else "AF_INET"
    families = settings.get("RestrictAddressFamilies", family).split()
    return denied or "PrivateNetwork" in settings or family not in families


_CRASHED = (
    _unit(result=_ENDED_BADLY, exit_code=lambda code: code not in (None, _NO_PROGRAM)) | _unit(result=_ENDED_BADLY, exit_signal=given)
)
_NOT_INSTALLED = _unit(load_state="not-found") | _unit(exit_code=_NO_PROGRAM, program_exists=False)

CAUSES = (
    Cause(
        code="agent.not_installed",
        meaning="The agent's unit or its program is missing.",
        summary="{host}: {unit} is not installed, or only in part",
        proof=_NOT_INSTALLED,
        ruled_out=seen("service.unit", load_state="loaded", program_exists=True),
        look_alikes=("agent.stopped",),
        remediation=Remediation("reinstall_agent", GUARDED),
        advice="Install the agent's package again.",
        component="agent",
        culprit={"unit": "{unit}", "program": "{program}"},
    ),
    Cause(
        code="agent.masked",
        meaning="The agent's unit is masked, so that nothing can start it. That may be deliberate.",
        summary="{host}: {unit} is masked",
        proof=_unit(load_state="masked"),
        ruled_out=seen("service.unit", load_state=("loaded", "not-found")),
        look_alikes=("agent.stopped", "agent.disabled"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who masked it; unmask it if it was a mistake.",
        component="agent",
        culprit=_UNIT,
    ),
    Cause(
        code="agent.oom_killed",
        meaning="The kernel killed the agent, as memory ran out.",
        summary="{host}: {unit} was killed for want of memory",
        proof=_unit(result="oom-kill") | seen("service.unit", result="oom-kill", restarts=above(0)),
        ruled_out=seen("service.unit", result=("success", "exit-code", "core-dump", "start-limit-hit")),
        look_alikes=("agent.crash_loop",),
        remediation=Remediation("restart_agent", GUARDED),
        advice="Raise the unit's memory limit, or find what the agent needs the memory for; then restart it.",
        component="agent",
        culprit=_UNIT,
    ),
    Cause(
        code="agent.crash_loop",
        meaning="The agent ends by itself, each time it is started.",
        summary="{host}: {unit} ends by itself ({result}, exit code {exit_code}, {restarts} restarts)",
        proof=_CRASHED,
        ruled_out=seen("service.unit", result=("success", "oom-kill")),
        look_alikes=("agent.oom_killed", "agent.not_installed", "agent.stopped"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Read the agent's log of its last start; correct its configuration.",
        component="agent",
        culprit={"unit": "{unit}", "result": "{result}", "exit_code": "{exit_code}"},
    ),
    Cause(
        code="agent.disabled",
        meaning="The agent is not running, and is not set to start with the host.",
        summary="{host}: {unit} is not running, and is disabled",
        proof=_unit(active_state="inactive", unit_file_state="disabled"),
        ruled_out=seen("service.unit", unit_file_state=_ENABLED) | _NO_UNIT,
        look_alikes=("agent.stopped",),
        remediation=Remediation("restart_agent", AUTOMATIC),
        advice="Enable the unit and start it.",
        component="agent",
        culprit=_UNIT,
    ),
    Cause(
        code="agent.stopped",
        meaning="The agent was stopped: it ended cleanly and is set to start with the host.",
        summary="{host}: {unit} is stopped",
        proof=_unit(active_state=("inactive", "deactivating"), unit_file_state=_ENABLED, result="success"),
        ruled_out=seen("service.unit", result=_ENDED_BADLY) | seen("service.unit", unit_file_state=("disabled", "masked")) | _NO_UNIT,
        look_alikes=("agent.crash_loop", "agent.disabled"),
        remediation=Remediation("restart_agent", AUTOMATIC),
        advice="Start the agent.",
        component="agent",
        culprit=_UNIT,
    ),
    Cause(
        code="agent.hung",
        meaning="The agent's process exists, but does not run: it is stopped by a signal, or stuck.",
        summary="{host}: the process of {unit} ({pid}) does not run (state {state})",
        proof=seen("service.process", "fail", state=("T", "t", "D", "Z")),
        ruled_out=seen("service.process", state=("R", "S", "I")),
        look_alikes=("server.hung",),
        remediation=Remediation("restart_agent", GUARDED),
        advice="Keep what the process is doing (its stack), then restart it.",
        component="agent",
        culprit={"unit": "{unit}", "pid": "{pid}", "state": "{state}"},
    ),
    Cause(
        code="agent.stale_config",
        meaning="The agent's configuration was changed after it was started; it still runs with the old one.",
        summary="{host}: {newer_than_process} was changed after {unit} was started",
        proof=seen("service.configuration", newer_than_process=given),
        remediation=Remediation("restart_agent", AUTOMATIC),
        advice="Restart the agent.",
        component="agent",
        culprit={"unit": "{unit}", "files": "{newer_than_process}"},
    ),
    Cause(
        code="agent.duplicate_instance",
        meaning="A second copy of the agent runs beside the unit's own.",
        summary="{host}: beside {unit}, further copies run (pid {others})",
        proof=seen("service.process", others=given),
        remediation=Remediation("stop_duplicate", GUARDED),
        advice="Stop the copies that do not belong to the unit.",
        component="agent",
        culprit={"unit": "{unit}", "pids": "{others}"},
    ),
    Cause(
        code="agent.fd_limit",
        meaning="The agent has used up the file descriptors that it may have, and can't open connections.",
        summary="{host}: {unit} uses {descriptors_used} of {descriptors_limit} file descriptors",
        proof=seen("service.process", descriptors_near_limit=True),
        remediation=Remediation("restart_agent", GUARDED),
        advice="Raise LimitNOFILE of the unit, and restart it.",
        component="agent",
        culprit={"unit": "{unit}", "limit": "{descriptors_limit}"},
    ),
    Cause(
        code="agent.unit_sandboxed",
        meaning="The unit's own settings take its network away, while the host has it.",
        summary="{host}: settings of {unit} take its network away ({sandbox})",
        proof=Joined(_sandboxed),
        remediation=Remediation("adjust_unit", GUARDED),
        advice="Remove the setting from the unit's drop-in.",
        component="agent",
        culprit={"unit": "{unit}", "settings": "{sandbox}"},
    ),
)

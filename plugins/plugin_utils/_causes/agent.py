# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in the agent on the managed node: its process, which the unit's record of how it ended tells apart, and its configuration.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import (
    AT_WORK,
    COMPLAINS,
    CONNECTED,
    REFUSED,
    WORKS_WITH_IT,
    complaints,
    ended_by_status,
    said_at_start,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes._agent_destination import (
    DIFFERS_ON_PAPER,
    OTHER_CLUSTER,
    WRONG_HOST,
    WRONG_PATH,
    WRONG_PORT,
    WRONG_SCHEME,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes._agent_settings import WRONG_SETTING
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Pattern,
    Seen,
    above,
    given,
    seen,
    unseen,
)

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


def _unreadable(case: Case) -> Match | None:
    """A file that the user as whom systemd starts the agent can't read; who starts as root has read it before it became another user."""
    users = [unit["data"].get("user") or "root" for _number, unit in case.of("service.unit", "client")]
    for number, file in case.of("agent_config.file", "client"):
        data = file["data"]
        if data["readable"] is not False or data["error"] == "missing":
            continue
        said = said_at_start(case, ("file_unreadable",))
        named = said is not None and any(data["path"] in sample for sample in said.facts["samples"])
        if data["user"] in (users or [data["user"]]) or named:
            return Match((number, *(said.numbers if said and named else ())), data)
    return None


def _stray(case: Case) -> Match | None:
    """Characters that nobody sees, where they do harm: in a value that the agent needs, or to all of the file."""
    mended = [(number, credential["data"]["source"]) for number, credential in case.of("agent_config.credential", "client")
              if credential["data"]["right_when_cleaned"]]
    needed = {told["data"].get("source") for check in _NEEDED for _number, told in case.of(check, "client")}
    for number, file in case.of("agent_config.file", "client"):
        problem = file["data"]["syntax_error"] or {}
        for stray in file["data"]["stray"]:
            spot = "%s:%d" % (file["data"]["path"], stray["line"])
            if stray["harmful"] and (stray["kind"] in _ALL_OF_THE_FILE or spot in needed or stray["line"] == problem.get("line")):
                facts = {"kind": _KINDS.get(stray["kind"], stray["kind"].replace("_", " ")), "bytes": stray["bytes"], "spot": spot}
                return Match((number, *(one for one, _source in mended)), facts)
    return next((Match((number,), {"kind": "quote or blank too many", "bytes": "", "spot": source}) for number, source in mended), None)


def _syntax(case: Case) -> Match | None:
    for number, file in case.of("agent_config.file", "client"):
        error = file["data"]["syntax_error"]
        if file["status"] == "fail" and error:
            return Match((number,), {**file["data"], "spot": "%s:%d:%d" % (file["data"]["path"], error["line"], error["column"]),
                                     "problem": error["problem"]})
    return None


def _overridden(case: Case) -> Match | None:
    """A variable counts more than the file, which would be right, and what it says is wrong."""
    for number, environment in case.of("agent_config.environment", "client"):
        for override in environment["data"].get("overrides", ()):
            wrong = _WRONG_BY_ROLE.get(override["role"])
            match = wrong.match(case) if wrong and override["differs"] and override["right_in_file"] else None
            if match:
                return Match((number, *match.numbers), {**override, "name_of_variable": override["name"]})
    return None


# What breaks every line of a file, wherever it was met first.
_ALL_OF_THE_FILE = ("bom", "crlf")
_NEEDED = ("agent_config.endpoint", "agent_config.credential", "agent_config.reporting")
_KINDS = {"bom": "byte order mark", "crlf": "carriage return"}
_WRONG_BY_ROLE: dict[str, Pattern] = {
    "endpoint": seen("agent_config.endpoint", "fail", from_environment=True) & (WRONG_HOST | WRONG_PORT | WRONG_SCHEME),
    "credential": seen("agent_config.credential", "fail", from_environment=True) & unseen(WORKS_WITH_IT),
}
# Written once, and true as long as the process lives.
_GAVE_UP = Joined(lambda case: said_at_start(case, ("gave_up",))) | Joined(ended_by_status)
_UNKNOWN_THERE = Joined(lambda case: complaints(case, ("unknown_host_on_server",)))
_NOT_AT_WORK = unseen(AT_WORK)
_NOT_WITH_IT = unseen(WORKS_WITH_IT)
_ENDED = seen("service.unit", "fail", result=("exit-code", "start-limit-hit", "signal", "core-dump", "protocol", "timeout"))
_AT_THE_AGENTS_PLACE = (Seen("tcp.connect", {}, "fail", side="agent") | Seen("tls.handshake", {}, "fail", side="agent")
                        | Seen("http.response", {}, "fail", side="agent"))
_WRONG_ON_THE_HOST = (
    "agent.wrong_host", "agent.wrong_port", "agent.wrong_scheme", "agent.wrong_path", "agent.reporting_disabled", "agent.config_syntax",
    "agent.config_stray_characters", "agent.env_override", "credential.placeholder", "credential.malformed", "credential.missing",
)
_CONFIGURED = {"configured": "{configured}", "source": "{source}"}
_WHERE_IT_LEADS = "whether what the agent is told leads to the endpoint, tried from this host"
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
        remediation=Remediation("unmask_agent", GUARDED),
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
        code="agent.gave_up",
        meaning="The server once told the agent to stop. It runs, and sends nothing until it is restarted, however well all is now.",
        summary="{host}: the agent was told to stop at {last_at}, and sends nothing until it is restarted",
        proof=_GAVE_UP,
        ruled_out=CONNECTED,
        silences=_GAVE_UP,
        remediation=Remediation("restart_agent", AUTOMATIC),
        advice="Restart the agent; where it is told to stop again, ask who disconnects it on the server.",
        component="agent",
        culprit={"said": "{samples}"},
    ),
    Cause(
        code="agent.unknown_to_server",
        meaning="The server lets the agent in, and knows nobody by the name under which it reports.",
        summary="{name}:{port} knows no host by the name under which the agent of {host} reports",
        proof=_UNKNOWN_THERE,
        silences=_UNKNOWN_THERE,
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the host added on the server under the agent's name, or set the name that it has there; capitals count.",
        component="agent",
        culprit={"said": "{samples}"},
    ),
    Cause(
        code="agent.stale_config",
        meaning="The agent's configuration was changed after it was started; it still runs with the old one.",
        summary="{host}: {newer_than_process} was changed after {unit} was started",
        proof=seen("service.configuration", newer_than_process=given),
        # What the file says now is wrong: a restart would only bring that in.
        follows_from=_WRONG_ON_THE_HOST,
        silences=COMPLAINS,
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
        silences=_NOT_AT_WORK,
        remediation=Remediation("adjust_unit", GUARDED),
        advice="Remove the setting from the unit's drop-in.",
        component="agent",
        culprit={"unit": "{unit}", "settings": "{sandbox}"},
    ),
    Cause(
        code="agent.wrong_host",
        meaning="The agent is told to send to another host than the endpoint.",
        summary="{host}: the agent is told to send to {configured}, which is not {expected_host} ({source})",
        proof=WRONG_HOST,
        suspicion=DIFFERS_ON_PAPER & seen("agent_config.endpoint", differs=lambda differs: "host" in (differs or ())),
        ruled_out=seen("agent_config.endpoint", "ok", comparable=True),
        look_alikes=("agent.env_override",),
        decide_by=_WHERE_IT_LEADS,
        explains=_AT_THE_AGENTS_PLACE,
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set the endpoint's host in the agent's configuration, and restart the agent.",
        component="agent configuration",
        culprit=_CONFIGURED,
    ),
    Cause(
        code="agent.wrong_port",
        meaning="The right host is configured, with a wrong port.",
        summary="{host}: port {configured_port} of {name} is configured, and {expected_port} is the right one ({source})",
        proof=WRONG_PORT,
        ruled_out=seen("agent_config.endpoint", "ok"),
        look_alikes=("agent.env_override",),
        explains=_AT_THE_AGENTS_PLACE | OTHER_CLUSTER,
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set the port where it is configured, and restart what reads it.",
        component="agent configuration",
        culprit=_CONFIGURED,
    ),
    Cause(
        code="agent.wrong_scheme",
        meaning="The agent is told to use TLS where the endpoint is without, or the other way round.",
        summary="{host}: the agent is told to use {configured_scheme} where {name} has {expected_scheme} ({source})",
        proof=WRONG_SCHEME,
        ruled_out=seen("agent_config.endpoint", "ok"),
        look_alikes=("agent.env_override",),
        explains=_AT_THE_AGENTS_PLACE,
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set the endpoint's scheme in the agent's configuration, and restart the agent.",
        component="agent configuration",
        culprit=_CONFIGURED,
    ),
    Cause(
        code="agent.wrong_setting",
        meaning="A setting of the client's connections, as TLS or a proxy, is such that the endpoint does not serve it; with the "
                "inventory's it does.",
        summary="{host}: with {setting}={value} ({source}) {name}:{port} does not serve the client, and without it, it does: {detail}",
        proof=WRONG_SETTING,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set {setting} as the endpoint needs it where the client is configured, and restart the client.",
        explains=COMPLAINS | REFUSED,
        silences=_NOT_AT_WORK,
        component="agent configuration",
        culprit={"setting": "{setting}", "value": "{value}", "source": "{source}"},
    ),
    Cause(
        code="agent.wrong_path",
        meaning="The server is the right one, and does not know the path that it is asked for.",
        summary="{name} does not know the path {configured_path} ({source})",
        proof=WRONG_PATH,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set the path, or the base URL, that the server has.",
        explains=_AT_THE_AGENTS_PLACE,
        # It is connected to the right server, all the same.
        silences=_NOT_AT_WORK | COMPLAINS,
        component="agent configuration",
        culprit={"path": "{configured_path}", **_CONFIGURED},
    ),
    Cause(
        code="agent.reporting_disabled",
        meaning="The agent runs, and a switch in its configuration keeps it from sending.",
        summary="{host}: reporting is switched off in {source} ({value})",
        proof=seen("agent_config.reporting", "fail", enabled=False) & _NOT_WITH_IT,
        ruled_out=seen("agent_config.reporting", "ok"),
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Switch it on, if policy wants this host to report, and restart the agent.",
        component="agent configuration",
        culprit={"source": "{source}", "value": "{value}"},
    ),
    Cause(
        code="agent.config_syntax",
        meaning="The agent's configuration can't be parsed.",
        summary="{host}: {spot} is not valid {format}: {problem}",
        proof=Joined(_syntax) & _NOT_WITH_IT,
        ruled_out=Seen("agent_config.file", {"error": ""}, every=True),
        look_alikes=("agent.file_unreadable", "agent.config_stray_characters"),
        explains=_ENDED,
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Restore the last good configuration, or correct the line, and restart the agent.",
        component="agent configuration",
        culprit={"place": "{spot}", "problem": "{problem}"},
    ),
    Cause(
        code="agent.config_stray_characters",
        meaning="The agent's configuration holds characters that nobody sees, and that change what the agent reads.",
        summary="{host}: {spot} has a {kind} that changes what the agent reads",
        proof=Joined(_stray) & _NOT_WITH_IT,
        ruled_out=Seen("agent_config.file", {"stray_harmful": False}, every=True),
        look_alikes=("agent.config_syntax", "credential.malformed"),
        explains=_ENDED | seen("agent_config.file", "fail", error="syntax") | seen("agent_config.credential", "fail"),
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", AUTOMATIC),
        advice="Write the line again without the characters, and restart the agent.",
        component="agent configuration",
        culprit={"place": "{spot}", "kind": "{kind}", "bytes": "{bytes}"},
    ),
    Cause(
        code="agent.file_unreadable",
        meaning="The agent's user is not permitted to read a file that the agent needs.",
        summary="{host}: {user} can't read {path}: {blocked_why} of {blocked_by} ({owner}:{group} {mode})",
        proof=Joined(_unreadable),
        ruled_out=Seen("agent_config.file", {"readable": True}, every=True),
        look_alikes=("agent.config_syntax",),
        explains=_ENDED | seen("agent_config.credential", "fail", state="unreadable"),
        silences=_NOT_AT_WORK,
        remediation=Remediation("restore_file_mode", AUTOMATIC),
        advice="Give the file the owner and mode that the agent's package has for it.",
        component="agent configuration",
        culprit={"path": "{blocked_by}", "owner": "{owner}", "group": "{group}", "mode": "{mode}"},
    ),
    Cause(
        code="agent.env_override",
        meaning="A variable in the agent's environment replaces what its file says, and is wrong where the file is right.",
        summary="{host}: the variable {name_of_variable} replaces {over_file}, and is wrong",
        proof=Joined(_overridden),
        ruled_out=seen("agent_config.environment", overrides=lambda overrides: not any(one["differs"] for one in overrides or ())),
        explains=seen("agent_config.endpoint", "fail", from_environment=True)
        | seen("agent_config.credential", "fail", from_environment=True) | _AT_THE_AGENTS_PLACE,
        silences=_NOT_AT_WORK,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Remove the variable from the unit or its environment file, or correct it, and restart the agent.",
        component="agent configuration",
        culprit={"variable": "{name_of_variable}", "over_file": "{over_file}"},
    ),
    Cause(
        code="agent.version_incompatible",
        meaning="The server does not take what this version of the agent, or of its protocol, sends.",
        summary="{name}:{port} refuses this version of the agent",
        proof=seen("http.response", "fail", status=426) | Joined(lambda case: complaints(case, ("version",))),
        ruled_out=seen("http.response", "ok"),
        silences=_NOT_AT_WORK,
        remediation=Remediation("escalate", ESCALATE),
        advice="Upgrade the agent to a version that the server supports.",
        component="agent",
        culprit={"status": "{status}", "said": "{samples}"},
    ),
)

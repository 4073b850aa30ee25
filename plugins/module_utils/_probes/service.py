# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a service running; if not, how it ended; if so, is its process alive, alone, and running with its current configuration.

Sources: org.freedesktop.systemd1(5) and systemctl(1) for the unit's properties, systemd.exec(5) for exit status 203, systemd.unit(5) for
the start limit, proc(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import (
    _agent_process,
    _cgroup,
    _identity,
    _process,
    _service_connections,
    _service_surroundings,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS: dict[str, t.Any] = {
    "name": {"type": "str", "required": True},
    "process": {"type": "str"},
    "configuration": {"type": "list", "elements": "path", "default": []},
    "pid_file": {"type": "path"},
    "package": {"type": "str"},
    "salt": {"type": "str", "no_log": False},
}

_PROPERTIES = (
    "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "ExecMainCode", "ExecMainStatus", "ExecMainPID", "MainPID",
    "NRestarts", "FragmentPath", "DropInPaths", "ExecStart", "User", "IPAddressDeny", "IPAddressAllow", "PrivateNetwork",
    "RestrictAddressFamilies", "NeedDaemonReload", "ActiveEnterTimestampMonotonic", "InactiveEnterTimestampMonotonic",
    "Restart", "StartLimitBurst", "StartLimitIntervalUSec", "ControlGroup", "LimitNOFILE", "LimitNPROC",
)
# What a process that systemd starts may have (systemd.exec(5)); one that runs may have been given another limit since.
_SETTINGS_OF_LIMITS = ("LimitNOFILE", "LimitNPROC")
_RUNNING_STATES = ("active", "reloading")
# A file written in the second in which the process started is the one that it read.
_CLOCK_GRAIN_S = 2.0
_NEAR_LIMIT = 0.95
# After which results Restart= starts the unit again (systemd.service(5)).
_ABNORMAL = ("signal", "core-dump", "timeout", "watchdog")
_RESTARTED_AFTER = {
    "always": ("success", "exit-code", "oom-kill", *_ABNORMAL),
    "on-failure": ("exit-code", "oom-kill", *_ABNORMAL),
    "on-abnormal": ("oom-kill", *_ABNORMAL),
    "on-abort": ("signal", "core-dump"),
    "on-watchdog": ("watchdog",),
}
_MOST_PROCESSES = 50

# What of proc(5) 'limits' is told, by its name there.
_LIMITS = {
    "Max open files": "open_files",
    "Max processes": "processes",
    "Max address space": "address_space",
    "Max core file size": "core_size",
}


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``service.unit``, where a process runs what is known of it, and what was asked for beside it.

    ``service.unit``: ``load_state``, ``active_state``, ``sub_state``, ``unit_file_state``, ``result``, ``exit_code``, ``exit_signal``,
    ``restarts``, ``program``, ``program_exists``, ``user``, ``sandbox`` (settings that cut the network), ``drop_ins``, ``active_since`` and
    ``inactive_since`` (empty if never), ``start_limit_hit`` (systemd gave up), ``start_limit`` (``starts`` in ``interval``), ``limits``
    (``LimitNOFILE``, ``LimitNPROC``; null is no limit).
    ``service.process``: ``pid``, ``state``, ``started``, ``descriptors_used``, ``descriptors_limit``, ``others`` (same program, outside
    of the unit), ``others_units`` (the service of each of them, or empty), ``pids`` (all of the unit, or where there is no systemd, all of
    that name), ``user``, ``limits`` (null is no limit).
    ``service.cgroup``: ``path``, ``version``, ``oom_kills``, ``memory_bytes``, ``memory_limit_bytes``, ``processes``,
    ``processes_limit``, ``forks_refused``.
    ``service.environment``: ``pid``, ``names``, ``proxies`` (without passwords), ``libpq`` (its variables that say where to go),
    ``fingerprints`` (of variables whose names sound secret; with ``salt`` only). ``service.configuration``: ``newer_than_process``,
    ``missing``, ``files``.
    ``service.pid_file``: ``path``, ``pid``, ``alive``, ``command``, ``stale`` (names a process that is gone, or another program).
    ``service.connections``: ``peers`` (``address``, ``port``, ``state``, ``count``) that its processes are connected to as clients,
    ``complete``.
    ``service.package``: ``package``, ``manager``, ``state`` (``installed``, ``half_installed``, ``not_installed``), ``version``,
    ``verified``, ``missing``, ``changed``, ``configuration_changed``.
    """
    started = time.time()
    unit = parameters["name"]
    command = parameters.get("process") or ""
    if parameters.get("package"):
        _service_surroundings.observe_package(context, parameters["package"])
    named = _service_surroundings.observe_pid_file(context, unit, parameters["pid_file"], command) if parameters.get("pid_file") else 0
    properties = _show(unit, context)
    if properties is None:
        context.observe("service.unit", "cannot_tell", unit, "systemd can't be asked about %s here" % unit, data={"reason": "no_systemd"})
        pid = named or _by_command(command or unit)
    else:
        _observe_unit(context, unit, properties, started)
        pid = int(properties.get("MainPID") or 0)
    process = _process.read_process(pid) if pid else None
    if process is None:
        return Outcome(False)
    group = (properties or {}).get("ControlGroup") or _cgroup.of_process(pid)
    pids = _cgroup.members(group, _MOST_PROCESSES) if properties and group else _agent_process.all_by_name(process.command)
    _observe_process(context, unit, process, command, pids[:_MOST_PROCESSES])
    _service_surroundings.observe_group(context, unit, group)
    _service_surroundings.observe_environment(context, unit, pid, parameters.get("salt") or "")
    _service_connections.observe_connections(context, unit, {pid, *pids})
    _observe_configuration(context, unit, process, parameters.get("configuration") or [])
    return Outcome(True)


def _show(unit: str, context: Context) -> dict[str, str] | None:
    answer = context.command(["systemctl", "show", "--no-pager", "--property=" + ",".join(_PROPERTIES), "--", unit], seconds=5.0)
    if answer.exit_code != 0 or "LoadState=" not in answer.output:
        return None
    return dict(line.split("=", 1) for line in answer.output.splitlines() if "=" in line)


def _observe_unit(context: Context, unit: str, properties: dict[str, str], started: float) -> None:
    program = re.search(r"path=(\S+)", properties.get("ExecStart", ""))
    path = program.group(1) if program else ""
    active = properties["ActiveState"] in _RUNNING_STATES and properties["LoadState"] == "loaded"
    by_signal = properties.get("ExecMainCode") in ("2", "3")  # CLD_KILLED, CLD_DUMPED of sigaction(2)
    status = int(properties.get("ExecMainStatus") or 0)
    data = {
        "unit": unit,
        "load_state": properties["LoadState"],
        "active_state": properties["ActiveState"],
        "sub_state": properties["SubState"],
        "unit_file_state": properties.get("UnitFileState", ""),
        "result": properties.get("Result", ""),
        "exit_code": None if by_signal else status,
        "exit_signal": status if by_signal else None,
        "restarts": int(properties.get("NRestarts") or 0),
        "program": path,
        "program_exists": os.path.exists(path) if path else None,
        "user": properties.get("User", ""),
        "sandbox": _sandbox(properties),
        "drop_ins": properties.get("DropInPaths", "").split(),
        "needs_daemon_reload": properties.get("NeedDaemonReload") == "yes",
        "active_since": _moment(properties.get("ActiveEnterTimestampMonotonic")),
        "inactive_since": _moment(properties.get("InactiveEnterTimestampMonotonic")),
        "start_limit_hit": _gave_up(properties),
        "start_limit": {"starts": int(properties.get("StartLimitBurst") or 0), "interval": properties.get("StartLimitIntervalUSec", "")},
        "limits": {name: int(properties[name]) if properties[name].isdigit() else None
                   for name in _SETTINGS_OF_LIMITS if name in properties},
    }
    context.observe("service.unit", "ok" if active else "fail", unit, _sentence(data), data=data, started=started,
                    reproduce="systemctl status %s" % unit)


def _gave_up(properties: dict[str, str]) -> bool:
    """Whether systemd starts it no more, as it was started too often. Its ``Result`` is then mostly that of the last start."""
    if properties.get("Result") == "start-limit-hit":
        return True
    would_restart = properties.get("Result") in _RESTARTED_AFTER.get(properties.get("Restart", ""), ())
    burst = int(properties.get("StartLimitBurst") or 0)
    return properties["ActiveState"] == "failed" and would_restart and 0 < burst <= int(properties.get("NRestarts") or 0)


def _moment(microseconds: str | None) -> str:
    """:param microseconds: on the clock that counts from the boot, as a change of the wall clock does not move it; 0 for never."""
    if not microseconds or not microseconds.isdigit() or microseconds == "0":
        return ""
    return timestamp(time.time() - time.monotonic() + int(microseconds) / 1e6)


def _sandbox(properties: dict[str, str]) -> dict[str, str]:
    """Only the settings that take network away (systemd.exec(5), systemd.resource-control(5)), and only where they are set."""
    settings = {}
    if properties.get("PrivateNetwork") == "yes":
        settings["PrivateNetwork"] = "yes"
    if properties.get("IPAddressDeny"):
        settings["IPAddressDeny"] = properties["IPAddressDeny"]
        settings["IPAddressAllow"] = properties.get("IPAddressAllow", "")
    families = properties.get("RestrictAddressFamilies", "").split()
    if families and not {"AF_INET", "AF_INET6"} <= set(families) and not families[0].startswith("~"):
        settings["RestrictAddressFamilies"] = " ".join(families)
    return settings


def _sentence(data: dict[str, t.Any]) -> str:
    if data["load_state"] != "loaded":
        return "unit %s is %s" % (data["unit"], data["load_state"].replace("-", " "))
    how = ""
    if data["active_state"] not in _RUNNING_STATES:
        how = ", last result %s" % data["result"]
        how += ", signal %d" % data["exit_signal"] if data["exit_signal"] else ", exit code %s" % data["exit_code"]
    restarts = ", restarted %d times" % data["restarts"] if data["restarts"] else ""
    return "unit %s is %s (%s), %s%s%s" % (
        data["unit"], data["active_state"], data["sub_state"], data["unit_file_state"] or "static", how, restarts)


def _by_command(command: str) -> int:
    return _agent_process.by_name(command)


def _observe_process(context: Context, unit: str, process: _process.Process, command: str, pids: t.Sequence[int] = ()) -> None:
    used, limit = _process.descriptors(process.pid)
    others = _others(process, command[:15]) if command else []
    near_limit = bool(used and limit and used >= limit * _NEAR_LIMIT)
    data = {
        "unit": unit,
        "pid": process.pid,
        "command": process.command,
        "state": process.state,
        "started": timestamp(process.started),
        "descriptors_used": used,
        "descriptors_limit": limit,
        "descriptors_near_limit": near_limit,
        "others": [other.pid for other in others],
        "others_units": [other.unit for other in others],
        "pids": list(pids),
        "user": _user(process.pid),
        "limits": _limits(process.pid),
    }
    trouble = process.state in ("T", "t", "D", "Z")
    words = {"T": "stopped by a signal", "t": "stopped by a debugger", "D": "waiting for a device", "Z": "dead"}
    context.observe(
        "service.process",
        "fail" if trouble else "warn" if near_limit or others else "ok",
        unit,
        "process %d (%s) of %s is %s" % (process.pid, process.command, unit, words.get(process.state, "running")),
        data=data,
        reproduce="ps -o pid,stat,lstart,args -p %d" % process.pid,
    )


def _user(pid: int) -> str:
    identity = _identity.of_process(pid)
    return identity.name if identity else ""


def _limits(pid: int) -> dict[str, int | None]:
    """The soft limits of a process; None for no limit. Empty where they can't be read."""
    try:
        with open("/proc/%d/limits" % pid, encoding="ascii") as file:
            lines = file.read(8192).splitlines()
    except OSError:
        return {}
    found = {}
    for line in lines:
        name = next((name for name in _LIMITS if line.startswith(name + " ")), "")
        soft = line[len(name):].split()[:1]
        if name and soft:
            found[_LIMITS[name]] = int(soft[0]) if soft[0].isdigit() else None
    return found


def _others(main: _process.Process, command: str) -> list[_process.Process]:
    """Not those in containers, which are agents of their own."""
    found = []
    for pid in _process.process_ids():
        process = _process.read_process(pid)
        if process and process.command == command and pid != main.pid and process.unit != main.unit and _is_beside(pid, main.pid):
            found.append(process)
    return found[:20]


def _is_beside(pid: int, other: int) -> bool:
    """Where it can't be told, it is taken for one of the same host."""
    try:
        return os.readlink("/proc/%d/ns/pid" % pid) == os.readlink("/proc/%d/ns/pid" % other)
    except OSError:
        return True


def _observe_configuration(context: Context, unit: str, process: _process.Process, paths: list[str]) -> None:
    files, newer, missing = [], [], []
    for path in paths:
        try:
            status = os.stat(path)
        except FileNotFoundError:
            missing.append(path)
            continue
        except OSError:
            continue
        files.append({
            "path": path, "modified": timestamp(status.st_mtime), "mode": "%04o" % (status.st_mode & 0o7777), "uid": status.st_uid,
        })
        if status.st_mtime > process.started + _CLOCK_GRAIN_S:
            newer.append(path)
    if paths:
        context.observe(
            "service.configuration",
            "warn" if newer else "ok",
            unit,
            "%s changed after %s was started" % (", ".join(newer), unit) if newer else "%s runs with its current configuration" % unit,
            data={
                "unit": unit, "files": files, "newer_than_process": newer, "missing": missing,
                "process_started": timestamp(process.started),
            },
            reproduce="stat -c '%%y %%n' %s; ps -o lstart -p %d" % (" ".join(paths), process.pid),
        )

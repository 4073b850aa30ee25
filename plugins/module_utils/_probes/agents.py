# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the known agents are on this host: by their systemd units, asked for all at once, and by the names of their processes.

Sources: systemctl(1), which tells the units in the order in which they are named; org.freedesktop.systemd1(5); proc(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _process
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome

ARGUMENTS: dict[str, t.Any] = {
    "known": {"type": "dict", "required": True},
}

_SECONDS = 5.0
_MOST_UNITS = 500
_NAME_LENGTH = 15  # what the kernel keeps of a process's name


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``agents.present``, and passes where any is here.

    ``agents.present`` (ok, warn, cannot_tell): ``found`` (list of ``agent``, ``unit`` (empty where only a process shows it),
    ``load_state``, ``active_state``, ``pids``), ``looked_for`` (how many), ``reason`` (``no_systemd``, where there are no units to ask for
    and no process shows any).
    """
    known = parameters["known"]
    units = list(dict.fromkeys(unit for rule in known.values() for unit in rule.get("units") or ()))[:_MOST_UNITS]
    states = _states(units, context)
    running = _running({rule["process"][:_NAME_LENGTH] for rule in known.values() if rule.get("process")})
    found = [entry for name, rule in known.items() for entry in _found(name, rule, states, running)]
    data: dict[str, t.Any] = {"found": found, "looked_for": len(known)}
    if found:
        status, message = "ok", "on this host: %s" % ", ".join(
            "%s (%s)" % (entry["agent"], entry["active_state"] or "its process runs") for entry in found)
    elif states is None:
        data["reason"] = "no_systemd"
        status, message = "cannot_tell", "systemd can't be asked here, and no process of %d known agents runs" % len(known)
    else:
        status, message = "warn", "none of %d known agents is on this host" % len(known)
    context.observe("agents.present", status, "agents", message, data=data, reproduce="systemctl list-unit-files --type=service")
    return Outcome(bool(found))


def _states(units: t.Sequence[str], context: Context) -> dict[str, tuple[str, str]] | None:
    """By unit, its load state and active state. None where systemd does not answer."""
    if not units:
        return {}
    answer = context.command(["systemctl", "show", "--no-pager", "--property=LoadState,ActiveState", "--", *units], seconds=_SECONDS)
    blocks = [dict(line.split("=", 1) for line in block.splitlines() if "=" in line) for block in answer.output.strip().split("\n\n")]
    if answer.exit_code != 0 or len(blocks) != len(units):
        return None
    return {unit: (block.get("LoadState", ""), block.get("ActiveState", "")) for unit, block in zip(units, blocks)}


def _running(names: t.Collection[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for pid in _process.process_ids() if names else ():
        process = _process.read_process(pid)
        if process and process.command in names and process.state != "Z":
            found.setdefault(process.command, []).append(pid)
    return found


def _found(
    name: str, rule: t.Mapping[str, t.Any], states: t.Mapping[str, tuple[str, str]] | None, running: t.Mapping[str, list[int]],
) -> t.Iterator[dict[str, t.Any]]:
    """The first of its units that is here, in the order in which they are named; its process where there can't be a unit.

    A process of that name without the unit may be that of a container, which has an agent of its own.
    """
    pids = running.get((rule.get("process") or "")[:_NAME_LENGTH], [])
    for unit in rule.get("units") or ():
        load_state, active_state = (states or {}).get(unit, ("not-found", ""))
        if load_state not in ("", "not-found"):
            yield {"agent": name, "unit": unit, "load_state": load_state, "active_state": active_state, "pids": pids}
            return
    if pids and (states is None or not rule.get("units")):
        yield {"agent": name, "unit": "", "load_state": "", "active_state": "", "pids": pids}

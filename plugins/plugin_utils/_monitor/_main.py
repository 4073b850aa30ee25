# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door of the program: reads what to look at, looks, and replaces the state and the metrics.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import pathlib
import sys
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint_document import endpoint_of
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._failures import kept, of_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._history import advanced
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._look import Looked, look
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._measures import measured
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import rendered
from ansible_collections.connectivity.doctor.plugins.plugin_utils._whole_files import write_whole

SCHEMA = "connectivity.doctor/monitor-state/v1"
SETTINGS, SECRETS = "endpoints.json", "secrets.json"
STATE, METRICS_FOLDER, METRICS = "state.json", "metrics", "connectivity.prom"
# The guide's own threshold of how much of a pool may be taken; an endpoint has none of its own.
_POOL_USAGE = 0.9

_Entry = t.Dict[str, t.Any]


def main(arguments: t.Sequence[str]) -> int:
    """:param arguments: the folder of the settings, and that of the state. :returns: the exit status."""
    settings_folder, state_folder = map(pathlib.Path, arguments)
    settings = json.loads((settings_folder / SETTINGS).read_text(encoding="utf-8"))
    secrets = json.loads((settings_folder / SECRETS).read_text(encoding="utf-8"))
    endpoints = [endpoint_of(told, secrets.get(told["name"], {})) for told in settings["endpoints"]]
    before = _read(state_folder / STATE)
    began = time.time()
    looked = look(endpoints, settings["host"], settings["timeout_s"], settings["retries"])
    state = following(before, looked, settings, began, time.time())
    write_whole(state_folder, {STATE: json.dumps(state)}, 0o640)
    write_whole(state_folder / METRICS_FOLDER, {METRICS: rendered(state)}, 0o644)
    for line in _changes(before, state):
        sys.stdout.write(line + "\n")
    return 0


def following(
    before: t.Mapping[str, t.Any], looked: t.Mapping[str, Looked], settings: t.Mapping[str, t.Any], began: float, ended: float,
) -> dict[str, t.Any]:
    """The state after a run, from the one before it, which is empty at first."""
    entries: dict[str, _Entry] = {}
    failures = of_endpoints(before.get("failures", ()), looked)
    for name, (row, attempts) in looked.items():
        earlier = before.get("endpoints", {}).get(name)
        entries[name] = _entry(settings["host"], name, row, attempts, advanced(earlier, row["state"], ended, attempts, settings["windows"]))
        failures = kept(failures, name, earlier, row, ended)
    return {
        "schema": SCHEMA,
        "host": settings["host"],
        "generated_at": timestamp(ended),
        "run": {
            "number": before.get("run", {}).get("number", 0) + 1,
            "started_at": timestamp(began),
            "duration_s": round(ended - began, 3),
            **{key: settings[key] for key in ("interval_s", "timeout_s", "retries")},
            "python": "%d.%d.%d" % sys.version_info[:3],
        },
        "endpoints": entries,
        "failures": failures,
    }


def _entry(host: str, name: str, row: t.Mapping[str, t.Any], attempts: int, past: _Entry) -> _Entry:
    limits = row["thresholds"]
    case = Case(host, {**row, "name": name}, row["observations"])
    return {
        "url": row["url"],
        "scheme": row["scheme"],
        "reason": row["reason"],
        "attempts": attempts,
        "causes": [_in_short(cause) for cause in row["causes"]],
        "measured": measured(case),
        "thresholds": {
            "success_rate": limits["success_rate"], "latency_s": limits["latency_ms"] / 1000, "pool_usage": _POOL_USAGE,
            "certificate_days": limits["certificate_days"], "clock_offset_s": limits["clock_offset_s"],
        },
        **past,
    }


def _in_short(cause: t.Mapping[str, t.Any]) -> _Entry:
    told = {key: cause[key] for key in ("code", "confidence", "summary", "culprit", "locus", "remediation")}
    return {**told, "decided": "decide_by" not in cause}


def _read(path: pathlib.Path) -> dict[str, t.Any]:
    """The last state; empty where there is none, or one that this program can't go on from."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) and state.get("schema") == SCHEMA else {}


def _changes(before: t.Mapping[str, t.Any], state: t.Mapping[str, t.Any]) -> t.Iterator[str]:
    """For the journal: only what is new."""
    for name, endpoint in state["endpoints"].items():
        earlier = before.get("endpoints", {}).get(name)
        if not earlier or earlier["changes"] != endpoint["changes"]:
            causes = ", ".join(cause["code"] for cause in endpoint["causes"])
            yield "%s: %s → %s%s" % (name, endpoint["previous"] or "new", endpoint["state"], " (%s)" % causes if causes else "")

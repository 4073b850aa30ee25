# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports of many hosts made from the recorded cases of the gauntlet, and reports in which every text is hostile."""
from __future__ import annotations

import functools
import itertools
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._incidents import incidents
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import SCHEMA, STATES, reanalysed
from ansible_collections.connectivity.doctor.tests.gauntlet import recording

GENERATED_AT = "2026-01-01T00:00:00Z"
_GROUPS = 3
# One of so many endpoints is ill.
_ILL_EVERY = 10
# What a renderer may rely on: these come from the schema's enumerations, the catalogue and the controller's clock.
_NO_FREE_TEXT = ("schema", "generated_at", "state", "status", "started_at", "code", "side", "class", "direction", "next", "documentation",
                 "result")

_Named = tuple[str, dict[str, t.Any]]


@functools.cache
def _rows() -> tuple[list[_Named], list[_Named]]:
    """Endpoints by name as the report shows them today: the ill ones and the healthy ones."""
    cases = recording.recorded()
    saved = {"schema": SCHEMA, "duration_s": 0.0, "hosts": {
        case["name"]: {"facts": {}, "endpoints": {case["endpoint_name"]: case["endpoint"]}} for case in cases}}
    hosts = reanalysed(saved, GENERATED_AT)["hosts"]
    named = [(case["endpoint_name"], hosts[case["name"]]["endpoints"][case["endpoint_name"]]) for case in cases]
    return [row for row in named if row[1]["state"] != "healthy"], [row for row in named if row[1]["state"] == "healthy"]


def fleet(hosts: int, ill_every: int = _ILL_EVERY) -> dict[str, t.Any]:
    """A report of so many hosts with two endpoints or one, one of ``ill_every`` of them ill. Rows share what they have in common."""
    ill, healthy = (itertools.cycle(rows) for rows in _rows())
    dealt = (next(ill) if number % ill_every == 0 else next(healthy) for number in itertools.count())
    made: dict[str, t.Any] = {}
    for number in range(hosts):
        made["web%05d" % number] = {"facts": {}, "endpoints": dict(itertools.islice(dealt, 2))}
    groups = {"dc%d" % group: list(made)[group::_GROUPS] for group in range(_GROUPS)}
    return of_hosts(made, groups)


def of_hosts(hosts: dict[str, t.Any], groups: t.Mapping[str, t.Collection[str]] | None = None) -> dict[str, t.Any]:
    """A report with these rows."""
    states = [endpoint["state"] for host in hosts.values() for endpoint in host["endpoints"].values()]
    return {
        "schema": SCHEMA, "generated_at": GENERATED_AT, "duration_s": 12.5,
        "summary": {"hosts": len(hosts), "unreachable": 0, "endpoints": len(states), **{state: states.count(state) for state in STATES}},
        "hosts": hosts, "incidents": incidents(hosts, groups or {}), "remediations": [],
    }


def recorded(*names: str) -> dict[str, t.Any]:
    """A report of the hosts of these cases, in which each host has the case's name."""
    hosts = {case["name"]: {"facts": {}, "endpoints": {case["endpoint_name"]: case["endpoint"]}} for case in map(recording.one, names)}
    return of_hosts(reanalysed({"schema": SCHEMA, "duration_s": 0.0, "hosts": hosts}, GENERATED_AT)["hosts"])


def poisoned(report: t.Any, text: str) -> t.Any:
    """The same report, in which everything that a peer, a file or a user could have written begins with this text, names of hosts too."""
    if isinstance(report, dict):
        named = {"hosts", "endpoints", "culprit"}
        return {
            key: {text + name: poisoned(value, text) for name, value in inner.items()} if key in named and isinstance(inner, dict)
            else inner if key in _NO_FREE_TEXT else poisoned(inner, text)
            for key, inner in report.items()
        }
    if isinstance(report, list):
        return [poisoned(item, text) for item in report]
    return text + report if isinstance(report, str) else report

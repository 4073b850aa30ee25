# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to tell the causes: the recorded cases of the gauntlet as a fleet of many hosts, in one process, without any host."""
from __future__ import annotations

import itertools
import json
import statistics
import time
from typing import Any, NamedTuple

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import SCHEMA, reanalysed
from ansible_collections.connectivity.doctor.tests.gauntlet import recording


class Analysed(NamedTuple):
    """``report_s``: for the whole report. The other times are of one host alone. ``exact``: how many hosts got exactly the right causes."""

    hosts: int
    report_s: float
    median_ms: float
    largest_ms: float
    exact: int


def analyse(hosts: int) -> Analysed:
    """:param hosts: how many; the recorded cases are dealt out to them in turn."""
    cases = list(itertools.islice(itertools.cycle(recording.recorded()), hosts))
    times = [_time_of(case) for case in cases]
    saved = _saved(cases)
    began = time.perf_counter()
    told = reanalysed(saved, "2026-01-01T00:00:00Z")
    seconds = time.perf_counter() - began
    exact = sum(_codes(told["hosts"][str(number)]) == sorted(case["expect"]) for number, case in enumerate(cases))
    return Analysed(hosts, seconds, statistics.median(times), max(times), exact)


def _time_of(case: dict[str, Any]) -> float:
    """Milliseconds."""
    endpoint = {**case["endpoint"], "name": case["endpoint_name"]}
    built = Case(case["host"], endpoint, endpoint["observations"])
    began = time.perf_counter()
    infer(built)
    return (time.perf_counter() - began) * 1000


def _saved(cases: list[dict[str, Any]]) -> dict[str, Any]:
    """A report of all of them, which knows no causes yet; each host with a copy of its own."""
    hosts = {
        str(number): {"facts": {}, "endpoints": {case["endpoint_name"]: json.loads(json.dumps(case["endpoint"]))}}
        for number, case in enumerate(cases)
    }
    return {"schema": SCHEMA, "duration_s": 0.0, "hosts": hosts}


def _codes(host: dict[str, Any]) -> list[str]:
    (endpoint,) = host["endpoints"].values()
    return sorted(cause["code"] for cause in endpoint["causes"])


def render(analysed: Analysed) -> str:
    return (f"{analysed.hosts} recorded hosts analysed in {analysed.report_s:.1f} s in one process, {analysed.exact} of them exactly; "
            f"inference takes {analysed.median_ms:.2f} ms a host at the median, {analysed.largest_ms:.1f} ms at most.")

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run: the probes of all endpoints, what they mean, and another try of what is down. No controller takes part.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _closer_look, _plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint
from ansible_collections.connectivity.doctor.plugins.plugin_utils._enrichment import clock_offsets
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import Observed, build_report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

# What would ask other people's time servers, every run anew. Where the time is suspected, the closer look asks them.
_SELDOM = ("clock",)
# What the service's own sandbox would answer, and not the host: that it may not write anywhere.
_OF_THE_SANDBOX = ("host.mount",)
_PAUSE_S = 1.0


class Looked(t.NamedTuple):
    """``row``: of the report. ``attempts``: how often the endpoint was tried."""

    row: dict[str, t.Any]
    attempts: int


def look(endpoints: t.Iterable[Endpoint], host: str, timeout_s: float, retries: int) -> dict[str, Looked]:
    """:param timeout_s: seconds for one try of all endpoints. :param retries: how often what is down is tried again."""
    left = [_gentle(endpoint) for endpoint in endpoints]
    found: dict[str, Looked] = {}
    for attempt in range(1, retries + 2):
        if attempt > 1:
            time.sleep(_PAUSE_S)
        for name, row in _tried(left, host, timeout_s).items():
            found[name] = Looked(row, attempt)
        left = [endpoint for endpoint in left if found[endpoint.name].row["state"] == "down"]
        if not left:
            break
    return found


def _gentle(endpoint: Endpoint) -> Endpoint:
    """Without what would load the network or the server, every run anew: the trial of the pool, and the throughput."""
    return dataclasses.replace(endpoint, pool={}, thresholds={**endpoint.thresholds, "bits_per_second": 0.0})


def _tried(endpoints: list[Endpoint], host: str, timeout_s: float) -> dict[str, t.Any]:
    """:returns: by name, rows of a report of this host alone. Nobody asks the servers, and no other host is compared with."""
    began = time.time()
    record = HostRecord(host=host, side="client")
    record.describe(endpoints)
    plan = _plan.client_plan(endpoints, host, timeout_s)
    plan["steps"] = [step for step in plan["steps"] if step["probe"] not in _SELDOM]
    _observe(plan, record)
    left_s = max(0.0, timeout_s - (time.time() - began))
    closer = _closer_look.closer_plan(endpoints, record.observations + clock_offsets(record), host, left_s)
    if closer["steps"]:
        _observe(closer, record)
    report = build_report(Observed({host: record}, {}), timestamp(began), time.time() - began)
    rows: dict[str, t.Any] = report["hosts"][host]["endpoints"]
    return rows


def _observe(plan: dict[str, t.Any], record: HostRecord) -> None:
    """Without this host's clock at the start and the end, which only a controller could compare with its own."""
    record.observations += [one for one in run_plan(plan)["observations"] if one["check"] not in _OF_THE_SANDBOX]

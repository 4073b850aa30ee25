# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics, for the textfile collector of Prometheus' node exporter or a push gateway.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._exposition import Metric, Sample, exposed
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import WORST_FIRST, Report, rows, took_s

_PREFIX = "connectivity_doctor_"


def _generated(report: Report) -> t.Iterable[Sample]:
    yield {}, datetime.datetime.fromisoformat(report["generated_at"]).timestamp()


def _states(report: Report) -> t.Iterable[Sample]:
    """As a state set: each state has a series, so that a change leaves none behind that would go stale."""
    for row in rows(report):
        for state in WORST_FIRST:
            yield {"host": row.host, "endpoint": row.name, "state": state}, float(row.state == state)


def _causes(report: Report) -> t.Iterable[Sample]:
    for row in rows(report):
        surest: dict[str, float] = {}
        for cause in row.endpoint["causes"]:
            surest[cause["code"]] = max(cause["confidence"], surest.get(cause["code"], 0.0))
        for code, confidence in surest.items():
            yield {"host": row.host, "endpoint": row.name, "cause": code}, confidence


def _incidents(report: Report) -> t.Iterable[Sample]:
    """Endpoints of one name and different addresses have incidents of their own, and one series."""
    hosts: dict[tuple[str, str], set[str]] = {}
    for incident in report["incidents"]:
        hosts.setdefault((incident["endpoint"], incident["code"]), set()).update(incident["hosts"])
    for (endpoint, code), affected in hosts.items():
        yield {"endpoint": endpoint, "cause": code}, len(affected)


_METRICS = (
    Metric("report_timestamp_seconds", "When the report was made.", _generated),
    Metric("report_duration_seconds", "How long the run took.", lambda report: [({}, report["duration_s"])]),
    Metric("hosts", "How many hosts were to be looked at.", lambda report: [({}, report["summary"]["hosts"])]),
    Metric("hosts_unreachable", "How many of them could not be looked at.", lambda report: [({}, report["summary"]["unreachable"])]),
    Metric("endpoints", "How many endpoints, as the hosts see them, are in each state.",
           lambda report: [({"state": state}, report["summary"][state]) for state in WORST_FIRST]),
    Metric("endpoint_state", "1 for the state in which the host sees the endpoint, 0 for the others.", _states),
    Metric("endpoint_cause_confidence", "How sure it is, from 0 to 1, that this is a cause of the state.", _causes),
    Metric("endpoint_observed_seconds", "From the first observation of the endpoint to the last one.",
           lambda report: (({"host": row.host, "endpoint": row.name}, round(took_s(row.endpoint), 4)) for row in rows(report))),
    Metric("incident_hosts", "How many hosts share this cause.", _incidents),
)


def render_prometheus(report: Report) -> str:
    """A metric that has no samples is left out."""
    return exposed(_PREFIX, _METRICS, report)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as metrics, for the textfile collector of Prometheus' node exporter or a push gateway.

Format: Prometheus text exposition format 0.0.4. Labels are bounded: hosts and endpoints by the inventory, states and causes by the
catalogue; nothing that a peer says gets into one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import WORST_FIRST, Report, rows, took_s

_PREFIX = "connectivity_doctor_"

_Labels = dict[str, str]
_Sample = tuple[_Labels, float]


class _Metric(t.NamedTuple):
    """A gauge. ``samples``: no two of them have the same labels."""

    name: str
    help: str
    samples: t.Callable[[Report], t.Iterable[_Sample]]


def _generated(report: Report) -> t.Iterable[_Sample]:
    yield {}, datetime.datetime.fromisoformat(report["generated_at"]).timestamp()


def _states(report: Report) -> t.Iterable[_Sample]:
    """As a state set: each state has a series, so that a change leaves none behind that would go stale."""
    for row in rows(report):
        for state in WORST_FIRST:
            yield {"host": row.host, "endpoint": row.name, "state": state}, float(row.state == state)


def _causes(report: Report) -> t.Iterable[_Sample]:
    for row in rows(report):
        surest: dict[str, float] = {}
        for cause in row.endpoint["causes"]:
            surest[cause["code"]] = max(cause["confidence"], surest.get(cause["code"], 0.0))
        for code, confidence in surest.items():
            yield {"host": row.host, "endpoint": row.name, "cause": code}, confidence


def _incidents(report: Report) -> t.Iterable[_Sample]:
    """Endpoints of one name and different addresses have incidents of their own, and one series."""
    hosts: dict[tuple[str, str], set[str]] = {}
    for incident in report["incidents"]:
        hosts.setdefault((incident["endpoint"], incident["code"]), set()).update(incident["hosts"])
    for (endpoint, code), affected in hosts.items():
        yield {"endpoint": endpoint, "cause": code}, len(affected)


_METRICS = (
    _Metric("report_timestamp_seconds", "When the report was made.", _generated),
    _Metric("report_duration_seconds", "How long the run took.", lambda report: [({}, report["duration_s"])]),
    _Metric("hosts", "How many hosts were to be looked at.", lambda report: [({}, report["summary"]["hosts"])]),
    _Metric("hosts_unreachable", "How many of them could not be looked at.", lambda report: [({}, report["summary"]["unreachable"])]),
    _Metric("endpoints", "How many endpoints, as the hosts see them, are in each state.",
            lambda report: [({"state": state}, report["summary"][state]) for state in WORST_FIRST]),
    _Metric("endpoint_state", "1 for the state in which the host sees the endpoint, 0 for the others.", _states),
    _Metric("endpoint_cause_confidence", "How sure it is, from 0 to 1, that this is a cause of the state.", _causes),
    _Metric("endpoint_observed_seconds", "From the first observation of the endpoint to the last one.",
            lambda report: (({"host": row.host, "endpoint": row.name}, round(took_s(row.endpoint), 4)) for row in rows(report))),
    _Metric("incident_hosts", "How many hosts share this cause.", _incidents),
)


def render_prometheus(report: Report) -> str:
    """A metric that has no samples is left out."""
    lines: list[str] = []
    for metric in _METRICS:
        samples = [_line(metric.name, labels, value) for labels, value in metric.samples(report)]
        if samples:
            name = _PREFIX + metric.name
            lines += ["# HELP %s %s" % (name, metric.help), "# TYPE %s gauge" % name, *samples]
    return "\n".join([*lines, ""])


def _line(name: str, labels: _Labels, value: float) -> str:
    listed = ",".join('%s="%s"' % (label, _escaped(text)) for label, text in labels.items())
    return "%s%s%s %.17g" % (_PREFIX, name, "{%s}" % listed if listed else "", value)


def _escaped(text: str) -> str:
    """A label's value may hold any UTF-8 character, of which three are escaped. What is no UTF-8, and what a reader of lines could take for
    the end of one, is spelt out.
    """
    spelt = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\r", "\\r")
    return spelt.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

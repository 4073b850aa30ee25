# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state as metrics, for the textfile collector of Prometheus' node exporter. A pure function.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._exposition import Labels, Metric, Sample, exposed

PREFIX = "connectivity_monitor_"
# Stand for a cause where nothing that is known explains the trouble, and where what was seen does not tell several candidates apart.
UNEXPLAINED, UNDECIDED = "unexplained", "undecided"
_STATES = ("down", "degraded", "unknown", "healthy")

State = t.Mapping[str, t.Any]
_Read = t.Callable[[t.Mapping[str, t.Any]], t.Iterable[Sample]]


def rendered(state: State) -> str:
    """:param state: as ``docs/monitor-state.schema.json`` describes it."""
    return exposed(PREFIX, METRICS, state)


def _each(read: _Read) -> t.Callable[[State], t.Iterable[Sample]]:
    """A metric of every endpoint; ``read`` gives its samples with the labels that they have beside its own."""

    def samples(state: State) -> t.Iterator[Sample]:
        for name, endpoint in state["endpoints"].items():
            for labels, value in read(endpoint):
                yield {"host": state["host"], "endpoint": name, **labels}, value

    return samples


def _of_host(value: t.Callable[[State], float]) -> t.Callable[[State], t.Iterable[Sample]]:
    return lambda state: [({"host": state["host"]}, value(state))]


def _measure(key: str) -> t.Callable[[State], t.Iterable[Sample]]:
    """Of what was not measured there is no sample."""
    return _each(lambda endpoint: [({}, endpoint["measured"][key])] if endpoint["measured"][key] is not None else [])


def _total(key: str) -> t.Callable[[State], t.Iterable[Sample]]:
    return _each(lambda endpoint: [({}, endpoint["totals"][key])])


def _rates(endpoint: t.Mapping[str, t.Any]) -> t.Iterator[Sample]:
    for window, counted in endpoint["windows"].items():
        if counted["success_rate"] is not None:
            yield {"window": window}, counted["success_rate"]


def _causes(endpoint: t.Mapping[str, t.Any]) -> t.Iterator[Sample]:
    surest: dict[str, float] = {}
    for cause in endpoint["causes"]:
        surest[cause["code"]] = max(cause["confidence"], surest.get(cause["code"], 0.0))
    for code, confidence in surest.items():
        yield {"cause": code}, confidence


def _first_cause(endpoint: t.Mapping[str, t.Any]) -> t.Iterator[Sample]:
    """A candidate is not told as if it were known to be the cause."""
    if endpoint["state"] != "healthy":
        first = next(iter(endpoint["causes"]), None)
        yield {"cause": UNEXPLAINED if not first else first["code"] if first["decided"] else UNDECIDED}, 1.0


def _timestamp(moment: str) -> float:
    """:param moment: as :func:`_observation.timestamp` writes it. :returns: seconds since the epoch."""
    read = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ")
    return read.replace(tzinfo=datetime.timezone.utc).timestamp()


def _state_set(endpoint: t.Mapping[str, t.Any]) -> t.Iterator[tuple[Labels, float]]:
    """Each state has a series, so that a change leaves none behind that would go stale."""
    for state in _STATES:
        yield {"state": state}, float(endpoint["state"] == state)


METRICS = (
    Metric("run_timestamp_seconds", "When the last run ended.", _of_host(lambda state: _timestamp(state["generated_at"]))),
    Metric("run_duration_seconds", "How long the last run took.", _of_host(lambda state: state["run"]["duration_s"])),
    Metric("run_interval_seconds", "From the end of a run to the next one.", _of_host(lambda state: state["run"]["interval_s"])),
    Metric("endpoint_state", "1 for the state of the endpoint after all retries, 0 for the others.", _each(_state_set)),
    Metric("endpoint_state_since_seconds", "When the present state began.",
           _each(lambda endpoint: [({}, _timestamp(endpoint["since"]))])),
    Metric("endpoint_flapping", "1 where the state changed so often lately that a single change says little.",
           _each(lambda endpoint: [({}, float(endpoint["flapping"]))])),
    Metric("endpoint_cause_confidence", "How sure it is, from 0 to 1, that this is a cause of the state.", _each(_causes)),
    Metric("endpoint_first_cause", "1 for the surest cause of what is not healthy, or %s, or %s." % (UNDECIDED, UNEXPLAINED),
           _each(_first_cause)),
    Metric("connection_success_rate", "Which part of the runs of this time the endpoint worked in, from 0 to 1.", _each(_rates)),
    Metric("connection_checks_total", "Runs that could tell whether the endpoint works.", _total("checks"), "counter"),
    Metric("connection_successes_total", "Runs in which it worked.", _total("successes"), "counter"),
    Metric("connection_retries_total", "Tries after the first one of a run.", _total("retries"), "counter"),
    Metric("connection_latency_seconds", "From the first packet to the answer, or to the session of a database.", _measure("latency_s")),
    Metric("connection_pool_usage_ratio", "Which part of the connections that a login may use is taken.", _measure("pool_usage")),
    Metric("query_execution_time_seconds", "How long SELECT 1 took in an open session.", _measure("query_s")),
    Metric("certificate_days", "Days until the first certificate of the chain ends.", _measure("certificate_days")),
    Metric("clock_offset_seconds", "This host's clock minus the endpoint's, or a time server's.", _measure("clock_offset_s")),
    Metric("threshold", "What the alerts compare with; the label says of what.",
           _each(lambda endpoint: [({"of": name}, value) for name, value in endpoint["thresholds"].items()])),
)

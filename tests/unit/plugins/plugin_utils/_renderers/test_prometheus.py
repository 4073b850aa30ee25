# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The metrics as Prometheus' own tools read them: its client's parser, and promtool where there is one."""
from __future__ import annotations

import collections
import shutil
import subprocess
import typing as t

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._prometheus import render_prometheus
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, of_hosts, poisoned, recorded

_LABELS = {"host", "endpoint", "state", "cause"}

_Series = tuple[str, tuple[tuple[str, str], ...]]


def _read(text: str) -> dict[_Series, float]:
    """Every series once."""
    read: dict[_Series, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge" and family.documentation
        for sample in family.samples:
            series = (sample.name.removeprefix("connectivity_doctor_"), tuple(sorted(sample.labels.items())))
            assert series not in read
            read[series] = sample.value
    return read


def _of(read: dict[_Series, float], name: str) -> dict[t.Any, float]:
    return {tuple(value for _label, value in labels): value for (metric, labels), value in read.items() if metric == name}


def test_the_figures() -> None:
    report = fleet(40)
    read = _read(render_prometheus(report))
    summary = report["summary"]
    assert _of(read, "hosts") == {(): 40.0}
    assert _of(read, "endpoints") == {(state,): float(summary[state]) for state in ("down", "degraded", "unknown", "healthy")}
    assert _of(read, "report_timestamp_seconds") == {(): 1767225600.0}
    states = _of(read, "endpoint_state")
    assert len(states) == 4 * summary["endpoints"]
    assert collections.Counter(state for (_endpoint, _host, state), value in states.items() if value) == {
        state: summary[state] for state in ("down", "degraded", "unknown", "healthy") if summary[state]}
    causes = {(cause["code"], name, host): cause["confidence"] for host, seen in report["hosts"].items()
              for name, endpoint in seen["endpoints"].items() for cause in endpoint["causes"]}
    assert _of(read, "endpoint_cause_confidence") == causes != {}
    assert all(0 < seconds < 60 for seconds in _of(read, "endpoint_observed_seconds").values())


def test_labels_are_bounded() -> None:
    """Nothing that was observed is one: hosts and endpoints are the inventory's, states and causes ours."""
    report = fleet(40)
    read = _read(render_prometheus(report))
    names = {name for seen in report["hosts"].values() for name in seen["endpoints"]}
    bounds = {"host": set(report["hosts"]), "endpoint": names, "state": {"down", "degraded", "unknown", "healthy"}}
    for _metric, labels in read:
        assert {label for label, _value in labels} <= _LABELS
        assert all(value in bounds[label] for label, value in labels if label in bounds)


def test_incidents_of_one_name_and_cause_have_one_series() -> None:
    report = of_hosts({
        host: {"facts": {}, "endpoints": {"db": {**endpoint, "url": "tcp://db%d.example.com:1" % (number // 2)}}}
        for number, host in enumerate("abcd")
        for endpoint in recorded("server-loopback-only")["hosts"]["server-loopback-only"]["endpoints"].values()
    })
    assert len(report["incidents"]) == 2
    assert _of(_read(render_prometheus(report)), "incident_hosts") == {("server.loopback_only", "db"): 4.0}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_are_labels(text: str) -> None:
    report = recorded("server-loopback-only", "healthy-database")
    benign, hostile = (_read(render_prometheus(poisoned(report, prefix))) for prefix in ("benign", text))
    assert collections.Counter(name for name, _labels in hostile) == collections.Counter(name for name, _labels in benign)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's package prometheus) is not installed")
def test_promtool_has_nothing_to_say() -> None:
    for text in ("", *(text for text in HOSTILE.values() if len(text) < 1000)):
        rendered = render_prometheus(poisoned(fleet(20), text))
        checked = subprocess.run(["promtool", "check", "metrics"], input=rendered, capture_output=True, text=True, check=False, timeout=60)
        assert (checked.returncode, checked.stdout + checked.stderr) == (0, ""), text

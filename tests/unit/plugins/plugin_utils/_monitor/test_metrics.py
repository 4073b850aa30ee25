# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state as metrics: every label is bounded, and a candidate is not told as a cause."""
from __future__ import annotations

import shutil
import subprocess
import typing as t

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._look import Looked
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._main import following
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import METRICS, PREFIX, rendered
from ansible_collections.connectivity.doctor.tests.support.rows import NAMES, row_of

_AT = 1_800_000_000.0
_SETTINGS = {"host": "web1", "interval_s": 30.0, "timeout_s": 10.0, "retries": 3, "windows": ["5m", "1h"]}
_LABELS = {"host", "endpoint", "state", "cause", "window", "of"}
Read = dict[tuple[str, str], float]


def _state(*names: str) -> dict[str, t.Any]:
    """After one run in which the endpoints were as in these recorded cases."""
    return following({}, {name: Looked(row_of(name), 1) for name in names}, _SETTINGS, _AT - 1, _AT)


def _read(text: str, endpoint: str) -> Read:
    """By the name and what remains of the labels."""
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return {
        (one.name[len(PREFIX):], ",".join(value for label, value in one.labels.items() if label not in ("host", "endpoint"))): one.value
        for one in samples if one.labels.get("endpoint", endpoint) == endpoint
    }


def test_a_state_has_a_series_and_a_cause_its_code() -> None:
    read = _read(rendered(_state("server-loopback-only", "healthy-database")), "server-loopback-only")
    assert [read["endpoint_state", state] for state in ("down", "degraded", "unknown", "healthy")] == [1, 0, 0, 0]
    assert read["endpoint_first_cause", "server.loopback_only"] == 1
    assert read["endpoint_cause_confidence", "server.loopback_only"] > 0.5
    assert read["connection_success_rate", "5m"] == 0
    assert (read["run_timestamp_seconds", ""], read["run_interval_seconds", ""]) == (_AT, 30)


def test_what_is_well_has_no_cause_and_its_measures() -> None:
    read = _read(rendered(_state("healthy-database")), "healthy-database")
    assert not [name for name, _rest in read if "cause" in name]
    assert {"connection_latency_seconds", "connection_pool_usage_ratio", "query_execution_time_seconds", "certificate_days",
            "clock_offset_seconds"} <= {name for name, _rest in read}
    assert read["threshold", "latency_s"] == row_of("healthy-database")["thresholds"]["latency_ms"] / 1000


def test_candidates_are_undecided_and_what_nothing_explains_is_unexplained() -> None:
    undecided = "vantage-refused-everywhere"
    assert all("decide_by" in cause for cause in row_of(undecided)["causes"])
    state = _state(undecided)
    assert _read(rendered(state), undecided)["endpoint_first_cause", "undecided"] == 1
    state["endpoints"][undecided]["causes"] = []
    assert _read(rendered(state), undecided)["endpoint_first_cause", "unexplained"] == 1


def test_labels_are_bounded_whatever_was_observed() -> None:
    for family in text_string_to_metric_families(rendered(_state(*NAMES[::5]))):
        for sample in family.samples:
            assert set(sample.labels) <= _LABELS
            assert sample.labels.get("endpoint", "healthy-database") in NAMES


def test_every_metric_is_of_a_kind_that_its_name_tells() -> None:
    assert all((metric.kind == "counter") == metric.name.endswith("_total") for metric in METRICS)


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's package prometheus) is not installed")
def test_promtool_can_read_it() -> None:
    text = rendered(_state("server-loopback-only", "healthy-database"))
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False, timeout=60)
    assert "error while linting" not in checked.stdout + checked.stderr

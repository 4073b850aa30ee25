# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When each alert fires and when it does not, as tests for ``promtool test rules``."""
from __future__ import annotations

import json
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import PREFIX

_SCRAPED = {"job": "node", "instance": "web1:9100"}
_ENDPOINT = {"host": "web1", "endpoint": "db", **_SCRAPED}
_EVERY_S = 30
# Longer than any alert waits.
_SAMPLES = 60

Series = t.Tuple[str, t.Dict[str, str], str]


class AlertCase(t.NamedTuple):
    """With ``ill`` it fires after ``lasts_s``, and not before; with ``well`` never. Values of series are as promtool writes them."""

    alert: str
    lasts_s: int
    severity: str
    labels: dict[str, str]
    summary: str
    ill: list[Series]
    well: list[Series]


def _series(name: str, value: str, labels: dict[str, str] | None = None, of: dict[str, str] | None = None) -> Series:
    return name, {**(_ENDPOINT if of is None else of), **(labels or {})}, "%sx%d" % (value, _SAMPLES)


def _beyond(metric: str, ill: str, well: str, threshold: str, limit: str, labels: dict[str, str] | None = None) -> dict[str, t.Any]:
    """A metric beside its threshold, and another endpoint's threshold, which must not count."""
    limits = [_series("threshold", limit, {"of": threshold}), _series("threshold", "0+0", {"of": threshold, "endpoint": "other"})]
    return {"ill": [_series(metric, ill, labels), *limits], "well": [_series(metric, well, labels), *limits]}


def _down(state: str) -> list[Series]:
    return [_series("endpoint_first_cause", "1+0", {"cause": "firewall.client_egress"}),
            *(_series("endpoint_state", "1+0" if one == state else "0+0", {"state": one}) for one in ("down", "degraded"))]


_HOST = {"host": "web1", **_SCRAPED}
CASES = (
    AlertCase("ConnectivityEndpointDown", 60, "critical", {**_ENDPOINT, "cause": "firewall.client_egress"},
              "web1 → db is down: firewall.client_egress", _down("down"), _down("degraded")),
    AlertCase("ConnectivitySuccessRateLow", 300, "critical", _ENDPOINT, "web1 → db: only 50% of the checks succeed",
              **_beyond("connection_success_rate", "0.5+0", "0.95+0", "success_rate", "0.9+0", {"window": "5m"})),
    AlertCase("ConnectivityLatencyHigh", 600, "warning", _ENDPOINT, "web1 → db takes 2s",
              **_beyond("connection_latency_seconds", "2+0", "0.9+0", "latency_s", "1+0")),
    AlertCase("ConnectivityPoolNearExhaustion", 120, "warning", _ENDPOINT, "web1 → db: 95% of the connections are taken",
              **_beyond("connection_pool_usage_ratio", "0.95+0", "0.9+0", "pool_usage", "0.9+0")),
    AlertCase("ConnectivityCertificateEnds", 900, "warning", _ENDPOINT, "web1 → db: the certificate ends in 12 days",
              **_beyond("certificate_days", "12+0", "31+0", "certificate_days", "30+0")),
    AlertCase("ConnectivityClockOff", 600, "warning", _ENDPOINT, "web1 → db: the clocks differ by 8s",
              **_beyond("clock_offset_seconds", "-8+0", "-4+0", "clock_offset_s", "5+0")),
    AlertCase("ConnectivityFlapping", 300, "warning", _ENDPOINT, "web1 → db keeps changing its state",
              [_series("endpoint_flapping", "1+0")], [_series("endpoint_flapping", "0+0")]),
    AlertCase("ConnectivityUnknown", 900, "warning", {**_ENDPOINT, "state": "unknown"}, "web1 → db can not be told to work or not",
              [_series("endpoint_state", "1+0", {"state": "unknown"})], [_series("endpoint_state", "0+0", {"state": "unknown"})]),
    # The last run ended when the test begins: 150 s later it is late.
    AlertCase("ConnectivityMonitorStale", 240, "warning", _HOST, "the monitor of web1 has not told anything for 4m 0s",
              [_series("run_timestamp_seconds", "0+0", of=_HOST), _series("run_interval_seconds", "30+0", of=_HOST)],
              [_series("run_timestamp_seconds", "0+30", of=_HOST), _series("run_interval_seconds", "30+0", of=_HOST)]),
)


def promtool_tests(rules: str) -> str:
    """:param rules: the path of the rule file. :returns: a file for ``promtool test rules``, which JSON is as well as YAML."""
    tests = [test for case in CASES for test in (_fires(case), _stays_quiet(case))]
    return json.dumps({"rule_files": [rules], "evaluation_interval": "%ds" % _EVERY_S, "tests": tests})


def _fires(case: AlertCase) -> dict[str, t.Any]:
    told = {"exp_labels": {**case.labels, "severity": case.severity}, "exp_annotations": {"summary": case.summary}}
    return _test(case, case.ill, [(case.lasts_s - _EVERY_S, []), (case.lasts_s, [told])])


def _stays_quiet(case: AlertCase) -> dict[str, t.Any]:
    return _test(case, case.well, [(case.lasts_s, []), (_SAMPLES * _EVERY_S, [])])


def _test(case: AlertCase, series: list[Series], moments: list[tuple[int, list[t.Any]]]) -> dict[str, t.Any]:
    return {
        "interval": "%ds" % _EVERY_S,
        "input_series": [{"series": _written(name, labels), "values": values} for name, labels, values in series],
        "alert_rule_test": [{"eval_time": "%ds" % at, "alertname": case.alert, "exp_alerts": told} for at, told in moments],
    }


def _written(name: str, labels: dict[str, str]) -> str:
    return "%s%s{%s}" % (PREFIX, name, ",".join('%s="%s"' % item for item in labels.items()))

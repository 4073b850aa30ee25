# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The alerts on what the monitor measures, as a rule file of Prometheus.

What is compared with is a metric, too: the endpoint's own thresholds. So one rule stands for all endpoints of all hosts, and a
threshold that is changed in the inventory changes nothing here.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

import yaml

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import PREFIX

_GROUP = "connectivity"
# What two metrics of one endpoint have in common.
_SAME = "on (job, instance, host, endpoint)"
_TO = "{{ $labels.host }} → {{ $labels.endpoint }}"


class Alert(t.NamedTuple):
    """``expression``: with ``<window>`` for the first of the monitor's windows. ``lasts``: how long it must be so, such as ``5m``."""

    name: str
    expression: str
    lasts: str
    severity: str
    summary: str


def _beyond(metric: str, comparison: str, threshold: str) -> str:
    return "%s %s %s %sthreshold{of=\"%s\"}" % (metric, comparison, _SAME, PREFIX, threshold)


ALERTS = (
    Alert("ConnectivityEndpointDown",
          '%sendpoint_first_cause and %s (%sendpoint_state{state="down"} == 1)' % (PREFIX, _SAME, PREFIX),
          "1m", "critical", _TO + " is down: {{ $labels.cause }}"),
    # The first three are the guide's, with its durations; its values are the thresholds that an endpoint has by default.
    Alert("ConnectivitySuccessRateLow",
          _beyond(PREFIX + 'connection_success_rate{window="<window>"}', "<", "success_rate"),
          "5m", "critical", _TO + ": only {{ $value | humanizePercentage }} of the checks succeed"),
    Alert("ConnectivityLatencyHigh",
          _beyond(PREFIX + "connection_latency_seconds", ">", "latency_s"),
          "10m", "warning", _TO + " takes {{ $value | humanizeDuration }}"),
    Alert("ConnectivityPoolNearExhaustion",
          _beyond(PREFIX + "connection_pool_usage_ratio", ">", "pool_usage"),
          "2m", "warning", _TO + ": {{ $value | humanizePercentage }} of the connections are taken"),
    Alert("ConnectivityCertificateEnds",
          _beyond(PREFIX + "certificate_days", "<", "certificate_days"),
          "15m", "warning", _TO + ": the certificate ends in {{ $value }} days"),
    Alert("ConnectivityClockOff",
          _beyond("abs(%sclock_offset_seconds)" % PREFIX, ">", "clock_offset_s"),
          "10m", "warning", _TO + ": the clocks differ by {{ $value | humanizeDuration }}"),
    Alert("ConnectivityFlapping",
          "%sendpoint_flapping == 1" % PREFIX,
          "5m", "warning", _TO + " keeps changing its state"),
    Alert("ConnectivityUnknown",
          '%sendpoint_state{state="unknown"} == 1' % PREFIX,
          "15m", "warning", _TO + " can not be told to work or not"),
    # A run that tries everything again may take longer than the interval.
    Alert("ConnectivityMonitorStale",
          "time() - %srun_timestamp_seconds > 3 * %srun_interval_seconds + 60" % (PREFIX, PREFIX),
          "1m", "warning", "the monitor of {{ $labels.host }} has not told anything for {{ $value | humanizeDuration }}"),
)


class RuleError(ValueError):
    """A duration for an alert that there is none of."""


def rule_file(window: str, lasting: t.Mapping[str, str]) -> str:
    """:param window: the name of the success rate's window, such as ``5m``. :param lasting: by the name of an alert, another duration.
    :returns: YAML for ``rule_files``. :raises RuleError:
    """
    unknown = sorted(set(lasting) - {alert.name for alert in ALERTS})
    if unknown:
        raise RuleError("there is no alert %r; there are %s" % (unknown[0], ", ".join(alert.name for alert in ALERTS)))
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression.replace("<window>", window),
            "for": str(lasting.get(alert.name, alert.lasts)),
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary},
        }
        for alert in ALERTS
    ]
    text: str = yaml.safe_dump({"groups": [{"name": _GROUP, "rules": rules}]}, sort_keys=False, allow_unicode=True, width=1000)
    return text

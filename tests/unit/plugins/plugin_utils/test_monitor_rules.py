# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule file: the guide's alerts with its durations, on metrics that there are; promtool, where it is, runs them."""
from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import METRICS, PREFIX
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor_rules import ALERTS, RuleError, rule_file
from ansible_collections.connectivity.doctor.tests.support.alert_cases import CASES, promtool_tests


def _rules(**lasting: str) -> dict[str, dict[str, object]]:
    (group,) = yaml.safe_load(rule_file("5m", lasting))["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def test_the_alerts_of_the_guide_have_its_durations() -> None:
    rules = _rules()
    guide = ("ConnectivitySuccessRateLow", "ConnectivityLatencyHigh", "ConnectivityPoolNearExhaustion")
    assert [rules[name]["for"] for name in guide] == ["5m", "10m", "2m"]
    assert [rules[name]["labels"] for name in guide] == [{"severity": "critical"}, {"severity": "warning"}, {"severity": "warning"}]


def test_a_duration_can_be_another_and_a_misspelt_alert_is_told() -> None:
    assert _rules(ConnectivityFlapping="1h")["ConnectivityFlapping"]["for"] == "1h"
    with pytest.raises(RuleError, match="there is no alert 'Conectivity'; there are ConnectivityEndpointDown, "):
        rule_file("5m", {"Conectivity": "1m"})


def test_alerts_are_on_metrics_that_there_are() -> None:
    names = {PREFIX + metric.name for metric in METRICS}
    for alert in ALERTS:
        used = set(re.findall(PREFIX + r"\w+", alert.expression))
        assert used and used <= names, alert.name


def test_every_alert_has_a_case() -> None:
    assert [case.alert for case in CASES] == [alert.name for alert in ALERTS]


@pytest.mark.skipif(not shutil.which("promtool"), reason="promtool (Debian's package prometheus) is not installed")
def test_promtool_agrees(tmp_path: pathlib.Path) -> None:
    (tmp_path / "rules.yml").write_text(rule_file("5m", {}), encoding="utf-8")
    (tmp_path / "tests.yml").write_text(promtool_tests("rules.yml"), encoding="utf-8")
    for command in (["check", "rules", "rules.yml"], ["test", "rules", "tests.yml"]):
        ran = subprocess.run(["promtool", *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr

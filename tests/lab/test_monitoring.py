# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``monitor`` live: installed, scraped by Debian's Prometheus, a fault, its alert with the cause, its healing, and removal."""
from __future__ import annotations

import json
import time
import typing as t
from collections.abc import Callable, Iterator
from pathlib import Path

import jsonschema
import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._metrics import PREFIX
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor_rules import ALERTS, rule_file
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab, controller
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import filtered
from ansible_collections.connectivity.doctor.tests.support.alert_cases import promtool_tests
from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT

_HOST, _PROMETHEUS = "web1", "apm1"
_TEXTFILES = "/var/lib/prometheus/node-exporter"
_STATE, _UNIT = "/var/lib/connectivity-doctor-monitor/state.json", "connectivity-doctor-monitor"
_PORT = 9190
# Everything that is on the machine, but what it keeps about itself while it runs; and who may log in there.
_SNAPSHOT = """
find / -xdev -path /proc -prune -o -path /sys -prune -o -path /tmp -prune -o -path /var/tmp -prune -o -path /var/log -prune \\
    -o -path /run -prune -o -path /var/cache/netdata -prune -o -path /var/lib/netdata -prune -o -path /home/ops/.ansible -prune \\
    -o -path /var/lib/chrony -prune -o -path '/etc/*-' -prune -o -printf '%p %u %g %m %l\n' | sort
find /run/systemd -name '*connectivity*'
cat /etc/passwd /etc/group /etc/shadow /etc/gshadow
"""
_CONFIGURATION = {
    "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
    "rule_files": ["/run/lab-prometheus/rules.yml"],
    "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": ["10.77.1.11:9100"]}]}],
}


class Monitor:
    """The playbook on one host, and what Prometheus says of it."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab, self._folder = lab, folder

    def play(self, **variables: t.Any) -> str:
        """:returns: the last line of what it said: what was changed."""
        known = load_endpoints()
        ran = controller.play(self._lab, "monitor", _HOST, self._folder, {
            "connectivity_endpoints": [known["warehouse"], known["gateway"]], "connectivity_report_dir": str(self._folder),
            "connectivity_monitor_interval_s": 1, "connectivity_monitor_retries": 1, "connectivity_monitor_windows": ["10s"],
            "connectivity_monitor_textfile_dir": _TEXTFILES, "ansible_pipelining": True, **variables,
            "connectivity_monitor_alerts_last": {alert.name: "2s" for alert in ALERTS}}, "-vvv")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert self._lab.vars["lab_database_password"] not in ran.stdout + ran.stderr
        return next(line for line in reversed(ran.stdout.splitlines()) if line.startswith(_HOST))

    def scraped(self) -> None:
        """By Debian's Prometheus, with the rules that the playbook wrote."""
        self._lab.run(_PROMETHEUS, "install -d -o prometheus /run/lab-prometheus")
        self._lab.put(_PROMETHEUS, "/run/lab-prometheus/prometheus.yml", json.dumps(_CONFIGURATION))
        self._lab.put(_PROMETHEUS, "/run/lab-prometheus/rules.yml", (self._folder / "connectivity.rules.yml").read_text(encoding="utf-8"))
        self._lab.run(_PROMETHEUS, "systemd-run --quiet --unit=lab-prometheus -p User=prometheus prometheus "
                      "--config.file=/run/lab-prometheus/prometheus.yml --storage.tsdb.path=/run/lab-prometheus/data "
                      f"--web.listen-address=127.0.0.1:{_PORT}")

    def asked(self, path: str) -> t.Any:
        answer = self._lab.run(_PROMETHEUS, ["curl", "--silent", "--globoff", f"http://127.0.0.1:{_PORT}/api/v1/{path}"], check=False)
        return json.loads(answer.stdout)["data"] if answer.stdout else {}

    def value(self, metric: str, endpoint: str) -> str | None:
        found = self.asked("query?query=%s{endpoint=%%22%s%%22}" % (PREFIX + metric, endpoint)).get("result")
        return str(found[0]["value"][1]) if found else None

    def firing(self) -> set[tuple[str, str, str, str]]:
        """By alert, host, endpoint and cause, which is empty where the alert tells none."""
        return {tuple(alert["labels"].get(key, "") for key in ("alertname", "host", "endpoint", "cause"))
                for alert in self.asked("alerts").get("alerts", ()) if alert["state"] == "firing"}

    def state(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self._lab.run(_HOST, ["cat", _STATE]).stdout))


@pytest.fixture
def monitor(lab: Lab, tmp_path: Path) -> Iterator[Monitor]:
    lab.run(_HOST, "systemctl start prometheus-node-exporter")
    made = Monitor(lab, tmp_path)
    try:
        yield made
    finally:
        lab.run(_PROMETHEUS, "systemctl stop lab-prometheus 2>/dev/null; rm -rf /run/lab-prometheus", check=False)
        lab.run(_HOST, "systemctl stop prometheus-node-exporter")
        if lab.run(_HOST, ["test", "-e", "/etc/connectivity-doctor-monitor"], check=False).returncode == 0:
            lab.reset(_HOST)


def _until(holds: Callable[[], bool], what: str, seconds: float = 150) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.5)


def test_a_fault_becomes_an_alert_with_its_cause_and_removal_leaves_nothing(lab: Lab, monitor: Monitor) -> None:
    before = lab.run(_HOST, _SNAPSHOT).stdout
    assert "failed=0" in monitor.play()
    monitor.scraped()
    _until(lambda: monitor.value("connection_success_rate", "warehouse") == "1", "it is scraped, and all is well")
    assert monitor.value("connection_pool_usage_ratio", "warehouse") and monitor.value("query_execution_time_seconds", "warehouse")
    assert monitor.value("certificate_days", "gateway") and monitor.value("clock_offset_seconds", "gateway")
    assert not monitor.firing()

    with filtered(lab, _HOST, "output", "tcp dport 5432 reject"):
        _until(lambda: monitor.firing() >= {("ConnectivityEndpointDown", _HOST, "warehouse", "firewall.client_egress"),
                                            ("ConnectivitySuccessRateLow", _HOST, "warehouse", "")}, "the alerts fire, with the cause")
        assert {endpoint for _alert, _host, endpoint, _cause in monitor.firing()} == {"warehouse"}
        ill = monitor.state()
    _until(lambda: not monitor.firing(), "the alerts end")

    jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "monitor-state.schema.json").read_text(encoding="utf-8"))).validate(ill)
    failure = ill["failures"][0]
    assert failure["row"]["causes"][0]["code"] == "firewall.client_egress"
    cited = [failure["row"]["observations"][number]["check"] for number in failure["row"]["causes"][0]["evidence"]]
    assert "tcp.connect" in cited and failure["left_out"] == 0
    assert ill["endpoints"]["warehouse"]["attempts"] == 2, "it was tried again before it counted"
    _is_unprivileged_and_knows_how_to_keep_a_secret(lab)

    assert "changed=0 " in monitor.play()
    assert "failed=0" in monitor.play(connectivity_monitor_state="absent")
    assert lab.run(_HOST, _SNAPSHOT).stdout == before


def _is_unprivileged_and_knows_how_to_keep_a_secret(lab: Lab) -> None:
    secret = lab.vars["lab_database_password"]
    found = lab.run(_HOST, f"grep -rlF -e {secret} /etc/connectivity-doctor-monitor /etc/systemd/system/{_UNIT}.* "
                    f"/var/lib/{_UNIT} /usr/local/lib/{_UNIT} /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; "
                    f"journalctl -u {_UNIT} | grep -F -e {secret}", check=False).stdout
    assert [line for line in found.splitlines() if not line.startswith("/proc/")] == ["/etc/connectivity-doctor-monitor/secrets.json"]
    assert lab.run(_HOST, ["stat", "-c", "%a %U", "/etc/connectivity-doctor-monitor/secrets.json"]).stdout == f"400 {_UNIT}\n"
    shown = lab.run(_HOST, ["systemctl", "show", f"{_UNIT}.service", "-p",
                            "User,CapabilityBoundingSet,AmbientCapabilities,NoNewPrivileges,ProtectSystem"]).stdout
    assert sorted(shown.splitlines()) == [
        "AmbientCapabilities=", "CapabilityBoundingSet=", "NoNewPrivileges=yes", "ProtectSystem=strict", f"User={_UNIT}"]


def test_promtool_agrees_with_every_alert(lab: Lab) -> None:
    folder = "/run/lab-promtool"
    lab.run(_PROMETHEUS, ["mkdir", "-p", folder])
    try:
        lab.put(_PROMETHEUS, folder + "/rules.yml", rule_file("5m", {}))
        lab.put(_PROMETHEUS, folder + "/tests.yml", promtool_tests("rules.yml"))
        checked = lab.run(_PROMETHEUS, f"cd {folder} && promtool check rules rules.yml && promtool test rules tests.yml").stdout
        assert "%d rules found" % len(ALERTS) in checked
    finally:
        lab.run(_PROMETHEUS, ["rm", "-rf", folder])

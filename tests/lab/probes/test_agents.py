# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which agents are on a host, over ssh, beside systemctl's own list."""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import data_of, observe

CLIENT = "web2"


def test_the_agents_that_systemd_has_units_of(lab: Lab) -> None:
    plan = client_plan(parse_endpoints([{"url": "tcp://h:1", "agent": "auto"}], CLIENT), CLIENT, 20.0)
    (known,) = [step["parameters"]["known"] for step in plan["steps"] if step["probe"] == "agents"]
    found = data_of(observe(lab, CLIENT, "probe_agents", known=known), "agents.present")["found"]
    there = {line.split()[0].removesuffix(".service")
             for line in lab.run(CLIENT, "systemctl list-unit-files --type=service --plain --no-legend").stdout.splitlines()}
    assert {entry["unit"] for entry in found} == {unit for rule in known.values() for unit in rule.get("units", ())} & there
    assert "netdata" in {entry["agent"] for entry in found}
    for entry in found:
        # 'is-active' has an exit code of its own where it is not.
        assert entry["active_state"] == lab.run(CLIENT, f"systemctl is-active {entry['unit']} || true").stdout.strip()


def test_each_agent_that_runs_is_found_as_itself(lab: Lab) -> None:
    """Also where another profile has the same signatures, or a name that begins like it."""
    running = {"collectd": "collectd", "netdata": "netdata", "node_exporter": "prometheus-node-exporter", "prometheus": "prometheus",
               "zabbix_agent2": "zabbix-agent2"}
    units = " ".join(sorted(set(running.values()) - {"netdata"}))
    plan = client_plan(parse_endpoints([{"url": "tcp://h:1", "agent": "auto"}], CLIENT), CLIENT, 20.0)
    (known,) = [step["parameters"]["known"] for step in plan["steps"] if step["probe"] == "agents"]
    try:
        lab.run(CLIENT, f"systemctl start {units}")
        found = data_of(observe(lab, CLIENT, "probe_agents", known=known), "agents.present")["found"]
    finally:
        lab.run(CLIENT, f"systemctl stop {units}; rm -rf /var/lib/prometheus/metrics2", check=False)
    assert {entry["agent"]: entry["unit"] for entry in found if entry["active_state"] == "active"} == running

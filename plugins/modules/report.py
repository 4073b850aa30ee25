#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: report
short_description: Tell from the observations of all hosts what is wrong
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads what M(connectivity.doctor.diagnose) spooled, finds the causes, writes the report, and shows a summary.
  - Beside C(report.json) it writes the same as C(report.html), C(report.md), C(junit.xml), C(metrics.prom) and C(nagios.txt). They are
    replaced when all of them are on the disk, and only their owner can read them.
  - It reaches no managed node. Run it once for a play, with C(run_once).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
requirements:
  - cryptography (on the controller)
options:
  report_dir:
    description:
      - The folder on the controller in which the report is written.
    type: path
    required: true
  spool_dir:
    description:
      - The folder in which M(connectivity.doctor.diagnose) has spooled.
      - Either this or O(saved) is needed.
    type: path
  saved:
    description:
      - A C(report.json) of an earlier run, or a support bundle of M(connectivity.doctor.support_bundle) with diagnostics. What was observed
        then is explained by the causes that are known today; no host is touched.
    type: path
  remediations:
    description:
      - Whether the report has what M(connectivity.doctor.record_remediation) recorded of this run.
    type: bool
    default: false
  compare_with:
    description:
      - A C(report.json) of an earlier run, kept elsewhere.
      - What broke, healed or changed since then is shown, and written to C(changes.txt).
    type: path
  fail_on:
    description:
      - Which state of an endpoint puts its host into RV(failing).
    type: str
    choices: [degraded, down, never]
    default: down
  show:
    description:
      - Whether to show the summary even when servers are still to be asked.
    type: bool
    default: true
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See how the endpoints look from each host
  connectivity.doctor.diagnose:
    endpoints: "{{ connectivity_endpoints }}"
    spool_dir: connectivity-report/spool

- name: Tell what is wrong
  connectivity.doctor.report:
    report_dir: connectivity-report
    spool_dir: connectivity-report/spool
  run_once: true

- name: Tell what is wrong, and what has changed since yesterday
  connectivity.doctor.report:
    report_dir: connectivity-report
    spool_dir: connectivity-report/spool
    compare_with: yesterday/report.json
  run_once: true

- name: Explain an old report by what is known today
  connectivity.doctor.report:
    saved: old/report.json
    report_dir: new
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
report:
  description: The report's path.
  returned: success
  type: str
  sample: connectivity-report/report.json
files:
  description: The paths of all that was written, by the name of the file.
  returned: success
  type: dict
  sample: {"report.json": "connectivity-report/report.json", "report.html": "connectivity-report/report.html"}
check:
  description: What a plugin of Nagios would print, and the exit status with which it would end.
  returned: success
  type: dict
  contains:
    status:
      description: V(0) for OK, V(1) for WARNING, V(2) for CRITICAL, V(3) for UNKNOWN.
      returned: success
      type: int
      sample: 2
    line:
      description: The line, with performance data.
      returned: success
      type: str
      sample: "CONNECTIVITY CRITICAL - 4 endpoints on 2 hosts: 1 down, 3 healthy. web1 to db: server.not_running|down=1;;;0;4"
changes:
  description: How many endpoints, as hosts see them, differ from O(compare_with), by kind. Empty without O(compare_with).
  returned: success
  type: dict
  sample: {"broke": 1, "healed": 0, "changed": 2, "new": 0, "gone": 0}
summary:
  description: How many hosts and endpoints there are, and how many endpoints are in each state.
  returned: success
  type: dict
  sample: {"hosts": 2, "unreachable": 0, "endpoints": 4, "healthy": 3, "degraded": 0, "down": 1, "unknown": 0}
failing:
  description: By host, the names of the endpoints that O(fail_on) is about.
  returned: success
  type: dict
  sample: {"web1": ["warehouse"]}
servers_to_ask:
  description: Hosts of the inventory that serve endpoints which are down, and were not asked for their own side yet.
  returned: success
  type: list
  elements: dict
  sample: [{"host": "db1", "ports": [5432], "clients": ["10.0.1.7"]}]
"""

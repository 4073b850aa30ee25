#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_monitor
short_description: Make what the monitor of a host consists of
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Makes the program, the settings and the secrets of the monitor of a host, and the rules of its alerts.
  - It writes nothing on a managed node.
  - Used by the role C(connectivity.doctor.monitor).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  part:
    description:
      - What is made. The secrets are apart, so that only their task must be hidden.
    type: str
    required: true
    choices: [settings, secrets, rules]
  endpoints:
    description:
      - The endpoints that the host must reach, each a URL or a mapping. The rules need none.
    type: raw
  agents_path:
    description:
      - Folders on the controller with profiles of agents of one's own, a file each.
    type: list
    elements: path
    default: []
  interval:
    description:
      - Seconds from the end of a run to the next one.
    type: float
    default: 30
  timeout:
    description:
      - Seconds that one try of all endpoints may take.
    type: float
    default: 10
  retries:
    description:
      - How often what is down is tried again before it counts.
    type: int
    default: 3
  windows:
    description:
      - The lengths of time for which the success rate is told, such as V(30s), V(5m) and V(1h); the alerts look at the first.
    type: list
    elements: str
    default: ['5m', '1h']
  textfile_dir:
    description:
      - The folder of the textfile collector, in which the metrics are to be found.
    type: path
    default: ''
  alerts_last:
    description:
      - By the name of an alert, how long it must be so before it fires, where that is not as in the guide.
    type: dict
    default: {}
  rules_file:
    description:
      - Where on the controller the rules are to be written.
    type: path
    default: ''
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: Make the settings of the monitor
  connectivity.doctor.plan_monitor:
    part: settings
    endpoints: "{{ connectivity_endpoints }}"
    interval: 60
  register: planned

- name: Make the rules of the alerts
  connectivity.doctor.plan_monitor:
    part: rules
    alerts_last:
      ConnectivityLatencyHigh: 30m
  run_once: true
"""

RETURN = r"""
settings:
  description: What the monitor is to look at, as JSON, without secrets.
  returned: with part=settings
  type: str
  sample: '{"host": "web1", "interval_s": 30.0, "endpoints": []}'
program:
  description: The path of the program on the controller; it is there until the end of the run.
  returned: with part=settings
  type: str
  sample: /home/ops/.ansible/tmp/ansible-local-1/connectivity-doctor-monitor.pyz
secrets:
  description: The secrets of the endpoints by their names, as JSON.
  returned: with part=secrets
  type: str
  sample: '{"warehouse": {}}'
rules_file:
  description: The whole path of O(rules_file), from the folder in which ansible-playbook was started.
  returned: with part=rules
  type: str
  sample: /home/ops/connectivity-report/connectivity.rules.yml
rules:
  description: The rule file for Prometheus.
  returned: with part=rules
  type: str
  sample: |
    groups:
    - name: connectivity
"""

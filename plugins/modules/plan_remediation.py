#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: plan_remediation
short_description: Decide from a report and a policy what may be changed
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Takes the causes of a report that are proved, lie on a host of the play and are allowed, and tells what each of them asks for.
  - What several hosts have of one server is changed there once. Of hosts with the same cause, one goes first.
  - Shows the plan, a line for each cause, with the reason where nothing is changed. It changes nothing.
  - Used by the role C(connectivity.doctor.remediate).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  report:
    description:
      - The C(report.json) of a run of M(connectivity.doctor.diagnose) and M(connectivity.doctor.report).
    type: path
    required: true
  report_dir:
    description:
      - The folder on the controller in which the audit is written, a line for each action.
    type: path
    required: true
  spool_dir:
    description:
      - The folder in which what becomes of each remediation is kept, for the report.
    type: path
    required: true
  allow:
    description:
      - What may be remediated, as V(automatic), V(guarded) and cause codes such as V(firewall.client_egress).
    type: list
    elements: str
    default: [automatic]
  max_hosts:
    description:
      - How many hosts one run may change; V(0) is any number.
    type: int
    default: 0
  approved_ca:
    description:
      - A file on the controller with certificates of authorities (PEM) that may be installed on a host that does not trust them.
    type: path
    default: ''
  reviewed_report:
    description:
      - A C(report.json) or a support bundle that somebody has read. Only troubles that it has, and that are still there, are remediated.
    type: path
    default: ''
seealso:
  - module: connectivity.doctor.report
  - module: connectivity.doctor.verify_remediation
"""

EXAMPLES = r"""
- name: Decide what may be changed
  connectivity.doctor.plan_remediation:
    report: connectivity-report/report.json
    report_dir: connectivity-report
    spool_dir: connectivity-report/spool
    allow: [automatic, dns.hosts_file_stale]
    max_hosts: 5
  run_once: true
"""

RETURN = r"""
waves:
  description: What is to be done, in lists one after the other; in each, what has no host in common.
  returned: success
  type: list
  elements: list
  sample: [[{"name": "20260101T000000Z-0a1b2c-0", "host": "web1", "action": "restart_agent", "summary": "restart netdata.service"}]]
refused:
  description: For how many causes nothing is done.
  returned: success
  type: int
  sample: 1
"""

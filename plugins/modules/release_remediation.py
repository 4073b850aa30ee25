#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: release_remediation
short_description: Choose which of the planned changes may be made now
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Of changes that have no host in common, holds back those that needed another one to help first which did not, and those whose cause is
    gone by what was done before; and records why.
  - Tells by host which change it makes, and at what it looks afterwards. It changes nothing.
  - Used by the role C(connectivity.doctor.remediate).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  steps:
    description:
      - One of the C(waves) of M(connectivity.doctor.plan_remediation).
    type: list
    elements: dict
    required: true
  spool_dir:
    description:
      - The folder in which what became of each remediation is kept, for the report.
    type: path
    required: true
  report_dir:
    description:
      - The folder on the controller in which the audit is written, a line for each action.
    type: path
    required: true
seealso:
  - module: connectivity.doctor.plan_remediation
  - module: connectivity.doctor.verify_remediation
"""

EXAMPLES = r"""
- name: Choose what may be changed now
  connectivity.doctor.release_remediation:
    steps: "{{ planned.waves[0] }}"
    spool_dir: connectivity-report/spool
    report_dir: connectivity-report
  run_once: true
"""

RETURN = r"""
running:
  description: By the host that makes it, the change that is made, on that host or on the server that it shares with others.
  returned: success
  type: dict
  sample: {"web1": {"name": "20260101T000000Z-0a1b2c-0", "host": "db1", "action": "start_server"}}
watching:
  description: By host, at which change it looks, and what must be better, or no worse, then.
  returned: success
  type: dict
  sample: {"web1": {"name": "20260101T000000Z-0a1b2c-0", "suffered": ["warehouse"], "before": {"warehouse": "down"}}}
later:
  description: Further hosts that suffer, and look after the change is confirmed.
  returned: success
  type: list
  elements: str
  sample: []
"""

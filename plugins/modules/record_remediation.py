#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: record_remediation
short_description: Record what became of a remediation
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Adds to a planned remediation what became of it, for the report, and writes a line of the audit.
  - Used by the role C(connectivity.doctor.remediate).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  name:
    description:
      - The remediation's name, as M(connectivity.doctor.plan_remediation) gave it.
    type: str
    required: true
  result:
    description:
      - What became of it.
    type: str
    required: true
    choices: [verified, rolled_back, refused, failed, would_change]
  detail:
    description:
      - Why it was not verified.
    type: str
    default: ''
  before:
    description:
      - What was before.
    type: dict
    default: {}
  after:
    description:
      - What is after it.
    type: dict
    default: {}
  spool_dir:
    description:
      - The folder in which it is kept for the report.
    type: path
    required: true
  report_dir:
    description:
      - The folder on the controller in which the audit is.
    type: path
    required: true
seealso:
  - module: connectivity.doctor.plan_remediation
"""

EXAMPLES = r"""
- name: Record what became of it
  connectivity.doctor.record_remediation:
    name: 20260101T000000Z-0a1b2c-0
    result: verified
    spool_dir: connectivity-report/spool
    report_dir: connectivity-report
"""

RETURN = r"""#"""

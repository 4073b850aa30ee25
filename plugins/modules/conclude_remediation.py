#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: conclude_remediation
short_description: Decide from what its witnesses saw whether a change stays
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - A change stays where each of its witnesses has looked again with M(connectivity.doctor.verify_remediation), and says that it helped.
  - Of one that does not stay, what the witnesses had seen before it is in the report again.
  - Used by the role C(connectivity.doctor.remediate).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  name:
    description:
      - The remediation's name, as M(connectivity.doctor.plan_remediation) gave it.
    type: str
    required: true
  witnesses:
    description:
      - The hosts that had to look again.
    type: list
    elements: str
    required: true
  spool_dir:
    description:
      - The folder in which what they saw is kept.
    type: path
    required: true
  put_back:
    description:
      - Whether the change was put back whatever its witnesses say, as when it was too late to confirm it.
    type: bool
    default: false
seealso:
  - module: connectivity.doctor.verify_remediation
  - module: connectivity.doctor.transaction
"""

EXAMPLES = r"""
- name: Ask the witnesses
  connectivity.doctor.conclude_remediation:
    name: 20260101T000000Z-0a1b2c-0
    witnesses: [web1, web2]
    spool_dir: connectivity-report/spool
  register: proof
"""

RETURN = r"""
verified:
  description: Whether the cause is gone for all of them and nothing got worse for any.
  returned: success
  type: bool
  sample: true
reason:
  description: Why it is not verified; empty where it is.
  returned: success
  type: str
  sample: ''
after:
  description: By host, the state of each endpoint, and the codes of its causes.
  returned: success
  type: dict
  sample: {"web1": {"warehouse": {"state": "healthy", "causes": []}}}
"""

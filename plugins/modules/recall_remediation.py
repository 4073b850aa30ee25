#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: recall_remediation
short_description: Tell which remediations an earlier run began and did not end
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads the record that an earlier run left on the controller. It changes nothing, and no host is asked;
    M(connectivity.doctor.transaction) then tells how each of them ended.
  - Used by the role C(connectivity.doctor.remediate).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
options:
  spool_dir:
    description:
      - The folder in which what became of each remediation is kept, for the report.
    type: path
    required: true
seealso:
  - module: connectivity.doctor.transaction
  - module: connectivity.doctor.record_remediation
"""

EXAMPLES = r"""
- name: Find out what an earlier run did not end
  connectivity.doctor.recall_remediation:
    spool_dir: connectivity-report/spool
  run_once: true
"""

RETURN = r"""
unended:
  description: By the host in whose place they were made, the names of the remediations, and the hosts that were changed.
  returned: success
  type: dict
  sample: {"web1": [{"name": "20260101T000000Z-0a1b2c-0", "host": "db1"}]}
"""

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: verify_remediation
short_description: Prove with the same probes that a change helped and harmed nothing
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Observes the endpoints of a host again, until the cause is gone or O(settles) seconds have passed.
  - A change is verified when its cause is gone and no endpoint of the host is worse than before. It changes nothing.
  - Keeps what it found for M(connectivity.doctor.conclude_remediation), which asks all hosts that had to look.
  - Used by the role C(connectivity.doctor.remediate).
attributes:
  action:
    support: full
    description: This action runs on the controller, and its program on the managed node.
  check_mode:
    support: full
    description: This action does not modify state.
  diff_mode:
    support: none
    description: There is no change to show.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: linux
options:
  name:
    description:
      - The remediation's name, as M(connectivity.doctor.plan_remediation) gave it.
    type: str
    required: true
  runner:
    description:
      - The host that made the change; where it was not made, nothing is looked at.
    type: str
    required: true
  place:
    description:
      - The host that was changed.
    type: str
    required: true
  endpoints:
    description:
      - The endpoints that the host must reach.
    type: raw
    required: true
  suffered:
    description:
      - The names of the endpoints that had the trouble; none where the host just must not fare worse.
    type: list
    elements: str
    default: []
  code:
    description:
      - The code of the cause that should be gone.
    type: str
    required: true
  before:
    description:
      - The states of the host's endpoints before the change, by name.
    type: dict
    required: true
  settles:
    description:
      - Seconds that the change itself may take to show. An agent in whose way something was is given the time to try again, too.
    type: float
    default: 10.0
  deadline:
    description:
      - Seconds by which everything on the host has ended, each time it is observed.
    type: float
    default: 20.0
  agents_path:
    description:
      - Folders on the controller with profiles of agents, a file each, beside those of the collection and before them.
    type: list
    elements: path
    default: []
  spool_dir:
    description:
      - The folder in which the observations are kept for the report.
    type: path
    required: true
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.conclude_remediation
"""

EXAMPLES = r"""
- name: See whether it helped
  connectivity.doctor.verify_remediation:
    name: 20260101T000000Z-0a1b2c-0
    runner: web1
    place: web1
    endpoints: "{{ connectivity_endpoints }}"
    suffered: [apm]
    code: agent.stopped
    before: {apm: down, warehouse: healthy}
    spool_dir: connectivity-report/spool
  register: proof
"""

RETURN = r"""
verified:
  description: Whether the cause is gone and nothing got worse.
  returned: success
  type: bool
  sample: true
reason:
  description: Why it is not verified; empty where it is.
  returned: success
  type: str
  sample: ''
after:
  description: The state of each endpoint of the host, and the codes of its causes.
  returned: success
  type: dict
  sample: {"apm": {"state": "healthy", "causes": []}}
"""

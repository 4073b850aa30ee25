#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: collect_bundle
short_description: Collect from a host what a support bundle has of it, redacted there
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads configurations, logs of a window of time, network and firewall facts and versions. Secrets are masked on the managed node, before
    anything leaves it. Nothing is written there.
  - Files, bytes and time are bounded. What could not be read is told with the reason.
  - What is found is kept in O(spool_dir) for M(connectivity.doctor.support_bundle). Used by the role C(connectivity.doctor.support_bundle).
attributes:
  action:
    support: full
    description: This action sends its program down the connection.
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
  endpoints:
    description:
      - What the host must reach, as M(connectivity.doctor.diagnose) takes it. Their agents tell what is collected, and their passwords and
        credentials are masked wherever they stand.
    type: raw
    required: true
  spool_dir:
    description:
      - The folder on the controller that M(connectivity.doctor.support_bundle) has prepared.
    type: path
    required: true
  parts:
    description:
      - What is collected.
    type: list
    elements: str
    choices: [config, diagnostics, logs]
    default: [config, diagnostics, logs]
  files:
    description:
      - Files of the managed node, or patterns of them, that are collected as well. Of one that ends in C(.log), the window is taken.
    type: list
    elements: str
    default: []
  window:
    description:
      - How many seconds the logs go back.
    type: int
    default: 3600
  map_places:
    description:
      - Whether other addresses and names of hosts stand in the place of the real ones.
    type: bool
    default: false
  deadline:
    description:
      - Seconds by which all has ended on the managed node.
    type: float
    default: 60
  agents_path:
    description:
      - Folders on the controller with profiles of agents of one's own, a file each.
    type: list
    elements: path
    default: []
seealso:
  - module: connectivity.doctor.support_bundle
"""

EXAMPLES = r"""
- name: Collect what a support bundle has of the host
  connectivity.doctor.collect_bundle:
    endpoints: "{{ connectivity_endpoints }}"
    spool_dir: connectivity-report/spool
    files: [/etc/myapp/*.yml, /var/log/myapp.log]
"""

RETURN = r"""
problem:
  description: Why nothing could be collected, or nothing.
  returned: success
  type: str
  sample: ""
files:
  description: How many files there are.
  returned: success
  type: int
  sample: 61
"""

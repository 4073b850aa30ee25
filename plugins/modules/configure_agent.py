#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: configure_agent
short_description: Write what an agent should be told, with the credential of its endpoint
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Changes settings of an agent one by one with M(connectivity.doctor.agent_setting). The credential is taken from the endpoint, so that no
    plan or report needs to have it, and the file is given to the agent's own check first where its profile has one.
  - Used by the role C(connectivity.doctor.remediate).
attributes:
  action:
    support: full
    description: This action runs on the controller, and its module on the managed node.
  check_mode:
    support: full
    description: Tells whether a file would change.
  diff_mode:
    support: full
    description: Shows the lines that change, with secrets masked.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: posix
options:
  endpoints:
    description:
      - The endpoints that the host must reach.
    type: raw
    required: true
  agents_path:
    description:
      - Folders on the controller with profiles of agents of one's own.
    type: list
    elements: path
    default: []
  endpoint:
    description:
      - The name of the endpoint whose agent it is.
    type: str
    required: true
  edits:
    description:
      - Options of M(connectivity.doctor.agent_setting), a mapping for each change. A C(credential) of V(true) stands for the endpoint's.
    type: list
    elements: dict
    required: true
seealso:
  - module: connectivity.doctor.agent_setting
"""

EXAMPLES = r"""
- name: Deploy the credential
  connectivity.doctor.configure_agent:
    endpoints: "{{ connectivity_endpoints }}"
    endpoint: apm
    edits:
      - path: /etc/netdata/stream.conf
        format: ini
        key: stream.api key
        credential: true
"""

RETURN = r"""
diff:
  description: The lines that change, of each file; secrets are masked.
  returned: success
  type: list
  elements: dict
  sample: [{"before_header": "/etc/netdata/stream.conf, line 4", "before": "    api key ******** (old)\n",
            "after_header": "/etc/netdata/stream.conf, line 4", "after": "    api key ******** (new)\n"}]
"""

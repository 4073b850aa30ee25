#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: diagnose
short_description: Observe all that the endpoints of a host need, in one round trip
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Makes one plan of probes from the endpoints that a managed node must reach, runs them all at once on the managed node
    under one deadline, and returns what was observed. It changes nothing there.
  - What the observations mean is told by M(connectivity.doctor.report).
  - The program is sent down the connection and runs from memory. Where the connection cannot do that, it runs as a module.
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
  endpoints:
    description:
      - The endpoints, as a list of URLs or of mappings. See the collection's page on endpoints for their keys.
    type: raw
  serves:
    description:
      - Instead of reaching endpoints, the ports that this host serves. Its own side of them is observed.
    type: list
    elements: int
  clients:
    description:
      - With O(serves), the addresses of hosts that could not connect. Whether this host's own packet filter lets them is evaluated.
    type: list
    elements: str
    default: []
  logins:
    description:
      - With O(serves), the logins to PostgreSQL that did not succeed, each with C(port), C(user), C(database), C(address) and C(tls). What
        this host's server has logged of them, and what its C(pg_hba.conf) says, is read.
    type: list
    elements: dict
    default: []
  agents:
    description:
      - With O(serves), the agents of the clients, by name. What this host's own log says of a client is read, where an agent's profile says
        that a fault is told there only.
    type: list
    elements: str
    default: []
  receivers:
    description:
      - With O(serves), the systemd units that take what the clients' agents send. Whether they run is looked at.
    type: list
    elements: str
    default: []
  deadline:
    description:
      - Seconds by which everything on one host has ended.
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
      - A folder on the controller. The observations are written there, for M(connectivity.doctor.report), and not returned.
    type: path
seealso:
  - module: connectivity.doctor.report
"""

EXAMPLES = r"""
- name: See how this host's endpoints look from here
  connectivity.doctor.diagnose:
    endpoints:
      - postgresql://reporting@db.example.com:5432/production?sslmode=verify-full
      - name: apm
        url: https://apm.example.com:8200
  register: seen

- name: The checks that failed
  ansible.builtin.debug:
    msg: "{{ seen.observations | selectattr('status', 'eq', 'fail') | map(attribute='message') }}"
"""

RETURN = r"""
observations:
  description: What was seen; each with its check, status, target, vantage, data, message, and how to reproduce it.
  returned: when O(spool_dir) is not given
  type: list
  elements: dict
  sample: [{"check": "tcp.connect", "status": "ok", "target": "10.0.0.5:5432", "endpoint": "warehouse"}]
problem:
  description: Why nothing could be observed, empty if all went well.
  returned: when O(spool_dir) is given
  type: str
  sample: ""
facts:
  description: The Python that ran the probes, and the time they took.
  returned: success
  type: dict
  sample: {"python": "3.11.2", "elapsed_ms": 31.5, "cpu_ms": 70.0}
"""

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_agents
short_description: Find which agents are on a host
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Asks systemd for the units of all agents at once, looks for the names of their processes, and changes nothing.
  - An agent that runs inside of an application has neither, and is not found.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  known:
    description:
      - By the agent's name, a mapping of C(units), a list of the systemd units under which it may be here, and C(process), the name of its
        process where no unit runs it.
    type: dict
    required: true
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_service
"""

EXAMPLES = r"""
- name: See which of two agents is here
  connectivity.doctor.probe_agents:
    known:
      netdata: {units: [netdata], process: netdata}
      node_exporter: {units: [prometheus-node-exporter, node_exporter]}
"""

RETURN = r"""
observations:
  description: What was seen, V(agents.present).
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: agents.present
    status:
      description: V(ok) where any is here, V(warn) where none is, V(cannot_tell) where systemd can't be asked.
      type: str
      sample: ok
    target:
      description: What was looked for.
      type: str
      sample: agents
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"found": [{"agent": "netdata", "unit": "netdata", "load_state": "loaded", "active_state": "active", "pids": [812]}],
               "looked_for": 2}
    message:
      description: One sentence for a person.
      type: str
      sample: "on this host: netdata (active)"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: systemctl list-unit-files --type=service
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 14.2
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import agents


def main() -> None:
    run_probe("agents", agents.ARGUMENTS)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_service
short_description: Tell whether a service runs, and how it ended if it does not
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads the state of a systemd unit and of its process, and changes nothing.
  - Tells stopped, crashed, killed for want of memory, disabled, masked and not installed apart, and sees a process that is stopped
    by a signal, a second copy beside the unit's own, file descriptors that run out, and a configuration that is newer than the process.
  - Where there is no systemd, the process is looked for by its PID file or its name.
  - Tells since when it runs, as whom, with which limits and proxies, and what the kernel has killed or refused in its control group.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  name:
    description:
      - The unit.
    type: str
    required: true
  process:
    description:
      - The name of its process, by which further copies are found.
    type: str
  configuration:
    description:
      - Files that the service reads when it starts.
    type: list
    elements: path
    default: []
  pid_file:
    description:
      - The file in which the process leaves its number, to see whether it is stale.
    type: path
  package:
    description:
      - The package that the program comes from. It is verified with C(dpkg -V) or C(rpm -V), for ten seconds at most.
    type: str
  salt:
    description:
      - Random text, another one for each run. With it, variables of the environment whose names sound secret are returned as the
        beginning of the SHA-256 of salt and value, so that hosts can be compared.
    type: str
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See whether the agent runs, and with its current configuration
  connectivity.doctor.probe_service:
    name: netdata
    process: netdata
    configuration:
      - /etc/netdata/stream.conf
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(service.unit) is the unit's state. V(service.process), V(service.cgroup), V(service.environment),
      V(service.connections) and V(service.configuration) are there where a process runs, V(service.pid_file) and V(service.package)
      where they were asked for.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: service.unit
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The unit.
      type: str
      sample: netdata
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"unit": "netdata", "active_state": "inactive", "sub_state": "dead", "unit_file_state": "enabled", "result": "success"}
    message:
      description: One sentence for a person.
      type: str
      sample: unit netdata is inactive (dead), enabled, last result success, exit code 0
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "systemctl status netdata"
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 8.2
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import service


def main() -> None:
    run_probe("service", service.ARGUMENTS)


if __name__ == "__main__":
    main()

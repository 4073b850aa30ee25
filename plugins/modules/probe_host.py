#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_host
short_description: Tell what a host itself has run out of
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads on the managed node what makes connections fail though the network is well. That is full or read-only file systems, memory and
    processes killed for want of it, the table of open files, tracked connections, ephemeral ports, limits of processes,
    denials of SELinux, and the kernel's counters of connections that it could not take.
  - Beside the numbers, looks into the kernel's log for what it says when a limit is reached, where the log may be read.
  - Changes nothing.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  paths:
    description:
      - Files and directories whose file systems matter, beside V(/), V(/var) and V(/tmp).
    type: list
    elements: path
    default: []
  units:
    description:
      - Units of systemd whose own limits of files, tasks and memory matter, and the file systems that they write to.
        At most ten are looked at.
    type: list
    elements: str
    default: []
  interval:
    description:
      - Seconds between two readings of the kernel's counters, at most V(10). With V(0) they are read once, and only their totals are told.
    type: float
    default: 0.0
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_sockets
"""

EXAMPLES = r"""
- name: See whether this host has run out of something
  connectivity.doctor.probe_host:

- name: Look also at the spool of an agent, at the limits of its unit, and at what the kernel drops within a second
  connectivity.doctor.probe_host:
    paths: [/var/lib]
    units: [ssh.service]
    interval: 1
  register: host
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(host.disk) and V(host.mount) are there for each file system; V(host.memory), V(host.files), V(host.conntrack),
      V(host.ports), V(host.processes), V(host.selinux) and V(host.counters) once.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: host.disk
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The mount point, or what is counted.
      type: str
      sample: /var
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts. What is a share of a limit has C(fraction), and the shares from which on it is a warning (C(warn_at)) and a failure
          (C(fail_at)).
      type: dict
      sample: {"mount": "/var", "free_bytes": 0, "fraction": 1.0, "inodes_fraction": 0.11, "warn_at": 0.9, "fail_at": 0.98}
    message:
      description: One sentence for a person.
      type: str
      sample: 100 % of the space and 11 % of the inodes of /var are used
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: df -B1 /var; df -i /var
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 0.2
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import host


def main() -> None:
    run_probe("host", host.ARGUMENTS)


if __name__ == "__main__":
    main()

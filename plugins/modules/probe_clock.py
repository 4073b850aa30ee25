#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_clock
short_description: Compare the clock of this host with its time servers
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Asks every time server that the managed node is configured to follow for the time, once, with SNTP, and tells how far the clock
    of the managed node is from each of them.
  - Beside it, tells which time daemon runs, whether it is synchronized, and which of its sources it follows, as the daemon itself sees it.
  - Finds the servers in C(chrony.conf) with its C(confdir) and C(sourcedir), C(timesyncd.conf) with its drop-in files, or C(ntp.conf),
    whichever belongs to the daemon that runs or is installed.
  - Never sets the clock.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  servers:
    description:
      - Names or addresses of time servers to ask instead of the configured ones. At most eight are asked.
    type: list
    elements: str
    default: []
  port:
    description:
      - The UDP port of O(servers). Servers that are configured have the port that their configuration says.
    type: int
    default: 123
  offset_limit:
    description:
      - Seconds by which the clock may be off before it is told as a warning.
    type: float
    default: 5.0
  answer_timeout:
    description:
      - Seconds to wait for each server's answer.
    type: float
    default: 3.0
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See whether this host's clock is right, and who says so
  connectivity.doctor.probe_clock:

- name: Compare it with one server, whatever is configured
  connectivity.doctor.probe_clock:
    servers: [127.0.0.1]
    answer_timeout: 1
  register: clock
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(clock.synchronization) is what the daemon says; each V(clock.source) is one server's answer;
      V(clock.offset) is the median of the answers, if there are any.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: clock.source
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: ok
    target:
      description: The server's address, the daemon's unit, or this host.
      type: str
      sample: 10.0.0.2
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts. Offsets are the clock of this host minus the other one, so positive where this host is ahead.
      type: dict
      sample: {"server": "ntp.example.com", "address": "10.0.0.2", "offset_ms": -0.41, "delay_ms": 0.3, "stratum": 2, "error": ""}
    message:
      description: One sentence for a person.
      type: str
      sample: "this host's clock is -0.410 ms against the time server ntp.example.com (10.0.0.2), stratum 2"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "chronyd -Q -t 5 'server 10.0.0.2 port 123 iburst maxsamples 1'"
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 0.9
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import clock


def main() -> None:
    run_probe("clock", clock.ARGUMENTS)


if __name__ == "__main__":
    main()

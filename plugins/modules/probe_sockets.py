#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_sockets
short_description: Tell who listens on a port of this host, and what becomes of its connections
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads, on the host itself, which sockets listen on a TCP or UDP port, on which addresses, and whether their accept queue is full.
  - Counts the connections of a TCP port by their state and peer, and tells how many connections the host's listeners could not take.
  - Asks the kernel itself, so neither C(ss) nor privilege is needed.
  - Names the process behind them, which needs root for the processes of other users.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  port:
    description:
      - The port.
    type: int
    required: true
  protocol:
    description:
      - Its protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
  interval:
    description:
      - Seconds between two readings of the kernel's counters, at most V(10). With V(0) they are read once, and only their totals since boot
        are told.
    type: float
    default: 0.0
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See whether the database listens on more than the loopback address
  connectivity.doctor.probe_sockets:
    port: 5432

- name: See whether connections to it are being lost right now
  connectivity.doctor.probe_sockets:
    port: 5432
    interval: 2
  register: sockets
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(sockets.listener) is who listens, where C(data.scope) is V(none), V(loopback) or V(reachable);
      V(sockets.connections) counts the port's connections; V(sockets.overflow) has the counters of all listeners of the host;
      V(sockets.unix) is there where a PostgreSQL of that port has a socket file. For UDP, there is only V(sockets.udp).
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: sockets.listener
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The port.
      type: str
      sample: port 5432
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"port": 5432, "scope": "loopback", "families": [], "queue_full": false}
    message:
      description: One sentence for a person.
      type: str
      sample: postgres (pid 431) listens on port 5432 of 127.0.0.1
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "ss -ltnp 'sport = :5432'"
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
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import sockets


def main() -> None:
    run_probe("sockets", sockets.ARGUMENTS)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_sockets
short_description: Tell who listens on a port of this host
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads, on the host itself, which sockets listen on a TCP port, on which addresses, and whether their accept queue is full.
  - Names the process behind them, which needs root for the processes of other users.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  port:
    description:
      - The TCP port.
    type: int
    required: true
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See whether the database listens on more than the loopback address
  connectivity.doctor.probe_sockets:
    port: 5432
"""

RETURN = r"""
observations:
  description:
    - What was seen, as V(sockets.listener). C(data.scope) is V(none), V(loopback) or V(reachable).
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

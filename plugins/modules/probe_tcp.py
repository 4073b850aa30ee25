#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_tcp
short_description: Try a TCP connection and tell what exactly answered
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Opens one TCP connection to every address of a host, from the managed node, and closes it. There is no hidden retry.
  - Where it fails, tells what came back, and from whom. A TCP reset, an ICMP message of the target, of a hop on the
    path or of the managed node itself, and silence are all told apart, without privilege.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name or the address to connect to.
    type: str
    required: true
  port:
    description:
      - The TCP port.
    type: int
    required: true
  connect_timeout:
    description:
      - Seconds to wait for an answer.
    type: float
    default: 5.0
seealso:
  - module: connectivity.doctor.diagnose
  - module: ansible.builtin.wait_for
"""

EXAMPLES = r"""
- name: See whether the database port answers, and who refuses if it does not
  connectivity.doctor.probe_tcp:
    host: db.example.com
    port: 5432
  register: port
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(tcp.connect).
      type: str
      sample: tcp.connect
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The address and port.
      type: str
      sample: 10.0.0.5:5432
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "10.0.1.7", "user": "root"}
    data:
      description:
        - Typed facts. C(data.error) is an errno name or V(TIMEOUT), C(data.answer) is one of
          V(accepted), V(rst), V(icmp), V(local), V(none).
      type: dict
      sample: {"error": "ECONNREFUSED", "answer": "rst", "elapsed_ms": 0.4, "family": "ipv4"}
    message:
      description: One sentence for a person.
      type: str
      sample: 10.0.0.5:5432 refused the connection with a TCP reset after 0.4 ms
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: nc -zv -w 5 10.0.0.5 5432
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 0.6
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    tcp,
)


def main() -> None:
    run_probe("tcp", tcp.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

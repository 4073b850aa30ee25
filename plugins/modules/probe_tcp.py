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
  - Opens one TCP connection to every address and port of a host, from the managed node, and closes it. There is no hidden retry.
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
      - The TCP port. This or O(ports) is required.
    type: int
  ports:
    description:
      - TCP ports to try all at once. At most 1024.
    type: list
    elements: int
    default: []
  connect_timeout:
    description:
      - Seconds to wait for an answer.
    type: float
    default: 5.0
  count:
    description:
      - With more than 1, makes that many more connections to each port, 20 ms apart, and tells how many stood and how many
        SYNs had to be sent again. At most 500. 29 find a loss of one in ten with a certainty of 95 in a hundred.
    type: int
    default: 1
  read_banner:
    description:
      - Wait for what the service says before it is asked, and tell what it looks like. At most 256 bytes are read, and nothing is sent.
    type: bool
    default: false
  banner_timeout:
    description:
      - Seconds to wait for it.
    type: float
    default: 2.0
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

- name: See which of these ports answer, and what the services behind them say first
  connectivity.doctor.probe_tcp:
    host: mail.example.com
    ports: [22, 25, 143, 993]
    read_banner: true

- name: See whether connections fail now and then
  connectivity.doctor.probe_tcp:
    host: db.example.com
    port: 5432
    count: 29
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(tcp.connect), V(tcp.banner) or V(tcp.burst); V(route.lookup) where nothing answered.
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
          V(accepted), V(rst), V(icmp), V(local), V(none). V(tcp.banner) has C(silent), C(first_bytes) and C(looks_like);
          V(tcp.burst) has C(success_rate), C(needed_again), C(handshake_loss) and C(steps).
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
    run_probe("tcp", tcp.ARGUMENTS, for_each_address=True, required_one_of=[("port", "ports")])


if __name__ == "__main__":
    main()

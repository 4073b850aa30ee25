#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_throughput
short_description: Measure how much goes over a path, and what that does to its latency
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Transfers from or to a server, from the managed node, bounded in bytes and in seconds, and tells how fast it went and how
    much longer the round trip took meanwhile. It loads the network, so it runs only where it is asked for.
  - Latency is measured with ICMP echo, which needs root or C(net.ipv4.ping_group_range) on the managed node; it is left out elsewhere.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name or the address to transfer with.
    type: str
    required: true
  port:
    description:
      - The TCP port.
    type: int
    required: true
  method:
    description:
      - With V(http), gets O(path) over HTTP. With V(tcp), takes what the server sends, or sends it zeros. With V(iperf3), runs
        C(iperf3), which must be on the managed node, against an iperf3 server; an upload that O(seconds) ends is counted by the
        sender, so its rate is an upper bound.
    type: str
    choices: [http, tcp, iperf3]
    default: http
  path:
    description:
      - What to get, with O(method=http). It should be large, and nothing that changes anything.
    type: str
    default: /
  direction:
    description:
      - Seen from the managed node. With V(upload) and O(method=tcp), zeros are sent to the port, so name one that expects it, for
        example V(9), discard. V(upload) is not possible with O(method=http).
    type: str
    choices: [download, upload]
    default: download
  seconds:
    description:
      - How long to transfer at most, up to 60. The O(deadline) holds too.
    type: float
    default: 5.0
  transfer_bytes:
    description:
      - How much to transfer at most, up to 1073741824 bytes.
    type: int
    default: 10485760
seealso:
  - module: connectivity.doctor.probe_route
"""

EXAMPLES = r"""
- name: See how fast a file comes from the gateway
  connectivity.doctor.probe_throughput:
    host: apm.example.com
    port: 8080
    path: /large.bin
  register: speed

- name: Measure against an iperf3 server, towards it
  connectivity.doctor.probe_throughput:
    host: iperf.example.com
    port: 5201
    method: iperf3
    direction: upload
    seconds: 10
    transfer_bytes: 104857600
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(throughput.transfer).
      type: str
      sample: throughput.transfer
    status:
      description: One of V(ok), V(fail), V(cannot_tell).
      type: str
      sample: ok
    target:
      description: The address and port.
      type: str
      sample: 10.0.0.5:8080
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts. C(bits_per_second), C(steady_bits_per_second) of the second half, C(limited_by), C(rtt_idle_ms),
          C(rtt_loaded_ms), C(rtt_added_ms), C(retransmits), C(error).
      type: dict
      sample: {"bytes": 655360, "seconds": 5.0, "bits_per_second": 1048576, "steady_bits_per_second": 962000, "limited_by": "seconds",
               "rtt_added_ms": 181.3, "error": ""}
    message:
      description: One sentence for a person.
      type: str
      sample: "10.0.0.5:8080: download of 655360 bytes in 5.0 s, at 0.96 Mbit/s; the round trip took 181.3 ms longer meanwhile"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: curl -so /dev/null -m 5 -w '%{speed_download}' http://10.0.0.5:8080/large.bin
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 5561.0
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    throughput,
)


def main() -> None:
    run_probe("throughput", throughput.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

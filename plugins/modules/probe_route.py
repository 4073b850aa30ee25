#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_route
short_description: Follow the way to a host by hop, with its losses, its largest packet and its filters
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Looks at the way from the managed node to every address of a host, IPv4 and IPv6 apart. The route, the next hop and whether it
    lives; each hop, and who refused; loss and latency; the largest packet that comes through, and whether larger ones vanish
    without a word; the reverse path filter; whether another machine holds the managed node's address too, or its next hop's.
  - Only root may ask for other holders of an address.
  - Needs no other program than C(ip). Sends ICMP echo where the user may (root, or C(net.ipv4.ping_group_range)), else TCP to
    the port and UDP to unused ports. With a port, the path is followed by TCP to that very port too, which shows what a filter does to it.
  - Loss is looked for with as many packets as it takes. A burst of n packets loses at least one, where the rate of loss is p, with
    probability 1 - (1 - p)^n. With the defaults these are 29 packets. The interval that is told is Wilson's, of 95 %.
  - Hops limit how many errors they send, so what does not answer is asked again, and a silent hop is no fault by itself.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name or the address to follow.
    type: str
    required: true
  port:
    description:
      - The TCP port to follow too. It makes a few connections to it, and closes them.
    type: int
  local_address:
    description:
      - The address of the managed node that the host talks to, for the reverse path filter. Without it, the one that the managed
        node would use.
    type: str
  peer_mtu:
    description:
      - The MTU of the host's own interface in bytes, to compare. Without it, what TCP's segment size shows of it.
    type: int
  max_hops:
    description:
      - How far to look, from 1 to 64 hops.
    type: int
    default: 20
  detectable_loss:
    description:
      - The rate of loss to find, between 0 and 1.
    type: float
    default: 0.1
  power:
    description:
      - The probability with which to find it, between 0 and 1. At most 1000 packets are sent.
    type: float
    default: 0.95
  answer_timeout:
    description:
      - Seconds to wait for the last packet's answer.
    type: float
    default: 1.0
  checks:
    description:
      - What to look at. V(lookup) and V(reverse_path) send nothing, V(neighbours) sends ARP requests on the managed node's own links only.
    type: list
    elements: str
    choices: [path, lookup, ping, mtu, reverse_path, neighbours]
    default: [path, lookup, ping, mtu, reverse_path, neighbours]
seealso:
  - module: connectivity.doctor.probe_tcp
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: Follow the way to the database
  connectivity.doctor.probe_route:
    host: db.example.com
    port: 5432
  register: way

- name: Find a loss of one in a hundred with a certainty of 99 in a hundred (459 packets)
  connectivity.doctor.probe_route:
    host: db.example.com
    detectable_loss: 0.01
    power: 0.99

- name: On the server, see whether it takes the client's packets on the interface where they arrive
  connectivity.doctor.probe_route:
    host: 192.0.2.7
    local_address: 198.51.100.2
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first, then for every address its checks.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, one of V(route.path), V(route.lookup), V(route.ping), V(route.mtu), V(route.reverse_path),
        V(route.neighbours).
      type: str
      sample: route.mtu
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The address, with the port where it is about one.
      type: str
      sample: 10.0.0.5
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts. V(route.path) has C(hops), C(reached), C(last_hop) and who refused (C(refused_by), C(refused_with)).
          V(route.ping) has C(loss), C(rtt_ms) and C(by_hop). V(route.mtu) has C(path_mtu), C(interface_mtu), C(black_hole) and where
          it is (C(lost_after_hop), C(lost_before_hop)). V(route.reverse_path) has C(arrival_accepted).
          V(route.neighbours) has C(duplicate_address) and C(duplicate_macs).
      type: dict
      sample: {"address": "10.0.0.5", "path_mtu": 1200, "interface_mtu": 1500, "black_hole": true, "largest_through": 1200,
               "smallest_lost": 1201, "icmp_seen": false, "lost_after_hop": "10.0.1.1", "lost_before_hop": "10.0.0.5"}
    message:
      description: One sentence for a person.
      type: str
      sample: "10.0.0.5: packets of up to 1200 bytes come through; larger ones vanish between 10.0.1.1 and 10.0.0.5, and nobody says so"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: tracepath -n 10.0.0.5; ping -n -M do -s 1173 10.0.0.5
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 812.4
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    route,
)


def main() -> None:
    run_probe("route", route.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

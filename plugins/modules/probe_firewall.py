#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_firewall
short_description: Tell which rule of the host's own firewall decides a flow
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads the packet filter of the managed node, follows a flow through it as the kernel would, and names the one rule that lets it
    pass, drops it or rejects it, for the request and for the reply.
  - Understands nftables, and iptables of both kinds with their sets, and tells whether the rule is one of ufw, firewalld, docker or
    fail2ban. Where firewalld runs, compares what is in force with what is permanent.
  - Where a limit decides, or an expression is not understood, says so and names the rule. It never guesses.
  - Needs root, as the kernel shows its rules to nobody else.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name or the address of the peer.
    type: str
    required: true
  port:
    description:
      - The port that is connected to. It is the peer's if O(direction=outbound), and this host's if O(direction=inbound).
    type: int
    required: true
  protocol:
    description:
      - The transport protocol.
    type: str
    choices: [tcp, udp]
    default: tcp
  direction:
    description:
      - Whether the managed node connects to the peer (V(outbound)), or the peer to the managed node (V(inbound)).
      - In both cases the reply is followed too.
    type: str
    choices: [outbound, inbound]
    default: outbound
  local_address:
    description:
      - The managed node's own address in the flow. The default is the one that its routes select.
    type: str
  interface:
    description:
      - The interface by which the flow goes and comes. The default is the one that the managed node's routes select.
    type: str
  user:
    description:
      - The user, by name or number, whose socket it is on the managed node, as some rules ask for it.
      - The default is the user of this task if O(direction=outbound), and the listener's if O(direction=inbound).
    type: str
  prove:
    description:
      - Read the rules' counters before and after one connection (or one empty datagram) to the peer.
      - If O(direction=inbound), nothing is sent; the counters are watched for 3.5 seconds, in which clients that get no answer try again.
    type: bool
    default: false
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_tcp
  - module: ansible.builtin.iptables
"""

EXAMPLES = r"""
- name: See which rule of this host stops its connections to the database
  connectivity.doctor.probe_firewall:
    host: db.example.com
    port: 5432
    prove: true
  become: true

- name: See whether the database server lets a client in, and its reply out
  connectivity.doctor.probe_firewall:
    host: 10.0.1.7
    port: 5432
    direction: inbound
  become: true

- name: See whether a rule holds for the agent's user only
  connectivity.doctor.probe_firewall:
    host: apm.example.com
    port: 8200
    user: netdata
  become: true
"""

RETURN = r"""
observations:
  description:
    - What was seen, the resolution of the name (V(dns.resolve)) first.
    - V(firewall.rule) comes once for the request, and where that may pass, once for the reply. V(ok) is allowed, V(fail) is dropped or
      rejected, V(cannot_tell) has C(data.reason).
    - V(firewall.managers) tells whose rules there are, V(firewall.firewalld) what firewalld has in force and what it has written.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(firewall.rule), V(firewall.managers) or V(firewall.firewalld).
      type: str
      sample: firewall.rule
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The flow.
      type: str
      sample: 10.0.0.5:5432
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "10.0.1.7", "user": "root"}
    data:
      description:
        - Typed facts. C(data.verdict) is V(accept), V(drop), V(reject), V(conditional) or V(unknown); C(data.conditional) are the rules
          on whose state it depends; C(data.rule), C(data.chain), C(data.table), C(data.handle) and C(data.line) are what an administrator
          finds, C(data.owner) who made it, C(data.counter_delta) the packets that it counted during the probe, C(data.boot) where a rule
          of nobody's that stops the flow is loaded from when the host boots.
      type: dict
      sample:
        direction: outbound
        phase: request
        verdict: drop
        tool: nftables
        owner: none
        family: inet
        table: filter
        chain: output
        handle: 7
        rule: tcp dport 5432 counter drop
        counter_delta: 1
    message:
      description: One sentence for a person.
      type: str
      sample: >-
        the rule 'tcp dport 5432 counter drop' (nftables table inet filter, chain output, handle 7) drops the request to 10.0.0.5:5432
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: nft -a list chain inet filter output
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 12.6
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    firewall,
)


def main() -> None:
    run_probe("firewall", firewall.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: packet_capture
short_description: Capture the packets of one TCP flow, and tell what they show
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Captures on the managed node what goes to and comes from one port of one address, with C(tcpdump), for some seconds.
    Tells who did not answer, who reset and whether it was really him, what was sent again, zero windows, TLS alerts and ICMP errors.
  - Payload is cut off before anything is kept, so no secret is captured, unless O(payload_bytes) asks for it. No file is made on
    the managed node; with O(dest), the capture is written on the controller.
  - Needs C(tcpdump) and root on the managed node. Without them, it says so (V(cannot_tell)).
options:
  host:
    description:
      - The name or the address of the peer. Of a name, the first address is taken.
    type: str
    required: true
  port:
    description:
      - The TCP port, of the peer or of the managed node. On a server, name the client as O(host) and the server's own port.
    type: int
    required: true
  interface:
    description:
      - The interface to capture on.
    type: str
    default: any
  seconds:
    description:
      - How long to capture, at most 600.
    type: float
    default: 10.0
  packets:
    description:
      - How many packets to capture at most, up to 100000.
    type: int
    default: 1000
  capture_bytes:
    description:
      - How many bytes to capture at most, up to 8388608.
    type: int
    default: 262144
  payload_bytes:
    description:
      - How many bytes of each packet's payload to keep. It may hold passwords and data.
    type: int
    default: 0
  connect:
    description:
      - Make one connection to the port while capturing, and end soon after it.
    type: bool
    default: false
  dest:
    description:
      - A file on the controller to write the capture to, readable by its owner only. For a folder, or with a slash at the end, the
        file in it is called after the host. Nothing is written in check mode.
    type: path
attributes:
  check_mode:
    support: full
    description: Captures as in normal mode, as it changes nothing on the managed node, and writes no file.
  diff_mode:
    support: none
    description: There is no change to show.
  action:
    support: full
    description: The capture is written on the controller.
  platform:
    support: full
    description: The managed nodes it runs on.
    platforms: linux
seealso:
  - module: connectivity.doctor.probe_tcp
"""

EXAMPLES = r"""
- name: See what happens on the wire when this host connects
  connectivity.doctor.packet_capture:
    host: db.example.com
    port: 5432
    connect: true

- name: On the server, see whether what the client sends arrives
  connectivity.doctor.packet_capture:
    host: web1.example.com
    port: 5432
    seconds: 5

- name: Keep a minute of the traffic's headers
  connectivity.doctor.packet_capture:
    host: db.example.com
    port: 5432
    seconds: 60
    packets: 20000
    capture_bytes: 4000000
    dest: captures/
  become: true
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first, then V(capture.summary).
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(capture.summary).
      type: str
      sample: capture.summary
    status:
      description: One of V(ok), V(warn), V(cannot_tell).
      type: str
      sample: warn
    target:
      description: The address and port.
      type: str
      sample: 10.0.0.5:5432
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts. C(packets) and C(bytes) by sender, C(syn_without_answer), C(resets) with C(ttl) and the C(other_ttl) of the
          sender's other packets, C(retransmissions), C(zero_windows), C(tls_alerts), C(icmp_errors), C(first_at), C(last_at),
          C(stopped_by), C(dropped_by_kernel).
      type: dict
      sample: {"connections": 1, "syn_without_answer": [{"client": "10.0.1.7", "client_port": 40112, "syns": 3}], "resets": []}
    message:
      description: One sentence for a person.
      type: str
      sample: 3 packets with 10.0.0.5:5432; 1 connections of which no SYN was answered
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: tcpdump -n -i any -s 192 -c 1000 'host 10.0.0.5 and tcp port 5432'
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 5012.0
dest:
  description: The file on the controller.
  returned: when O(dest) was given, something was captured and it is not check mode
  type: str
  sample: captures/web1.pcap
"""

import platform

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import capture, dns

# Beyond the capture's own time: to resolve the name, to start tcpdump, and to end it.
_MARGIN_S = 20.0


def main() -> None:
    module = AnsibleModule(argument_spec=dict(capture.ARGUMENTS, dest={"type": "path"}), supports_check_mode=True)
    recorder = Recorder()
    context = Context(recorder, Deadline(module.params["seconds"] + _MARGIN_S), {"host": platform.node(), "address": "", "user": "root"})
    resolved = dns.run({"host": module.params["host"]}, context)
    result = {}
    if resolved.passed:
        outcome = capture.run(dict(module.params, address=resolved.outputs["addresses"][0]["address"]), context)
        if module.params["dest"]:
            result["pcap"] = outcome.outputs.get("pcap", "")
    module.exit_json(changed=False, observations=recorder.seal(), **result)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_http
short_description: Send one HTTP request and tell who answered what, or how the answer failed to come
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Sends one request to every address of a host, from the managed node, and reads the answer within bounds of time and size.
    There is no hidden retry, and no redirect is followed.
  - An answer of the server is told from one of a proxy, silence from a close, an answer that does not end from none, and HTTP
    from what is another protocol.
  - Where a plain port sends nothing, or a status 400, up to two more connections ask whether it speaks TLS or PostgreSQL.
extends_documentation_fragment:
  - connectivity.doctor._probe
  - connectivity.doctor._agent_trust
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
  scheme:
    description:
      - Whether to speak TLS first. With V(grpc) and V(grpcs), the O(path) is called over gRPC with an empty message, and the O(method) does
        not count.
    type: str
    choices: [http, https, grpc, grpcs]
    default: https
  path:
    description:
      - The path, with the query if there is one.
    type: str
    default: /
  method:
    description:
      - The method of the request. No body is sent with any.
    type: str
    default: GET
  headers:
    description:
      - Header fields to send, beside those that the probe needs itself, which they replace.
      - A secret belongs into O(credential), which Ansible keeps out of logs and results.
    type: dict
    default: {}
  credential_header:
    description:
      - The name of the header field that carries O(credential).
    type: str
    default: Authorization
  credential:
    description:
      - The whole value of O(credential_header), for example C(Bearer) and a token.
      - With O(scheme=https) it is sent only after the server's certificate was verified.
    type: str
  expected_status:
    description:
      - The status codes that are well. If not given, all from 200 to 399 are.
    type: list
    elements: int
  body_limit:
    description:
      - How many bytes of the body to read. What is longer is an answer nevertheless.
    type: int
    default: 65536
  proxy:
    description:
      - The proxy to go through, as C(http://host:port). Environment variables are not looked at.
      - It must hold no credentials. The path from the managed node to the proxy is HTTP, also for O(scheme=https).
    type: str
  proxy_credential:
    description:
      - User and password for the proxy, as C(user:password). They are sent as Basic authentication.
    type: str
  server_name:
    description:
      - The name to ask the server for (SNI), and to verify its certificate for. The O(host) if not given.
    type: str
  verify:
    description:
      - V(full) verifies the chain and the name, V(ca) the chain only, V(none) nothing. For O(scheme=https).
    type: str
    choices: [full, ca, none]
    default: full
  ca_file:
    description:
      - A file on the managed node with the certificates to trust, in PEM. The system's store if not given.
      - With a C(/) at its end, a directory of such files, with the names that C(openssl rehash) gives them.
    type: path
  client_certificate:
    description:
      - A file on the managed node with the certificate to show to the server, in PEM.
    type: path
  client_key:
    description:
      - A file on the managed node with the key of O(client_certificate), in PEM and without a passphrase.
      - If not given, the key must be in O(client_certificate).
    type: path
  timeout:
    description:
      - Seconds that all of it may take, from the first packet to the last byte of the answer.
    type: float
    default: 10.0
  count:
    description:
      - How many requests to make in all, each on a connection of its own, at most 100 and as far as O(deadline) lets. With more than one,
        what differs between the servers behind a balancer is told as V(http.burst).
      - To meet one bad server of three in 99 of 100 tries takes 12 requests, of ten servers 44.
    type: int
    default: 1
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_tls
  - module: ansible.builtin.uri
"""

EXAMPLES = r"""
- name: See what the collector says to the agent's token
  connectivity.doctor.probe_http:
    host: apm.example.com
    port: 8200
    path: /intake/v2/events
    method: POST
    credential: "Bearer {{ apm_token }}"
    expected_status: [200, 202]
  vars:
    apm_token: "{{ lookup('ansible.builtin.env', 'APM_TOKEN', default='not-a-token') }}"
  register: intake

- name: See whether the proxy lets this host through, and who says no if it does not
  connectivity.doctor.probe_http:
    host: apm.example.com
    port: 443
    proxy: http://proxy.example.com:3128
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description:
        - The name of the check, V(http.response), with V(proxy.connect) before it where there is a proxy, and V(http.burst) after it
          where O(count) is more than one.
      type: str
      sample: http.response
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The address and port.
      type: str
      sample: 10.0.0.5:8200
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "10.0.1.7", "user": "root"}
    data:
      description:
        - Typed facts. C(data.error) is empty where an answer came, else V(no_response), V(closed), V(reset),
          V(not_http), V(incomplete), V(tls_failed), V(connect_failed) or V(proxy_failed). C(data.status) is the
          status code. C(data.phases) are milliseconds.
      type: dict
      sample:
        error: ""
        status: 401
        server: "nginx"
        clock_offset_s: 0.3
        credential_sent: true
        phases: {"connect_ms": 0.4, "proxy_ms": null, "tls_ms": 3.1, "first_byte_ms": 1.9, "total_ms": 5.5}
    message:
      description: One sentence for a person.
      type: str
      sample: 10.0.0.5:8200 answered 401 Unauthorized after 5.5 ms
    reproduce:
      description: The command with which a person sees the same. A secret is not in it.
      type: str
      sample: "curl -sv -o /dev/null -H 'Authorization: <secret>' --max-time 10 --resolve apm.example.com:8200:10.0.0.5 https://apm.example.com:8200/"
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 5.6
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    http,
)


def main() -> None:
    run_probe("http", http.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

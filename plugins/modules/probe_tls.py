#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_tls
short_description: Try TLS with a server, and tell what it serves and what exactly fails
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Speaks TLS with every address of a host, from the managed node, as OpenSSL on that node would.
  - Tells what the server serves even where it does not verify. A version or a cipher that is not shared, a name that the
    server does not know, a client certificate that it demands, and a port that speaks no TLS are all told apart.
  - Where a handshake fails, more connections are made to tell why. At most four ask for one version of TLS each, two for
    other ciphers, one leaves out the server's name, and two ask a silent port in plain text what it is. An HTTP request for
    the head of C(/) is among them.
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
  server_name:
    description:
      - The name to ask the server for (SNI), and to verify its certificate for. The O(host) if not given.
      - An address is verified, and never sent as SNI.
    type: str
  starttls:
    description:
      - The protocol in which TLS must be asked for, if there is one.
    type: str
    choices: ["", postgresql, mysql, smtp, imap, ldap]
    default: ""
  alpn:
    description:
      - The protocols to offer inside TLS, in the order of preference. PostgreSQL 17 with C(sslnegotiation=direct) wants V(postgresql), and
        an empty O(starttls).
    type: list
    elements: str
    default: []
  verify:
    description:
      - V(full) verifies the chain and the name, V(ca) the chain only, V(none) nothing.
      - These are the values V(verify-full), V(verify-ca) and V(require) of C(sslmode) in libpq.
      - V(libpq_require) is libpq's own rule for C(sslmode=require). It verifies as V(ca) where O(ca_file) exists, by default
        C(~/.postgresql/root.crt), and as V(none) where it does not.
    type: str
    choices: [full, ca, none, libpq_require]
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
  certificate_days:
    description:
      - A certificate that ends within so many days is a warning.
    type: int
    default: 30
  timeout:
    description:
      - Seconds that one connection may take, from the first packet to the end of the handshake.
    type: float
    default: 5.0
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_http
  - module: community.crypto.get_certificate
"""

EXAMPLES = r"""
- name: See whether the certificate of the collector verifies, and for how long
  connectivity.doctor.probe_tls:
    host: apm.example.com
    port: 8200
    certificate_days: 14
  register: collector

- name: See what libpq meets with sslmode=verify-full
  connectivity.doctor.probe_tls:
    host: db.example.com
    port: 5432
    starttls: postgresql
    ca_file: /etc/ssl/certs/database-ca.pem
  register: database

- name: Show the certificate's issuer
  ansible.builtin.debug:
    msg: >-
      {{ collector.observations | selectattr('check', 'eq', 'tls.certificate') | map(attribute='data.issuer', default='') | list }}
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
        - The name of the check. V(tls.handshake), V(tls.certificate) and V(tls.verify) for each address; V(tls.client_certificate)
          where the server demands one, takes the given one, or that one can't be used; V(tls.versions) and V(tls.sni) where these may be
          why it fails.
      type: str
      sample: tls.verify
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
        - Typed facts. C(data.error) says how a handshake failed, V(alert), V(closed), V(reset), V(timeout),
          V(not_tls), V(starttls_refused), V(starttls_unexpected), V(connect_failed), V(refused_by_client) or V(protocol_error).
          C(data.verify_code) is OpenSSL's, C(data.chain_der) is the chain as it was served.
      type: dict
      sample: {"error": "verify", "mode": "full", "name": "apm.example.com", "verify_code": 10, "verify_message": "certificate has expired"}
    message:
      description: One sentence for a person.
      type: str
      sample: "the certificate of 10.0.0.5:8200 does not verify: certificate has expired"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: openssl s_client -connect 10.0.0.5:8200 -servername apm.example.com -verify_return_error </dev/null
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 4.2
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    tls,
)


def main() -> None:
    run_probe("tls", tls.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

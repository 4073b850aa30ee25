#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_proxy
short_description: Tell which proxy a program would use for a server, and whether the server is reached through it and around it
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads the proxy settings of a login on the managed node and, with O(unit) or O(pid), of a running program, and tells how they differ.
  - Judges each proxy URL before anybody uses it, such as a scheme that is missing or doubled, a placeholder, or TLS spoken to a proxy
    that has none.
  - Decides for curl, wget, Python's urllib and requests, Go, undici and axios on Node, and Java whether each would go through the proxy,
    and names the entry of C(NO_PROXY) that matched. Their rules differ.
  - Asks the server once directly and once through the proxy. What the proxy itself answers, such as 407 and 403, is told from what the
    server answers, and a certificate that is another one through the proxy is noticed.
  - The program's own environment is readable by root and by the program's user only.
extends_documentation_fragment:
  - connectivity.doctor._probe
  - connectivity.doctor._agent_trust
options:
  host:
    description:
      - The name or the address of the server.
    type: str
    required: true
  port:
    description:
      - The server's TCP port.
    type: int
    required: true
  scheme:
    description:
      - Whether the server speaks plain HTTP or HTTPS.
    type: str
    choices: [http, https]
    default: https
  path:
    description:
      - The path to ask for.
    type: str
    default: /
  proxy:
    description:
      - The URL of the proxy, without credentials. By default the one that the program's environment, or else a login's, has.
    type: str
  proxy_credential:
    description:
      - V(user:password) for the proxy. By default the one in the URL of the environment.
    type: str
  unit:
    description:
      - The systemd unit whose process's environment counts. Of a unit that does not run, what systemd would give it.
    type: str
  pid:
    description:
      - The process whose environment counts, instead of O(unit).
    type: int
  verify:
    description:
      - What of the server's certificate is verified, V(full) with the name, V(ca) without it, V(none) for nothing.
    type: str
    choices: [full, ca, none]
    default: full
  ca_file:
    description:
      - File with the certificates to trust, instead of the system's; with a C(/) at its end, a directory of such files.
    type: path
  timeout:
    description:
      - Seconds that each of the two requests may take.
    type: float
    default: 5.0
seealso:
  - module: connectivity.doctor.probe_http
  - name: NO_PROXY of curl
    description: The variables that curl reads.
    link: https://curl.se/docs/manpage.html#ENVIRONMENT
"""

EXAMPLES = r"""
- name: See how the agent would reach the gateway, and whether that works
  connectivity.doctor.probe_proxy:
    host: apm.example.com
    port: 443
    path: /health
    unit: elastic-agent.service
  become: true
  register: way

- name: See whether a proxy is needed at all
  connectivity.doctor.probe_proxy:
    host: apm.example.com
    port: 443
    proxy: http://proxy.example.com:3128
"""

RETURN = r"""
observations:
  description: What was seen.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description:
        - The name of the check, V(proxy.environment), V(proxy.url), V(proxy.connect), V(proxy.comparison), or V(proxy.bypass), of which
          there is one for each library.
      type: str
      sample: proxy.bypass
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: warn
    target:
      description: The server and its port, the variable, or the unit.
      type: str
      sample: apm.example.com:443
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts, without credentials.
        - V(proxy.bypass) has C(library), C(decision) (V(proxy) or V(direct)), C(because), C(token) and C(works).
        - V(proxy.url) has C(variable), C(problems), C(fatal) and C(speaks_tls).
        - V(proxy.environment) has C(only_in_process), C(only_in_login), C(different), and where both lead, C(process_way) and C(login_way).
        - V(proxy.comparison) has C(direct_works), C(proxy_works), the error and the status of each, and C(same_certificate).
      type: dict
      sample: {"library": "go", "decision": "direct", "because": "excluded", "token": ".example.com", "works": false}
    message:
      description: One sentence for a person.
      type: str
      sample: go goes to apm.example.com:443 directly because of '.example.com', which does not work, and the other way does
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: env | grep -i _proxy
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 31.7
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import proxy


def main() -> None:
    run_probe("proxy", proxy.ARGUMENTS)


if __name__ == "__main__":
    main()

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_dns
short_description: Resolve a name as an application does, and ask each name server itself
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Resolves a name as the applications of the managed node do, with its hosts file, its search domains and its name servers.
  - Beside it, reads the lines of the hosts file that give the name, and asks every configured name server for the IPv4 and the IPv6
    addresses, so that NXDOMAIN, SERVFAIL, REFUSED, silence, a dead first server and servers that disagree are told apart.
  - Asks again with checking disabled where a server fails, which tells wrong DNSSEC signatures from other failures; tells which search
    domain gave the addresses; and compares what caches of the managed node (systemd-resolved, nscd) have with what the servers say.
  - Needs the standard library of Python only.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name to resolve. An address is taken as it is.
    type: str
    required: true
  compare_with:
    description:
      - Addresses of other name servers that are asked for the same name, such as those of another network, to see a split horizon.
        At most four are asked.
    type: list
    elements: str
    default: []
  authority:
    description:
      - Whether to find the name servers of the zone and to ask them too, past every cache. They may be out of the managed node's reach.
    type: bool
    default: false
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See what the name of the database is from here, and who says so
  connectivity.doctor.probe_dns:
    host: localhost
  register: name

- name: Compare the answer with the one of another network's name server, and with the zone's own servers
  connectivity.doctor.probe_dns:
    host: localhost
    compare_with: [127.0.0.1]
    authority: true
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(dns.resolve) is the application's own way; V(dns.configuration) is what C(resolv.conf) and C(nsswitch.conf) say;
      V(dns.hosts_file) has the lines that give the name; each V(dns.answer) is one name server's answer for one record type.
    - V(dns.search) tells which candidate name was used; V(dns.agreement) groups the servers by what they say.
    - Where there is something to tell, V(dns.answer_unchecked) is the answer with checking disabled; V(dns.upstream) is an answer to
      a stub of this host; V(dns.cache) is what a cache has; V(dns.sources) are other sources of C(nsswitch.conf);
      V(dns.compared) is the answer of a server of O(compare_with); V(dns.authority) is the answer of the zone's own server.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: dns.answer
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: ok
    target:
      description: The name, or the name, type and server.
      type: str
      sample: db.example.com. A @10.0.0.2
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts, such as C(data.rcode), the addresses, the TTL in seconds and the time it took in milliseconds.
      type: dict
      sample: {"server": "10.0.0.2", "name": "db.example.com.", "type": "A", "rcode": "NOERROR", "addresses": ["10.0.0.5"], "ttl": 60}
    message:
      description: One sentence for a person.
      type: str
      sample: "10.0.0.2, asked for A of db.example.com., answered NOERROR: 10.0.0.5"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: dig @10.0.0.2 db.example.com. A
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 1.4
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import dns


def main() -> None:
    run_probe("dns", dns.ARGUMENTS)


if __name__ == "__main__":
    main()

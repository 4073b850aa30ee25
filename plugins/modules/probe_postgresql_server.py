#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_postgresql_server
short_description: Tell what a PostgreSQL server's own host knows of it, and tells no client
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Runs on the host of the server. Finds the server of a port, running or not, its data directory, its configuration and its log.
  - Tells from the log why passwords were refused, which a client is not told; which line of C(pg_hba.conf) decides about a login; whether
    the file systems of its data and of its write-ahead log are full; and which sessions wait for a lock.
  - Logs in nowhere, and runs no program of the server's. Needs root, or the server's user, to read its files.
  - Understands logs in English, in plain text, CSV or JSON, from a file or from the journal.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  port:
    description:
      - The server's port.
    type: int
    default: 5432
  minutes:
    description:
      - How far back to read the log.
    type: int
    default: 15
  logins:
    description:
      - The logins about which to tell what C(pg_hba.conf) and the log say.
    type: list
    elements: dict
    default: []
    suboptions:
      user:
        description:
          - The role.
        type: str
        required: true
      database:
        description:
          - The database; without it, the one with the name of the role.
        type: str
        default: ""
      address:
        description:
          - The client's address, as the server sees it.
        type: str
        default: ""
      tls:
        description:
          - Whether the client comes over TLS.
        type: bool
        default: true
seealso:
  - module: connectivity.doctor.probe_postgresql
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: See why the server refuses the application's password
  connectivity.doctor.probe_postgresql_server:
    port: 5432
    logins:
      - {user: reporting, database: production, address: 192.0.2.11}
  register: server

- name: See whether the server has space left, and who waits for whom
  connectivity.doctor.probe_postgresql_server:
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(postgresql_server.instance) is the server itself; V(postgresql_server.space), V(postgresql_server.log) and
      V(postgresql_server.sessions) are about all of it; V(postgresql_server.hba) and V(postgresql_server.refusal) come once for each login.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: postgresql_server.refusal
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The port.
      type: str
      sample: port 5432
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "db1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"port": 5432, "user": "reporting", "reason": "password_expired", "method": "scram-sha-256", "hba_line": 6}
    message:
      description: One sentence for a person.
      type: str
      sample: "the password of reporting was refused: password expired"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "tail -n 100 /var/log/postgresql/postgresql-15-main.log"
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 8.2
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import postgresql_server


def main() -> None:
    run_probe("postgresql_server", postgresql_server.ARGUMENTS)


if __name__ == "__main__":
    main()

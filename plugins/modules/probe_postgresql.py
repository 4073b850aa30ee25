#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_postgresql
short_description: Tell what a PostgreSQL server says to a client, from the first byte to its connection counts
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Asks every address of a host for TLS, starts a session without sending a credential, logs in, and looks at the session and at the
    server's connections. Reads only, in short transactions with a statement timeout.
  - Where the server refuses, returns its SQLSTATE and the routine that raised the error, which are never translated, also for
    logins that fail, where client libraries have only a text.
  - Where C(pg_hba.conf) refuses a connection with TLS, or without, tries the other way too, without a credential, so that
    "TLS is required" and "nobody may come" are told apart.
  - What comes before the login needs only Python's standard library. The login and what follows needs psycopg 3. Without it they
    are reported as V(cannot_tell), with the name of the library.
requirements:
  - psycopg >= 3.1, optional
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  host:
    description:
      - The name or the address of the server.
    type: str
    required: true
  port:
    description:
      - The TCP port.
    type: int
    default: 5432
  user:
    description:
      - The role to log in as. As with libpq, the environment and then the user's name on the managed node where it is not given.
    type: str
  database:
    description:
      - The database. As with libpq, the environment and then O(user) where it is not given.
    type: str
  password:
    description:
      - The password. Where it is not given, libpq looks for one as it always does, for example in a password file.
      - If the server asks for a password and there is none, the login is reported as V(cannot_tell).
    type: str
  parameters:
    description:
      - Further parameters by libpq's own names and with libpq's own meaning, such as V(sslmode), V(sslrootcert), V(sslcert), V(sslkey),
        V(connect_timeout), V(target_session_attrs), V(options).
    type: dict
    default: {}
  timeout:
    description:
      - Seconds that each step may take. A C(connect_timeout) in O(parameters) that is shorter holds instead.
    type: float
    default: 5.0
  connection_warn_ratio:
    description:
      - From which part of the server's, the role's or the database's connection limit on to warn.
    type: float
    default: 0.9
  slow_ms:
    description:
      - From how many milliseconds on a V(SELECT 1) is called slow.
    type: float
    default: 1000.0
  long_transaction_s:
    description:
      - From how many seconds on an open transaction is called long. Those of other users are seen only with the rights of
        C(pg_read_all_stats).
    type: float
    default: 300.0
  members:
    description:
      - The servers behind a balancer, as V(host:port), at most 20. Each is asked by itself too, with one login, under the name O(host).
    type: list
    elements: str
    default: []
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_tls
  - name: PostgreSQL connection strings
    description: The parameters of libpq.
    link: https://www.postgresql.org/docs/current/libpq-connect.html
  - name: PostgreSQL error codes
    description: The meaning of each SQLSTATE.
    link: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

EXAMPLES = r"""
- name: See whether the reporting user can log in, with the server's certificate verified
  connectivity.doctor.probe_postgresql:
    host: db.example.com
    user: reporting
    database: production
    password: "{{ vault_db_password }}"
    parameters:
      sslmode: verify-full
      sslrootcert: /etc/ssl/certs/ca-certificates.crt
  register: database

- name: See which of the servers behind a balancer is down, a standby, slow, or has another certificate
  connectivity.doctor.probe_postgresql:
    host: balancer.example.com
    user: reporting
    database: production
    password: "{{ vault_db_password }}"
    members: ["10.0.0.5:5432", "10.0.0.6:5432"]

- name: See without any credential whether the server would let this host in
  connectivity.doctor.probe_postgresql:
    host: db.example.com
    user: reporting
    database: production
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
        - The name of the check, V(postgresql.ssl_request), V(postgresql.startup), V(postgresql.login), V(postgresql.session),
          V(postgresql.connections), V(postgresql.activity), V(postgresql.replication).
        - V(postgresql.pooler) where a pgbouncer answers, V(postgresql.member) and V(postgresql.members) with O(members).
      type: str
      sample: postgresql.login
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
        - Typed facts.
        - C(data.answer) of V(postgresql.ssl_request) is one of V(S), V(N), V(error), V(other), V(closed), V(reset),
          V(timeout), V(not_connected).
        - C(data.result) of V(postgresql.startup) is one of V(authentication_requested), V(ready), V(error), V(closed),
          V(reset), V(timeout), V(not_postgresql), V(tls_failed), V(not_connected).
        - C(data.error_kind) of V(postgresql.login) is empty, V(server) for an error of the server, or what libpq
          complains of, such as V(tls_verify), V(tls_not_supported), V(root_certificate_missing), V(session_attrs), V(no_password).
        - V(postgresql.activity) has C(oldest_transaction_s), C(lock_waits), C(transactions), C(waits) and the counters of the C(database).
          What an ordinary user may not see is named in C(cannot_see).
        - V(postgresql.replication) has C(role) (V(primary) or V(standby)), C(lagging), and the numbers of each.
        - V(postgresql.pooler) has C(state) (V(free), V(full), V(no_server)), C(cl_waiting), C(pool_size), C(server_host), C(server_port).
        - V(postgresql.members) has the names of those that are C(down), C(slow), C(standbys) and C(primaries), and C(same_certificate).
        - Errors of the server have C(data.sqlstate), C(data.routine) and
          C(data.server_message).
      type: dict
      sample: {"error_kind": "server", "sqlstate": "28P01", "routine": "auth_failed", "sslmode": "verify-full"}
    message:
      description: One sentence for a person.
      type: str
      sample: '10.0.0.5:5432: the login of user reporting failed: password authentication failed for user "reporting"'
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: psql -w -c 'SELECT 1' 'host=db.example.com hostaddr=10.0.0.5 port=5432 dbname=production user=reporting'
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 21.4
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    postgresql,
)


def main() -> None:
    run_probe("postgresql", postgresql.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

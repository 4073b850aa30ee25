#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_pool
short_description: Try an application's connection pool, and compare it with what the PostgreSQL server has
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Logs in to every address of a host and compares the connections that the pool may ask for with what the server, the role and the
    database allow and have left.
  - Then works with a real pool of those settings for a short time, and tells how long its users wait for a connection, and whether
    the pool or the server is what is short.
  - On request leaves connections idle, one as the application has them and one with keepalives, and tells which of them died, when, and who
    ended it.
  - Never opens more connections at once than a tenth of the server's free ones, or O(connection_cap), of which never more than half of
    the free ones. Where that is less than the pool's size, a smaller pool with as many fewer workers is tried, and the result says so.
  - That holds for one managed node, whose addresses of the server are tried one after the other. For many nodes use C(throttle) or
    C(run_once), as in the examples.
  - Reads only. The work is V(SELECT 1).
requirements:
  - psycopg >= 3.1, optional. Without it only the pool's own numbers are told.
  - psycopg_pool >= 3.1, optional. Without it the work is not tried.
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
      - The password. Where it is not given, libpq looks for one as it always does.
    type: str
  parameters:
    description:
      - Further parameters by libpq's own names, such as V(sslmode) and V(keepalives_idle).
    type: dict
    default: {}
  timeout:
    description:
      - Seconds that a login and each query may take.
    type: float
    default: 5.0
  size:
    description:
      - How many connections the application's pool keeps.
    type: int
    default: 5
  max_overflow:
    description:
      - How many more it opens at need.
    type: int
    default: 10
  pool_timeout:
    description:
      - Seconds that the application waits for a connection from its pool. Waits are cut by the O(deadline).
    type: float
    default: 30.0
  workers:
    description:
      - How many of the application's threads want a connection at once; at most 64 are run. By default as many as the pool has connections.
    type: int
  hold_ms:
    description:
      - Milliseconds that a worker keeps a connection each time.
    type: float
    default: 50.0
  duration:
    description:
      - Seconds that the workers work.
    type: float
    default: 2.0
  idle:
    description:
      - Seconds to leave connections idle after that. With V(0) this is not tried. The O(deadline) must have room for it.
    type: float
    default: 0.0
  recycle:
    description:
      - Seconds after which the application's pool replaces a connection, so that none is idle for longer. With V(0) it never does.
    type: float
    default: 0.0
  client:
    description:
      - Where the application's own settings stand. What is set there counts more than the parameters above.
      - A mapping of C(files), as those of M(connectivity.doctor.probe_agent_config), C(unit), C(process) and C(environment). With
        C(is_all_that_is_known), nothing is tried where they say nothing of a pool.
    type: dict
  prepared_statements:
    description:
      - Whether the application's driver keeps prepared statements. If so, it is tried whether they outlive a transaction, with two
        connections.
    type: bool
    default: false
  connection_cap:
    description:
      - How many connections the probe may have open at once, instead of a tenth of the server's free ones.
    type: int
  wait_warn_ms:
    description:
      - From which wait for a connection on (95th percentile, milliseconds) to warn.
    type: float
    default: 1000.0
seealso:
  - module: connectivity.doctor.probe_postgresql
  - name: psycopg connection pools
    description: The pool that is tried, and its settings.
    link: https://www.psycopg.org/psycopg3/docs/advanced/pool.html
"""

EXAMPLES = r"""
- name: See whether ten connections and twenty more are enough for forty workers, and not too many for the server
  connectivity.doctor.probe_pool:
    host: db.example.com
    user: reporting
    database: production
    password: "{{ vault_db_password }}"
    size: 10
    max_overflow: 20
    workers: 40
  throttle: 1
  register: pool

- name: See whether something on the way ends connections that are idle for two minutes
  connectivity.doctor.probe_pool:
    host: db.example.com
    user: reporting
    database: production
    password: "{{ vault_db_password }}"
    duration: 0.5
    idle: 120
    deadline: 150
"""

RETURN = r"""
observations:
  description: What was seen, the resolution of the name (V(dns.resolve)) first.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check, V(pool.capacity), V(pool.prepared), V(pool.wait), V(pool.idle).
      type: str
      sample: pool.wait
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
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description:
        - Typed facts.
        - V(pool.capacity) has C(asked_for), C(free), C(limit), C(nearest_limit), C(exceeds_server), C(exceeds_free), C(cap), and the
          numbers of V(postgresql.connections).
        - V(pool.wait) has C(wait_p50_ms), C(wait_p95_ms), C(wait_max_ms), C(checkouts), C(timeouts), C(exhausted), C(capped), and
          C(bottleneck), which is V(pool), V(server) or empty.
        - V(pool.prepared) has C(survives), C(moved) and C(sqlstate).
        - V(pool.idle) has C(alive), C(how) (V(server), V(closed), V(reset), V(silent) or empty), C(died_after_s), C(keepalive_alive).
      type: dict
      sample: {"asked_for": 30, "pool_largest": 6, "wait_p95_ms": 812.4, "timeouts": 3, "exhausted": true, "bottleneck": "pool"}
    message:
      description: One sentence for a person.
      type: str
      sample: '10.0.0.5:5432: a pool of 6 with 12 workers had none to give 3 times within 5.0 s'
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
      sample: 2110.3
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import  # the engine loads dns by its name
    dns,
    pool,
)


def main() -> None:
    run_probe("pool", pool.ARGUMENTS, for_each_address=True)


if __name__ == "__main__":
    main()

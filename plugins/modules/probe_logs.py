#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_logs
short_description: Tell what the last minutes of an agent's logs say about its connection
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads log files (rotated and compressed ones too) and the journal of a unit from their end, and changes nothing.
  - Counts the lines of each family of failures, from the texts of the usual runtimes and from patterns of the agent's own, and tells
    whether a line after the last one says that it works again.
  - A log without lines is told as silent. A line may name the wrong layer, so the network's own probes decide.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  files:
    description:
      - Log files. Their rotated files are found beside them.
    type: list
    elements: path
    default: []
  unit:
    description:
      - The systemd unit whose journal is read.
    type: str
    default: ''
  failed_units:
    description:
      - Whether to read the journals of the units that systemd calls failed, too, at most five of them.
      - They say why what should serve here does not run.
    type: bool
    default: false
  minutes:
    description:
      - How far to look back. At most 8 MiB of each log are read.
    type: int
    default: 60
  signatures:
    description:
      - The agent's own patterns, a mapping from a family's name to a regular expression or a list of them.
      - They count before the general ones; those of V(backlog) and V(not_reporting), which name no cause, after them.
    type: dict
    default: {}
  recovered:
    description:
      - Regular expressions for lines with which the agent says that it works again, beside the usual ones.
    type: list
    elements: str
    default: []
  about:
    description:
      - Only lines with this text in them count, such as the address of one client in the log of its server.
    type: str
    default: ""
  fates:
    description:
      - What becomes of data that a server refuses with an HTTP status, a mapping from V(retried), V(dropped) and V(fatal_until_restart) to
        lists of statuses. It is told of lines that name such a status.
    type: dict
    default: {}
  says_once:
    description:
      - Whether the agent writes a failure once, and nothing more until that changes. Told as C(stands) of a family.
    type: bool
    default: false
notes:
  - Needs the privilege to read the logs, usually C(become=true).
  - What looks like a secret in the returned lines is masked.
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_service
"""

EXAMPLES = r"""
- name: See what a netdata child said in the last half hour
  connectivity.doctor.probe_logs:
    files:
      - /var/log/netdata/error.log
    minutes: 30
  become: true

- name: See what a collector wrote to the journal, with a pattern of one's own
  connectivity.doctor.probe_logs:
    unit: otelcol
    signatures:
      auth: tenant .* is not known here
    recovered:
      - exporter is healthy
  become: true
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(logs.source) is there for every file and for the journal, V(logs.family) for every family that was met.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: logs.family
    status:
      description: One of V(ok), V(warn), V(cannot_tell). A family is V(ok) where a later line says that it works again.
      type: str
      sample: warn
    target:
      description: The log, or the unit.
      type: str
      sample: /var/log/netdata/error.log
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"family": "refused", "count": 3, "first_at": "2026-01-01T00:00:00.000Z", "last_at": "2026-01-01T00:00:10.000Z",
               "recovered": false, "recovered_at": "", "sources": ["/var/log/netdata/error.log"],
               "samples": ["Failed to connect to '10.77.2.30', port '19999' (errno 111, Connection refused)"]}
    message:
      description: One sentence for a person.
      type: str
      sample: "3 lines of the last 30 minutes say refused, the last at 2026-01-01T00:00:10.000Z: dial tcp 10.0.0.5:443: connection refused"
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "tail -n 100 /var/log/netdata/error.log"
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
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import logs


def main() -> None:
    run_probe("logs", logs.ARGUMENTS)


if __name__ == "__main__":
    main()

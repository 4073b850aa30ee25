#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: support_bundle
short_description: Make archives of what was diagnosed and collected, to be handed over
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Writes a zip for each host, and one of all with these and the report of the fleet. Each has a page that says what is in it, a
    manifest with checksums, and a list of what was masked.
  - The same contents give the same archive, byte by byte.
  - M(connectivity.doctor.report) takes such an archive for a saved report.
  - It reaches no managed node. Run it once for a play, with C(run_once). Used by the role C(connectivity.doctor.support_bundle).
extends_documentation_fragment:
  - connectivity.doctor._on_controller
requirements:
  - cryptography (on the controller)
options:
  state:
    description:
      - V(begun) makes the key of the run, with which secrets get their tokens, and prepares O(spool_dir) for
        M(connectivity.doctor.collect_bundle).
      - V(written) makes the archives, and drops the key.
    type: str
    choices: [begun, written]
    required: true
  spool_dir:
    description:
      - The folder on the controller in which M(connectivity.doctor.collect_bundle) keeps what it finds.
    type: path
    required: true
  report:
    description:
      - The C(report.json) of a run of M(connectivity.doctor.diagnose) and M(connectivity.doctor.report). Without it, the bundle has no
        diagnostics.
      - Only used with O(state=begun).
    type: path
  output:
    description:
      - The archive of all hosts. Those of each are in a folder of the same name beside it, which ends in C(.hosts).
      - Needed with O(state=written).
    type: path
  name:
    description:
      - What the bundle is called, and the folder in it.
    type: str
    default: connectivity
  parts:
    description:
      - What was collected; told in the bundle.
    type: list
    elements: str
    choices: [config, diagnostics, logs]
    default: [config, diagnostics, logs]
  window:
    description:
      - How many seconds the logs go back; told in the bundle.
    type: int
    default: 3600
  map_places:
    description:
      - Whether addresses and names are mapped; told in the bundle.
    type: bool
    default: false
  servers:
    description:
      - Hosts that are not of the play, and of which something was collected.
    type: list
    elements: str
    default: []
seealso:
  - module: connectivity.doctor.collect_bundle
  - module: connectivity.doctor.report
"""

EXAMPLES = r"""
- name: Begin a bundle
  connectivity.doctor.support_bundle:
    state: begun
    spool_dir: connectivity-report/spool
    report: connectivity-report/report.json
  run_once: true

- name: Collect from all hosts
  connectivity.doctor.collect_bundle:
    endpoints: "{{ connectivity_endpoints }}"
    spool_dir: connectivity-report/spool

- name: Make the archives
  connectivity.doctor.support_bundle:
    state: written
    spool_dir: connectivity-report/spool
    output: connectivity-support.zip
  run_once: true
"""

RETURN = r"""
servers:
  description: Hosts of the inventory that serve endpoints, and are not of this play.
  returned: O(state=begun)
  type: list
  elements: str
  sample: [db1]
bundle:
  description: The path of the archive of all.
  returned: O(state=written)
  type: str
  sample: /home/me/connectivity-support.zip
hosts:
  description: The path of each host's archive. Where names are mapped, the host has its other name.
  returned: O(state=written)
  type: dict
  sample: {"web1": "/home/me/connectivity-support.hosts/web1.zip"}
mapping:
  description: The path of the file that tells what stands for which address or name, or nothing. It is not in the bundle.
  returned: O(state=written)
  type: str
  sample: ""
"""

#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: run_plan
short_description: Run a plan of probes on connections that cannot stream
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Runs the plan that M(connectivity.doctor.diagnose) made, on managed nodes whose connection plugin or privilege escalation
    does not let it send its program down the connection.
  - It is called by M(connectivity.doctor.diagnose); a playbook has no reason to call it.
attributes:
  check_mode:
    support: full
    description: This action does not modify state.
  diff_mode:
    support: none
    description: There is no change to show.
options:
  plan:
    description:
      - The host, the deadline and the steps.
    type: dict
    required: true
  secrets:
    description:
      - The values that the steps name.
    type: dict
    default: {}
seealso:
  - module: connectivity.doctor.diagnose
"""

EXAMPLES = r"""
- name: Resolve a name and connect to each of its addresses
  connectivity.doctor.run_plan:
    plan:
      host: "{{ inventory_hostname }}"
      deadline_s: 10
      steps:
        - probe: dns
          parameters: {host: localhost}
          then:
            - probe: tcp
              each: addresses
              parameters: {port: 22}
"""

RETURN = r"""
observations:
  description: What was seen.
  returned: always
  type: list
  elements: dict
  sample: [{"check": "tcp.connect", "status": "ok", "target": "127.0.0.1:22"}]
facts:
  description: The Python that ran it, and what it took.
  returned: always
  type: dict
  sample: {"python": "3.11.2", "elapsed_ms": 12.5, "cpu_ms": 60.0}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan

# The engine loads probes by name; these imports are what packs them.
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import (  # pylint: disable=unused-import
    agent_config,
    agents,
    bundle,
    clock,
    dns,
    firewall,
    host,
    http,
    logs,
    pool,
    postgresql,
    postgresql_server,
    proxy,
    route,
    service,
    sockets,
    tcp,
    throughput,
    tls,
)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "plan": {"type": "dict", "required": True},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
        },
        supports_check_mode=True,
    )
    result = run_plan(dict(module.params["plan"], secrets=module.params["secrets"]))
    module.exit_json(changed=False, observations=result["observations"], facts=result["facts"])


if __name__ == "__main__":
    main()

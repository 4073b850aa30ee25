#!/usr/bin/python
# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: probe_agent_config
short_description: Read what an agent's configuration tells it, and whether the agent can read it
version_added: 0.1.0
author:
  - The connectivity.doctor contributors (!UNKNOWN)
description:
  - Reads the configuration files of an agent as the agent's own user would, and changes nothing.
  - Tells a file that this user may not read, a syntax error with its line and column, and stray characters with their bytes.
  - Compares the endpoint in the files with the one that is meant, and sees where the environment of the process replaces the files.
  - Judges the credential (missing, empty, placeholder, malformed, unreadable, another one than it should be) and never returns it.
extends_documentation_fragment:
  - connectivity.doctor._probe
options:
  files:
    description:
      - The files, in the order in which the agent reads them. A later file counts more than an earlier one.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description:
          - The file.
        type: path
        required: true
      format:
        description:
          - How it is written. V(key_value) is the format of Zabbix, whose C(Include) is followed; so is that of V(collectd).
          - V(yaml) is read with PyYAML where the managed node has it, else by a reader of the usual part of YAML.
        type: str
        required: true
        choices: [yaml, ini, toml, properties, env, xml, json, key_value, collectd]
      endpoint:
        description:
          - Dotted keys of the endpoint, the first that is set counts. C(*) stands for any one name, as in C(exporters.*.endpoint).
            In V(ini) the section comes first; in V(xml) the root element.
        type: list
        elements: str
      site:
        description:
          - The dotted key of the domain below which all hosts are that the agent sends to, where it has no endpoint set.
        type: str
      port:
        description:
          - The dotted key of the port, where it has one of its own.
        type: str
      scheme:
        description:
          - The dotted key of the scheme, or of a switch that turns TLS on.
        type: str
      credential:
        description:
          - Dotted keys of the credential, the first that is set counts.
        type: list
        elements: str
      credential_file:
        description:
          - The dotted key of a path, in whose first line the credential is.
        type: str
      headers:
        description:
          - Dotted keys of header fields that the agent sends along, as a name, a colon and a value, or as C(name=value,name=value). The
            credential is among them where it has no key of its own.
        type: list
        elements: str
      ca_file:
        description:
          - Dotted keys of a file with the authorities that the agent trusts, the first that is set counts.
        type: list
        elements: str
      enabled:
        description:
          - The dotted key of the switch that turns reporting on.
        type: str
      disabled:
        description:
          - The dotted key of a switch that turns reporting off.
        type: str
      settings:
        description:
          - Settings of the client's connections, from their names (V(sslmode), V(keepalives_idle) and others of libpq, V(user),
            V(database), V(pool.size), V(pool.max_overflow), V(pool.pool_timeout), V(pool.recycle), V(proxy), V(no_proxy)) to their
            dotted keys.
          - A key with C(?) and a word, as in V(database.url?sslmode), is that parameter of the url which is the key's value. Parameters of
            an O(files[].endpoint) that is a PostgreSQL url are read without it.
        type: dict
  expected_settings:
    description:
      - By name, what those settings should be.
    type: dict
    default: {}
  unit:
    description:
      - The agent's systemd unit. Its process tells the user and the environment.
    type: str
    default: ''
  process:
    description:
      - The name of the agent's process, where no unit runs it.
    type: str
    default: ''
  user:
    description:
      - The user who must be able to read the files, where neither unit nor process tells it.
    type: str
    default: ''
  environment:
    description:
      - The variables by which the agent's environment replaces its files.
      - A mapping from V(endpoint), V(site), V(port), V(scheme), V(credential), V(credential_file), V(ca_file), V(enabled)
        and V(disabled) to a name or a list of names.
    type: dict
    default: {}
  host:
    description:
      - The host that the agent should send to.
    type: str
    default: ''
  port:
    description:
      - The port that the agent should send to.
    type: int
    default: 0
  scheme:
    description:
      - The scheme that the agent should use. Only whether it means TLS is compared.
    type: str
    default: ''
  default_port:
    description:
      - The port that the agent takes where its configuration tells none.
    type: int
    default: 0
  default_scheme:
    description:
      - The scheme that the agent takes where its configuration tells none.
    type: str
    default: ''
  credential_format:
    description:
      - A regular expression that the whole credential must match.
    type: str
    default: ''
  credential_placeholders:
    description:
      - Regular expressions for placeholders, beside the usual ones.
    type: list
    elements: str
    default: []
  credential_regions:
    description:
      - Regions that credentials are for, by name. Each has regular expressions that are searched for, C(credential) in the credential
        and C(host) in O(host). A credential of another region than the host's is told.
    type: dict
    default: {}
  credential_header:
    description:
      - The header field that holds the credential, where it is among the O(files[].headers). Without it, the first whose name is one of a
        secret's.
    type: str
    default: ''
  credential_fingerprint:
    description:
      - What the right credential is known by, so that it need not be sent.
    type: dict
    suboptions:
      salt:
        description:
          - Random text, another one for each run.
        type: str
        required: true
      sha256:
        description:
          - The SHA-256 of the salt followed by the right credential, in hexadecimal.
          - Without it, nothing is compared, and the fingerprints of hosts can be compared with each other.
        type: str
        default: ''
notes:
  - Needs the privilege to read the files and the environment of the process, usually C(become=true).
seealso:
  - module: connectivity.doctor.diagnose
  - module: connectivity.doctor.probe_service
"""

EXAMPLES = r"""
- name: See what a netdata child is told
  connectivity.doctor.probe_agent_config:
    unit: netdata
    files:
      - path: /etc/netdata/stream.conf
        format: ini
        endpoint: [stream.destination]
        credential: [stream.api key]
        enabled: stream.enabled
    host: parent.example.com
    port: 19999
    default_port: 19999
    credential_format: '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}'
  become: true

- name: Compare the credential without sending it
  connectivity.doctor.probe_agent_config:
    unit: datadog-agent
    files:
      - path: /etc/datadog-agent/datadog.yaml
        format: yaml
        endpoint: [dd_url]
        credential: [api_key]
    environment:
      endpoint: DD_URL
      credential: DD_API_KEY
    credential_fingerprint:
      salt: "{{ salt }}"
      sha256: "{{ (salt ~ datadog_api_key) | hash('sha256') }}"
  vars:
    salt: "{{ lookup('ansible.builtin.password', '/dev/null', length=32) }}"
    datadog_api_key: "{{ vault_datadog_api_key }}"
  become: true
"""

RETURN = r"""
observations:
  description:
    - What was seen. V(agent_config.file) is there for every file, V(agent_config.endpoint), V(agent_config.credential) and
      V(agent_config.reporting) where their keys are given, V(agent_config.environment) where the process or its unit can be asked.
  returned: always
  type: list
  elements: dict
  contains:
    check:
      description: The name of the check.
      type: str
      sample: agent_config.credential
    status:
      description: One of V(ok), V(warn), V(fail), V(cannot_tell), V(skipped).
      type: str
      sample: fail
    target:
      description: The file, or the agent's unit.
      type: str
      sample: netdata
    vantage:
      description: The host, source address and user it was seen from.
      type: dict
      sample: {"host": "web1", "address": "", "user": "root"}
    data:
      description: Typed facts.
      type: dict
      sample: {"state": "placeholder", "compared": false, "right_when_cleaned": false, "length": 5, "fingerprint": "",
               "source": "/etc/netdata/stream.conf:4", "from_environment": false, "unresolved": []}
    message:
      description: One sentence for a person.
      type: str
      sample: the credential is still a placeholder (/etc/netdata/stream.conf:4)
    reproduce:
      description: The command with which a person sees the same.
      type: str
      sample: "sudo -u netdata test -r /etc/netdata/stream.conf; namei -l /etc/netdata/stream.conf"
    started_at:
      description: When the check began, UTC.
      type: str
      sample: "2026-01-01T00:00:00.000Z"
    duration_ms:
      description: How long it took.
      type: float
      sample: 0.4
"""

from ansible_collections.connectivity.doctor.plugins.module_utils._module import run_probe
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import agent_config


def main() -> None:
    run_probe("agent_config", agent_config.ARGUMENTS)


if __name__ == "__main__":
    main()

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations


class ModuleDocFragment:
    """The option of the probes that do as an agent does. Private to the collection."""

    DOCUMENTATION = r"""
options:
  agent_trust:
    description:
      - Where an agent is told which authorities it trusts. What is found there is taken as O(ca_file), where that is not given.
      - Where several destinations of the agent have different ones, none is taken.
    type: dict
    suboptions:
      files:
        description:
          - Its configuration files.
        type: list
        elements: dict
        default: []
        suboptions:
          path:
            description:
              - The path of the file.
            type: path
            required: true
          format:
            description:
              - The format of the file.
            type: str
            choices: [yaml, ini, toml, properties, env, xml, json, key_value, collectd]
            required: true
          ca_file:
            description:
              - Dotted keys of the path of a file of certificates, the first that is set counts.
            type: list
            elements: str
            required: true
      environment:
        description:
          - Variables of the agent's environment that count more than its files.
        type: list
        elements: str
        default: []
      unit:
        description:
          - The agent's systemd unit, whose process has that environment.
        type: str
        default: ''
      process:
        description:
          - The name of the agent's process, where no unit runs it.
        type: str
        default: ''
"""

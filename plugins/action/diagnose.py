# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from the controller to one managed node: endpoints in, observations out."""
from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail

from ansible_collections.connectivity.doctor.plugins.plugin_utils._enrichment import enriched
from ansible_collections.connectivity.doctor.plugins.plugin_utils._observer import Observer


class ActionModule(Observer):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "endpoints": {"type": "raw"},
                "serves": {"type": "list", "elements": "int"},
                "clients": {"type": "list", "elements": "str", "default": []},
                "logins": {"type": "list", "elements": "dict", "default": []},
                "agents": {"type": "list", "elements": "str", "default": []},
                "receivers": {"type": "list", "elements": "str", "default": []},
                "deadline": {"type": "float", "default": 20.0},
                "spool_dir": {"type": "path"},
                "agents_path": {"type": "list", "elements": "path", "default": []},
            },
            mutually_exclusive=[("endpoints", "serves")],
            required_one_of=[("endpoints", "serves")],
        )
        record = self.observe(options, task_vars or {})
        result["changed"] = False
        result["facts"] = record.facts
        if options["spool_dir"]:
            result["problem"] = record.problem
            return result
        if record.problem and not record.observations:
            raise AnsibleActionFail("host %s: %s" % (record.host, record.problem))
        result["observations"] = enriched(record)
        return result

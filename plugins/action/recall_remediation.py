# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to what an earlier run planned for the hosts of this play, and did not live to conclude."""
from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(argument_spec={"spool_dir": {"type": "path", "required": True}})
        variables = task_vars or {}
        in_play = set(variables.get("ansible_play_hosts_all", ()))
        unended = {
            runner: [{"name": row["name"], "host": row["host"]} for row in _remediation_record.read(options["spool_dir"], runner)
                     if _remediation_record.is_open(row) and row["host"] in in_play]
            for runner in variables.get("ansible_play_batch", ())
        }
        result.update(changed=False, unended={runner: rows for runner, rows in unended.items() if rows})
        return result

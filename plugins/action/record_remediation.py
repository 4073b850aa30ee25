# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door to the record of what became of a remediation: the report's row, and a line of the audit."""
from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "spool_dir": {"type": "path", "required": True},
                "report_dir": {"type": "path", "required": True},
                "name": {"type": "str", "required": True},
                "result": {"type": "str", "required": True, "choices": list(_remediation_record.RESULTS)},
                "detail": {"type": "str", "default": ""},
                "before": {"type": "dict", "default": {}},
                "after": {"type": "dict", "default": {}},
            },
        )
        runner = str((task_vars or {}).get("inventory_hostname", "localhost"))
        host = next((row["host"] for row in _remediation_record.read(options["spool_dir"], runner) if row["name"] == options["name"]), None)
        if host is None:
            raise AnsibleActionFail("no remediation %s was planned for %s" % (options["name"], runner))
        undo = "" if options["result"] != "verified" else (
            "ansible %s --become -m connectivity.doctor.transaction -a 'state=rolled_back name=%s'" % (host, options["name"]))
        told = {**{key: options[key] for key in ("result", "detail", "before", "after")}, "undo": undo}
        entry = _remediation_record.finish(options["spool_dir"], options["report_dir"], runner, options["name"], told)
        why = " (%s)" % entry["detail"] if entry["detail"] else ""
        self._display.display("%s → %s, %s: %s: %s%s" % (
            host, entry["endpoint"], entry["code"], entry["result"], entry["summary"], why))
        result["changed"] = False
        return result

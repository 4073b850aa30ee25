# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door through which a wave of planned changes goes, one by one: what needed another one to help, and did not get it, stays."""
from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import GONE, did_not_help, helped


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "steps": {"type": "list", "elements": "dict", "required": True},
                "spool_dir": {"type": "path", "required": True},
                "report_dir": {"type": "path", "required": True},
            },
        )
        going = []
        for step in options["steps"]:
            refused = _refusal(options["spool_dir"], step)
            if refused:
                row = _remediation_record.finish(
                    options["spool_dir"], options["report_dir"], step["runner"], step["name"], {"result": "refused", "detail": refused})
                self._display.display("%(host)s → %(endpoint)s, %(code)s: nothing is changed, as %(detail)s" % row)
            else:
                going.append(step)
        result.update(
            changed=False,
            running={step["runner"]: step for step in going},
            watching={host: {**watch, "place": step["host"], **{key: step[key] for key in ("name", "runner", "code", "settles_s")}}
                      for step in going for host, watch in step["watchers"].items()},
            later=[host for step in going for host in step["later"]],
        )
        return result


def _refusal(spool: str, step: t.Mapping[str, t.Any]) -> str:
    """What has become of it since it was planned. Of what lies elsewhere, the host alone can't tell that it is gone."""
    for name, runner in step["needs"].items():
        for row in _remediation_record.read(spool, runner):
            if row["name"] == name and not helped(row):
                return did_not_help(row)
    is_own = step["host"] == step["runner"]
    if is_own and _remediation_record.is_gone(spool, step["runner"], step["name"], step["endpoint"], step["code"]):
        return GONE
    return ""

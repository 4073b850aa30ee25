# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from what the witnesses of a change said to whether it stays."""
from __future__ import annotations

import typing as t

from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._verification import Verdict, together


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "name": {"type": "str", "required": True},
                "witnesses": {"type": "list", "elements": "str", "required": True},
                "spool_dir": {"type": "path", "required": True},
                "put_back": {"type": "bool", "default": False},
            },
        )
        spool = options["spool_dir"]
        said = {host: told for host in options["witnesses"] if (told := _remediation_record.testimony(spool, host, options["name"]))}
        verdict = together(options["witnesses"], {host: Verdict(told["verified"], told["reason"]) for host, told in said.items()})
        for host, told in said.items():
            # Where it is put back, what was seen before holds again.
            if (options["put_back"] or not verdict.verified) and told["earlier"]:
                _spool.write_text(spool, host, "client", told["earlier"])
        result.update(changed=False, verified=verdict.verified, reason=verdict.reason,
                      after={host: told["after"] for host, told in said.items()})
        return result

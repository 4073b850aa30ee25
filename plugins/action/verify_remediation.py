# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door that proves a remediation: the same probes again, until they show that the cause is gone, or time is up."""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._observer import Observer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import Observed, build_report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._verification import judge

_PAUSE_S = 1.0


class ActionModule(Observer):
    TRANSFERS_FILES = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "endpoints": {"type": "raw", "required": True},
                "endpoint": {"type": "str", "required": True},
                "code": {"type": "str", "required": True},
                "before": {"type": "dict", "required": True},
                "settles": {"type": "float", "default": 10.0},
                "deadline": {"type": "float", "default": 20.0},
                "spool_dir": {"type": "path", "required": True},
                "agents_path": {"type": "list", "elements": "path", "default": []},
            },
        )
        end = time.monotonic() + options["settles"]
        while True:
            record = self.observe(options, task_vars or {})
            report = build_report(Observed({record.host: record}, {}), "", 0.0)
            after = report["hosts"][record.host]["endpoints"]
            verdict = judge(options["endpoint"], options["code"], options["before"], after)
            if verdict.verified or time.monotonic() >= end:
                break
            time.sleep(_PAUSE_S)
        result.update(
            changed=False, verified=verdict.verified, reason=verdict.reason,
            after={name: {"state": endpoint["state"], "causes": [cause["code"] for cause in endpoint["causes"]]}
                   for name, endpoint in after.items()},
        )
        return result

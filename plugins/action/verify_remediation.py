# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door that proves a remediation: the same probes again, until they show that the cause is gone, or time is up."""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._observer import Observer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import Observed, build_report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._verification import judge, patience

_PAUSE_S = 1.0


class ActionModule(Observer):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "name": {"type": "str", "required": True},
                "runner": {"type": "str", "required": True},
                "place": {"type": "str", "required": True},
                "endpoints": {"type": "raw", "required": True},
                "suffered": {"type": "list", "elements": "str", "default": []},
                "code": {"type": "str", "required": True},
                "before": {"type": "dict", "required": True},
                "settles": {"type": "float", "default": 10.0},
                "deadline": {"type": "float", "default": 20.0},
                "spool_dir": {"type": "path", "required": True},
                "agents_path": {"type": "list", "elements": "path", "default": []},
            },
        )
        entries = _remediation_record.read(options["spool_dir"], options["runner"])
        if not any(entry["name"] == options["name"] and _remediation_record.is_open(entry) for entry in entries):
            result.update(changed=False, skipped=True, skip_reason="nothing was changed")
            return result
        variables = task_vars or {}
        host = str(variables.get("inventory_hostname", "localhost"))
        earlier = _spool.read_text(options["spool_dir"], host, "client")
        agents = [one.agent for one in self.endpoints(options, host) if one.agent and one.name in options["suffered"]]
        end = time.monotonic() + patience(options["settles"], options["code"], agents)
        while True:
            record = self.observe(options, variables)
            report = build_report(Observed({record.host: record}, {}), "", 0.0)
            after = report["hosts"][record.host]["endpoints"]
            verdict = judge(options["suffered"], options["code"], options["before"], after, options["place"] != host)
            if verdict.verified or time.monotonic() >= end:
                break
            time.sleep(_PAUSE_S)
        told = {
            "verified": verdict.verified, "reason": verdict.reason,
            "after": {name: {"state": endpoint["state"], "causes": [cause["code"] for cause in endpoint["causes"]]}
                      for name, endpoint in after.items()},
        }
        _remediation_record.testify(options["spool_dir"], host, {"name": options["name"], "earlier": earlier, **told})
        result.update(changed=False, **told)
        return result

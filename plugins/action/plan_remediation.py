# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from a report and a policy to what will be changed on which host, and what will not."""
from __future__ import annotations

import dataclasses
import json
import pathlib
import secrets
import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy, PolicyError, Step, plan

_UNTOUCHED = ("refused", "would_change")


class ActionModule(ActionBase):
    TRANSFERS_FILES = False
    _requires_connection = False
    _supports_check_mode = True
    _supports_diff = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "report": {"type": "path", "required": True},
                "spool_dir": {"type": "path", "required": True},
                "report_dir": {"type": "path", "required": True},
                "allow": {"type": "list", "elements": "str", "default": ["automatic"]},
                "max_hosts": {"type": "int", "default": 0},
            },
        )
        variables = task_vars or {}
        report = self._report(options["report"])
        batch = list(variables.get("ansible_play_batch", report["hosts"]))
        others = [host for host in variables.get("ansible_play_hosts_all", ()) if host not in batch]
        changed = [host for host in others if _was_changed(options["spool_dir"], host)]
        report["hosts"] = {host: seen for host, seen in report["hosts"].items() if host in batch}
        try:
            policy = Policy(tuple(options["allow"]), options["max_hosts"])
        except PolicyError as problem:
            raise AnsibleActionFail(str(problem)) from None
        run = "%s-%s" % (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), secrets.token_hex(3))
        steps = plan(report, policy, run, changed)
        for host in batch:
            entries = [_entry(step) for step in steps if step.host == host]
            _remediation_record.start(options["spool_dir"], host, entries)
            for entry in entries:
                if entry["result"] == "refused":
                    _remediation_record.audit(options["report_dir"], {"at": _now(), **entry})
        for step in steps:
            self._display.display(_line(step))
        result.update(
            changed=False,
            steps={host: [_task(step) for step in steps if step.host == host and step.change] for host in batch},
            before={host: _states(seen) for host, seen in report["hosts"].items()},
            refused=sum(not step.change for step in steps),
        )
        return result

    def _report(self, path: str) -> dict[str, t.Any]:
        try:
            report: dict[str, t.Any] = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            report["hosts"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise AnsibleActionFail("%s is no report: %s" % (path, problem)) from None
        return report


def _states(seen: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {name: endpoint["state"] for name, endpoint in seen["endpoints"].items()}


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _was_changed(spool: str, host: str) -> bool:
    return any(entry["result"] not in _UNTOUCHED for entry in _remediation_record.read(spool, host))


def _entry(step: Step) -> dict[str, t.Any]:
    """The row of the report. Until it is known better, what was begun did not come to its end."""
    return {
        "name": step.name, "host": step.host, "endpoint": step.endpoint, "code": step.code, "action": step.action,
        "summary": step.summary, "why": list(step.why), "result": "failed" if step.change else "refused",
        "detail": step.refused or "the run ended before it was known whether it helped; the host puts itself back by then",
        "before": {}, "after": {}, "undo": "",
    }


def _task(step: Step) -> dict[str, t.Any]:
    """What the role's tasks need of a step."""
    change = dataclasses.asdict(step.change) if step.change else {}
    return {
        **{key: getattr(step, key) for key in ("name", "host", "endpoint", "code", "action", "summary")}, **change,
        "key": "%s %s %s" % (step.code, step.action, step.summary),
    }


def _line(step: Step) -> str:
    if step.change:
        return "%s → %s, %s: %s" % (step.host, step.endpoint, step.code, step.summary)
    return "%s → %s, %s: nothing is changed, as %s. To do: %s" % (step.host, step.endpoint, step.code, step.refused, step.summary)

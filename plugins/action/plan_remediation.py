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
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import load_report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._escalation import request
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy, PolicyError
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import Step
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "report": {"type": "path", "required": True},
                "spool_dir": {"type": "path", "required": True},
                "report_dir": {"type": "path", "required": True},
                "allow": {"type": "list", "elements": "str", "default": ["automatic"]},
                "max_hosts": {"type": "int", "default": 0},
                "approved_ca": {"type": "path", "default": ""},
                "reviewed_report": {"type": "path", "default": ""},
            },
        )
        variables = task_vars or {}
        report = self._report(options["report"])
        batch = list(variables.get("ansible_play_batch", report["hosts"]))
        play = list(variables.get("ansible_play_hosts_all", batch))
        done = [row for host in _before(batch, play) for row in _remediation_record.read(options["spool_dir"], host)]
        report["hosts"] = {host: seen for host, seen in report["hosts"].items() if host in batch}
        try:
            policy = Policy(tuple(options["allow"]), options["max_hosts"], self._approved_ca(options["approved_ca"]),
                            _reviewed(options["reviewed_report"]))
        except PolicyError as problem:
            raise AnsibleActionFail(str(problem)) from None
        run = "%s-%s" % (time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()), secrets.token_hex(3))
        steps = plan(report, policy, run, play, done)
        for host in batch:
            entries = [_entry(step) for step in steps if step.runner == host]
            _remediation_record.start(options["spool_dir"], host, entries)
            for entry in entries:
                if entry["result"] == "refused":
                    _remediation_record.audit(options["report_dir"], entry)
        for step in steps:
            self._display.display(_line(step))
        before = {host: _states(seen) for host, seen in report["hosts"].items()}
        changing = [step for step in steps if step.change]
        waves = sorted({step.wave for step in changing})
        runners = {step.name: step.runner for step in changing}
        result.update(
            changed=False,
            waves=[[_task(step, before, runners) for step in changing if step.wave == wave] for wave in waves],
            refused=len(steps) - len(changing),
        )
        return result

    def _approved_ca(self, path: str) -> str:
        """Of a file on the controller; empty where none is named."""
        try:
            return pathlib.Path(path).read_text(encoding="ascii") if path else ""
        except (OSError, UnicodeDecodeError) as problem:
            raise AnsibleActionFail("connectivity_approved_ca: %s can't be read (%s)" % (path, problem)) from None

    def _report(self, path: str) -> dict[str, t.Any]:
        try:
            report: dict[str, t.Any] = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
            report["hosts"].items()
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise AnsibleActionFail("%s is no report: %s" % (path, problem)) from None
        return report


def _reviewed(path: str) -> frozenset[tuple[str, str, str]] | None:
    """What a saved report, or the one of a support bundle, has of troubles; None where none is named."""
    if not path:
        return None
    try:
        report = load_report(path)
        return frozenset((host, name, str(cause["code"])) for host, seen in report["hosts"].items()
                         for name, endpoint in seen["endpoints"].items() for cause in endpoint["causes"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise AnsibleActionFail("connectivity_reviewed_report: %s is no report (%s)" % (path, problem)) from None


def _before(batch: t.Collection[str], play: t.Sequence[str]) -> t.Sequence[str]:
    """The hosts of earlier batches; of those to come, an earlier run may have left something."""
    first = min((index for index, host in enumerate(play) if host in batch), default=0)
    return play[:first]


def _states(seen: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {name: endpoint["state"] for name, endpoint in seen["endpoints"].items()}


def _entry(step: Step) -> dict[str, t.Any]:
    """The row of the report."""
    end = _remediation_record.begun() if step.change else {"result": "refused", "detail": step.refused}
    return {
        "name": step.name, "host": step.host, "endpoint": step.endpoint, "code": step.code, "action": step.action,
        "summary": step.summary, "why": list(step.why), "for": list(step.sufferers), **end, "before": {}, "after": {}, "undo": "",
        "request": request(step.trouble, end["detail"]),
    }


def _task(step: Step, before: t.Mapping[str, dict[str, str]], runners: t.Mapping[str, str]) -> dict[str, t.Any]:
    """What the role's tasks need of a step."""
    change = dataclasses.asdict(step.change) if step.change else {}
    watchers = {host: {"suffered": list(suffered), "before": before.get(host, {})} for host, suffered in step.watchers.items()}
    return {
        **{key: getattr(step, key) for key in ("name", "host", "runner", "endpoint", "code", "action", "summary")}, **change,
        "key": "" if REMEDIES[step.action].only_looks else "%s %s %s" % (step.code, step.action, step.summary),
        "before": {host: before.get(host, {}) for host in step.watchers}, "watchers": watchers,
        "needs": {name: runners[name] for name in step.needs},
        "later": [host for host in step.sufferers if host not in step.witnesses],
    }


def _line(step: Step) -> str:
    who = ", ".join(step.sufferers)
    if step.change:
        where = "" if step.host == step.runner else "on %s: " % step.host
        return "%s → %s, %s: %s%s" % (who, step.endpoint, step.code, where, step.summary)
    return "%s → %s, %s: nothing is changed, as %s. To do: %s" % (who, step.endpoint, step.code, step.refused, step.summary)

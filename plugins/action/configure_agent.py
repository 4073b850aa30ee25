# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from what is to be written to the managed node: adds the endpoint's credential, and the agent's own check of its configuration.

The plan has no secret, and so neither have its report and its audit; here is the only place where both come together.
"""
from __future__ import annotations

import shlex
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import Endpoint, EndpointError, parse_endpoints


class ActionModule(ActionBase):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "endpoints": {"type": "raw", "required": True},
                "agents_path": {"type": "list", "elements": "path", "default": []},
                "endpoint": {"type": "str", "required": True},
                "edits": {"type": "list", "elements": "dict", "required": True},
            },
        )
        endpoint = self._endpoint(options, str((task_vars or {}).get("inventory_hostname", "localhost")))
        result.update(changed=False, diff=[])
        for edit in options["edits"]:
            answer = self._execute_module(
                module_name="connectivity.doctor.agent_setting", module_args=_arguments(edit, endpoint), task_vars=task_vars or {})
            if answer.get("failed"):
                return {**result, "failed": True, "msg": answer.get("msg", "it could not be written")}
            result["changed"] = result["changed"] or answer["changed"]
            result["diff"] += [answer["diff"]] if answer.get("diff") else []
        return result

    def _endpoint(self, options: t.Mapping[str, t.Any], host: str) -> Endpoint:
        try:
            endpoints = parse_endpoints(options["endpoints"], host, options["agents_path"])
        except EndpointError as problem:
            raise AnsibleActionFail(str(problem)) from None
        for endpoint in endpoints:
            if endpoint.name == options["endpoint"]:
                return endpoint
        raise AnsibleActionFail("no endpoint is called %r" % options["endpoint"])


def _arguments(edit: t.Mapping[str, t.Any], endpoint: Endpoint) -> dict[str, t.Any]:
    """Those of the module ``agent_setting``."""
    arguments = {key: value for key, value in edit.items() if key != "credential"}
    if edit.get("credential"):
        arguments["credential"] = endpoint.shown
    agent = endpoint.agent
    if agent and any(file["path"] == edit["path"] for file in agent.config):
        arguments["check"] = shlex.split(agent.restart.get("check", ""))
    return arguments

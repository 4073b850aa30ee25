# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from endpoints to what the monitor of a host is made of: its program, its settings, its secrets, and the rules of its alerts."""
from __future__ import annotations

import json
import os
import pathlib
import tempfile
import typing as t

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AUTO
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint_document import document, secrets
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import Endpoint, EndpointError, parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._history import window_s
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor_program import program
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor_rules import RuleError, rule_file

_PROGRAM = "connectivity-doctor-monitor.pyz"

# The process that imports this forks a worker for each host, which then need not pack the same again.
program()


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "part": {"type": "str", "required": True, "choices": list(_PARTS)},
                "endpoints": {"type": "raw"},
                "agents_path": {"type": "list", "elements": "path", "default": []},
                "interval": {"type": "float", "default": 30.0},
                "timeout": {"type": "float", "default": 10.0},
                "retries": {"type": "int", "default": 3},
                "windows": {"type": "list", "elements": "str", "default": ["5m", "1h"]},
                "textfile_dir": {"type": "path", "default": ""},
                "alerts_last": {"type": "dict", "default": {}},
                "rules_file": {"type": "path", "default": ""},
            },
            required_if=[("part", "settings", ["endpoints"]), ("part", "secrets", ["endpoints"])],
        )
        host = str((task_vars or {}).get("inventory_hostname", "localhost"))
        try:
            _check(options)
            result.update(changed=False, **_PARTS[options["part"]](options, host))
        except (EndpointError, RuleError) as problem:
            raise AnsibleActionFail(str(problem)) from None
        return result


def _check(options: t.Mapping[str, t.Any]) -> None:
    """:raises AnsibleActionFail: with what would be right."""
    try:
        for window in options["windows"]:
            window_s(window)
    except ValueError as problem:
        raise AnsibleActionFail("windows: %s" % problem) from None
    if not options["windows"]:
        raise AnsibleActionFail("windows: name at least one, such as 5m")
    for key in ("interval", "timeout"):
        if not options[key] > 0:
            raise AnsibleActionFail("%s: is %s; it must be above 0" % (key, options[key]))
    if options["retries"] < 0:
        raise AnsibleActionFail("retries: is %d; it must be 0 or more" % options["retries"])


def _watched(options: t.Mapping[str, t.Any], host: str) -> list[Endpoint]:
    """:raises EndpointError: an agent would have to be found first, and only the controller looks a second time at what was found."""
    endpoints = parse_endpoints(options["endpoints"], host, options["agents_path"])
    for endpoint in endpoints:
        if endpoint.agent and endpoint.agent.name == AUTO:
            raise EndpointError(
                "host %s: endpoint %s: agent: auto can't be watched; name the agent that diagnose finds" % (host, endpoint.name))
    return endpoints


def _settings(options: t.Mapping[str, t.Any], host: str) -> dict[str, t.Any]:
    settings = {
        "host": host,
        "interval_s": options["interval"],
        "timeout_s": options["timeout"],
        "retries": options["retries"],
        "windows": options["windows"],
        "textfile_dir": options["textfile_dir"],
        "endpoints": [document(endpoint) for endpoint in _watched(options, host)],
    }
    return {"settings": json.dumps(settings, indent=1, sort_keys=True) + "\n", "program": str(_program_file())}


def _secrets(options: t.Mapping[str, t.Any], host: str) -> dict[str, t.Any]:
    endpoints = _watched(options, host)
    return {"secrets": json.dumps({endpoint.name: secrets(endpoint) for endpoint in endpoints}, sort_keys=True) + "\n"}


def _rules(options: t.Mapping[str, t.Any], host: str) -> dict[str, t.Any]:
    del host
    # From the folder in which the user started; a task on the controller itself runs in that of the playbook.
    return {"rules": rule_file(options["windows"][0], options["alerts_last"]), "rules_file": os.path.abspath(options["rules_file"])}


_PARTS: dict[str, t.Callable[[t.Mapping[str, t.Any], str], dict[str, t.Any]]] = {
    "settings": _settings, "secrets": _secrets, "rules": _rules,
}


def _program_file() -> pathlib.Path:
    """In Ansible's own folder for the files of this run, which it removes at its end. All hosts have the same."""
    folder = pathlib.Path(constants.DEFAULT_LOCAL_TMP)
    path = folder / _PROGRAM
    if not path.exists():
        descriptor, temporary = tempfile.mkstemp(dir=folder)
        with os.fdopen(descriptor, "wb") as file:
            file.write(program())
        os.replace(temporary, path)
    return path

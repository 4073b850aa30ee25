# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from the controller to what a support bundle has of one managed node; it is redacted there, and spooled here."""
from __future__ import annotations

import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure

from ansible_collections.connectivity.doctor.plugins.module_utils._probes.bundle import PARTS
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _bundle_spool, _program
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_host import (
    collecting_plan,
    known_names,
    redacted,
    without_secrets,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import Endpoint, EndpointError, parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._observer import Observer


class ActionModule(Observer):
    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result: dict[str, t.Any] = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "endpoints": {"type": "raw", "required": True},
                "spool_dir": {"type": "path", "required": True},
                "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
                "files": {"type": "list", "elements": "str", "default": []},
                "window": {"type": "int", "default": 3600},
                "map_places": {"type": "bool", "default": False},
                "deadline": {"type": "float", "default": 60.0},
                "agents_path": {"type": "list", "elements": "path", "default": []},
            },
        )
        variables = task_vars or {}
        host = str(self._task.delegate_to or variables.get("inventory_hostname", "localhost"))
        try:
            key = _bundle_spool.key(options["spool_dir"])
        except OSError as problem:
            raise AnsibleActionFail("no support bundle was begun: %s" % problem) from None
        entries, endpoints = self._given(options, host)
        names = known_names(endpoints, variables.get("groups", {}).get("all", ())) if options["map_places"] else None
        safe = redacted(host, _bundle_spool.take_diagnosed(options["spool_dir"], host), entries, endpoints, key, names)
        collected: dict[str, t.Any] = {
            "host": safe.host, "report": safe.report, "endpoints": safe.endpoints, "verdict_kept": safe.verdict_kept,
            "redacted": safe.counts, "told": safe.told, "observations": [], "facts": {}, "problem": "",
        }
        try:
            plan = collecting_plan(endpoints, host, key, options, names or ())
            observed = self._observe(plan, variables, self._variables_of(host, variables))
            collected.update(observations=observed["observations"], facts=observed["facts"])
        except AnsibleConnectionFailure:
            collected["problem"] = "the host could not be reached"
            raise
        except _program.ProgramError as problem:
            collected["problem"] = without_secrets(str(problem), endpoints, key)
        finally:
            _bundle_spool.put_collected(options["spool_dir"], host, collected)
        result.update(changed=False, problem=collected["problem"], files=sum(one["status"] == "ok" for one in collected["observations"]))
        return result

    def _given(self, options: t.Mapping[str, t.Any], host: str) -> tuple[t.Any, list[Endpoint]]:
        """As they were given, and as they are understood. A host that is asked as a server is told no secret but of what it serves."""
        try:
            endpoints = parse_endpoints(options["endpoints"], host, options["agents_path"])
        except EndpointError as problem:
            raise AnsibleActionFail(str(problem)) from None
        if self._task.delegate_to:
            return [], [endpoint for endpoint in endpoints if endpoint.server == host]
        return options["endpoints"], endpoints

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from what was diagnosed and collected of all hosts to the archives of a support bundle."""
from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.module_utils._probes.bundle import PARTS
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _bundle, _bundle_spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import load_report, sha256, write_zip
from ansible_collections.connectivity.doctor.plugins.plugin_utils._moments import rfc3339
from ansible_collections.connectivity.doctor.plugins.plugin_utils._whole_files import write_whole

# What can still be sent; the archives of the hosts that do not fit are beside it.
_LARGEST_FLEET = 512 * 1024 * 1024


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "state": {"type": "str", "choices": ["begun", "written"], "required": True},
                "spool_dir": {"type": "path", "required": True},
                "report": {"type": "path"},
                "output": {"type": "path"},
                "name": {"type": "str", "default": "connectivity"},
                "parts": {"type": "list", "elements": "str", "choices": list(PARTS), "default": list(PARTS)},
                "window": {"type": "int", "default": 3600},
                "map_places": {"type": "bool", "default": False},
                "servers": {"type": "list", "elements": "str", "default": []},
            },
            required_if=[("state", "written", ["output"])],
        )
        variables = task_vars or {}
        result["changed"] = False
        result.update(self._begin(options, variables) if options["state"] == "begun" else self._write(options, variables))
        return result

    def _begin(self, options: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """A key for the run, and each host's part of the report where its own task finds it."""
        everyone, batch = _hosts(variables)
        inventory = set(variables.get("groups", {}).get("all", ()))
        try:
            report = load_report(options["report"]) if options["report"] else {"hosts": {}}
            seen = {host: report["hosts"][host] for host in batch if host in report["hosts"]}
            served = {endpoint["server"] for host in seen.values() for endpoint in host["endpoints"].values()} & inventory
            servers = sorted(served - set(everyone))
            _bundle_spool.begin(options["spool_dir"], [*batch, *servers], new_key=not everyone or everyone[0] in batch)
            for host in seen:
                _bundle_spool.put_diagnosed(options["spool_dir"], host, _bundle.of_one_host(report, host))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise AnsibleActionFail("report: %s: %s" % (options["report"], problem)) from None
        return {"servers": servers}

    def _write(self, options: t.Mapping[str, t.Any], variables: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
        """An archive for each host that was looked at up to now, and one of all."""
        everyone, batch = _hosts(variables)
        archives = _Archives(pathlib.Path(os.path.abspath(options["output"])), options)
        for host in [*everyone, *options["servers"]]:
            collected = _bundle_spool.collected(options["spool_dir"], host)
            if collected:
                archives.add(collected)
        archives.finish()
        if not everyone or everyone[-1] in batch:
            _bundle_spool.end(options["spool_dir"])
        self._display.display("The support bundle of %d hosts: %s" % (len(archives.hosts), archives.output))
        return {"bundle": str(archives.output), "hosts": {host: str(path) for host, path in archives.paths.items()},
                "mapping": str(archives.mapping) if archives.told else ""}


class _Archives:
    """``paths``: by host as the bundle calls it. ``told``: what stands for what, for those who made the bundle; it is not in it."""

    def __init__(self, output: pathlib.Path, options: t.Mapping[str, t.Any]) -> None:
        self.output = output
        self.mapping = output.with_name(output.stem + ".mapping.json")
        self.hosts: dict[str, dict[str, t.Any]] = {}
        self.paths: dict[str, pathlib.Path] = {}
        self.told: dict[str, str] = {}
        self._folder = output.with_name(output.stem + ".hosts")
        self._name = _bundle.safe_name(options["name"])
        self._about = {"name": options["name"], "made_at": rfc3339(), "parts": options["parts"],
                       "window_s": options["window"], "mapped": options["map_places"]}
        self._reports: list[dict[str, t.Any]] = []
        self._bytes = 0

    def add(self, collected: dict[str, t.Any]) -> None:
        host = collected["host"]
        path = self._folder / ("%s.zip" % _unequal(_bundle.safe_name(host), {one.stem for one in self.paths.values()}))
        members = _bundle.host_members(self._about, collected)
        write_zip(path, {"%s-%s/%s" % (self._name, path.stem, member): content for member, content in members.items()})
        content = path.read_bytes()
        self._bytes += len(content)
        self.paths[host] = path
        self.hosts[host] = {
            "file": "hosts/" + path.name, "sha256": sha256(content), "bytes": len(content), "problem": collected["problem"],
            "left_out": self._bytes > _LARGEST_FLEET, "redacted": json.loads(members[_bundle.REDACTION])["files"],
        }
        self.told.update(_mapping(collected))
        if collected["report"]:
            self._reports.append(collected["report"])

    def finish(self) -> None:
        whole = _bundle.fleet_members(self._about, _bundle.merged(self._reports), self.hosts)
        own = {about["file"]: self.paths[host] for host, about in self.hosts.items() if not about["left_out"]}
        write_zip(self.output, {"%s/%s" % (self._name, member): content for member, content in {**whole, **own}.items()})
        if self.told:
            write_whole(self.mapping.parent, {self.mapping.name: json.dumps(self.told, indent=1, sort_keys=True)})


def _hosts(variables: t.Mapping[str, t.Any]) -> tuple[list[str], list[str]]:
    """All of the play, and those of the present batch."""
    everyone = list(variables.get("ansible_play_hosts_all", ()))
    return everyone, list(variables.get("ansible_play_batch", everyone))


def _mapping(collected: t.Mapping[str, t.Any]) -> dict[str, str]:
    """What stands for what: for those who made the bundle, and not in it."""
    observed = [one["data"].get("told", {}) for one in collected["observations"] if one["check"] == "bundle.places"]
    return {str(real): str(shown) for told in (collected["told"], *observed) if isinstance(told, dict) for real, shown in told.items()}


def _unequal(name: str, taken: t.Container[str]) -> str:
    while name in taken:
        name += "_"
    return name

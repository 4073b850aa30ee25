# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The door from the spooled observations of all hosts to the report."""
from __future__ import annotations

import json
import os
import pathlib
import time
import typing as t

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import load_report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._comparison import compare, render_changes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._moments import rfc3339
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._nagios import nagios_check
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import (
    Observed,
    build_report,
    reanalysed,
    servers_to_ask,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._summary import render_summary
from ansible_collections.connectivity.doctor.plugins.plugin_utils._whole_files import write_whole

_REPORT = "report.json"
_PAGE = "report.html"
_CHANGES = "changes.txt"
# A person looks into the report of a few hosts; that of thousands takes a quarter of the time to write without line ends.
_MOST_INDENTED_HOSTS = 100
_FAILING = {"down": ("down",), "degraded": ("down", "degraded"), "never": ()}


class ActionModule(ActionBase):
    _requires_connection = False

    def run(self, tmp: str | None = None, task_vars: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        result = super().run(tmp, task_vars)
        _spec, options = self.validate_argument_spec(
            argument_spec={
                "report_dir": {"type": "path", "required": True},
                "spool_dir": {"type": "path"},
                "saved": {"type": "path"},
                "remediations": {"type": "bool", "default": False},
                "compare_with": {"type": "path"},
                "fail_on": {"type": "str", "choices": sorted(_FAILING), "default": "down"},
                "show": {"type": "bool", "default": True},
            },
            mutually_exclusive=[("spool_dir", "saved")],
            required_one_of=[("spool_dir", "saved")],
        )
        variables = task_vars or {}
        now = time.time()
        generated_at = rfc3339(now)
        servers: list[dict[str, t.Any]] = []
        if options["saved"]:
            report = _reanalysed(options["saved"], generated_at)
        else:
            observed = self._observed(options["spool_dir"], variables)
            groups = variables.get("groups", {})
            report = build_report(observed, generated_at, now - _began(observed.clients, now), groups)
            servers = [server for server in servers_to_ask(report, groups.get("all", ())) if server["host"] not in observed.servers]
            if options["remediations"]:
                report["remediations"] = [
                    entry for host in observed.clients for entry in _remediation_record.read(options["spool_dir"], host)]
        folder = self._absolute(options["report_dir"])
        counts, changes = _compared(options["compare_with"], folder / _REPORT, report)
        _write(folder, report, changes)
        if options["show"] or not servers:
            for line in [*render_summary(report), *changes]:
                self._display.display(line)
            self._display.display("The whole report: %s" % (folder / _PAGE))
        result.update(
            changed=False,
            report=str(folder / _REPORT),
            files={name: str(folder / name) for name in (_REPORT, *RENDERERS, *([_CHANGES] if changes else []))},
            check=nagios_check(report)._asdict(),
            changes=counts,
            summary=report["summary"],
            servers_to_ask=servers,
            failing=_failing(report, _FAILING[options["fail_on"]]),
        )
        return result

    def _absolute(self, folder: str) -> pathlib.Path:
        return pathlib.Path(os.path.abspath(folder))

    def _observed(self, spool: str, variables: dict[str, t.Any]) -> Observed:
        """The hosts of this play up to the present batch, and servers asked since: what an earlier run left is not of this run."""
        hosts = list(variables.get("ansible_play_hosts_all", ()))
        had = hosts_so_far(hosts, variables.get("ansible_play_hosts", hosts), variables.get("ansible_play_batch", hosts))
        clients = {host: record for host in had if (record := _spool.read(spool, host, "client"))}
        servers = {endpoint["server"] for record in clients.values() for endpoint in record.endpoints if endpoint["server"]}
        seen = {host: record for host in sorted(servers) if (record := _spool.read(spool, host, "server"))}
        began = _began(clients, time.time())
        return Observed(clients, {host: record for host, record in seen.items() if _began({host: record}, 0.0) >= began})


def hosts_so_far(play: t.Sequence[str], active: t.Collection[str], batch: t.Collection[str]) -> list[str]:
    """Those whose turn was or is. :param play: all of the play. :param active: those that Ansible has not given up. :param batch: of these,
    those whose turn it is. A host that was given up had its turn, wherever it stands.
    """
    last = max((index for index, host in enumerate(play) if host in batch), default=len(play) - 1)
    return [host for index, host in enumerate(play) if index <= last or host not in active]


def _reanalysed(path: str, generated_at: str) -> dict[str, t.Any]:
    """:raises AnsibleActionFail: the file is no report."""
    try:
        return reanalysed(load_report(path), generated_at)
    except (OSError, ValueError) as problem:
        raise AnsibleActionFail("saved: %s: %s" % (path, problem)) from None


def _began(records: t.Mapping[str, _spool.HostRecord], otherwise: float) -> float:
    """When the first of these hosts was looked at."""
    return min((record.controller_clock[0] for record in records.values() if record.controller_clock), default=otherwise)


def _compared(earlier: str | None, path: pathlib.Path, report: dict[str, t.Any]) -> tuple[dict[str, int], list[str]]:
    """How many changes of each kind there are since the earlier report, and what a person reads of them.

    :raises AnsibleActionFail: the earlier file is no report, or the one that this task writes.
    """
    if not earlier:
        return {}, []
    if os.path.realpath(earlier) == os.path.realpath(path):
        raise AnsibleActionFail("compare_with: %s is the report that is written now; keep a copy of the earlier one" % earlier)
    try:
        before = json.loads(pathlib.Path(earlier).read_text(encoding="utf-8"))
        changes = compare(before, report)
    except (OSError, ValueError) as problem:
        raise AnsibleActionFail("compare_with: %s: %s" % (earlier, problem)) from None
    return {kind: len(found) for kind, found in changes.items()}, render_changes(changes, before)


def _write(folder: pathlib.Path, report: dict[str, t.Any], changes: list[str]) -> None:
    """Readable by its owner, as it shows how a network is built."""
    texts = {_REPORT: json.dumps(report, indent=1 if len(report["hosts"]) <= _MOST_INDENTED_HOSTS else None)}
    texts.update((name, render(report)) for name, render in RENDERERS.items())
    if changes:
        texts[_CHANGES] = "\n".join([*changes, ""])
    write_whole(folder, texts)
    if not changes:  # what an earlier run compared is not of this one
        (folder / _CHANGES).unlink(missing_ok=True)


def _failing(report: dict[str, t.Any], states: tuple[str, ...]) -> dict[str, list[str]]:
    """By host, the endpoints for which the play shall fail; a host that could not be looked at fails too."""
    failing = {}
    for host, seen in report["hosts"].items():
        names = [name for name, endpoint in seen["endpoints"].items()
                 if endpoint["state"] in states or (states and _is_unobserved(endpoint))]
        if names:
            failing[host] = names
    return failing


def _is_unobserved(endpoint: dict[str, t.Any]) -> bool:
    return any(observation["check"] == "host.connection" for observation in endpoint["observations"])

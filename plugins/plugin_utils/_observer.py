# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Observes one managed node: endpoints in, observations out, in one round trip, and a second one only where something failed.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import contextlib
import shlex
import time
import typing as t

from ansible.errors import AnsibleActionFail, AnsibleConnectionFailure
from ansible.plugins.action import ActionBase

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _closer_look, _plan, _program, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AgentError, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import Endpoint, EndpointError, parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._enrichment import clock_offsets

# The process that imports this forks a worker for each host, which then need not read all sources again.
_program.imports()

# Characters of what a module printed, where that is no result.
_SHOWN = 300


class Observer(ActionBase):
    """The part of an action that looks at its host."""

    def observe(self, options: t.Mapping[str, t.Any], variables: dict[str, t.Any]) -> _spool.HostRecord:
        """:param options: ``endpoints`` or ``serves``, ``clients``, ``logins``, ``agents`` (names), ``deadline`` (seconds),
        ``spool_dir`` (or None).

        :returns: what was seen, or in ``problem`` why nothing was. It is spooled, too.
        :raises AnsibleActionFail: an endpoint is wrongly described. :raises AnsibleConnectionFailure: the host can't be reached.
        """
        host = str(self._task.delegate_to or variables.get("inventory_hostname", "localhost"))
        record = _spool.HostRecord(host=host, side="server" if options.get("serves") else "client")
        if options["spool_dir"] and record.side == "client":
            _spool.forget(options["spool_dir"], record.host)
        endpoints = [] if options.get("serves") else self.endpoints(options, host)
        record.describe(endpoints)
        record.controller_clock = [time.time()]
        try:
            plan = self._plan(options, endpoints, record)
            observed = self._observe(plan, variables, self._variables_of(host, variables))
            record.observations, record.facts = observed["observations"], observed["facts"]
            record.controller_clock.append(time.time())
            self._look_closer(endpoints, record, options["deadline"], variables)
        except AnsibleConnectionFailure as problem:
            record.unreachable = str(problem)
            raise
        except _program.ProgramError as problem:
            record.problem = str(problem)
        finally:
            if options["spool_dir"]:
                _spool.write(options["spool_dir"], record)
        return record

    def endpoints(self, options: t.Mapping[str, t.Any], host: str) -> list[Endpoint]:
        """What the host must reach. :raises AnsibleActionFail: one is wrongly described."""
        try:
            return parse_endpoints(options["endpoints"], host, options.get("agents_path") or ())
        except EndpointError as problem:
            raise AnsibleActionFail(str(problem)) from None

    def _plan(self, options: t.Mapping[str, t.Any], endpoints: list[Endpoint], record: _spool.HostRecord) -> dict[str, t.Any]:
        if options.get("serves"):
            return _plan.server_plan(
                options["serves"], options["clients"], record.host, options["deadline"], options.get("logins", ()),
                _profiles(options.get("agents", ()), options.get("agents_path") or ()), options.get("receivers", ()))
        return _plan.client_plan(endpoints, record.host, options["deadline"])

    def _look_closer(
        self, endpoints: list[Endpoint], record: _spool.HostRecord, deadline_s: float, variables: dict[str, t.Any],
    ) -> None:
        """Where something failed, what splits the look-alikes, in the time that is left. A host on which all is well is not asked twice."""
        left = max(0.0, deadline_s - record.facts["elapsed_ms"] / 1000)
        plan = _closer_look.closer_plan(endpoints, record.observations + clock_offsets(record), record.host, left)
        if not plan["steps"]:
            return
        try:
            observed = self._observe(plan, variables, self._variables_of(record.host, variables))
        except (AnsibleConnectionFailure, _program.ProgramError) as problem:  # what was seen before must not be lost for it
            record.problem = "the closer look at what failed did not work: %s" % problem
            return
        record.observations += observed["observations"]
        for key in ("elapsed_ms", "cpu_ms"):
            record.facts[key] = round(record.facts[key] + observed["facts"][key], 1)

    def _variables_of(self, host: str, variables: dict[str, t.Any]) -> dict[str, t.Any]:
        """A delegated task runs with the connection of the other host, and so with that host's Python."""
        if self._task.delegate_to:
            return variables.get("ansible_delegated_vars", {}).get(host, {})
        return variables

    def _observe(self, plan: dict[str, t.Any], task_vars: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        if getattr(self._connection, "has_pipelining", False):
            try:
                return self._stream(plan, variables)
            except _program.StreamBlocked as problem:
                self._display.vv("connectivity.doctor: not streamed (%s), running as a module" % problem)
        return self._run_as_module(plan, task_vars)

    def _stream(self, plan: dict[str, t.Any], variables: dict[str, t.Any]) -> dict[str, t.Any]:
        command = _program.command(self._interpreter(variables))
        environment = self._compute_environment_string()
        if environment.strip():
            command = "%s /bin/sh -c %s" % (environment.strip(), shlex.quote(command))
        answer = self._low_level_execute_command(command, in_data=_program.standard_input(plan), sudoable=True)
        return _program.read_result(answer["rc"], answer["stdout"], answer["stderr"])

    def _interpreter(self, variables: dict[str, t.Any]) -> str | None:
        """The interpreter that the user named; None where Ansible would have to look for one."""
        named = variables.get("ansible_python_interpreter")
        named = str(self._templar.template(named)) if named else ""
        return None if not named or named.startswith("auto") else named

    def _run_as_module(self, plan: dict[str, t.Any], task_vars: dict[str, t.Any]) -> dict[str, t.Any]:
        # What blocks the stream (sudo's requiretty) blocks a pipelined module just so; a file on the managed node does not need it.
        with contextlib.suppress(KeyError):  # a connection without that option does not pipeline
            self._connection.set_option("pipelining", False)
        arguments = {"plan": {key: value for key, value in plan.items() if key != "secrets"}, "secrets": plan["secrets"]}
        answer: dict[str, t.Any] = self._execute_module(
            module_name="connectivity.doctor.run_plan", module_args=arguments, task_vars=task_vars)
        if answer.get("failed") or "observations" not in answer:
            raise _program.ProgramError(_why_no_result(answer))
        return _program.checked(answer)


def _profiles(names: t.Iterable[str], folders: t.Sequence[str]) -> list[AgentProfile]:
    """Those that have one; what was described in an entry of its own has no more than a name here."""
    found = []
    for name in names:
        with contextlib.suppress(AgentError):
            found.append(load_profile(name, folders))
    return found


def _why_no_result(answer: dict[str, t.Any]) -> str:
    """What Ansible says, and the end of what came instead of a result: without it nobody can tell what happened on the managed node."""
    said = str(answer.get("msg") or "the module gave no result")
    came = [str(answer[key]).strip()[-_SHOWN:] for key in ("module_stderr", "module_stdout") if answer.get(key)]
    return " ".join([said, "(exit code %s)" % answer.get("rc", "unknown"), *came])

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a plan: all probes at once, each after what it needs, under one deadline.

A plan is a forest of steps::

    {"probe": "dns", "endpoint": "warehouse", "parameters": {...},
     "then": [{"probe": "tcp", "each": "addresses", "parameters": {...}, "then": [...]}]}

A step runs when the one above it has passed. With ``each``, it runs once for every item in that output of the step
above, all at once, the item being merged into its parameters. What can't run is recorded as ``skipped``, unless the step
is ``optional``: there may be nothing to run it for. The observations of a step carry its ``endpoint`` and its ``side``, where it has them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import getpass
import os
import sys
import threading
import time
import traceback
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder

Step = t.Dict[str, t.Any]

# Threads mostly wait for the network; the bound is for the managed node's memory.
_PARALLEL_STEPS = 64
# Probes end their own sockets at the deadline; this is what the slowest may take to say so.
_GRACE_S = 0.3


def run_plan(plan: dict[str, t.Any]) -> dict[str, t.Any]:
    """Run every step of a plan and return what was observed.

    :param plan: ``deadline_s`` (seconds), ``host`` (its inventory name), ``steps``, and ``secrets`` (name to value):
        a parameter ``{"secret": name}`` stands for that value, so that a plan can be read without its secrets.
    :returns: ``observations`` and ``facts`` (``python``, ``elapsed_ms``, ``cpu_ms``, and this host's clock
        at the start and at the end, in seconds since the epoch).
    """
    began = time.monotonic()
    clock_at_start = time.time()
    recorder = Recorder()
    deadline = Deadline(plan["deadline_s"])
    vantage = {"host": plan["host"], "address": "", "user": _user()}
    secrets = plan.get("secrets", {})
    context = Context(recorder, deadline, vantage, secrets.values())
    run = _Run(context, secrets)
    threads = [run.start(step, None) for step in plan["steps"]]
    run.wait(threads)
    run.record_unfinished()
    times = os.times()
    return {
        "observations": recorder.seal(),
        "facts": {
            "python": "%d.%d.%d" % sys.version_info[:3],
            "elapsed_ms": round((time.monotonic() - began) * 1000, 1),
            "cpu_ms": round((times.user + times.system) * 1000, 1),
            "clock_at_start": clock_at_start,
            "clock_at_end": time.time(),
        },
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return str(os.getuid())


class _Run:
    def __init__(self, context: Context, secrets: dict[str, str]) -> None:
        self._context = context
        self._secrets = secrets
        self._slots = threading.BoundedSemaphore(_PARALLEL_STEPS)
        self._lock = threading.Lock()
        self._unfinished: dict[int, tuple[Step, dict[str, t.Any]]] = {}
        self._end = time.monotonic() + context.deadline.remaining() + _GRACE_S

    def start(self, step: Step, item: dict[str, t.Any] | None) -> threading.Thread:
        thread = threading.Thread(target=self._step, args=(step, item), daemon=True)
        thread.start()
        return thread

    def wait(self, threads: t.Iterable[threading.Thread]) -> None:
        """Until they have ended, or time is up: for all of them together, not for each."""
        for thread in threads:
            thread.join(max(0.0, self._end - time.monotonic()))

    def _step(self, step: Step, item: dict[str, t.Any] | None) -> None:
        parameters = self._filled(dict(step.get("parameters", {}), **(item or {})))
        context = self._context.labelled(_labels(step))
        with self._lock:
            self._unfinished[id(parameters)] = (step, parameters)
        outcome = _probes.Outcome(False)
        try:
            with self._slots:
                probe = _probes.load(step["probe"])
                outcome = probe.run(_prepared(probe.ARGUMENTS, parameters), context)
        except (Exception, SystemExit) as problem:  # a crash in one probe is an observation, and the others go on
            _record_crash(context, step, parameters, problem)
        finally:
            with self._lock:
                self._unfinished.pop(id(parameters), None)
        self._children(step, parameters, item, outcome)

    def _filled(self, parameters: dict[str, t.Any]) -> dict[str, t.Any]:
        """Parameters with the secrets that they name."""
        return {
            key: self._secrets.get(value["secret"]) if isinstance(value, dict) and set(value) == {"secret"} else value
            for key, value in parameters.items()
        }

    def _children(self, step: Step, parameters: dict[str, t.Any], item: dict[str, t.Any] | None, outcome: _probes.Outcome) -> None:
        threads: list[threading.Thread] = []
        for child in step.get("then", ()):
            items = outcome.outputs.get(child["each"], ()) if "each" in child else (item,)
            if outcome.passed and items:
                threads += [self.start(child, one) for one in items]
            elif not child.get("optional"):
                _record_skipped(self._context, child, step["probe"], parameters)
        self.wait(threads)

    def record_unfinished(self) -> None:
        with self._lock:
            left = list(self._unfinished.values())
        for step, parameters in left:
            self._context.labelled(_labels(step)).observe(
                step["probe"] + ".run",
                "cannot_tell",
                _target(parameters),
                "the host's deadline passed before this probe ended",
                data={"reason": "deadline"},
            )
            for child in step.get("then", ()):
                _record_skipped(self._context, child, step["probe"], parameters)


def _labels(step: Step) -> dict[str, str]:
    return {key: step[key] for key in ("endpoint", "side") if key in step}


def _prepared(arguments: dict[str, t.Any], parameters: dict[str, t.Any]) -> dict[str, t.Any]:
    """What AnsibleModule would make of them: defaults filled in, and paths of this host's user expanded."""
    prepared = {key: spec["default"] for key, spec in arguments.items() if "default" in spec}
    prepared.update(parameters)
    for key, spec in arguments.items():
        if spec.get("type") == "path" and prepared.get(key):
            prepared[key] = os.path.expanduser(prepared[key])
        elif spec.get("elements") == "path" and prepared.get(key):
            prepared[key] = [os.path.expanduser(path) for path in prepared[key]]
    return prepared


def _target(parameters: dict[str, t.Any]) -> str:
    host = parameters.get("address") or parameters.get("host") or parameters.get("name") or ""
    port = parameters.get("port")
    return "%s:%s" % (host, port) if host and port else str(host)


def _record_skipped(context: Context, step: Step, waited_for: str, parameters: dict[str, t.Any]) -> None:
    """The whole branch: a reader must see what was not tried, and why."""
    merged = dict(step.get("parameters", {}), **{k: v for k, v in parameters.items() if k == "address"})
    context.labelled(_labels(step)).observe(
        step["probe"] + ".run",
        "skipped",
        _target(merged),
        "not tried, as %s did not pass" % waited_for,
        data={"waited_for": waited_for},
    )
    for child in step.get("then", ()):
        _record_skipped(context, child, waited_for, parameters)


def _record_crash(context: Context, step: Step, parameters: dict[str, t.Any], problem: BaseException) -> None:
    where = traceback.extract_tb(problem.__traceback__)[-1]
    context.observe(
        step["probe"] + ".run",
        "cannot_tell",
        _target(parameters),
        "the probe itself failed: %s" % type(problem).__name__,
        data={
            "reason": "probe_crashed",
            "exception": type(problem).__name__,
            "detail": context.text(problem, 200),
            "where": "%s:%s" % (os.path.basename(where.filename), where.lineno),
        },
    )

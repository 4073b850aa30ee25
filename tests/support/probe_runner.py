# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one probe in a test as the engine does, and gives what it observed by check."""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder


class Result(t.NamedTuple):
    """``checks`` are the observations in their order; ``result[check]`` is the only one of that check."""

    outcome: _probes.Outcome
    observations: list[dict[str, t.Any]]

    @property
    def checks(self) -> list[str]:
        return [observation["check"] for observation in self.observations]

    def one(self, check: str) -> dict[str, t.Any]:
        found = [observation for observation in self.observations if observation["check"] == check]
        assert len(found) == 1, "%s observed %d times in %s" % (check, len(found), self.checks)
        return found[0]


def run_probe(name: str, parameters: dict[str, t.Any], deadline: float = 20.0, secrets: t.Sequence[str] = ()) -> Result:
    recorder = Recorder()
    context = Context(recorder, Deadline(deadline), {"host": "test", "address": "", "user": "tester"}, secrets)
    probe = _probes.load(name)
    defaults = {key: spec["default"] for key, spec in probe.ARGUMENTS.items() if "default" in spec}
    outcome = probe.run({**defaults, **parameters}, context)
    return Result(outcome, recorder.seal())

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known about one APM agent, as a record. It is read from a profile by ``_agents``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t


@dataclasses.dataclass(frozen=True)
class AgentProfile:
    """What the workflow needs to know about an agent; ``_agent_shape.PROFILE`` says what each key means."""

    name: str
    title: str = ""
    auto: bool = True
    unit: str = ""
    units: t.Sequence[str] = ()
    process: str = ""
    application: bool = False
    package: str = ""
    pid_file: str = ""
    scheme: str = ""
    port: int = 0
    config: tuple[t.Mapping[str, t.Any], ...] = ()
    environment: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    credential: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    endpoints: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    validate: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    proxy: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    trust: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    health: t.Sequence[t.Mapping[str, str]] = ()
    logs: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    signatures: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    examples: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    misleading: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    silent_on: t.Sequence[str] = ()
    other_side: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    fates: t.Mapping[str, t.Sequence[int]] = dataclasses.field(default_factory=dict)
    restart: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    diagnose: t.Sequence[str] = ()
    notes: t.Sequence[str] = ()
    sources: t.Mapping[str, t.Sequence[str]] = dataclasses.field(default_factory=dict)
    verified: t.Mapping[str, bool] = dataclasses.field(default_factory=dict)
    doubts: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    absent: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    # Of the agent AUTO only: all that it may turn out to be, by name.
    candidates: t.Mapping[str, AgentProfile] = dataclasses.field(default_factory=dict, repr=False)

    def under(self, unit: str) -> AgentProfile:
        """The same agent, which another package has put under another unit."""
        if not unit or unit == self.unit:
            return self
        logs = {**self.logs, "unit": unit} if self.logs.get("unit") == self.unit else self.logs
        return dataclasses.replace(self, unit=unit, logs=logs)

    def statuses(self, *meanings: str) -> list[int]:
        """Of the validate request: those that have one of these meanings whatever the body is."""
        return [int(status) for status, meaning in self.validate.get("statuses", {}).items() if meaning in meanings and status.isdigit()]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is given to work with: the time that is left, a place to record, and the way to run a command.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._command import CommandResult, run_bounded
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import (
    STATUSES,
    Recorder,
    clean_text,
    timestamp,
)


class Deadline:
    """One moment by which everything on a host must have ended."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def remaining(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._end - time.monotonic())

    def allow(self, wanted: float) -> float:
        """:param wanted: seconds a step would like. :returns: seconds it may take (at least 1 ms, as 0 means 'do not block')."""
        return max(0.001, min(wanted, self.remaining()))


class Context:
    """The world as one probe sees it. Probes do no other I/O than their own sockets and files, and record nothing elsewhere."""

    def __init__(
        self,
        recorder: Recorder,
        deadline: Deadline,
        vantage: dict[str, t.Any],
        secrets: t.Iterable[str] = (),
        labels: dict[str, str] | None = None,
        environment: dict[str, t.Any] | None = None,
    ) -> None:
        self.recorder = recorder
        self.deadline = deadline
        self.vantage = vantage
        self.secrets = tuple(secrets)
        self.labels = labels or {}
        self.environment = environment if environment is not None else {}

    def labelled(self, labels: dict[str, str]) -> Context:
        """The same world, for a step whose observations carry these fields, such as the name of its endpoint."""
        return Context(self.recorder, self.deadline, self.vantage, self.secrets, labels, self.environment)

    def text(self, value: object, limit: int = 600) -> str:
        """Text of a peer, a file or an exception, without secrets, bounded, always valid UTF-8."""
        return clean_text(value, self.secrets, limit)

    def command(self, argv: t.Sequence[str], seconds: float = 5.0, limit: int = 262144) -> CommandResult:
        """Run a read-only command, bounded in time (seconds) and output (bytes). Never raises for a command that fails."""
        return run_bounded(argv, self.deadline.allow(seconds), limit)

    def observe(
        self,
        check: str,
        status: str,
        target: str,
        message: str,
        *,
        data: dict[str, t.Any] | None = None,
        started: float | None = None,
        reproduce: str = "",
        address: str | None = None,
    ) -> dict[str, t.Any]:
        """Record one observation.

        :param check: dotted name, for example ``tcp.connect``.
        :param status: one of :data:`STATUSES`.
        :param target: the address, port, name or unit it is about.
        :param message: one sentence for a person.
        :param data: typed facts; keys in snake_case, times as ``…_ms``.
        :param started: value of ``time.time()`` when the check began.
        :param reproduce: the command with which a person sees the same.
        :param address: the source address that the check was made from.
        """
        if status not in STATUSES:
            raise ValueError("unknown status %r of %s" % (status, check))
        now = time.time()
        began = now if started is None else started
        vantage = dict(self.vantage)
        if address:
            vantage["address"] = address
        observation = {
            "check": check,
            "status": status,
            "target": target,
            "vantage": vantage,
            "data": data or {},
            "message": message,
            "reproduce": reproduce,
            "started_at": timestamp(began),
            "duration_ms": round(max(0.0, now - began) * 1000, 1),
        }
        observation.update(self.labels)
        self.recorder.add(observation)
        return observation

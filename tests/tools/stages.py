# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stages of ``./doctor test``: what there is, what can run beside what, and how it is told."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.connectivity.doctor.tests.tools import checks, packaging, reading, running, sanity

_HEARTBEAT_S = 60.0


@dataclass(frozen=True)
class Stage:
    """One part of the tests. :param lane: stages of one lane run one after the other, beside those of another lane.

    ``by_name_only``: it takes so long that it runs only where it is asked for.
    """

    name: str
    lane: str
    run: Callable[[], Iterator[checks.Result]]
    needs_root: bool = False
    by_name_only: bool = False

    @property
    def purpose(self) -> str:
        return (self.run.__doc__ or "").strip()


STAGES = (
    Stage("lint", "reading", reading.lint),
    Stage("docs", "reading", reading.docs),
    Stage("reuse", "reading", reading.reuse),
    Stage("packaging", "reading", packaging.packaging),
    Stage("sanity", "reading", sanity.sanity),
    Stage("integration", "reading", running.integration),
    Stage("unit", "running", running.unit),
    # Containers and faults measure time, but mostly wait; each has a lab of its own.
    Stage("lab", "probing", running.lab, needs_root=True),
    Stage("playbooks", "playing", running.playbooks, needs_root=True),
    Stage("gauntlet", "breaking", running.gauntlet, needs_root=True),
    Stage("whole-gauntlet", "breaking", running.whole_gauntlet, needs_root=True, by_name_only=True),
    Stage("remediation", "healing", running.remediation, needs_root=True),
    Stage("whole-remediation", "healing", running.whole_remediation, needs_root=True, by_name_only=True),
)
# As they begin, the longest first; there are two at a time.
LANES = ("probing", "reading", "playing", "running", "breaking", "healing")
_AT_ONCE = 2


@dataclass
class Report:
    """How a stage went."""

    stage: Stage
    results: list[checks.Result] = field(default_factory=list)
    seconds: float = 0.0
    crash: str = ""

    @property
    def counts(self) -> tuple[int, int, int]:
        passed, failed, skipped = (sum(getattr(result, key) for result in self.results) for key in ("passed", "failed", "skipped"))
        return passed, failed + bool(self.crash), skipped

    @property
    def failed(self) -> bool:
        return self.counts[1] > 0 or not self.results


class Runner:
    """Runs stages in lanes and says what happens. ``reports`` holds what has ended."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self._began = time.monotonic()
        self._saying = threading.Lock()
        self._current: dict[str, float] = {}
        self._interrupted = threading.Event()

    def run(self, stages: Sequence[Stage]) -> None:
        ended = threading.Event()
        threading.Thread(target=self._heartbeat, args=(ended,), daemon=True).start()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            try:
                list(pool.map(self._lane, ([stage for stage in stages if stage.lane == lane] for lane in LANES)))
            except KeyboardInterrupt:
                self._interrupted.set()
                checks.stop_all()
                raise
            finally:
                ended.set()

    def _lane(self, stages: Iterable[Stage]) -> None:
        for stage in stages:
            self._stage(stage)

    def _stage(self, stage: Stage) -> None:
        if self._interrupted.is_set():
            return
        report = Report(stage)
        began = self._current[stage.name] = time.monotonic()
        self._say(f"{stage.name} …")
        try:
            for result in stage.run():
                report.results.append(result)
                self._tell(stage, result)
                if self._interrupted.is_set():
                    break
        except Exception as problem:  # a stage that can't even start has failed; the others still tell something
            report.crash = f"{type(problem).__name__}: {problem}"
            self._say(f"{stage.name}: could not go on: {report.crash}")
        report.seconds = time.monotonic() - began
        del self._current[stage.name]
        self.reports.append(report)
        self._say(f"{stage.name} {'FAILED' if report.failed else 'passed'} in {report.seconds:.0f} s: {counted(report.counts)}")

    def _tell(self, stage: Stage, result: checks.Result) -> None:
        self._say(f"{stage.name}: {result.name} {'FAILED' if result.failed else 'ok'}, {result.seconds:.1f} s: {result.tail}",
                  result.output if result.failed else result.shown)

    def _say(self, line: str, block: str = "") -> None:
        with self._saying:
            print(f"[{time.monotonic() - self._began:4.0f} s] {line}", flush=True)
            if block:
                print("".join(f"    {text}\n" for text in block.splitlines()), end="", flush=True)

    def _heartbeat(self, ended: threading.Event) -> None:
        while not ended.wait(_HEARTBEAT_S):
            now = time.monotonic()
            self._say("still running: " + ", ".join(f"{name} ({now - began:.0f} s)" for name, began in self._current.copy().items()))


def counted(counts: tuple[int, int, int]) -> str:
    return "{} passed, {} failed, {} skipped".format(*counts)

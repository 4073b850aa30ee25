# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``./doctor bench [--rounds N] [--json FILE]``: the contenders in turn, several rounds, and a table of what they cost; then what it takes
to tell the causes of many hosts. ``./doctor bench --hosts N --rounds 0`` does only this, and needs no root.

Every round runs all of them, beginning with another one each time. A contender runs first with no connection open (cold), then,
where it keeps connections, at once again with all of them open (warm).
"""
from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _plan, _program
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.tests.bench import inference, measuring, rendering
from ansible_collections.connectivity.doctor.tests.bench.contenders import (
    CONTENDERS,
    OURS,
    PARALLEL,
    Contender,
    Disturbed,
    Field,
    checks,
    observations,
)
from ansible_collections.connectivity.doctor.tests.bench.measuring import Cost
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab

_TRIES = 8
_PAUSE_S = 6.0
_IDLE_S = 3.0
Costs = dict[tuple[str, str], list[Cost]]


class Benchmark:
    """The contenders over one lab, each with a folder and a control group of its own while this is entered."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._kept = ExitStack()
        self._places: dict[str, tuple[Field, Path]] = {}
        self.idle_cpu = 0.0
        self.disturbed = 0

    def __enter__(self) -> Benchmark:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="doctor-bench-")))
            for number, contender in enumerate(CONTENDERS):
                place = folder / str(number)
                place.mkdir()
                group = stack.enter_context(measuring.control_group(f"doctor-bench-{os.getpid()}-{number}"))
                self._places[contender.name] = Field(self._lab, place), group
            self.idle_cpu = measuring.idle_machines_cpu(_IDLE_S)
            self._kept = stack.pop_all()
        return self

    def __exit__(self, *problem: object) -> None:
        self._kept.close()

    def field(self, name: str) -> Field:
        return self._places[name][0]

    def run(self, contender: Contender) -> dict[str, Cost]:
        """Measure one contender, cold and warm."""
        costs = {"cold": self._run_undisturbed(contender, close_first=True)}
        if contender.keeps_connections:
            costs["warm"] = self._run_undisturbed(contender)
        return costs

    def _run_undisturbed(self, contender: Contender, close_first: bool = False) -> Cost:
        """:raises Disturbed: every time; somebody who tests faults in the same lab disturbs it for some seconds."""
        for attempt in range(1, _TRIES + 1):
            try:
                return self._run_once(contender, close_first)
            except Disturbed:
                if attempt == _TRIES:
                    raise
                self.disturbed += 1
                print(f"bench: {contender.name} was disturbed, once more after {_PAUSE_S:.0f} s", file=sys.stderr, flush=True)
                time.sleep(_PAUSE_S)
        raise AssertionError("not reached")

    def _run_once(self, contender: Contender, close_first: bool) -> Cost:
        field, group = self._places[contender.name]
        if close_first:
            measuring.end_all(group)
        command = [*self._lab.controller_prefix, *contender.command(field)]
        cost, status, output = measuring.measure(group, command, field.environment(), field.folder, self.idle_cpu)
        if status:
            raise Disturbed(output)
        contender.check(field, output)
        return cost


def payload(field: Field) -> dict[str, int]:
    """Bytes of one host: the program that ran there, compressed as it was sent, and what it observed, as JSON."""
    plan = _plan.client_plan(
        parse_endpoints(json.loads((field.folder / "variables.json").read_text())["connectivity_endpoints"], "host"), "host", 20.0)
    seen = list(observations(field).values())
    return {
        "program_bytes": len(_program.standard_input(plan)),
        "result_bytes": round(statistics.median(len(json.dumps(one)) for one in seen)),
        "observations": round(statistics.median(map(len, seen))),
    }


def conclude(costs: Costs) -> list[dict[str, Any]]:
    """A row for each contender and state of its connections: what it cost, and the median of its ratios to ours, round by round."""
    rows = []
    for (name, state), seen in costs.items():
        seconds = [cost.seconds for cost in seen]
        ours = costs[OURS, state]
        rows.append({
            "contender": name,
            "connections": state,
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
            "ratio_to_ours": statistics.median(cost.seconds / one.seconds for cost, one in zip(seen, ours, strict=True)),
            "controller_cpu_s": statistics.median(cost.controller_cpu_s for cost in seen),
            "machines_cpu_s": statistics.median(cost.machines_cpu_s for cost in seen),
        })
    return sorted(rows, key=lambda row: (row["connections"], -row["median_s"]))


def render(rows: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    head = f"{'':12} {'connections':11} {'median':>7} {'min':>7} {'max':>7} {'to ours':>8}   {'CPU: controller':>16} {'machines':>8}"
    about_all = (
        f"{about['hosts']} hosts, {about['parallel']} at once, {about['cpus']} processors for all of it; {about['rounds']} rounds. "
        f"{about['checks']} checks a host; the diagnosis makes {about['observations']} observations."
    )
    lines = [about_all, head]
    for row in rows:
        lines.append(
            f"{row['contender']:12} {row['connections']:11} {row['median_s']:6.2f}s {row['min_s']:6.2f}s {row['max_s']:6.2f}s "
            f"{row['ratio_to_ours']:7.2f}x   {row['controller_cpu_s']:15.2f}s {row['machines_cpu_s']:7.2f}s")
    lines.append(f"To each host {about['program_bytes']} bytes of program and plan; from it {about['result_bytes']} bytes of observations.")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="./doctor bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds over the lab; 0 for none")
    parser.add_argument("--hosts", type=int, default=10_000, help="how many recorded hosts are analysed and reported")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here, too")
    options = parser.parse_args(arguments)
    figures: dict[str, Any] = {}
    if options.rounds:
        if os.geteuid() != 0:
            print("bench: the lab needs root: sudo ./doctor bench", file=sys.stderr)
            return 2
        rows, about = _compare_in_lab(options.rounds)
        print(render(rows, about))
        figures = {**about, "contenders": rows}
    analysed = inference.analyse(options.hosts)
    print(inference.render(analysed))
    rendered = rendering.measure(options.hosts)
    print(rendering.render(rendered, options.hosts))
    if options.json:
        figures.update(inference=analysed._asdict(), rendering=[one._asdict() for one in rendered])
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def _compare_in_lab(rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The lab is left as it was found, up or down."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    lab = Lab()
    was_up = lab.is_up()
    lab.up()
    try:
        return _compare(lab, rounds)
    finally:
        if not was_up:
            lab.down()


def _compare(lab: Lab, rounds: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    costs: Costs = {}
    with Benchmark(lab) as benchmark:
        for number in range(rounds):
            print(f"bench: round {number + 1} of {rounds} …", file=sys.stderr, flush=True)
            first = number % len(CONTENDERS)
            for contender in CONTENDERS[first:] + CONTENDERS[:first]:
                for state, cost in benchmark.run(contender).items():
                    costs.setdefault((contender.name, state), []).append(cost)
        about = {
            "hosts": len(lab.hosts), "parallel": int(PARALLEL), "cpus": os.cpu_count(), "rounds": rounds, "checks": checks(),
            "disturbed": benchmark.disturbed, "idle_machines_cpu": round(benchmark.idle_cpu, 4), **payload(benchmark.field(OURS)),
        }
    return conclude(costs), about


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several faults at once, healed by one command: predicted, done, done once, and undone. What is not as it should be is told by case."""
from __future__ import annotations

import contextlib
import re
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.connectivity.doctor.tests.gauntlet.batching import wanted
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, described
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import ALLOWED, SERVERS, Remediable
from ansible_collections.connectivity.doctor.tests.gauntlet.remedied import Outcome
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Ended, Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import differences, snapshot

# Each host has it beside its own, and no fault disturbs it: the name server's address, which all machines reach.
_BYSTANDER = {"name": "bystander", "url": "tcp://10.77.2.53:53"}
# The lab's machine that serves names and time; it is asked only where none that is set answers.
_GIVEN = {"connectivity_name_servers": ["10.77.2.53"], "connectivity_time_servers": ["10.77.2.53"]}
# What an undo puts back: services that were started again were not there before.
_PUT_BACK = ("files", "rules", "network")
_MOST_SNAPSHOTS = 10
_CHANGED = re.compile(r"^(\w+)\s+: ok=\d+\s+changed=([1-9]\d*)", re.MULTILINE)

Snapshots = dict[str, dict[str, str]]


def heal(lab: Lab, batch: t.Sequence[Remediable], folder: Path) -> list[Outcome]:
    """Inject all of a batch, remediate them by one command, and heal them by their own scripts whatever became of them."""
    outcomes = [Outcome(case) for case in batch]
    machines = sorted(set(lab.hosts) & {machine for case in batch for machine in wanted(case).used | wanted(case).changed})
    try:
        with _all_injected(lab, [case.fault for case in batch]):
            try:
                _remediate(lab, outcomes, machines, folder)
            finally:
                _on_all(machines, lambda machine: lab.run(machine, "rm -rf /var/lib/connectivity-doctor"))
    except (OSError, RuntimeError, AssertionError) as problem:
        for outcome in outcomes:
            outcome.tell("the batch did not come to its end", [str(problem)])
    return outcomes


def _remediate(lab: Lab, outcomes: list[Outcome], machines: list[str], folder: Path) -> None:
    playbook = Playbook(lab, folder)
    endpoints = _endpoints([outcome.case.fault for outcome in outcomes], [server for server in SERVERS if server in machines])
    authority = folder / "approved.pem"
    authority.write_text(lab.authority.root)

    given = {**_GIVEN, "connectivity_allow": ALLOWED, "connectivity_approved_ca": str(authority),
             "endpoints_of": endpoints, "connectivity_endpoints": "{{ endpoints_of[inventory_hostname] }}"}

    def run(*arguments: str) -> Ended:
        return playbook.run(",".join(endpoints), [], *arguments, **given)

    def snapshots() -> Snapshots:
        return _on_all(machines, lambda machine: snapshot(lab, machine))

    before = _settled(snapshots)
    predicted = run("--check", "--diff")
    _compare(outcomes, "--check changed", before, snapshots())
    _rows(outcomes, "predicted", predicted, "would_change")
    began = time.monotonic()
    done = run("--diff")
    seconds = time.monotonic() - began
    after = snapshots()
    _rows(outcomes, "done", done, "verified")
    _said(outcomes, predicted, done)
    again = run()
    _rows(outcomes, "the second time", again, None)
    _compare(outcomes, "the second run changed", after, snapshots())
    for outcome in outcomes:
        outcome.seconds = seconds
        outcome.tell("the second run", ["changed %s of %s" % (number, host) for host, number in _CHANGED.findall(again.output)])
    _undo(lab, outcomes, done)
    _compare(outcomes, "the undo left", before, snapshots(), *_PUT_BACK)
    (folder / "output.txt").write_text("\n".join(ended.output for ended in (predicted, done, again)))


def _settled(snapshots: t.Callable[[], Snapshots]) -> Snapshots:
    """Once it is the same twice: what was injected may still begin, as firewalld loads its rules after it has started."""
    before = snapshots()
    for _wait in range(_MOST_SNAPSHOTS):
        now = snapshots()
        if now == before:
            return now
        before = now
    raise RuntimeError("what was injected does not come to rest")


def _endpoints(faults: t.Sequence[Fault], servers: t.Iterable[str]) -> dict[str, list[dict[str, t.Any]]]:
    """By host of the play: that of its fault, and the one beside it; servers have that alone."""
    found: dict[str, list[dict[str, t.Any]]] = {server: [_BYSTANDER] for server in servers}
    for fault in faults:
        found.update({host: [described(fault), _BYSTANDER] for host in (fault.host, *fault.beside)})
    return found


def _of(case: Remediable, ended: Ended) -> list[dict[str, t.Any]]:
    return [row for row in ended.report["remediations"] if case.fault.host in row["for"]]


def _rows(outcomes: list[Outcome], what: str, ended: Ended, result: str | None) -> None:
    """The rows are those of the plan, with this result; none but what is refused where the result is None. What is repaired is healthy."""
    for outcome in outcomes:
        case = outcome.case
        expected = {(*row, "refused") for row in case.refused} | {(*row, result) for row in case.changes if result}
        rows = {(row["host"], row["code"], row["action"], row["result"]): row["detail"] for row in _of(case, ended)}
        outcome.tell(what, ["%s of %s by %s is missing, as %s; found is %s" % (code, host, action, wished, _found(case.fault, ended))
                            for host, code, action, wished in sorted(expected - set(rows))])
        outcome.tell(what, ["%s of %s by %s was %s: %s" % (code, host, action, was, rows[host, code, action, was])
                            for host, code, action, was in sorted(set(rows) - expected)])
        if result != "would_change":
            states = {name: endpoint["state"] for name, endpoint in ended.report["hosts"][case.fault.host]["endpoints"].items()}
            outcome.tell(what, ["%s is %s" % (name, state) for name, state in states.items()
                                if state != "healthy" and not (case.refused and name == case.fault.endpoint)])


def _found(fault: Fault, ended: Ended) -> str:
    endpoint = ended.report["hosts"][fault.host]["endpoints"][fault.endpoint]
    return "%s %s" % (endpoint["state"], ", ".join(cause["code"] for cause in endpoint["causes"]))


def _said(outcomes: list[Outcome], predicted: Ended, done: Ended) -> None:
    for outcome in outcomes:
        first, second = ({row["summary"] for row in _of(outcome.case, ended)} for ended in (predicted, done))
        outcome.tell("said before and not after", sorted(first - second))
        outcome.tell("said after and not before", sorted(second - first))


def _compare(outcomes: list[Outcome], what: str, before: Snapshots, after: Snapshots, *kinds: str) -> None:
    for machine in before:
        found = differences(before[machine], after[machine], *kinds)
        for outcome in outcomes:
            if machine in wanted(outcome.case).changed | wanted(outcome.case).used:
                outcome.tell("%s %s" % (what, machine), found)


def _undo(lab: Lab, outcomes: list[Outcome], done: Ended) -> None:
    """As the report's commands would, on each host its last change first."""
    rows = [row for row in reversed(done.report["remediations"]) if row["result"] == "verified"]

    def undo(host: str) -> list[str]:
        return [problem for row in rows if row["host"] == host
                for problem in run_module(lab, host, "transaction", state="rolled_back", name=row["name"])["problems"]]

    for host, problems in _on_all(sorted({row["host"] for row in rows}), undo).items():
        for outcome in outcomes:
            if host in wanted(outcome.case).changed:
                outcome.tell("the undo on " + host, problems)


@contextlib.contextmanager
def _all_injected(lab: Lab, faults: t.Sequence[Fault]) -> t.Iterator[None]:
    """All side by side; whatever becomes of one, those that are there are healed."""
    healing = {fault.name: contextlib.ExitStack() for fault in faults}
    with ThreadPoolExecutor() as pool:
        began = [pool.submit(healing[fault.name].enter_context, injected(lab, fault)) for fault in faults]
    try:
        for one in began:
            one.result()
        yield
    finally:
        with ThreadPoolExecutor() as pool:
            ended = [pool.submit(stack.close) for stack in healing.values()]
        for one in ended:
            one.result()


def _on_all(machines: t.Sequence[str], action: t.Callable[[str], t.Any]) -> dict[str, t.Any]:
    with ThreadPoolExecutor(4) as pool:
        return dict(zip(machines, pool.map(action, machines), strict=True))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every declared fault, injected into the lab and diagnosed over ssh. Before the first and after the last, all endpoints are controls."""
from __future__ import annotations

import subprocess
from concurrent.futures import Future
from functools import partial

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import record
from ansible_collections.connectivity.doctor.tests.gauntlet.running import Diagnosis, diagnose, diagnose_fault
from ansible_collections.connectivity.doctor.tests.gauntlet.scheduling import run_all
from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result, as_document, as_table
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab

_LEAST_SCORE, _LEAST_SCORE_OF_A_LAYER = 0.97, 0.9
# Fewer have no score; each of them must be exact.
_LEAST_CASES = 50


def _as_controls(lab: Lab, kind: str, results: list[Result]) -> None:
    """Every endpoint from every client is a case of its own, in which any cause is a false alarm."""
    diagnosis = diagnose(lab, "clients", list(load_endpoints().values()))
    controls = [
        Result(Fault(f"{kind}-{host}-{name}", "control", "F149" if kind == "healthy" else "F150", host, name),
               endpoint["state"], tuple(cause["code"] for cause in endpoint["causes"]), diagnosis.seconds)
        for host, endpoints in diagnosis.endpoints.items() for name, endpoint in endpoints.items()
    ]
    results += controls
    assert len(controls) == len(lab.clients) * len(load_endpoints())
    assert [control.fault.name for control in controls if not control.exact] == [], diagnosis.output


def test_a_fleet_without_any_fault_is_healthy(lab: Lab, results: list[Result]) -> None:
    _as_controls(lab, "healthy", results)


@pytest.fixture(scope="module")
def diagnoses(lab: Lab, request: pytest.FixtureRequest) -> dict[str, Future[Diagnosis]]:
    """Of all the cases that were asked for, by name; they ran side by side where they could."""
    items = (getattr(item, "callspec", None) for item in request.session.items)
    return run_all([item.params["fault"] for item in items if item and "fault" in item.params], partial(diagnose_fault, lab))


@pytest.mark.parametrize("fault", load_faults(), ids=lambda fault: fault.name)
def test_fault_is_told_exactly(
    diagnoses: dict[str, Future[Diagnosis]], fault: Fault, results: list[Result], pytestconfig: pytest.Config,
) -> None:
    """Asked for by itself, a case must be exact. In a run of many, the score decides at the end; a false alarm is never forgiven."""
    try:
        diagnosis = diagnoses[fault.name].result()
    except (OSError, RuntimeError, subprocess.SubprocessError) as problem:  # it could not be injected, looked at, or healed
        results.append(Result(fault, "not run", (), 0.0))
        _not_exact(fault, len(diagnoses), str(problem))
        return
    endpoint = diagnosis.endpoints[fault.host][fault.endpoint]
    result = Result(fault, endpoint["state"], tuple(cause["code"] for cause in endpoint["causes"]), diagnosis.seconds)
    results.append(result)
    if pytestconfig.getoption("--record"):
        record(fault, endpoint)
    if not result.exact:
        _not_exact(fault, len(diagnoses), "expected %s, found %s\n%s" % (fault.expect or "nothing", result.found, diagnosis.output))


def _not_exact(fault: Fault, cases: int, told: str) -> None:
    if fault.is_control or cases < _LEAST_CASES:
        pytest.fail(told)
    pytest.xfail(told)


def test_a_fleet_whose_faults_are_all_healed_is_healthy(lab: Lab, results: list[Result]) -> None:
    """Their traces, in logs and counters, are still there."""
    _as_controls(lab, "healed", results)


def test_the_score_is_what_is_promised(diagnoses: dict[str, Future[Diagnosis]], results: list[Result]) -> None:
    if len(diagnoses) < _LEAST_CASES:
        pytest.skip("some of the cases have no score; each of them must be exact")
    document = as_document(results)
    assert document["score"] >= _LEAST_SCORE, as_table(results)
    assert all(row["score"] >= _LEAST_SCORE_OF_A_LAYER for row in document["layers"].values()), as_table(results)
    assert document["false_alarms"] == []

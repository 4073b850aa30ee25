# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every declared fault that has a remedy, remediated over ssh: predicted, verified, left alone the second time, and undone."""
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.batching import batches
from ansible_collections.connectivity.doctor.tests.gauntlet.healing import heal
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import Remediable
from ansible_collections.connectivity.doctor.tests.gauntlet.remedied import Outcome
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab


@pytest.fixture(scope="module")
def outcome_of(
    lab: Lab, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, remedied: list[Outcome],
) -> t.Callable[[Remediable], Outcome]:
    """Runs a case with all those of its batch, once, when the first of them is asked for."""
    specs = (getattr(item, "callspec", None) for item in request.session.items)
    together = batches([spec.params["remediable"] for spec in specs if spec and "remediable" in spec.params])
    known: dict[str, Outcome] = {}

    def ask(case: Remediable) -> Outcome:
        name = case.fault.name
        if name not in known:
            (batch,) = [batch for batch in together if name in [one.fault.name for one in batch]]
            folder: Path = tmp_path_factory.mktemp("batch")
            ended = heal(lab, batch, folder)
            remedied.extend(ended)
            known.update({one.case.fault.name: one for one in ended})
        return known[name]

    return ask


def test_fault_is_remediated(outcome_of: t.Callable[[Remediable], Outcome], remediable: Remediable) -> None:
    outcome = outcome_of(remediable)
    assert not outcome.complaints, "\n".join(outcome.complaints)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every declared fault, injected into the lab and diagnosed over ssh; at the end, everything must be called healthy again."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import record
from ansible_collections.connectivity.doctor.tests.gauntlet.running import diagnose, diagnose_fault
from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result
from ansible_collections.connectivity.doctor.tests.lab.lab import Lab


@pytest.mark.parametrize("fault", load_faults(), ids=lambda fault: fault.name)
def test_fault_is_told_exactly(lab: Lab, fault: Fault, results: list[Result], pytestconfig: pytest.Config) -> None:
    diagnosis = diagnose_fault(lab, fault)
    endpoint = diagnosis.endpoints[fault.host][fault.endpoint]
    result = Result(fault, endpoint["state"], tuple(cause["code"] for cause in endpoint["causes"]), diagnosis.seconds)
    results.append(result)
    if pytestconfig.getoption("--record"):
        record(fault, endpoint)
    assert result.exact, "expected %s, found %s\n%s" % (fault.expect or "nothing", result.found, diagnosis.output)


def test_nothing_is_left_wrong_after_healing(lab: Lab) -> None:
    diagnosis = diagnose(lab, "clients", list(load_endpoints().values()))
    seen = {(host, name): endpoint["state"] for host, endpoints in diagnosis.endpoints.items() for name, endpoint in endpoints.items()}
    assert len(seen) == len(lab.clients) * len(load_endpoints())
    assert set(seen.values()) == {"healthy"}, diagnosis.output

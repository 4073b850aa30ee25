# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of an endpoint, from observations that were recorded in the lab."""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._measures import MEASURES, measured
from ansible_collections.connectivity.doctor.tests.support.rows import NAMES, row_of


def _case(name: str) -> Case:
    row = row_of(name)
    return Case("web1", {**row, "name": "db"}, row["observations"])


def test_of_a_database_that_works_all_is_measured() -> None:
    case = _case("healthy-database")
    found = measured(case)
    counted = next(one["data"] for one in case.observations if one["check"] == "postgresql.connections")
    usable = counted["max_connections"] - counted["superuser_reserved_connections"] - (counted["reserved_connections"] or 0)
    assert found["pool_usage"] == round(counted["used"] / usable, 6)
    session = [one["data"]["select_1_ms"] / 1000 for one in case.observations if one["check"] == "postgresql.session"]
    assert found["query_s"] == round(max(session), 6)
    logins = [one["data"]["elapsed_ms"] / 1000 for one in case.observations if one["check"] == "postgresql.login"]
    assert found["latency_s"] == round(max(logins), 6)
    certificate = next(one["data"] for one in case.observations if one["check"] == "tls.certificate")
    assert found["certificate_days"] == certificate["chain_days_left"]
    assert found["clock_offset_s"] is not None


def test_of_what_is_down_nothing_is_measured() -> None:
    found = measured(_case("server-loopback-only"))
    assert {key: found[key] for key in ("latency_s", "query_s", "pool_usage")} == {"latency_s": None, "query_s": None, "pool_usage": None}


def test_no_recorded_case_breaks_a_measure() -> None:
    for name in NAMES[::3]:
        found = measured(_case(name))
        assert found.keys() == MEASURES.keys()
        assert all(value is None or isinstance(value, (int, float)) for value in found.values()), name

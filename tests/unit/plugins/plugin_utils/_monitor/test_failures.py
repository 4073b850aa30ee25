# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which failures are kept, and how much of them."""
from __future__ import annotations

import json
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._failures import kept, of_endpoints
from ansible_collections.connectivity.doctor.tests.support.rows import row_of

_AT = 1_800_000_000.0
_DOWN, _WELL = row_of("server-loopback-only"), row_of("healthy-database")


def test_a_failure_is_kept_as_the_row_of_a_report() -> None:
    (failure,) = kept([], "db", None, _DOWN, _AT)
    assert (failure["endpoint"], failure["at"], failure["left_out"]) == ("db", "2027-01-15T08:00:00.000Z", 0)
    assert failure["row"] == _DOWN


def test_what_goes_on_or_is_well_is_not_kept_again() -> None:
    before = {"state": "down", "causes": [{"code": cause["code"]} for cause in _DOWN["causes"]]}
    assert kept([], "db", before, _DOWN, _AT) == []
    assert kept([], "db", before, _WELL, _AT) == []
    assert len(kept([], "db", {**before, "causes": []}, _DOWN, _AT)) == 1, "another cause is another trouble"


def test_the_last_three_of_an_endpoint_stay_beside_those_of_others() -> None:
    failures = kept([], "other", None, _DOWN, _AT)
    for number in range(5):
        failures = kept(failures, "db", None, _DOWN, _AT + number)
    assert [failure["endpoint"] for failure in failures] == ["db", "db", "db", "other"]
    assert [failure["at"][17:19] for failure in failures] == ["04", "03", "02", "00"]
    assert [failure["endpoint"] for failure in of_endpoints(failures, {"other": 1})] == ["other"]


def test_of_too_much_the_evidence_stays() -> None:
    noise = {**_DOWN["observations"][0], "check": "noise.noise", "status": "ok", "data": {"text": "x" * 10_000}}
    full = [noise] * 30 + _DOWN["observations"] + [noise] * 30
    moved = {"evidence": [number + 30 for number in _DOWN["causes"][0]["evidence"]]}
    causes = [{**_DOWN["causes"][0], **moved, "excluded": []}]
    (failure,) = kept([], "db", None, {**_DOWN, "observations": full, "causes": causes}, _AT)
    row = failure["row"]
    assert failure["left_out"] == len(full) - len(row["observations"]) > 0
    assert len(json.dumps(row["observations"])) < 100 * 1024
    cited = [row["observations"][number] for number in row["causes"][0]["evidence"]]
    assert cited == [_DOWN["observations"][number] for number in _DOWN["causes"][0]["evidence"]]


def test_all_together_are_bounded() -> None:
    large = {**_DOWN, "observations": [{**_DOWN["observations"][0], "data": {"text": "x" * 5_000}}] * 15, "causes": []}
    failures: list[dict[str, t.Any]] = []
    for number in range(40):
        failures = kept(failures, "db%d" % number, None, large, _AT)
    assert len(json.dumps(failures)) <= 520 * 1024
    assert failures[0]["endpoint"] == "db39"

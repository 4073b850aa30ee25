# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of what was remediated, and the comparison of what a machine was before and after."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import Remediable, Row
from ansible_collections.connectivity.doctor.tests.gauntlet.remedied import Outcome, as_document, as_table
from ansible_collections.connectivity.doctor.tests.lab.snapshots import differences


def test_a_remedy_is_shown_by_the_cases_of_which_nothing_is_to_complain() -> None:
    def outcome(name: str, *actions: str) -> Outcome:
        return Outcome(Remediable(Fault(name, "x", "F", "web1", "gateway"), frozenset(Row("web1", "c", action) for action in actions)))

    good, both, bad = outcome("good", "fix"), outcome("both", "fix", "start"), outcome("bad", "fix")
    bad.tell("done", ["it is still down"])
    assert as_table([good, both, bad])[1:] == [
        "fix                         3      2", "start                       1      1", "faults                      3      2",
        "bad: done: it is still down"]
    document = as_document([good, both, bad])
    assert document["actions"] == {"fix": {"cases": 3, "shown": 2}, "start": {"cases": 1, "shown": 1}}
    assert document["cases"][2]["complaints"] == ["done: it is still down"]


@pytest.mark.parametrize(("after", "told"), [
    ({"files": "a\nb", "units": "x 1"}, []),
    ({"files": "a\nc", "units": "x 1"}, ["files - b", "files + c"]),
    ({"files": "b\na", "units": "x 1"}, ["files: the same lines in another order, or more or less often"]),
    ({"files": "a\nb\nb", "units": "x 1"}, ["files: the same lines in another order, or more or less often"]),
    ({"files": "a\nb", "units": "x 2"}, ["units - x 1", "units + x 2"]),
])
def test_what_differs_is_told_by_line(after: dict[str, str], told: list[str]) -> None:
    before = {"files": "a\nb", "units": "x 1"}
    assert differences(before, after) == told
    assert differences(before, after, "files") == [line for line in told if line.startswith("files")]

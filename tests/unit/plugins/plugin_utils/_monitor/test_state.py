# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The state file: as its schema says, from run to run, and nothing of a secret."""
from __future__ import annotations

import json
import pathlib
import typing as t

import jsonschema
import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor import _main
from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._look import Looked
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import reanalysed
from ansible_collections.connectivity.doctor.tests.support.rows import NAMES, row_of

_DOCS = pathlib.Path(_main.__file__).parents[3] / "docs"
_SCHEMA = jsonschema.Draft202012Validator(json.loads((_DOCS / "monitor-state.schema.json").read_text(encoding="utf-8")))
_SETTINGS = {"host": "web1", "interval_s": 30.0, "timeout_s": 10.0, "retries": 3, "windows": ["5m", "1h"]}
_AT = 1_800_000_000.0


def _next(before: dict[str, t.Any], case: str, at: float, attempts: int = 1) -> dict[str, t.Any]:
    looked = {"db": Looked(row_of(case), attempts)}
    state = json.loads(json.dumps(_main.following(before, looked, _SETTINGS, at - 0.5, at)))
    _SCHEMA.validate(state)
    return t.cast("dict[str, t.Any]", state)


def test_a_fault_and_its_healing_are_told_and_the_failure_stays() -> None:
    well = _next({}, "healthy-database", _AT)
    ill = _next(well, "server-loopback-only", _AT + 30, attempts=4)
    healed = _next(ill, "healthy-database", _AT + 60)
    assert [state["run"]["number"] for state in (well, ill, healed)] == [1, 2, 3]
    assert [state["endpoints"]["db"]["state"] for state in (well, ill, healed)] == ["healthy", "down", "healthy"]
    assert [state["endpoints"]["db"]["changes"] for state in (well, ill, healed)] == [0, 1, 2]
    assert (ill["endpoints"]["db"]["attempts"], ill["endpoints"]["db"]["totals"]["retries"]) == (4, 3)
    assert [cause["code"] for cause in ill["endpoints"]["db"]["causes"]] == ["server.loopback_only"]
    assert healed["failures"] == ill["failures"] and well["failures"] == []
    assert list(_main._changes(well, ill)) == ["db: healthy → down (server.loopback_only)"]
    assert list(_main._changes(ill, _next(ill, "server-loopback-only", _AT + 60))) == []


def test_a_failure_can_be_looked_at_again_as_a_report() -> None:
    (failure,) = _next({}, "server-loopback-only", _AT)["failures"]
    counts = {"hosts": 1, "unreachable": 0, "endpoints": 1, "healthy": 0, "degraded": 0, "down": 1, "unknown": 0}
    report = {"schema": "connectivity.doctor/report/v1", "generated_at": failure["at"], "duration_s": 1.0, "summary": counts,
              "hosts": {"web1": {"facts": {}, "endpoints": {"db": failure["row"]}}}, "incidents": [], "remediations": []}
    again = reanalysed(report, failure["at"])["hosts"]["web1"]["endpoints"]["db"]
    assert [cause["code"] for cause in again["causes"]] == ["server.loopback_only"]


@pytest.mark.parametrize("name", NAMES[::6])
def test_the_schema_holds_for_what_was_recorded(name: str) -> None:
    _next(_next({}, name, _AT), name, _AT + 30)


def test_an_endpoint_that_is_taken_out_leaves_nothing() -> None:
    ill = _next({}, "server-loopback-only", _AT)
    other = _main.following(ill, {"other": Looked(row_of("healthy-database"), 1)}, _SETTINGS, _AT, _AT + 30)
    assert (list(other["endpoints"]), other["failures"]) == (["other"], [])


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"schema": "another/v2"}'])
def test_a_state_that_is_damaged_or_of_another_kind_is_begun_anew(tmp_path: pathlib.Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    assert _main._read(path) == _main._read(tmp_path / "none.json") == {}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The gauntlet's own arithmetic, and its declarations: a score that flatters would hide what is wrong."""
from __future__ import annotations

import json
import pathlib
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.tests.gauntlet import declaration, recording
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_endpoints, load_faults, machine_of
from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result, as_document, as_table, layers

FAULTS = load_faults()


def result(expect: t.Sequence[str], found: t.Sequence[str], state: str = "down", layer: str = "dns", name: str = "x") -> Result:
    return Result(Fault(name, layer, "F1", "web1", "db", tuple(expect)), state, tuple(found), 1.0)


@pytest.mark.parametrize(("expect", "found", "state", "score"), [
    (["a.b"], ["a.b"], "down", 1.0),
    (["a.b"], [], "down", 0.0),
    (["a.b"], ["c.d"], "down", 0.0),
    (["a.b"], ["a.b", "c.d"], "down", 0.5),
    (["a.b"], ["a.b", "c.d", "e.f"], "down", pytest.approx(1 / 3)),
    (["a.b", "c.d"], ["c.d", "a.b"], "down", 1.0),
    (["a.b", "c.d"], ["a.b"], "down", 0.0),
    (["a.b", "c.d"], ["a.b", "c.d", "e.f"], "down", pytest.approx(2 / 3)),
    ([], [], "healthy", 1.0),
    ([], ["a.b"], "healthy", 0.0),
    ([], [], "unknown", 0.0),
    ([], [], "down", 0.0),
])
def test_a_missed_cause_is_nothing_an_extra_one_costs_and_a_control_must_be_healthy(
    expect: list[str], found: list[str], state: str, score: float,
) -> None:
    one = result(expect, found, state)
    assert one.score == score
    assert one.exact is (score == 1.0)


RESULTS = [
    result(["a.b"], ["a.b"], layer="dns", name="one"), result(["a.b"], [], layer="dns", name="two"),
    result(["a.b"], ["a.b"], layer="tls", name="three"), result([], ["a.b"], "degraded", layer="control", name="four"),
]


def test_layers_the_weakest_first() -> None:
    assert list(layers(RESULTS).items()) == [
        ("control", {"cases": 1, "exact": 0, "score": 0.0}), ("dns", {"cases": 2, "exact": 1, "score": 0.5}),
        ("tls", {"cases": 1, "exact": 1, "score": 1.0})]


def test_the_document_and_the_table_say_the_same() -> None:
    document = json.loads(json.dumps(as_document(RESULTS)))
    assert document["score"] == 0.5 and document["false_alarms"] == ["four"]
    assert [case["score"] for case in document["cases"]] == [1.0, 0.0, 1.0, 0.0]
    table = as_table(RESULTS)
    assert [line.split()[:4] for line in table[1:5]] == [
        ["control", "1", "0", "0.0%"], ["dns", "2", "1", "50.0%"], ["tls", "1", "1", "100.0%"], ["all", "4", "2", "50.0%"]]
    assert table[5:] == ["not exact: two: expected a.b, found nothing (down)", "not exact: four: expected nothing, found a.b (degraded)"]


def test_nothing_run_is_no_score() -> None:
    assert as_document([])["score"] is None and len(as_table([])) == 2


def test_the_issue_numbers_of_faults_are_reached() -> None:
    assert sum(not fault.is_control and len(fault.expect) == 1 for fault in FAULTS) >= 25
    assert sum(fault.is_control for fault in FAULTS) >= 5
    assert sum(len(fault.expect) > 1 for fault in FAULTS) >= 2


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_declaration_can_be_run(fault: Fault) -> None:
    assert set(fault.expect) <= set(CATALOGUE)
    assert fault.endpoint in load_endpoints()
    assert fault.machines or fault.is_control or fault.change
    injected, healed = ({machine_of(turn) for turn in turns} for turns in (fault.inject, fault.heal))
    assert fault.is_control or injected <= healed, "what is injected must be healed on the same machine"


def test_the_labs_endpoints_are_ones_that_a_user_could_write() -> None:
    entries = [{key: "x" if "{{" in str(value) and key in ("password", "credential", "ca_file") else value for key, value in entry.items()}
               for entry in load_endpoints().values()]
    assert [endpoint.name for endpoint in parse_endpoints(entries, "web1")] == list(load_endpoints())


def test_two_faults_of_one_name_are_refused(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faults").mkdir()
    one = "- {name: a, fault: F1, host: h, endpoint: e}\n"
    (tmp_path / "faults" / "dns.yml").write_text(one + one)
    monkeypatch.setattr(declaration, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match=r"two faults have one name: \['a', 'a'\]"):
        load_faults()


def test_what_is_recorded_is_read_back_without_what_was_concluded(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "FOLDER", tmp_path / "recorded")
    fault = Fault("a", "dns", "F1", "web1", "db", ("dns.nxdomain",))
    recording.record(fault, {"state": "down", "causes": [{"code": "x"}], "observations": [{"check": "a.b"}], "port": 5})
    (back,) = recording.recorded()
    assert back["expect"] == ["dns.nxdomain"] and back["endpoint_name"] == "db" and back["host"] == "web1"
    assert back["endpoint"] == {"state": "down", "observations": [{"check": "a.b"}], "port": 5}

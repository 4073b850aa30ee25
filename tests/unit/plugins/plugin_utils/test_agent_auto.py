# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``agent: auto``: no unit and no process stands for two agents, whatever profiles there are."""
from __future__ import annotations

import collections
import pathlib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import known_agents, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan

# What the kernel keeps of a process's name.
_NAME_LENGTH = 15


def looked_for(*folders: pathlib.Path) -> dict[str, t.Any]:
    """By agent, the units and the process by which the probe finds it."""
    (endpoint,) = parse_endpoints([{"url": "https://h.example.com", "agent": "auto"}], "web1", [str(folder) for folder in folders])
    (step,) = [step for step in client_plan([endpoint], "web1", 20.0)["steps"] if step["probe"] == "agents"]
    return step["parameters"]["known"]


def owners(known: dict[str, t.Any]) -> dict[str, list[str]]:
    """By what shows an agent, who takes it for its own."""
    found = collections.defaultdict(list)
    for name, rule in known.items():
        for unit in rule.get("units", ()):
            found[unit].append(name)
        if rule.get("process"):
            found["process " + rule["process"][:_NAME_LENGTH]].append(name)
    return found


def test_each_unit_and_each_process_stands_for_one_agent() -> None:
    known = looked_for()
    assert {what: names for what, names in owners(known).items() if len(names) != 1} == {}
    assert len(owners(known)) >= 30


def test_each_agent_that_can_be_found_is_looked_for_by_its_own_unit() -> None:
    known = looked_for()
    for profile in map(load_profile, known_agents()):
        if profile.auto and (profile.unit or profile.process):
            assert known[profile.name].get("units", [""])[0] == profile.unit
            assert known[profile.name].get("process", "") == profile.process
        else:
            assert profile.name not in known


def test_no_two_profiles_of_the_catalogue_claim_the_same() -> None:
    """The rule is for what users add: within the catalogue nothing has to be decided."""
    claimed = collections.Counter(
        what for profile in map(load_profile, known_agents()) if profile.auto
        for what in {*filter(None, (profile.unit, *profile.units)), *(["process " + profile.process] if profile.process else [])})
    assert [what for what, count in claimed.items() if count > 1] == []


def test_a_users_own_profile_is_found_before_one_of_the_catalogue(tmp_path: pathlib.Path) -> None:
    (tmp_path / "acme_datadog.yml").write_text("inherits: datadog\n")
    (tmp_path / "zzz_shipper.yml").write_text("{unit: shipper, units: [vector], process: relay}\n")
    known = looked_for(tmp_path)
    assert known["acme_datadog"]["units"] == [*filter(None, (load_profile("datadog").unit, *load_profile("datadog").units))]
    assert "datadog" not in known, "nothing is left by which it could be found"
    assert (known["zzz_shipper"], known["vector"]["units"]) == ({"units": ["shipper"], "process": "relay"}, ["vector"]), (
        "a unit is that of the profile whose own it is, a process that of the user's")
    assert known["sentry_relay"] == {"units": ["sentry-relay"]}


def test_of_several_folders_the_first_counts_most(tmp_path: pathlib.Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for number, folder in enumerate(folders):
        folder.mkdir()
        (folder / ("mine%d.yml" % (2 - number))).write_text("unit: shared\n")
    known = looked_for(*folders)
    assert known["mine2"] == {"units": ["shared"]} and "mine1" not in known

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guide to one's own profiles shows is so: its profiles are loaded, planned with and asked, its tables are compared."""
from __future__ import annotations

import pathlib
import re
import typing as t

import pytest
import yaml

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.module_utils._config.credential import judge
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import RUNTIMES, AgentError, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan
from ansible_collections.connectivity.doctor.tests.support.labelled_lines import classifier
from ansible_collections.connectivity.doctor.tests.tools.pages import AGENTS_FOLDER, PROFILE_SCHEMA

_PAGE = (AGENTS_FOLDER.parent / "own_agents.md").read_text(encoding="utf-8")
# By the name in their first line, what is shown.
_SHOWN = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", _PAGE, re.S))


def rows(header: str) -> list[list[str]]:
    """The rows of the table below a header, without the marks of code."""
    table = _PAGE.split("| %s |\n" % header, 1)[1].split("\n\n", 1)[0].splitlines()[1:]
    return [[cell.strip().strip("`") for cell in line[1:-1].split(" |")] for line in table]


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> str:
    """The folder ``agents`` that the page shows."""
    for name, text in _SHOWN.items():
        if name.startswith("agents/"):
            (tmp_path / name.removeprefix("agents/")).write_text(text, encoding="utf-8")
    return str(tmp_path)


def probes_of(steps: t.Iterable[dict[str, t.Any]]) -> t.Iterator[dict[str, t.Any]]:
    for step in steps:
        yield step
        yield from probes_of(step.get("then", ()))


def test_the_page_shows_what_is_tested_here() -> None:
    assert set(_SHOWN) == {"group_vars/all.yml", "agents/parcel_shipper.yml", "agents/datadog.yml", "host_vars/db-reader.yml"}
    assert {path.stem for path in RUNTIMES.glob("*.yml")} == set(
        re.findall(r"`(\w+)`", _PAGE.split("comes from a runtime:", 1)[1].split(".\n", 1)[0]))
    assert PROFILE_SCHEMA.name in _PAGE


def test_a_new_agent_is_looked_at_in_all_ways_that_its_profile_names(folder: str) -> None:
    entries = yaml.safe_load(_SHOWN["group_vars/all.yml"])["connectivity_endpoints"]
    plan = client_plan(parse_endpoints(entries, "web1", [folder]), "web1", 20.0)
    asked = {step["probe"]: step["parameters"] for step in probes_of(plan["steps"])}
    assert {"service", "agent_config", "logs", "http"} <= set(asked)
    assert (asked["service"]["name"], asked["logs"]["unit"], asked["http"]["path"]) == ("parcel-shipper", "parcel-shipper", "/v1/whoami")
    for probe, parameters in asked.items():
        assert set(parameters) <= set(_probes.load(probe).ARGUMENTS)


@pytest.mark.parametrize(("line", "family"), rows("line | family"))
def test_its_lines_are_in_the_families_that_the_page_names(folder: str, line: str, family: str) -> None:
    assert classifier(load_profile("parcel_shipper", [folder])).family(line) == family


@pytest.mark.parametrize(("credential", "state"), rows("credential | is"))
def test_its_credentials_are_judged_as_the_page_says(folder: str, credential: str, state: str) -> None:
    rule = load_profile("parcel_shipper", [folder]).credential
    assert judge(credential, rule["format"], rule["placeholders"]).state == state


def test_single_keys_of_the_catalogue_are_overridden(folder: str) -> None:
    known, own = load_profile("datadog"), load_profile("datadog", [folder])
    assert own.environment == {**known.environment, "credential": ["COMPANY_DATADOG_KEY"]}
    assert own.logs == {**known.logs, "files": ["/srv/log/datadog/agent.log"]}
    assert own.signatures == {**known.signatures, "proxy_refused": ["gateway says no"]}
    assert (own.config, own.validate, own.unit) == (known.config, known.validate, known.unit)


def test_an_application_is_named_in_the_entry() -> None:
    reader, shop = parse_endpoints(yaml.safe_load(_SHOWN["host_vars/db-reader.yml"])["connectivity_endpoints"], "db-reader")
    assert reader.agent and shop.agent
    assert (reader.agent.unit, reader.agent.logs["unit"]) == ("nightly-extract", "nightly-extract")
    assert (shop.agent.unit, shop.agent.logs["files"]) == ("shop", ["/var/log/shop/app.log"])


@pytest.mark.parametrize(("written", "told"), rows("profile | what is told"))
def test_a_mistake_is_told_as_the_page_says(tmp_path: pathlib.Path, written: str, told: str) -> None:
    path = tmp_path / "mine.yml"
    path.write_text(written, encoding="utf-8")
    with pytest.raises(AgentError) as failed:
        load_profile("mine", [tmp_path])
    assert str(failed.value) == "%s: %s" % (path, told)


def test_all_meanings_that_the_page_lists_are_all() -> None:
    (told,) = [told for written, told in rows("profile | what is told") if "statuses" in written]
    assert told.split("one of ", 1)[1].split(", ") == list(_agent_shape.MEANINGS)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the results of the gauntlet, prints its tables and writes ``gauntlet.json`` and ``remediation.json``."""
from __future__ import annotations

import json
import pathlib
import tempfile
import typing as t

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet import remedied as remedies
from ansible_collections.connectivity.doctor.tests.gauntlet.batching import quickest_of_each_action
from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import recorded
from ansible_collections.connectivity.doctor.tests.gauntlet.remediable import remediable
from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result, as_document, as_table
from ansible_collections.connectivity.doctor.tests.gauntlet.selection import shorter, took
from ansible_collections.connectivity.doctor.tests.lab.certificates import Authority
from ansible_collections.connectivity.doctor.tests.lab.fixture import lab

__all__ = ["lab"]

_RESULTS = pytest.StashKey[list[Result]]()
_REMEDIED = pytest.StashKey[list[remedies.Outcome]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="keep what is observed of each fault for the replay")
    parser.addoption("--short", action="store_true", help="only the quickest case of every cause, and controls")
    parser.addoption("--gauntlet-json", default="", help="where to write the results")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = []
    config.stash[_REMEDIED] = []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """What can be remediated is computed from what was recorded; with ``--short``, one case of each remedy."""
    if "remediable" not in metafunc.fixturenames:
        return
    known = {case["name"]: case for case in recorded()}
    with tempfile.TemporaryDirectory() as folder:
        # The plan compares an authority's name, which is that of the lab's own.
        cases = remediable(load_faults(), known, Authority(pathlib.Path(folder)).root)
    if metafunc.config.getoption("--short"):
        cases = quickest_of_each_action(cases, lambda case: took(known[case.fault.name]))
    metafunc.parametrize("remediable", cases, ids=lambda case: case.fault.name)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--short"):
        return
    chosen = {fault.name for fault in shorter(load_faults(), {case["name"]: case for case in recorded()})}
    items[:] = [item for item in items if not hasattr(item, "callspec") or "fault" not in item.callspec.params
                or item.callspec.params["fault"].name in chosen]


@pytest.fixture
def results(pytestconfig: pytest.Config) -> list[Result]:
    return pytestconfig.stash[_RESULTS]


@pytest.fixture(scope="session")
def remedied(pytestconfig: pytest.Config) -> list[remedies.Outcome]:
    return pytestconfig.stash[_REMEDIED]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    document = config.getoption("--gauntlet-json")
    _tell(terminalreporter, "the gauntlet", config.stash[_RESULTS], as_table, as_document, document)
    _tell(terminalreporter, "the gauntlet, remediated", config.stash[_REMEDIED], remedies.as_table, remedies.as_document,
          document and str(pathlib.Path(document).with_name("remediation.json")))


def _tell(reporter: pytest.TerminalReporter, title: str, results: list[t.Any], table: t.Callable[[t.Any], list[str]],
          document: t.Callable[[t.Any], dict[str, t.Any]], path: str) -> None:
    if not results:
        return
    reporter.section(title)
    for line in table(results):
        reporter.write_line(line)
    if path:
        pathlib.Path(path).write_text(json.dumps(document(results), indent=1) + "\n", encoding="utf-8")

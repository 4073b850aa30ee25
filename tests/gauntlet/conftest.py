# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the results of the gauntlet, prints its table and writes ``gauntlet.json``."""
from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.recording import recorded
from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result, as_document, as_table
from ansible_collections.connectivity.doctor.tests.gauntlet.selection import shorter
from ansible_collections.connectivity.doctor.tests.lab.fixture import lab

__all__ = ["lab"]

_RESULTS = pytest.StashKey[list[Result]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="keep what is observed of each fault for the replay")
    parser.addoption("--short", action="store_true", help="only the quickest case of every cause, and controls")
    parser.addoption("--gauntlet-json", default="", help="where to write the results")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--short"):
        return
    chosen = {fault.name for fault in shorter(load_faults(), {case["name"]: case for case in recorded()})}
    items[:] = [item for item in items if not hasattr(item, "callspec") or "fault" not in item.callspec.params
                or item.callspec.params["fault"].name in chosen]


@pytest.fixture
def results(pytestconfig: pytest.Config) -> list[Result]:
    return pytestconfig.stash[_RESULTS]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    results = config.stash[_RESULTS]
    if not results:
        return
    terminalreporter.section("the gauntlet")
    for line in as_table(results):
        terminalreporter.write_line(line)
    if config.getoption("--gauntlet-json"):
        path = pathlib.Path(config.getoption("--gauntlet-json"))
        path.write_text(json.dumps(as_document(results), indent=1) + "\n", encoding="utf-8")

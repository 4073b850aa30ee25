# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Collects the results of the gauntlet, prints its table and writes ``gauntlet.json``."""
from __future__ import annotations

import json
import pathlib

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.scoring import Result, as_document, as_table
from ansible_collections.connectivity.doctor.tests.lab.fixture import lab

__all__ = ["lab"]

_RESULTS = pytest.StashKey[list[Result]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="keep what is observed of each fault for the replay")
    parser.addoption("--gauntlet-json", default="", help="where to write the results")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = []


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

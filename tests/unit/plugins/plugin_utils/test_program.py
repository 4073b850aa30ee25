# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is sent to a managed node is what the plan's probes import, all of it and no more."""
from __future__ import annotations

import ast
import json
import typing as t
import zlib

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _program

PREFIX = _program._PREFIX
SOURCES = _program._sources()


def imported(text: str) -> set[str]:
    """As Python itself reads the import statements."""
    found = set()
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.ImportFrom) and statement.module:
            found |= {statement.module} | {"%s.%s" % (statement.module, alias.name) for alias in statement.names}
        elif isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
    return found & SOURCES.keys()


def sent(steps: list[dict[str, t.Any]]) -> set[str]:
    program, plan = unpacked({"steps": steps, "secrets": {}})
    assert plan["steps"] == steps
    return set(program["sources"])


def unpacked(plan: dict[str, t.Any]) -> tuple[dict[str, t.Any], dict[str, t.Any]]:
    first = zlib.decompressobj()
    return json.loads(first.decompress(_program.standard_input(plan))), json.loads(zlib.decompress(first.unused_data))


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_import_is_seen(name: str) -> None:
    assert _program.imports()[name] >= imported(SOURCES[name])


@pytest.mark.parametrize("probe", sorted(name.rpartition(".")[2] for name in SOURCES if name.startswith(PREFIX + "._probes.")))
def test_a_probe_comes_with_all_that_it_imports(probe: str) -> None:
    modules = sent([{"probe": probe, "parameters": {}}])
    assert {PREFIX + "._engine", PREFIX + "._probes." + probe} <= modules
    assert modules >= set().union(*(imported(SOURCES[name]) for name in modules))


def test_a_probe_of_any_depth_is_sent_and_others_are_not() -> None:
    modules = sent([{"probe": "dns", "then": [{"probe": "tcp", "then": [{"probe": "tls"}]}]}])
    probes = {name.rpartition(".")[2] for name in modules if name.startswith(PREFIX + "._probes.")}
    assert probes >= {"dns", "tcp", "tls"}
    assert not probes & {"postgresql", "service", "http"}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first code of the streamed program: makes the collection importable from memory, runs the plan, prints the result.

It arrives on the standard input of ``python3 -c``, with the sources and the plan. Nothing is written on the managed node, and
no secret is in an argument.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import importlib
import importlib.machinery
import json
import os
import sys
import types
import typing as t

_PACKAGE = "ansible_collections.connectivity.doctor.plugins.module_utils"


class _MemoryImporter:
    """Finder and loader (PEP 451) of modules whose sources are in memory.

    It has no base class from ``importlib.abc``, whose import costs more than that of all the sources of one probe.
    """

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources
        self._packages = {name.rsplit(".", depth)[0] for name in sources for depth in range(1, name.count(".") + 1)}

    def find_spec(self, fullname: str, path: t.Any = None, target: t.Any = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname not in self._sources and fullname not in self._packages:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=fullname, is_package=fullname in self._packages)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """As any module is made."""

    def exec_module(self, module: types.ModuleType) -> None:
        file = module.__name__.rpartition(".")[2] + ".py"  # what a traceback shows
        exec(compile(self._sources.get(module.__name__, ""), file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102  (as every loader does)


def main(sources: dict[str, str], plan: dict[str, t.Any], mark: str) -> None:
    """:param sources: module name to text. :param mark: what the controller looks for before the result."""
    sys.meta_path.insert(0, _MemoryImporter(sources))
    engine = importlib.import_module(_PACKAGE + "._engine")
    result = engine.run_plan(plan)
    sys.stdout.write("\n%s%s\n" % (mark, json.dumps(result)))
    sys.stdout.flush()
    os._exit(0)  # a probe's thread may still hang in the C library; it must not hold up the host

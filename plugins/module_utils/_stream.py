# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first code of the streamed program: makes the collection importable from memory, runs the plan, prints the result.

It arrives on the standard input of ``python3 -c``, with the sources and the plan. Nothing is written on the managed node, and
no secret is in an argument.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import typing as t

_PACKAGE = "ansible_collections.connectivity.doctor.plugins.module_utils"


class _MemoryImporter(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """PEP 302 finder and loader of modules whose sources are in memory."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources
        self._packages = {name.rsplit(".", depth)[0] for name in sources for depth in range(1, name.count(".") + 1)}

    def find_spec(self, fullname: str, path: t.Any = None, target: t.Any = None) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname not in self._sources and fullname not in self._packages:
            return None
        return importlib.machinery.ModuleSpec(fullname, self, origin=fullname, is_package=self.is_package(fullname))

    def is_package(self, fullname: str) -> bool:
        return fullname in self._packages

    def get_source(self, fullname: str) -> str:
        return self._sources.get(fullname, "")


def main(program: dict[str, t.Any], mark: str) -> None:
    """:param program: ``sources`` (module name to text) and ``plan``. :param mark: what the controller looks for before the result."""
    sys.meta_path.insert(0, _MemoryImporter(program["sources"]))
    engine = importlib.import_module(_PACKAGE + "._engine")
    result = engine.run_plan(program["plan"])
    sys.stdout.write("\n%s%s\n" % (mark, json.dumps(result)))
    sys.stdout.flush()
    os._exit(0)  # a probe's thread may still hang in the C library; it must not hold up the host

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor as one file that Python runs: the probes, the causes and the memory, packed on the controller from the same sources.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ast
import functools
import io
import pathlib
import zipfile

_COLLECTION = "ansible_collections.connectivity.doctor"
_FOLDER = pathlib.Path(__file__).parents[2]
_PLUGINS = _COLLECTION + ".plugins."
_DOOR = _PLUGINS + "plugin_utils._monitor._main"
# The engine loads a probe by its name, which no import statement tells.
_PROBES = _PLUGINS + "module_utils._probes"
# The same bytes from the same sources, so that nothing is sent that is there already. It is the earliest date that a zip file can have.
_MOMENT = (1980, 1, 1, 0, 0, 0)

# It must be readable for Pythons that the rest is not for.
_START = """\
import sys
if sys.version_info < (3, 8):
    sys.exit("connectivity.doctor: Python %%d.%%d is too old for the monitor; 3.8 or newer is needed" %% sys.version_info[:2])
import os
from %s import main
status = main(sys.argv[1:])
sys.stdout.flush()
os._exit(status)  # a probe's thread may still hang in the C library; it must not hold up the next run
""" % _DOOR


@functools.lru_cache(maxsize=None)
def program() -> bytes:
    """:returns: a zip file for ``python3``, the same on every call."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in sorted({"__main__.py": _START, **_files()}.items()):
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), text, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _files() -> dict[str, str]:
    """What the door needs, and all probes, by their paths in the archive."""
    probes = {"%s.%s" % (_PROBES, path.stem) for path in _path(_PROBES).parent.glob("[!_]*.py")}
    left, files = {_DOOR, *probes}, {}
    while left:
        path = _path(left.pop())
        text = path.read_text(encoding="utf-8")
        files[_place(path)] = text
        left |= {name for name in _imports(text) if _place(_path(name)) not in files}
    return {**_packages(files), **files}


def _imports(text: str) -> set[str]:
    """The modules of this collection that a source names in import statements."""
    named: set[str] = set()
    for statement in ast.walk(ast.parse(text)):
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(_PLUGINS):
            named |= {str(statement.module), *("%s.%s" % (statement.module, alias.name) for alias in statement.names)}
    return {name for name in named if _path(name).is_file()}


def _path(module: str) -> pathlib.Path:
    """Of a module, or of the package of that name; which of them need not be there."""
    path = _FOLDER.joinpath(*module[len(_COLLECTION) + 1:].split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _place(path: pathlib.Path) -> str:
    return "/".join((*_COLLECTION.split("."), *path.relative_to(_FOLDER).parts))


def _packages(files: dict[str, str]) -> dict[str, str]:
    """An empty one for each folder: an archive has no packages without."""
    folders = {name.rsplit("/", depth)[0] for name in files for depth in range(1, name.count("/") + 1)}
    return {folder + "/__init__.py": "" for folder in folders}

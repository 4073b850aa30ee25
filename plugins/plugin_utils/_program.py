# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that is streamed to a managed node: the command, what goes to its standard input, and what comes back.

Sent down the connection as it is, it costs the managed node less than half of what the same code costs as a module, where
``ansible.module_utils.basic`` is compiled from source at every task.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import functools
import json
import pathlib
import re
import shlex
import typing as t
import zlib

from ansible_collections.connectivity.doctor.plugins.module_utils._observation import STATUSES

_PREFIX = "ansible_collections.connectivity.doctor.plugins.module_utils"
_FOLDER = pathlib.Path(__file__).parent.parent / "module_utils"
_MARK = "connectivity.doctor result: "
_NO_PYTHON = "connectivity.doctor: no python"
_OLD_PYTHON = "connectivity.doctor: old python "
# A managed node's own result, however many endpoints: far above what the engine's bounds let through.
_LARGEST_RESULT = 32 * 1024 * 1024
# A tenth more bytes than zlib's own choice, for half of its time, which is spent for each host.
_COMPRESSION = 3
_IMPORT = re.compile(r"^ *from %s([\w.]*) import (\([^)]*\)|.*)" % re.escape(_PREFIX), re.MULTILINE)

_INTERPRETERS = ("python3", "/usr/bin/python3", "/usr/libexec/platform-python", "/usr/local/bin/python3")

# The path goes first: the working directory of a login, which python -c would import from, may be another user's.
_START = (
    "import sys\n"
    "sys.path[:] = [entry for entry in sys.path if entry]\n"
    "if sys.version_info < (3, 8): sys.stdout.write('\\n%s%%d.%%d\\n' %% sys.version_info[:2]); sys.exit(0)\n"
    "import json, zlib\n"
    "z = zlib.decompressobj()\n"
    "p = json.loads(z.decompress(sys.stdin.buffer.read()))\n"
    "n = {'__name__': 'connectivity_doctor'}\n"
    "exec(compile(p['start'], '_stream.py', 'exec'), n)\n"
    "n['main'](p['sources'], json.loads(zlib.decompress(z.unused_data)), '%s')\n"
) % (_OLD_PYTHON, _MARK)


_OBSERVATION = {"check": str, "status": str, "target": str, "vantage": dict, "data": dict, "message": str, "reproduce": str,
                "started_at": str, "duration_ms": (int, float)}
_VANTAGE = ("host", "address", "user")
# A year: no probe takes longer, and what is no number is not below it.
_LONGEST_MS = 365 * 24 * 3600 * 1000


class ProgramError(Exception):
    """The program could not be run on the managed node; the text says why and what would be right."""


class StreamBlocked(ProgramError):
    """Something ran, but not the program: the ordinary module may still work on this connection."""


@functools.cache
def _sources() -> dict[str, str]:
    """Every private module util, as text."""
    sources = {}
    for path in sorted(_FOLDER.rglob("*.py")):
        parts = path.relative_to(_FOLDER).with_suffix("").parts
        if parts[-1] != "_module":
            name = ".".join((_PREFIX, *(part for part in parts if part != "__init__")))
            sources[name.rstrip(".")] = path.read_text(encoding="utf-8")
    return {name: text for name, text in sources.items() if name != _PREFIX}


@functools.cache
def imports() -> dict[str, set[str]]:
    """Which private module utils each of them imports. The same for every host: asked for once, before Ansible forks its workers."""
    sources = _sources()
    found: dict[str, set[str]] = {}
    for name, text in sources.items():
        statements = _IMPORT.findall(text)
        imported = {_PREFIX + package for package, _names in statements}
        imported |= {_PREFIX + package + "." + word for package, names in statements for word in re.findall(r"\w+", names)}
        packages = {module.rpartition(".")[0] for module in imported}
        found[name] = (imported | packages) & sources.keys()
    return found


def _needed(probes: t.Iterable[str]) -> set[str]:
    """The engine, these probes, and all that they import: a part of all there is."""
    graph = imports()
    needed: set[str] = set()
    left = {_PREFIX + "._engine"} | {_PREFIX + "._probes." + probe for probe in probes}
    while left:
        name = left.pop()
        needed.add(name)
        left |= graph.get(name, set()) - needed
    return needed & graph.keys()


def _probes_of(plan: t.Any) -> set[str]:
    """Wherever in the plan a step stands."""
    if isinstance(plan, list):
        return set().union(*map(_probes_of, plan))
    if isinstance(plan, dict):
        own = {str(plan["probe"])} if "probe" in plan else set()
        return own | _probes_of(list(plan.values()))
    return set()


def command(interpreter: str | None) -> str:
    """:param interpreter: the user's choice, or None for the first that is found. :returns: a command for the managed node's shell."""
    if interpreter:
        return "%s -c %s" % (interpreter, shlex.quote(_START))
    return "for p in %s; do if command -v $p >/dev/null 2>&1; then exec $p -c %s; fi; done; echo '%s'" % (
        " ".join(_INTERPRETERS), shlex.quote(_START), _NO_PYTHON)


def standard_input(plan: dict[str, t.Any]) -> bytes:
    """:param plan: with its secrets; they travel here and nowhere else. :returns: two zlib streams, the sources and the plan."""
    return _packed(frozenset(_probes_of(plan["steps"]))) + _compressed(plan)


@functools.cache
def _packed(probes: frozenset[str]) -> bytes:
    """The same for all hosts whose plans name the same probes."""
    sources = _sources()
    needed = {name: sources[name] for name in sorted(_needed(probes))}
    return _compressed({"start": sources[_PREFIX + "._stream"], "sources": needed})


def _compressed(value: t.Any) -> bytes:
    return zlib.compress(json.dumps(value).encode(), _COMPRESSION)


def read_result(exit_code: int, output: str, errors: str) -> dict[str, t.Any]:
    """:raises ProgramError: there is no usable result."""
    if len(output) > _LARGEST_RESULT:
        raise ProgramError("the managed node answered with %d bytes, more than any diagnosis has" % len(output))
    for line in reversed(output.splitlines()):
        if line.startswith(_MARK):
            try:
                return checked(json.loads(line[len(_MARK):]))
            except ValueError:
                raise ProgramError("the managed node's answer was cut off") from None
        if line.startswith(_NO_PYTHON):
            raise ProgramError("no Python on this host; install Python 3.8 or newer, or set ansible_python_interpreter")
        if line.startswith(_OLD_PYTHON):
            raise ProgramError("Python %s on this host is too old; 3.8 or newer is needed (ansible_python_interpreter chooses it)"
                               % line[len(_OLD_PYTHON):])
    if exit_code == 127:  # sh(1): the command was not found
        raise ProgramError("the Python that ansible_python_interpreter names is not on this host; correct it, or install 3.8 or newer")
    raise StreamBlocked("the probes did not run (exit code %d): %s" % (exit_code, (errors or output).strip()[-300:] or "no output"))


def checked(result: t.Any) -> dict[str, t.Any]:
    """What one managed node says must not break the report of all. :raises ProgramError: it is of another shape."""
    if isinstance(result, dict) and isinstance(result.get("facts"), dict) and isinstance(result.get("observations"), list):
        if all(map(_is_observation, result["observations"])):
            return result
    raise ProgramError("the managed node's answer is none of this program")


def _is_observation(one: t.Any) -> bool:
    return (
        isinstance(one, dict) and all(isinstance(one.get(key), kind) for key, kind in _OBSERVATION.items())
        and one["status"] in STATUSES and 0 <= one["duration_ms"] <= _LONGEST_MS
        and all(isinstance(one["vantage"].get(key), str) for key in _VANTAGE)
    )

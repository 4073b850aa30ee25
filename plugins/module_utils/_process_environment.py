# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment of a process (proc(5), ``environ``), or what systemd would give it: names, and never the value of a secret.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import shlex
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

# curl(1) and Go take the lower-case names too; ALL_PROXY is curl's.
PROXY_NAMES = tuple(name for upper in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY") for name in (upper, upper.lower()))

# Where libpq goes, and as whom, where the program does not say ("Environment Variables" in its documentation). No secrets.
LIBPQ_NAMES = ("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGSERVICE", "PGSERVICEFILE", "PGPASSFILE")

_LARGEST = 262144


def of_process(pid: int) -> dict[str, str] | None:
    """What the process was started with. None where this user may not look."""
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            raw = file.read(_LARGEST)
    except OSError:
        return None
    return parse(raw)


def parse(raw: bytes) -> dict[str, str]:
    """:param raw: ``NAME=value`` separated by NUL."""
    environment = {}
    for item in raw.decode("utf-8", "backslashreplace").split("\0"):
        name, equals, value = item.partition("=")
        if equals and name:
            environment[name] = value
    return environment


def of_unit(unit: str, context: Context) -> dict[str, str] | None:
    """What systemd would give the unit's process: ``Environment=`` and ``EnvironmentFile=`` (systemd.exec(5)). None if it can not tell."""
    answer = context.command(["systemctl", "show", "--no-pager", "--property=LoadState,Environment,EnvironmentFiles", "--", unit])
    if answer.exit_code != 0 or "LoadState=" not in answer.output:
        return None
    environment: dict[str, str] = {}
    files = []
    for line in answer.output.splitlines():
        key, _equals, value = line.partition("=")
        if key == "Environment":
            environment.update(_assignments(value))
        elif key == "EnvironmentFiles":
            files.append(value.rpartition(" (ignore_errors=")[0] or value)
    for pattern in files:
        for path in sorted(glob.glob(pattern))[:20]:
            environment.update(of_file(path) or {})
    return environment


def set_in(unit: str, context: Context) -> dict[str, tuple[str, bool]]:
    """Where a unit's variables are set: by name, the last place, and whether that is an ``EnvironmentFile=``, or else the unit itself."""
    answer = context.command(
        ["systemctl", "show", "--no-pager", "--property=FragmentPath,DropInPaths,EnvironmentFiles,Environment", "--", unit])
    shown: dict[str, list[str]] = {}
    for line in answer.output.splitlines():
        key, _equals, value = line.partition("=")
        shown.setdefault(key, []).append(value)
    unit_file = ([*" ".join(shown.get("DropInPaths", ())).split()] or shown.get("FragmentPath") or [""])[-1]
    places = {name: (unit_file, False) for name, _value in _assignments(" ".join(shown.get("Environment", ())))}
    for value in shown.get("EnvironmentFiles", ()):
        for path in sorted(glob.glob(value.rpartition(" (ignore_errors=")[0] or value))[:20]:
            places.update((name, (path, True)) for name in of_file(path) or ())
    return places


def of_file(path: str) -> dict[str, str] | None:
    """A file of assignments, as ``EnvironmentFile=`` and /etc/environment are. None where it can't be read."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read(_LARGEST).splitlines()
    except OSError:
        return None
    environment: dict[str, str] = {}
    for line in lines:
        line = line.strip()
        if line and line[0] not in "#;":
            environment.update(_assignments(line[len("export "):] if line.startswith("export ") else line, whole_line=True))
    return environment


def _assignments(text: str, whole_line: bool = False) -> t.Iterator[tuple[str, str]]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = [text]
    for word in [" ".join(words)] if whole_line else words:
        name, equals, value = word.partition("=")
        if equals:
            yield name.strip(), value.strip()


def proxies(environment: t.Mapping[str, str]) -> dict[str, str]:
    """Only what is set: an empty variable is no proxy."""
    return {name: environment[name] for name in PROXY_NAMES if environment.get(name)}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds what an agent takes from its configuration: the environment over the files, a later file over an earlier one, variables filled in.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import Entry, find
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import Reading, read_with_includes

ROLES = ("endpoint", "site", "port", "scheme", "credential", "credential_file", "headers", "enabled", "disabled")

# ${env:NAME} (OpenTelemetry), ${NAME} and ${NAME:default} (SkyWalking), ${NAME:-default} (shells), and $NAME as a whole value (Telegraf).
_VARIABLE = re.compile(r"\$\{(?:env:)?([A-Za-z_]\w*)(?::-?([^}]*))?\}|^\$([A-Z_][A-Z0-9_]*)$")


class Setting(t.NamedTuple):
    """What counts for one role. ``source``: ``path:line``, or the variable's name. ``over``: the file's entry that the variable replaces.

    ``unresolved``: variables in the value that nobody sets. ``entry``: of the file, where it comes from there. ``put_together``: of it and
    of variables.
    """

    value: str
    source: str
    from_environment: bool
    over: Entry | None = None
    unresolved: tuple[str, ...] = ()
    entry: Entry | None = None

    @property
    def put_together(self) -> bool:
        return self.entry is not None and (self.entry.value != self.value or bool(self.unresolved))


class Declared(t.NamedTuple):
    """A file's readings, and by role the dotted keys under which the profile says that its values are."""

    readings: t.Sequence[Reading]
    keys: t.Mapping[str, t.Sequence[str]]

    def entries(self, role: str) -> list[Entry]:
        """Of the first key that is set at all."""
        entries = [entry for reading in self.readings for entry in reading.entries]
        for key in self.keys.get(role, ()):
            found = find(entries, key)
            if found:
                return found
        return []


def read_declared(file: t.Mapping[str, t.Any], keys: t.Mapping[str, t.Sequence[str]]) -> Declared:
    """:param file: its ``path`` and its ``format``. :param keys: by role, as in :class:`Declared`."""
    return Declared(read_with_includes(os.path.expanduser(file["path"]), file["format"]), keys)


def as_list(value: t.Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(item) for item in value or ()]


def settings(
    role: str, files: t.Sequence[Declared], variables: t.Mapping[str, t.Any], environment: t.Mapping[str, str],
) -> list[Setting]:
    """Several only where a key has several values. :param variables: by role, the names of the variables that count more."""
    entries: list[Entry] = []
    for file in files:
        entries = file.entries(role) or entries
    for name in as_list(variables.get(role)):
        if name in environment:
            return [Setting(environment[name], name, True, entries[0] if entries else None)]
    return [_filled(entry, environment) for entry in entries]


def _filled(entry: Entry, environment: t.Mapping[str, str]) -> Setting:
    unresolved: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match.group(1) or match.group(3)
        if name in environment:
            return environment[name]
        if match.group(2) is None:
            unresolved.append(name)
            return match.group()
        return match.group(2)

    return Setting(_VARIABLE.sub(value, entry.value), entry.source, False, None, tuple(unresolved), entry)

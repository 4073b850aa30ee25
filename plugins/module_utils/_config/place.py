# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a setting of an agent stands, exactly enough to change it there.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import Declared, Setting
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

Place = t.Dict[str, t.Any]


class Places:
    """Of one agent. A place is told by what of these it has: ``role``; ``path`` (without links), ``format`` and ``key`` in a file;
    ``variable``, with its file as above where that is an ``EnvironmentFile=`` (then ``key`` is the variable), or else with the
    ``unit_file``; ``put_together`` (of variables).
    """

    def __init__(self, files: t.Sequence[Declared], unit: str, context: Context) -> None:
        self._files, self._unit, self._context = files, unit, context

    def of(self, role: str, setting: Setting | None) -> Place:
        """Of one that is not there, where it would be."""
        if setting is None:
            place = self._would_be(role)
        elif setting.from_environment:
            place = self._of_variable(setting.source)
        elif setting.entry:
            formats = {reading.path: reading.format for file in self._files for reading in file.readings}
            place = {"path": setting.entry.path, "format": formats[setting.entry.path], "key": setting.entry.key,
                     "put_together": setting.put_together}
        else:  # a file with nothing but the credential
            place = {"path": setting.source.rpartition(":")[0], "format": "raw"}
        if place.get("path"):
            place["path"] = os.path.realpath(place["path"])
        return {"role": role, **{name: value for name, value in place.items() if value}}

    def _would_be(self, role: str) -> Place:
        """Under the first key of the last file that may have it."""
        for file in reversed(self._files):
            for key in file.keys.get(role, ()):
                if "*" not in key:
                    return {"path": file.readings[0].path, "format": file.readings[0].format, "key": key}
        return {}

    def _of_variable(self, name: str) -> Place:
        places = _process_environment.set_in(self._unit, self._context) if self._unit else {}
        where, is_file = places.get(name, ("", False))
        return {"variable": name, **({"path": where, "format": "env", "key": name} if is_file else {"unit_file": where})}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which authorities an agent trusts: where its configuration or its environment names a file of them, no other one counts.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._agent_process import find_agent
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import Setting, as_list, read_declared, settings
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import FORMATS
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

ROLE = "ca_file"
ARGUMENT: dict[str, t.Any] = {
    "type": "dict",
    "options": {
        "files": {"type": "list", "elements": "dict", "default": [], "options": {
            "path": {"type": "path", "required": True},
            "format": {"type": "str", "required": True, "choices": list(FORMATS)},
            "ca_file": {"type": "list", "elements": "str", "required": True},
        }},
        "environment": {"type": "list", "elements": "str", "default": []},
        "unit": {"type": "str", "default": ""},
        "process": {"type": "str", "default": ""},
    },
}


def trusted_file(parameters: t.Mapping[str, t.Any], context: Context) -> str:
    """:param parameters: of a probe: ``ca_file`` counts more than what ``agent_trust`` leads to.

    :returns: the path of a file of certificates in PEM, or of a directory of such, with a ``/`` at its end; empty where the system's store
        counts.
    """
    given, wanted = parameters.get("ca_file") or "", parameters.get("agent_trust")
    if given or not wanted:
        return given
    agent = find_agent(wanted.get("unit") or "", wanted.get("process") or "", "", context)
    files = [read_declared(file, {ROLE: as_list(file[ROLE])}) for file in wanted.get("files") or ()]
    path = told_file(settings(ROLE, files, {ROLE: wanted.get("environment") or []}, agent.environment or {}))
    return path.rstrip("/") + "/" if os.path.isdir(path) else path


def told_file(found: t.Sequence[Setting]) -> str:
    """Empty where there is none, or where each of several destinations has another one, and which is meant is not known."""
    paths = {setting.value.strip() for setting in found if not setting.unresolved}
    return next(iter(paths)) if len(paths) == 1 else ""

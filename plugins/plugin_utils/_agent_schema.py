# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a profile as a JSON Schema, for editors that complete and check what is written.

It comes from the table that checks profiles. That one says more: whether a regular expression is one, and what would be right.

Source: JSON Schema, draft 2020-12.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._config import settings as _config_settings
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape as shape

Schema = t.Dict[str, t.Any]

_TEXT: Schema = {"type": "string"}
_PATTERN: Schema = {"type": "string", "format": "regex"}
_STATUS: Schema = {"type": "integer", "minimum": 100, "maximum": 599}


def profile_schema() -> Schema:
    """:returns: the schema of a profile, as a document of its own."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "connectivity.doctor/agent-profile/v1",
            "title": "Profile of an agent of connectivity.doctor", **_mapping(shape.PROFILE)}


def _mapping(keys: t.Mapping[str, shape.Key], *required: str) -> Schema:
    schema: Schema = {"type": "object", "additionalProperties": False,
                      "properties": {name: {"description": key.means, **_of(key.read)} for name, key in keys.items()}}
    return {**schema, "required": list(required)} if required else schema


def _of(read: shape.Reader) -> Schema:
    if isinstance(read, shape.Mapping):
        return _mapping(read.keys)
    if isinstance(read, shape.Named):
        return {"type": "object", "additionalProperties": _of(read.read)}
    if isinstance(read, shape.OfGroups):
        return {"type": "object", "additionalProperties": False, "properties": {group: _of(read.read) for group in shape.GROUPS}}
    return _PLAIN[read] if read in _PLAIN else _OF_KEYS[read]()


def _one_or_several(schema: Schema) -> Schema:
    return {"oneOf": [schema, {"type": "array", "items": schema}]}


_PLAIN: dict[shape.Reader, Schema] = {
    shape.text: _TEXT,
    shape.texts: _one_or_several(_TEXT),
    shape.pattern: _PATTERN,
    shape.patterns: _one_or_several(_PATTERN),
    shape.flag: {"type": "boolean"},
    shape.port: {"type": "integer", "minimum": 0, "maximum": 65535},
    shape.seconds: {"type": "integer", "minimum": 1, "maximum": shape.LONGEST_S},
    shape.statuses: _one_or_several(_STATUS),
    shape.settings: {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(_config_settings.NAMES, _TEXT)},
    shape.meanings: {"type": "object", "additionalProperties": False,
                     "patternProperties": {"^[1-5][0-9][0-9]( empty)?$": {"enum": list(shape.MEANINGS)}}},
}
_OF_KEYS: dict[shape.Reader, t.Callable[[], Schema]] = {
    shape.files: lambda: _one_or_several(_mapping(shape.FILE, "path", "format")),
    shape.health: lambda: _one_or_several(_mapping(shape.HEALTH, "url")),
    shape.regions: lambda: {"type": "object", "additionalProperties": _mapping(shape.REGION)},
}

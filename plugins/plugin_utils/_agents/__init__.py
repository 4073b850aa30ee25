# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agent profiles: what is known about one APM agent, as data. One YAML file an agent, beside this one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import difflib
import pathlib
import typing as t

import yaml

_FOLDER = pathlib.Path(__file__).parent


class AgentError(ValueError):
    """No such profile, or one with a wrong key."""


@dataclasses.dataclass(frozen=True)
class AgentProfile:
    """What the workflow needs to know about an agent.

    ``config``: files that the agent reads, each ``path``, ``format`` and the keys of its endpoint and credential.
    ``validate``: the request that tells a healthy server and an accepted credential: ``path``, ``header``, ``statuses``.
    """

    name: str
    unit: str = ""
    process: str = ""
    port: int = 0
    config: tuple[t.Mapping[str, t.Any], ...] = ()
    credential: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    environment: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    logs: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    signatures: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    validate: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


_KEYS = tuple(field.name for field in dataclasses.fields(AgentProfile))
_TEXTS = ("name", "unit", "process")
_MAPPINGS = ("credential", "environment", "logs", "signatures", "validate")
_VALIDATE_TEXTS = ("path", "header", "prefix")


def known_agents() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.yml"))


def load_profile(value: t.Any) -> AgentProfile:
    """:param value: the name of a profile in the catalogue, or a mapping of the same shape.

    :raises AgentError: with what would be right.
    """
    if isinstance(value, str):
        if value not in known_agents():
            near = difflib.get_close_matches(value, known_agents(), 1)
            raise AgentError("unknown agent %r%s" % (
                value, "; did you mean %r?" % near[0] if near else "; known are " + ", ".join(known_agents())))
        value = {"name": value, **yaml.safe_load((_FOLDER / (value + ".yml")).read_text(encoding="utf-8"))}
    if not isinstance(value, dict):
        raise AgentError("must be the name of a profile or a mapping")
    unknown = sorted({str(key) for key in value} - set(_KEYS))
    if unknown:
        raise AgentError("unknown key %r; a profile has %s" % (unknown[0], ", ".join(_KEYS)))
    fields = {str(key): item for key, item in value.items() if item is not None}
    _check(fields)
    fields.setdefault("name", fields.get("unit") or fields.get("process") or "agent")
    config = fields.get("config") or ()
    fields["config"] = tuple([config] if isinstance(config, dict) else config)
    return AgentProfile(**fields)


def _check(fields: t.Mapping[str, t.Any]) -> None:
    """The kinds of the values. :raises AgentError: one is of another kind."""
    for key in _TEXTS:
        if not isinstance(fields.get(key, ""), str):
            raise AgentError("%s must be a string" % key)
    port = fields.get("port", 0)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise AgentError("port must be a number up to 65535")
    for key in _MAPPINGS:
        if not isinstance(fields.get(key, {}), dict):
            raise AgentError("%s must be a mapping" % key)
    for key in _VALIDATE_TEXTS:
        if not isinstance(fields.get("validate", {}).get(key, ""), str):
            raise AgentError("validate.%s must be a string" % key)
    files = fields.get("config", ())
    files = [files] if isinstance(files, dict) else files
    if not isinstance(files, (list, tuple)) or not all(isinstance(file, dict) and isinstance(file.get("path"), str) for file in files):
        raise AgentError("config must be a list of files, each a mapping with a path")

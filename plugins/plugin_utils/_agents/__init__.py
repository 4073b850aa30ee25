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
import re
import typing as t

import yaml

_FOLDER = pathlib.Path(__file__).parent


class AgentError(ValueError):
    """No such profile, or one with a wrong key."""


@dataclasses.dataclass(frozen=True)
class AgentProfile:
    """What the workflow needs to know about an agent.

    ``config``: files that the agent reads, the last one winning, each with ``path``, ``format``, and the dotted keys of what counts in it
    (``endpoint``, ``port``, ``scheme``, ``credential``, ``credential_file``, ``enabled``, ``disabled``). ``environment``: the variables
    that stand for the same keys. ``credential``: its ``format``, a regular expression, known ``placeholders``, and ``regions`` by name,
    each with a regular expression for the ``credential`` and one for the ``host`` that takes it. ``logs``: ``files``,
    ``unit``, and what says that all is well again (``recovered``). ``signatures``: by family, what its log says when it fails.
    ``validate``: the request that tells a healthy server and an accepted credential: ``path``, ``header``, ``prefix``.
    """

    name: str
    unit: str = ""
    process: str = ""
    package: str = ""
    pid_file: str = ""
    scheme: str = ""
    port: int = 0
    config: tuple[t.Mapping[str, t.Any], ...] = ()
    environment: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    credential: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    logs: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    signatures: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)
    validate: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)


_KEYS = tuple(field.name for field in dataclasses.fields(AgentProfile))
_TEXTS = ("name", "unit", "process", "package", "pid_file", "scheme")
# What may be in each mapping: the keys of a text, and those of a list of texts, of which one may be written without the list.
_ENTRIES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "config": (("path", "format", "port", "scheme", "credential_file", "enabled", "disabled"), ("endpoint", "credential")),
    "environment": ((), ("endpoint", "port", "scheme", "credential", "credential_file", "enabled", "disabled")),
    "credential": (("format",), ("placeholders",)),
    "logs": (("unit",), ("files", "recovered")),
    "validate": (("path", "header", "prefix"), ()),
}
_PATTERNS = {"credential": ("format", "placeholders"), "logs": ("recovered",)}


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
    _refuse_unknown(value, _KEYS, "a profile")
    fields = {str(key): item for key, item in value.items() if item is not None}
    for key in _TEXTS:
        if not isinstance(fields.get(key, ""), str):
            raise AgentError("%s must be a string" % key)
    port = fields.get("port", 0)
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65535:
        raise AgentError("port must be a number up to 65535")
    fields["config"] = _config(fields.get("config", ()))
    for key in ("environment", "credential", "logs", "validate"):
        fields[key] = _entry(fields.get(key, {}), key, key)
    fields["signatures"] = _signatures(fields.get("signatures", {}))
    fields.setdefault("name", fields.get("unit") or fields.get("process") or "agent")
    return AgentProfile(**fields)


def _refuse_unknown(value: t.Mapping[t.Any, t.Any], known: t.Sequence[str], what: str) -> None:
    unknown = sorted({str(key) for key in value} - set(known))
    if unknown:
        raise AgentError("unknown key %r; %s has %s" % (unknown[0], what, ", ".join(known)))


def _config(value: t.Any) -> tuple[dict[str, t.Any], ...]:
    files = [value] if isinstance(value, dict) else value
    if not isinstance(files, (list, tuple)) or not all(isinstance(file, dict) and "path" in file and "format" in file for file in files):
        raise AgentError("config must be a list of files, each a mapping with a path and a format")
    return tuple(_entry(file, "config", "config[%d]" % number) for number, file in enumerate(files))


def _entry(value: t.Any, kind: str, where: str) -> dict[str, t.Any]:
    """A mapping of known keys, with lists where lists may be."""
    texts, lists = _ENTRIES[kind]
    if not isinstance(value, dict):
        raise AgentError("%s must be a mapping" % where)
    _refuse_unknown(value, (*texts, *lists, *(("regions",) if kind == "credential" else ())), where)
    read: dict[str, t.Any] = {}
    for key, item in value.items():
        if key == "regions":
            read[key] = _regions(item, where + ".regions")
            continue
        if key in texts and not isinstance(item, str):
            raise AgentError("%s.%s must be a string" % (where, key))
        read[key] = item if key in texts else _texts(item, "%s.%s" % (where, key))
        for pattern in _listed(read[key]) if key in _PATTERNS.get(kind, ()) else ():
            _compile(pattern, "%s.%s" % (where, key))
    return read


def _regions(value: t.Any, where: str) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or not all(isinstance(rule, dict) for rule in value.values()):
        raise AgentError("%s must be a mapping from a region to its patterns" % where)
    for name, rule in value.items():
        _refuse_unknown(rule, ("credential", "host"), "%s.%s" % (where, name))
        for key, pattern in rule.items():
            if not isinstance(pattern, str):
                raise AgentError("%s.%s.%s must be a string" % (where, name, key))
            _compile(pattern, "%s.%s.%s" % (where, name, key))
    return {str(name): dict(rule) for name, rule in value.items()}


def _signatures(value: t.Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        raise AgentError("signatures must be a mapping from a family to regular expressions")
    read = {str(family): _texts(patterns, "signatures.%s" % family) for family, patterns in value.items()}
    for family, patterns in read.items():
        for pattern in patterns:
            _compile(pattern, "signatures.%s" % family)
    return read


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _texts(value: t.Any, where: str) -> list[str]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise AgentError("%s must be a string or a list of strings" % where)
    return list(value)


def _compile(pattern: str, where: str) -> None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as problem:
        raise AgentError("%s: %r is no regular expression (%s)" % (where, pattern, problem)) from None

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agent profiles: what is known about one APM agent, as data. One YAML file an agent, beside this one.

What agents of one runtime share is in ``runtimes``, and inherited. What is the same for all, whatever they are written in, is in
``module_utils/_log/families.py``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import difflib
import os
import pathlib
import re
import typing as t

import yaml

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_shape import AgentError, checked, merged

__all__ = ["AUTO", "AgentError", "AgentProfile", "known_agents", "load_profile"]

FOLDER = pathlib.Path(__file__).parent
RUNTIMES = FOLDER / "runtimes"
# Stands for the agent that is found on the host.
AUTO = "auto"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,80}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Folders = t.Sequence[t.Union[str, "os.PathLike[str]"]]


def known_agents(folders: Folders = ()) -> list[str]:
    """:param folders: of the user's own profiles. :returns: all names that :func:`load_profile` takes."""
    return sorted(_nearest_first(folders))


def _nearest_first(folders: Folders) -> list[str]:
    """The user's own before those of the catalogue."""
    return list(dict.fromkeys(path.stem for folder in (*folders, FOLDER) for path in sorted(pathlib.Path(folder).glob("*.yml"))))


def load_profile(value: t.Any, folders: Folders = ()) -> AgentProfile:
    """:param value: the name of a profile (``-`` and ``_`` are the same), or a mapping of the same shape.
    :param folders: of the user's own profiles. They come before those of the catalogue, and may inherit from what they stand before.

    :raises AgentError: with what would be right.
    """
    for folder in folders:
        if not os.path.isdir(folder):
            raise AgentError("connectivity_agents_path: %s is no folder" % folder)
        for path in sorted(pathlib.Path(folder).glob("*.yaml")):
            raise AgentError("%s would not be read: the name of a profile ends in .yml" % path)
    if value == AUTO:
        return AgentProfile(AUTO, candidates=_candidates_of(folders))
    if isinstance(value, str):
        fields = _named(value, (*folders, FOLDER), folders, frozenset())
    else:
        fields = _inherited(checked(value), folders, frozenset())
    fields.setdefault("name", fields.get("unit") or fields.get("process") or "agent")
    if fields.get("application") and fields.get("unit") and not {"unit", "files"} & set(fields.get("logs", ())):
        fields["logs"] = {**fields.get("logs", {}), "unit": fields["unit"]}  # an agent in an application writes where that does
    return AgentProfile(**fields)


def _candidates_of(folders: Folders) -> dict[str, AgentProfile]:
    """Those that can be found by a unit or a process of their own; the user's own first, as they know more of what is there."""
    profiles = [load_profile(name, folders) for name in _nearest_first(folders)]
    return {profile.name: profile for profile in profiles if profile.auto and (profile.unit or profile.process)}


def _named(name: str, searched: Folders, folders: Folders, above: frozenset[pathlib.Path]) -> dict[str, t.Any]:
    """:param above: the files that inherit from it, which are passed over: what has its name stands before it."""
    found = list(_candidates(name, searched))
    path = next((path for path in found if path not in above), None)
    if path is None:
        if found:
            raise AgentError("%r inherits from itself" % name)
        known = known_agents(folders)
        near = difflib.get_close_matches(name, known, 1)
        raise AgentError("unknown agent %r%s" % (name, "; did you mean %r?" % near[0] if near else "; known are " + ", ".join(known)))
    try:
        written = yaml.load(path.read_text(encoding="utf-8"), _LOADER)  # noqa: S506 - a safe loader, the one in C where there is one
        own = checked(written)
        fields = _inherited({**own, **({} if path.parent == RUNTIMES else {"name": own.get("name", path.stem)})}, folders, above | {path})
    except (AgentError, OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        raise AgentError("%s: %s" % (path, problem)) from None
    return fields


def _candidates(name: str, searched: Folders) -> t.Iterator[pathlib.Path]:
    if _NAME.fullmatch(name):
        for folder in searched:
            for stem in dict.fromkeys((name, name.replace("-", "_"))):
                path = pathlib.Path(folder, stem + ".yml")
                if path.is_file():
                    yield path


def _inherited(own: dict[str, t.Any], folders: Folders, above: frozenset[pathlib.Path]) -> dict[str, t.Any]:
    """With all from which it inherits, of which the last counts most."""
    fields: dict[str, t.Any] = {}
    for name in own.pop("inherits", ()):
        fields = merged(fields, _named(name, (*folders, FOLDER, RUNTIMES), folders, above))
    return merged(fields, own)

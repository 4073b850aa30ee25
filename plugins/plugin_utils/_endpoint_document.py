# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint as a document without its secrets, and back: what is written on a host that looks at it by itself. Pure functions.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint

SECRETS = ("password", "credential")
# What of a profile is for its page and its tests, and for no probe.
_FOR_READERS = frozenset((
    "examples", "misleading", "sources", "verified", "doubts", "absent", "notes", "diagnose", "other_side", "silent_on",
    "endpoints"))


def document(endpoint: Endpoint) -> dict[str, t.Any]:
    """:returns: what is not as it is by default."""
    told = {key: value for key, value in _told(endpoint).items() if key not in SECRETS}
    if endpoint.agent:
        told["agent"] = _agent_document(endpoint.agent)
    return told


def secrets(endpoint: Endpoint) -> dict[str, str]:
    """Those that it has."""
    return {key: getattr(endpoint, key) for key in SECRETS if getattr(endpoint, key)}


def endpoint_of(told: t.Mapping[str, t.Any], its_secrets: t.Mapping[str, str]) -> Endpoint:
    """The endpoint of a :func:`document`. :raises TypeError: it is none."""
    fields = {**told, **its_secrets, "members": tuple((host, port) for host, port in told.get("members", ())),
              "addresses": tuple(told.get("addresses", ()))}
    if told.get("agent"):
        fields["agent"] = _agent_of(told["agent"])
    return Endpoint(**fields)


def _agent_document(agent: AgentProfile) -> dict[str, t.Any]:
    told = {key: value for key, value in _told(agent).items() if key not in _FOR_READERS}
    if agent.candidates:
        told["candidates"] = {name: _agent_document(candidate) for name, candidate in agent.candidates.items()}
    return told


def _agent_of(told: t.Mapping[str, t.Any]) -> AgentProfile:
    candidates = {name: _agent_of(candidate) for name, candidate in told.get("candidates", {}).items()}
    return AgentProfile(**{**told, "candidates": candidates})


def _told(record: t.Any) -> dict[str, t.Any]:
    """The fields of a dataclass that differ from their defaults; what has none is always told."""
    told = {}
    for field in dataclasses.fields(record):
        value = getattr(record, field.name)
        default = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
        if value != default:
            told[field.name] = dict(value) if isinstance(value, t.Mapping) else value
    return told

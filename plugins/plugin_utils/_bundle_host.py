# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of its endpoints, and of what was diagnosed, is collected of one host: the plan of the round trip, and what is redacted here.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.bundle import LOG, Redactor
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.places import Places
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle import ENDPOINTS, verdicts
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import REPORT
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import Endpoint
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import reanalysed

_KEY = "bundle.key"
# What a user gives of an endpoint, that is a secret whatever it looks like.
_SECRET_KEYS = ("password", "credential")


def collecting_plan(
    endpoints: t.Collection[Endpoint], host: str, key: str, options: t.Mapping[str, t.Any], names: t.Iterable[str],
) -> dict[str, t.Any]:
    """:param options: ``parts``, ``files``, ``window``, ``map_places``, ``deadline``. :param names: of hosts, to be mapped.

    Secrets stand apart, so that the steps can be shown.
    """
    agents = [agent for endpoint in endpoints if endpoint.agent for agent in (endpoint.agent, *endpoint.agent.candidates.values())]
    parameters = {
        "key": {"secret": _KEY},
        "parts": options["parts"],
        "files": options["files"],
        "window": options["window"],
        "map_places": options["map_places"],
        "names": sorted(names) if options["map_places"] else [],
        "configurations": _each(str(file["path"]) for agent in agents for file in agent.config if file.get("path")),
        "logs": _each(path for agent in agents for path in agent.logs.get("files", ())),
        "units": _each(unit for endpoint in endpoints if endpoint.agent
                       for unit in (endpoint.agent.unit, endpoint.agent.logs.get("unit", "")) if unit),
    }
    secrets = {_KEY: key, **{"secret.%d" % number: secret for number, secret in enumerate(secrets_of(endpoints))}}
    return {"host": host, "deadline_s": options["deadline"], "secrets": secrets, "steps": [{"probe": "bundle", "parameters": parameters}]}


def secrets_of(endpoints: t.Iterable[Endpoint]) -> list[str]:
    return _each(secret for endpoint in endpoints for secret in (endpoint.password, endpoint.credential) if secret)


def known_names(endpoints: t.Iterable[Endpoint], inventory: t.Iterable[str]) -> set[str]:
    """Of hosts: what the inventory and the endpoints call them."""
    named = {name for endpoint in endpoints for name in (endpoint.host, endpoint.server, *(member for member, _port in endpoint.members))}
    return {name for name in (*named, *inventory) if name}


class Redacted(t.NamedTuple):
    """``report``: None where there is none. ``verdict_kept``: it says the same of this host as before. ``counts``: by file and rule."""

    host: str
    report: dict[str, t.Any] | None
    endpoints: t.Any
    verdict_kept: bool
    counts: dict[str, dict[str, int]]
    told: dict[str, str]


def redacted(
    host: str, report: dict[str, t.Any] | None, entries: t.Any, endpoints: t.Collection[Endpoint], key: str,
    names: t.Iterable[str] | None,
) -> Redacted:
    """What was never on the managed node, with the same tokens as what was. :param names: None where nothing is to be mapped."""
    places = Places(key, names) if names is not None else None
    redactor = Redactor(key, secrets_of(endpoints), places)
    shown = redactor.value(ENDPOINTS, _given(entries, redactor))
    mapped_host = places.mapped(host) if places else host
    if report is None:
        return Redacted(mapped_host, None, shown, True, redactor.counts, places.told if places else {})
    safe = reanalysed(redactor.value(REPORT, report), report["generated_at"])
    before, after = ([list(seen.values()) for seen in verdicts(one).values()] for one in (report, safe))
    return Redacted(mapped_host, safe, shown, before == after, redactor.counts, places.told if places else {})


def without_secrets(text: str, endpoints: t.Iterable[Endpoint], key: str) -> str:
    """What a host answered instead of a result."""
    return Redactor(key, secrets_of(endpoints)).text("", text, LOG)


def _given(entries: t.Any, redactor: Redactor) -> t.Any:
    """The endpoints as the user gave them."""
    if isinstance(entries, dict):
        return {key: redactor.token(str(value)) if key in _SECRET_KEYS and value else _given(value, redactor)
                for key, value in entries.items()}
    return [_given(entry, redactor) for entry in entries] if isinstance(entries, (list, tuple)) else entries


def _each(items: t.Iterable[str]) -> list[str]:
    """Each once, in their order."""
    return list(dict.fromkeys(items))

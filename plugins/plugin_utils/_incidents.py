# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes that several hosts share, told once: what they have in common, and whether there is anything to be done on the hosts themselves.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import collections
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE

_LEAST_HOSTS = 2
# Groups of every inventory, which have nothing to tell.
_OF_EVERYTHING = ("all", "ungrouped")

_Row = t.Tuple[str, str, t.Mapping[str, t.Any], t.Mapping[str, t.Any]]


def incidents(hosts: t.Mapping[str, t.Any], groups: t.Mapping[str, t.Collection[str]]) -> list[dict[str, t.Any]]:
    """:param hosts: of the report. :param groups: of the inventory, to the names of their hosts. :returns: the largest first.

    ``shared`` has what all of the hosts have in common, as far as it is so: ``group`` (the smallest that has all of them, and no
    host which the endpoint works for), ``every_host`` (nobody can use the endpoint) and ``culprit``.
    """
    affected: dict[tuple[str, str], list[_Row]] = collections.defaultdict(list)
    users: dict[str, set[str]] = collections.defaultdict(set)
    for host, seen in hosts.items():
        for name, endpoint in seen["endpoints"].items():
            users[endpoint["url"]].add(host)
            for cause in endpoint["causes"]:
                affected[cause["code"], endpoint["url"]].append((host, name, endpoint, cause))
    told = [_incident(code, rows, users[url], groups) for (code, url), rows in affected.items() if _how_many(rows) >= _LEAST_HOSTS]
    return sorted(told, key=lambda incident: (-len(incident["hosts"]), incident["code"], incident["endpoint"]))


def _how_many(rows: t.Iterable[_Row]) -> int:
    return len({host for host, *_rest in rows})


def _incident(code: str, rows: list[_Row], users: set[str], groups: t.Mapping[str, t.Collection[str]]) -> dict[str, t.Any]:
    names = sorted({host for host, *_rest in rows})
    _host, endpoint, _described, cause = rows[0]
    shared: dict[str, t.Any] = {"every_host": set(names) == users}
    group = _common_group(set(names), users, groups)
    if group:
        shared["group"] = group
    if cause["culprit"] and all(other["culprit"] == cause["culprit"] for *_row, other in rows):
        shared["culprit"] = dict(cause["culprit"])
    who = "all %d hosts" % len(names) if shared["every_host"] else "%d of %d hosts%s" % (
        len(names), len(users), " (group %s)" % group if group else "")
    return {
        "code": code,
        "endpoint": endpoint,
        "hosts": names,
        "shared": shared,
        "confidence": min(other["confidence"] for *_row, other in rows),
        "summary": "%s: %s: %s" % (endpoint, who, cause["summary"]),
        "next": "escalate" if cause["remediation"]["class"] == ESCALATE else "remediate",
    }


def _common_group(affected: set[str], users: set[str], groups: t.Mapping[str, t.Collection[str]]) -> str:
    """Of the hosts that use the endpoint, exactly the affected ones are in it; empty where no group tells them from the others."""
    if affected == users:
        return ""
    fitting = [(len(members), name) for name, members in groups.items() if name not in _OF_EVERYTHING and set(members) & users == affected]
    return min(fitting)[1] if fitting else ""

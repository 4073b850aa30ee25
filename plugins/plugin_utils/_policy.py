# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be changed: what is proved, lies on a host of the play, is allowed, and has a remedy. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import difflib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Trouble

# Below this, a look-alike is left that nothing has excluded; what is changed must be proved.
_LEAST_CONFIDENCE = 0.8


class PolicyError(ValueError):
    """A policy that can't be meant; the text says what would be right."""


@dataclasses.dataclass(frozen=True)
class Policy:
    """``allow``: classes and cause codes that may be remediated. ``max_hosts``: how many hosts may be changed, 0 for any number.

    ``approved_ca``: certificates of authorities (PEM) that may be installed on a host that does not trust them.
    ``reviewed``: host, endpoint and cause of all that a report has which somebody has read; nothing else is changed then.
    """

    allow: tuple[str, ...] = (AUTOMATIC,)
    max_hosts: int = 0
    approved_ca: str = ""
    reviewed: frozenset[tuple[str, str, str]] | None = None

    def __post_init__(self) -> None:
        known = (AUTOMATIC, GUARDED, *CATALOGUE)
        for entry in self.allow:
            if entry not in known:
                near = difflib.get_close_matches(entry, known, 1)
                raise PolicyError("connectivity_allow: %r is no class and no cause code; %s" % (
                    entry, "did you mean %r?" % near[0] if near else "it has automatic, guarded and cause codes"))
        if self.max_hosts < 0:
            raise PolicyError("connectivity_max_hosts: %d; it is 0 for any number, or more" % self.max_hosts)


def refusal(trouble: Trouble, policy: Policy, play: t.Container[str]) -> str:
    """:param play: hosts that may be touched. :returns: the first rule that says no; what only a person can do is no question of policy.

    What is done to another host than the one that has the trouble is guarded, whatever it is.
    """
    cause = trouble.cause
    action, kind = cause["remediation"]["action"], cause["remediation"]["class"]
    if kind == ESCALATE:
        return "it must be escalated"
    changed_elsewhere = trouble.is_elsewhere and not (action in REMEDIES and REMEDIES[action].only_looks)
    if changed_elsewhere and trouble.place not in play:
        return "the trouble is at %s, which is no host of this play" % trouble.place
    if "decide_by" in cause:
        return "it is one of several candidates; what would decide: %s" % cause["decide_by"]
    if cause["confidence"] < _LEAST_CONFIDENCE:
        return "it is not sure enough (%d %%)" % round(cause["confidence"] * 100)
    if policy.reviewed is not None and (trouble.host, str(trouble.endpoint["name"]), cause["code"]) not in policy.reviewed:
        return "the report that was reviewed does not have it"
    needed = GUARDED if changed_elsewhere else kind
    if needed not in policy.allow and cause["code"] not in policy.allow:
        return "connectivity_allow has neither %r nor %r" % (needed, cause["code"])
    if action not in REMEDIES:
        return "no remedy %s is known yet" % action
    if REMEDIES[action].only_by_name and cause["code"] not in policy.allow:
        return "it may be meant so, and connectivity_allow does not name %r itself" % cause["code"]
    return ""

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One step of a remediation: what is changed on which host, for whom, who must see that it helped, and what it waits for.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Trouble

# Of thousands of hosts that share a server, so many prove that it works again.
_MOST_WITNESSES = 8
_HELPED = ("verified", "would_change")
# Why a step is not taken whose cause an earlier one has removed.
GONE = "what was done before has done away with it"


@dataclasses.dataclass(frozen=True)
class Step:
    """One remediation. ``refused`` says which rule said no, and is empty where none did; then there is a ``change`` of ``host``.

    ``sufferers``: endpoints that have the trouble, by host. ``bystanders``: other hosts that must not fare worse. ``needs``: names of steps
    that must have helped before. Steps of one ``wave`` have no host in common.
    """

    name: str
    host: str
    code: str
    action: str
    summary: str
    refused: str
    why: tuple[str, ...]
    trouble: Trouble
    sufferers: t.Mapping[str, tuple[str, ...]]
    change: Change | None = None
    bystanders: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    wave: int = 0

    @property
    def runner(self) -> str:
        """The host in whose place the play changes ``host``: one that suffers."""
        return self.trouble.host

    @property
    def endpoint(self) -> str:
        return str(self.trouble.endpoint["name"])

    @property
    def witnesses(self) -> tuple[str, ...]:
        return tuple(self.sufferers)[:_MOST_WITNESSES]

    @property
    def watchers(self) -> dict[str, tuple[str, ...]]:
        """By host, of which endpoints the trouble must be gone; none of any endpoint may be worse."""
        return {**dict.fromkeys(self.bystanders, ()), **{host: self.sufferers[host] for host in self.witnesses}}


def refused(step: Step, why: str) -> Step:
    """The step, which is not taken after all."""
    return dataclasses.replace(step, host=step.trouble.host, summary=step.trouble.cause["advice"], change=None, refused=why, needs=())


def did_not_help(row: t.Mapping[str, t.Any]) -> str:
    """:param row: of the report, of a step that had to help first. :returns: why another one is not taken."""
    return "what had to help first did not: %s on %s was %s%s" % (
        row["action"], row["host"], row["result"].replace("_", " "), " (%s)" % row["detail"] if row["detail"] else "")


def helped(row: t.Mapping[str, t.Any]) -> bool:
    """In check mode, what would be changed counts as if it had helped; and where a cause is gone already, nothing speaks against it."""
    return row["result"] in _HELPED or row["detail"] == GONE

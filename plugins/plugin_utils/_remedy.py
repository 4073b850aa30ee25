# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a remedy: what a cause's proof says must be changed, and how that is undone. The remedies are in ``_remedies``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation

# How a client connects is changed at the client, whatever on the way or at the server it is that it can't do with otherwise.
_CHANGE_WHO_SUFFERS = ("fix_agent_config",)


class NoRemedy(Exception):
    """The proof does not say exactly enough what to change; the text says what is missing."""


@dataclasses.dataclass(frozen=True)
class Trouble:
    """One cause of one endpoint on one host, with the observations that prove it.

    ``others`` is what further hosts have of the same, where it lies on a server that they share: it is changed there once, for all of them.
    ``approved_ca``: see the policy.
    """

    host: str
    endpoint: t.Mapping[str, t.Any]
    cause: t.Mapping[str, t.Any]
    others: tuple[Trouble, ...] = ()
    approved_ca: str = ""

    @property
    def lies_at(self) -> str:
        """The host itself, a server, or what is between them."""
        return str(self.cause["locus"]["host"])

    @property
    def place(self) -> str:
        """Where something is to be changed, which mostly is where the cause lies."""
        return self.host if self.cause.get("remediation", {}).get("action") in _CHANGE_WHO_SUFFERS else self.lies_at

    @property
    def is_elsewhere(self) -> bool:
        return self.place != self.host

    def everyone(self) -> tuple[Trouble, ...]:
        """This one and the others, each with its own observations."""
        return (self, *self.others)

    def proofs(self, check: str, **facts: t.Any) -> list[Observation]:
        """Observations of a check that the cause cites and that have these facts. :raises NoRemedy: there is none."""
        cited = (self.endpoint["observations"][number] for number in self.cause["evidence"])
        found = [one for one in cited if one["check"] == check and all(one["data"].get(key) == value for key, value in facts.items())]
        if not found:
            raise NoRemedy("the proof has no observation %s" % check)
        return found


@dataclasses.dataclass(frozen=True)
class Change:
    """What is to be done on the host where the cause lies, by the role's tasks of the same name as the action.

    ``parameters`` are theirs. ``files``, ``units``, ``commands``, ``mark`` and ``reloads`` undo it (see the module ``transaction``).
    ``summary`` says it in one sentence. ``settles_s``: how long it takes at most until it shows.
    """

    summary: str
    parameters: t.Mapping[str, t.Any]
    files: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    commands: tuple[tuple[str, ...], ...] = ()
    mark: str = ""
    reloads: tuple[tuple[str, ...], ...] = ()
    settles_s: float = 10.0


@dataclasses.dataclass(frozen=True)
class Remedy:
    """``plan`` is a pure function from the trouble and the name of the transaction to the change.

    ``needs_the_way``: it is in vain while something elsewhere stops the same endpoint.
    ``only_by_name``: what it undoes may be meant so; it is done only where the policy names the very cause.
    ``only_looks``: it changes nothing, so that it needs no access to where the cause lies, and may be done again at once.
    """

    action: str
    plan: t.Callable[[Trouble, str], Change]
    needs_the_way: bool = False
    only_by_name: bool = False
    only_looks: bool = False

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of a cause. The causes themselves are in ``_causes``, one file a layer.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Pattern

AUTOMATIC, GUARDED, ESCALATE = "automatic", "guarded", "escalate"


@dataclasses.dataclass(frozen=True)
class Remediation:
    """``action`` is what a fix would do; ``kind`` is the policy class that must allow it.

    What only a person can do is escalated: there the two are one, as no policy allows it.
    """

    action: str
    kind: str

    def __post_init__(self) -> None:
        if (self.action == ESCALATE) != (self.kind == ESCALATE):
            raise ValueError("action %r and class %r: what is escalated is so by both" % (self.action, self.kind))


@dataclasses.dataclass(frozen=True)
class Cause:
    """One root cause, all of it: what it means, what shows it, what looks like it, and what to do.

    Texts may name facts of the evidence in braces, and ``host``, ``endpoint``, ``url``, ``name`` (of the endpoint's host), ``port``.
    """

    code: str
    meaning: str
    summary: str
    remediation: Remediation
    advice: str
    proof: Pattern
    # Consistent with what was seen, but so are others: reported only where no proof explains the failure.
    suspicion: Pattern | None = None
    # What excludes this cause, wherever it is looked for.
    ruled_out: Pattern | None = None
    # Codes that look the same from the host alone.
    look_alikes: tuple[str, ...] = ()
    # The observation that would decide between this and its look-alikes.
    decide_by: str = ""
    # What follows from this cause and is no cause of its own.
    explains: Pattern | None = None
    # Where a found cause with one of these codes makes this one a consequence.
    follows_from: tuple[str, ...] = ()
    # What shows that the host's agent does not report while this lasts, although the host itself may reach the endpoint.
    silences: Pattern | None = None
    component: str = ""
    direction: str = ""
    # Where the trouble is: the host that looked (``client``), the endpoint's host (``server``), between them (``path``), or whichever host
    # the fact ``observer`` names (``observer``).
    place: str = "client"
    culprit: t.Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def layer(self) -> str:
        return self.code.partition(".")[0]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change helped, and harmed nothing: a pure function of the host's endpoints before and after it.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

# From well to ill. What could not be told is no better than what is down.
_RANKS = {"healthy": 0, "degraded": 1, "unknown": 2, "down": 2}


class Verdict(t.NamedTuple):
    """``reason`` says why it is not verified."""

    verified: bool
    reason: str


def judge(endpoint: str, code: str, before: t.Mapping[str, str], after: t.Mapping[str, t.Any]) -> Verdict:
    """:param endpoint: the one that had the trouble. :param code: its cause. :param before: the states of all endpoints of the host.

    Verified is a change after which the cause is gone, and no endpoint of the host is worse than before. A second cause may still be there.
    """
    worse = [name for name, state in before.items() if name in after and _RANKS[after[name]["state"]] > _RANKS[state]]
    if worse:
        return Verdict(False, "%s got worse: %s" % (
            ", ".join(worse), "; ".join("%s is %s now" % (name, after[name]["state"]) for name in worse)))
    if endpoint not in after:
        return Verdict(False, "nothing was observed of %s after it" % endpoint)
    now = after[endpoint]
    if now["state"] == "unknown":
        return Verdict(False, "it could not be told whether it helped: %s" % now["reason"])
    if any(cause["code"] == code for cause in now["causes"]):
        return Verdict(False, "%s is still there" % code)
    if now["state"] == "down" and not now["causes"]:
        return Verdict(False, "%s is still down, for a reason that is not known" % endpoint)
    return Verdict(True, "")

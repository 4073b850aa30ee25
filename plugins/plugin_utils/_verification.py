# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change helped, and harmed nothing: pure functions of hosts' endpoints before and after it.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile

# What was in an agent's way is gone before it tries again; most of them do so within a minute, and the profile says of whom it takes more.
_AGENT_TRIES_AGAIN_S = 70
# What is changed of the agent itself is shown sooner, as it is restarted.
_OF_THE_AGENT = ("agent", "credential")
# From well to ill. What could not be told is no better than what is down.
_RANKS = {"healthy": 0, "degraded": 1, "unknown": 2, "down": 2}


class Verdict(t.NamedTuple):
    """``reason`` says why it is not verified."""

    verified: bool
    reason: str


def patience(settles_s: float, code: str, agents: t.Iterable[AgentProfile]) -> float:
    """:param settles_s: what the change itself takes. :param agents: those of the endpoints that suffered from the cause.

    :returns: seconds until it must show.
    """
    if code.partition(".")[0] in _OF_THE_AGENT:
        return settles_s
    return max([settles_s, *(float(agent.restart.get("tries_again_s", _AGENT_TRIES_AGAIN_S)) for agent in agents)])


def judge(
    suffered: t.Iterable[str], code: str, before: t.Mapping[str, str], after: t.Mapping[str, t.Any], elsewhere: bool = False,
) -> Verdict:
    """What one host sees.

    :param suffered: its endpoints that had the trouble. :param code: its cause. :param before: the states of all endpoints of the host.
    :param elsewhere: another host was changed, whose own side is not asked again: what is undecided without it may be the cause still.

    Verified is a change after which the cause is gone, and no endpoint of the host is worse than before. A second cause may still be there.
    """
    worse = [name for name, state in before.items() if name in after and _RANKS[after[name]["state"]] > _RANKS[state]]
    if worse:
        return Verdict(False, "%s got worse: %s" % (
            ", ".join(worse), "; ".join("%s is %s now" % (name, after[name]["state"]) for name in worse)))
    for endpoint in suffered:
        reason = _still_ill(endpoint, code, after, elsewhere)
        if reason:
            return Verdict(False, reason)
    return Verdict(True, "")


def _still_ill(endpoint: str, code: str, after: t.Mapping[str, t.Any], elsewhere: bool) -> str:
    if endpoint not in after:
        return "nothing was observed of %s after it" % endpoint
    now = after[endpoint]
    if now["state"] == "unknown":
        return "it could not be told whether it helped: %s" % now["reason"]
    if any(cause["code"] == code for cause in now["causes"]):
        return "%s is still there" % code
    undecided = [cause["code"] for cause in now["causes"] if elsewhere and "decide_by" in cause]
    if now["state"] == "down" and undecided:
        return "%s is still down, and it cannot be told by which of %s" % (endpoint, ", ".join(undecided))
    if now["state"] == "down" and not now["causes"]:
        return "%s is still down, for a reason that is not known" % endpoint
    return ""


def together(witnesses: t.Iterable[str], verdicts: t.Mapping[str, Verdict]) -> Verdict:
    """What all witnesses of one change say. :param verdicts: by host; who has none could not look, and that proves nothing."""
    said = {host: verdicts.get(host, Verdict(False, "it could not look again")) for host in witnesses}
    against = ["%s: %s" % (host, verdict.reason) if len(said) > 1 else verdict.reason
               for host, verdict in said.items() if not verdict.verified]
    return Verdict(not against, "; ".join(against))

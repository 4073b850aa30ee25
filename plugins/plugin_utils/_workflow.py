# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The questions that a person asks when an agent's connection is down, in their order, and what was seen to answer them.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import functools
import operator

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import AT_WORK, COMPLAINS, REFUSED
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Pattern, every, given, seen, unseen

_SERVER_FAULTS = tuple(range(500, 600))
_DENIED = (401, 403)


@dataclasses.dataclass(frozen=True)
class Question:
    """``yes`` and ``no`` are what is told, each with what shows it; neither is told where nothing does.

    ``leads_to``: what to do of a no.
    """

    asks: str
    leads_to: str
    yes: str
    shown_by: Pattern
    no: str
    denied_by: Pattern


def _proved(*codes: str) -> Pattern:
    """What proves one of these causes: a difference that does no harm is none of them."""
    return functools.reduce(operator.or_, (CATALOGUE[code].proof for code in codes))


QUESTIONS = (
    Question(
        "Is the agent running?", "Start the agent",
        "agent running", seen("service.unit", "ok"),
        "agent not running", seen("service.unit", "fail") | seen("service.process", "fail"),
    ),
    Question(
        "Is the network open?", "Open the way: name, route, firewall",
        "network open", seen("tcp.connect", "ok"),
        "network blocked", every("dns.resolve", "fail") | every("tcp.connect", "fail"),
    ),
    Question(
        "Is the server healthy?", "Escalate to who runs the server",
        "server healthy", seen("http.response", error="", status=lambda status: status not in (None, *_SERVER_FAULTS)),
        "server not healthy", seen("tls.handshake", "fail") | seen("http.response", status=_SERVER_FAULTS)
        | seen("http.response", "fail", error=given),
    ),
    Question(
        "Is the configuration right?", "Correct the configuration, restart the agent",
        "configuration right", seen("agent_config.endpoint"),
        "configuration wrong", _proved(
            "agent.wrong_host", "agent.wrong_port", "agent.wrong_scheme", "agent.wrong_path", "agent.reporting_disabled",
            "agent.config_syntax", "agent.config_stray_characters", "agent.file_unreadable", "agent.env_override", "agent.stale_config",
            "credential.placeholder", "credential.malformed"),
    ),
    Question(
        "Is the credential accepted?", "Give the agent a valid credential, restart it",
        "credential accepted", seen("http.response", "ok", credential_sent=True) | (seen("agent_config.credential", "ok") & AT_WORK),
        "credential refused", seen("http.response", status=_DENIED) | (REFUSED & unseen(seen("agent_config.endpoint", "fail")))
        | _proved("credential.missing", "credential.rejected"),
    ),
    Question("Are the logs quiet?", "Resolve what the log complains of",
             "logs quiet", seen("logs.source", "ok"), "logs complain", COMPLAINS),
    Question("Do the clocks agree?", "Let both ends keep the same time",
             "clocks agree", every("clock.offset", "ok"), "clocks differ", seen("clock.offset", ("warn", "fail"))),
)


def walk(case: Case) -> list[str]:
    """:returns: the answers, up to the last question that what was seen answers; empty for an endpoint without an agent."""
    if not case.endpoint.get("agent"):
        return []
    answers = []
    for question in QUESTIONS:
        if question.denied_by.match(case):
            answers.append(question.no)
        elif question.shown_by.match(case):
            answers.append(question.yes)
    return answers

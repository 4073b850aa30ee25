# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a change helped: what must be seen after it, by whom, and how long it is waited for."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._verification import Verdict, judge, patience, together


def after(state: str, *codes: str, reason: str = "") -> dict[str, t.Any]:
    return {"state": state, "reason": reason, "causes": [{"code": code} for code in codes]}


@pytest.mark.parametrize(("before", "now", "verified", "reason"), [
    ({"e": "down"}, {"e": after("healthy")}, True, ""),
    ({"e": "down"}, {"e": after("down", "other.cause")}, True, ""),
    ({"e": "down"}, {"e": after("down", "a.cause")}, False, "a.cause is still there"),
    ({"e": "degraded"}, {"e": after("down", "other.cause")}, False, "e got worse: e is down now"),
    ({"e": "down", "f": "healthy"}, {"e": after("healthy"), "f": after("down")}, False, "f got worse: f is down now"),
    ({"e": "down", "f": "healthy"}, {"e": after("healthy"), "f": after("unknown")}, False, "f got worse: f is unknown now"),
    ({"e": "down"}, {"e": after("unknown", reason="no psycopg")}, False, "it could not be told whether it helped: no psycopg"),
    ({"e": "down"}, {"e": after("down")}, False, "e is still down, for a reason that is not known"),
    ({"e": "down"}, {}, False, "nothing was observed of e after it"),
])
def test_what_counts_as_help(before: dict[str, str], now: dict[str, t.Any], verified: bool, reason: str) -> None:
    assert judge(["e"], "a.cause", before, now) == (verified, reason)


def test_all_witnesses_must_agree_and_who_could_not_look_does_not() -> None:
    helped, not_helped = Verdict(True, ""), Verdict(False, "it is still there")
    assert together(["a", "b"], {"a": helped, "b": helped}).verified
    assert together(["a", "b"], {"a": helped, "b": not_helped}) == (False, "b: it is still there")
    assert together(["a", "b"], {"a": helped}) == (False, "b: it could not look again")
    assert together(["a"], {"a": not_helped}) == (False, "it is still there")


def test_after_a_change_of_a_server_what_is_undecided_is_not_well() -> None:
    after = {"e": {"state": "down", "reason": "", "causes": [{"code": "other", "decide_by": "a look at the server"}]}}
    assert judge(["e"], "a.cause", {"e": "down"}, after).verified
    undecided = judge(["e"], "a.cause", {"e": "down"}, after, elsewhere=True)
    assert undecided == (False, "e is still down, and it cannot be told by which of other")


@pytest.mark.parametrize(("code", "agents", "expected_s"), [
    ("dns.nsswitch", [], 5.0),
    ("dns.nsswitch", ["netdata"], 70.0),
    ("server.not_running", ["netdata", "zabbix_agent2"], 130.0),
    # It is restarted.
    ("agent.wrong_port", ["zabbix_agent2"], 5.0),
    ("credential.rejected", ["netdata"], 5.0),
])
def test_an_agent_is_given_the_time_to_try_again(code: str, agents: list[str], expected_s: float) -> None:
    assert patience(5.0, code, [load_profile(name, []) for name in agents]) == expected_s
    assert patience(300.0, code, [load_profile(name, []) for name in agents]) == 300.0

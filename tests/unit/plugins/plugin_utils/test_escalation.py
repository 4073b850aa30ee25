# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request can be pasted as it is: to whom it goes, which flow, what is at fault, what was seen when, and what it is not."""
from __future__ import annotations

import re
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._escalation import request
from ansible_collections.connectivity.doctor.plugins.plugin_utils._policy import Policy
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_plan import plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Trouble
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.tests.support.reports import poisoned, recorded
from ansible_collections.connectivity.doctor.tests.unit.plugins.plugin_utils.test_policy import RECORDED, report

NOTHING = Policy(())
TITLES = ("To", "Please", "What is wrong", "Who suffers", "Flow", "At fault", "Seen", "Excluded", "Not done by the program, as")


def requests(name: str, *hosts: str) -> list[str]:
    return [request(step.trouble, step.refused) for step in plan(report(name, hosts=hosts), NOTHING, "run")]


def sections(text: str) -> dict[str, list[str]]:
    """The indented lines below each title."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("  "):
            found[next(reversed(found))].append(line[2:])
        else:
            found[line.rstrip(":")] = []
    return found


def test_a_firewall_on_the_way_is_asked_for_with_both_ends_of_the_flow_and_who_sent_the_refusal() -> None:
    (text,) = requests("firewall-path-reject")
    told = sections(text)
    assert told["To"] == ["who runs the firewalls between web4 and db1.lab.example"]
    assert set(told["Flow"]) == {
        "tcp from fd77:1::14, any port, to fd77:2::20 port 5432", "tcp from 10.77.1.14, any port, to 10.77.2.20 port 5432"}
    assert any(line.startswith("sent by: ") for line in told["At fault"])
    assert all(re.match(r"20\d\d-\d\d-\d\dT[0-9:.]+Z on web4: ", line) for line in told["Seen"])
    assert [line.partition(",")[0] for line in told["Excluded"]] == ["firewall.client_egress", "firewall.server_ingress"]
    assert told["Not done by the program, as"] == ["it must be escalated"]


@pytest.mark.parametrize(("name", "key", "told"), [
    ("postgresql-hba-reject", "At fault", "line: 1: host all all all reject"),
    ("postgresql-no-hba-entry", "At fault", "line that is missing: hostssl production reporting fd77:1::13/128 scram-sha-256"),
    ("firewall-client-drop", "At fault", "chain: output"),
    ("firewall-client-drop", "To", "who runs web4"),
    ("postgresql-hba-reject", "To", "who runs the database db1.lab.example"),
])
def test_what_is_at_fault_is_told_exactly_and_who_owns_it(name: str, key: str, told: str) -> None:
    assert any(told in sections(text).get(key, ()) for text in requests(name))


def test_what_many_share_is_asked_for_once() -> None:
    hosts = ["web%d" % number for number in range(30)]
    (text,) = requests("server-not-running", *hosts)
    told = sections(text)["Who suffers"]
    assert len(told) == 21 and told[0].startswith("web0 → ") and told[-1] == "and 10 more, which are in the report"


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_cause_can_be_asked_for(name: str) -> None:
    for text in requests(name):
        told = sections(text)
        assert set(told) <= set(TITLES) and {"To", "Please", "What is wrong", "Who suffers", "Not done by the program, as"} <= set(told)
        assert all(told.values()) and "\n\n" not in text


def hostile(trouble: Trouble, text: str) -> Trouble:
    return Trouble(trouble.host, poisoned(dict(trouble.endpoint), text), poisoned(dict(trouble.cause), text))


def test_what_a_peer_says_makes_no_line_of_its_own() -> None:
    (step,) = plan(report("firewall-path-reject"), NOTHING, "run")
    text = request(hostile(step.trouble, "x\nTo:\n  who is not asked\u2028"), "so")
    titles = [line.rstrip(":") for line in text.splitlines() if not line.startswith("  ")]
    assert "Seen" in titles and titles == [title for title in TITLES if title in titles]


def test_the_request_is_in_what_a_person_reads_and_breaks_out_of_nothing() -> None:
    made = recorded("firewall-path-reject")
    row: dict[str, t.Any] = dict.fromkeys(("host", "endpoint", "code", "action", "summary", "result", "detail", "undo"), "word")
    made["remediations"] = [{**row, "request": "To:\n  who runs it</script><script>evil()</script>\n```\n# title\n"}]
    page, text = RENDERERS["report.html"](made), RENDERERS["report.md"](made)
    assert "who runs it" in page and "<script>evil" not in page
    assert "\n    To:\n      who runs it" in text and "\n```\n# title" not in text and "\n    ```\n    # title" in text


@pytest.mark.parametrize(("action", "kind"), [("escalate", GUARDED), ("restart_agent", ESCALATE)])
def test_what_is_escalated_is_so_by_action_and_class(action: str, kind: str) -> None:
    with pytest.raises(ValueError, match="escalated"):
        Remediation(action, kind)

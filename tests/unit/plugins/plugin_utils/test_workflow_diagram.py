# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way through the workflow, as it is drawn."""
from __future__ import annotations

import re

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow import QUESTIONS
from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow_diagram import diagram

LINK = re.compile(r"    (?P<source>\w+)(?:\S.*?)? -->(?:\|\"(?P<answer>[^\"]*)\"\|)? (?P<target>\w+)")


def links(chart: str) -> list[tuple[str, str, str]]:
    return [(found["source"], found["answer"] or "", found["target"]) for found in map(LINK.match, chart.splitlines()) if found]


def taken(chart: str) -> list[tuple[str, str, str]]:
    style = re.search(r"linkStyle ([\d,]+) ", chart)
    return [links(chart)[int(number)] for number in style[1].split(",")] if style else []


def test_the_way_goes_to_the_first_no() -> None:
    assert taken(diagram("apm", ["agent running", "network blocked", "clocks agree"])) == [
        ("start", "", "q0"), ("q0", "agent running", "q1"), ("q1", "network blocked", "a1"),
    ]


def test_a_question_that_nothing_answered_is_passed_by() -> None:
    way = taken(diagram("apm", ["network open", "server not healthy"]))
    assert way == [("start", "", "q0"), ("q0", "not answered", "q1"), ("q1", "network open", "q2"), ("q2", "server not healthy", "a2")]


def test_where_all_is_well_the_way_goes_through_all() -> None:
    way = taken(diagram("apm", [question.yes for question in QUESTIONS]))
    assert [target for _source, _answer, target in way] == [*("q%d" % number for number in range(len(QUESTIONS))), "done"]


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
def test_every_no_is_drawn_with_what_it_leads_to(number: int) -> None:
    chart = diagram("apm", [QUESTIONS[number].no])
    assert ("q%d" % number, QUESTIONS[number].no, "a%d" % number) == taken(chart)[-1]
    assert ("a%d" % number, "", "again") in links(chart)
    marked = re.search(r"class (\S+) taken", chart)
    assert marked and marked[1].split(",")[-1] == "a%d" % number


@pytest.mark.parametrize("name", ['"]; click q0 href "javascript:x"', "```\n# other", "a|b{c}(d)[e]<f>&#quot;", "end", "naïve ☃"])
def test_a_name_is_text_and_no_markup(name: str) -> None:
    plain, hostile = diagram("apm", []), diagram(name, [])
    assert len(hostile.splitlines()) == len(plain.splitlines())
    assert links(hostile) == links(plain)
    assert re.search(r"start\(\[\"[A-Za-z0-9 .,:?_#;-]*\"\]\)", hostile)

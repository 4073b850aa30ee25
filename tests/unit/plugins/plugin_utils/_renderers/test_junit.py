# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JUnit's XML as junitparser, the reader that others build on, understands it."""
from __future__ import annotations

import typing as t
from xml.etree import ElementTree

import junitparser
import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._junit import render_junit
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, poisoned, recorded

# The elements of the schema of Ant's JUnit task that we use, their attributes, and what may be in them.
_ALLOWED = {
    "testsuites": ({"name", "tests", "failures", "errors", "time"}, {"testsuite"}),
    "testsuite": ({"name", "timestamp", "tests", "failures", "errors", "time"}, {"testcase"}),
    "testcase": ({"classname", "name", "time"}, {"failure", "error", "system-out"}),
    "failure": ({"type", "message"}, set()),
    "error": ({"type", "message"}, set()),
    "system-out": (set(), set()),
}


def _held_to_the_schema(text: str) -> ElementTree.Element:
    root = ElementTree.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = _ALLOWED[element.tag]
        assert set(element.attrib) == attributes
        assert {child.tag for child in element} <= children
    return root


def _cases(text: str) -> t.Iterator[junitparser.TestCase]:
    for suite in junitparser.JUnitXml.fromstring(text.encode()):
        yield from suite


def test_a_test_case_for_each_endpoint_of_each_host() -> None:
    report = fleet(40)
    text = render_junit(report)
    root = _held_to_the_schema(text)
    cases = list(_cases(text))
    assert [(case.classname, case.name) for case in cases] == [
        (host, name) for host, seen in report["hosts"].items() for name in seen["endpoints"]]
    states = [endpoint["state"] for seen in report["hosts"].values() for endpoint in seen["endpoints"].values()]
    read = junitparser.JUnitXml.fromstring(text.encode())
    assert (read.tests, read.failures, read.errors) == (len(states), states.count("down"), states.count("unknown"))
    assert [bool(case.result) for case in cases] == [state in ("down", "unknown") for state in states]
    assert sum(int(suite.get("failures", "")) for suite in root) == states.count("down") > 0


def test_a_failure_names_the_causes_what_was_seen_and_what_to_do() -> None:
    report = recorded("server-loopback-only")
    (endpoint,) = report["hosts"]["server-loopback-only"]["endpoints"].values()
    (cause,) = endpoint["causes"]
    (case,) = _cases(render_junit(report))
    (failure,) = case.result
    assert isinstance(failure, junitparser.Failure)
    assert (failure.type, failure.message) == (cause["code"], cause["summary"])
    assert "do: " + cause["advice"] in failure.text
    assert all(endpoint["observations"][number]["message"] in failure.text for number in cause["evidence"][:2])
    assert 0 < case.time < 60


def test_a_degraded_endpoint_passes_and_says_what_will_bite() -> None:
    report = recorded("network-ipv6-broken")
    (case,) = _cases(render_junit(report))
    assert not case.result
    assert "network.ipv6_broken" in case.system_out


def test_an_endpoint_of_which_nothing_is_known_is_an_error() -> None:
    report = recorded("server-loopback-only")
    (endpoint,) = report["hosts"]["server-loopback-only"]["endpoints"].values()
    endpoint.update(state="unknown", causes=[], reason="the host could not be looked at")
    (case,) = _cases(render_junit(report))
    (error,) = case.result
    assert isinstance(error, junitparser.Error)
    assert error.message == "the host could not be looked at"


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_text(text: str) -> None:
    benign, hostile = (_held_to_the_schema(render_junit(poisoned(recorded("server-loopback-only", "healthy-database"), prefix)))
                       for prefix in ("benign", text))
    assert [element.tag for element in hostile.iter()] == [element.tag for element in benign.iter()]

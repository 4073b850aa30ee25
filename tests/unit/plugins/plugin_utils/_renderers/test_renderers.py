# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All forms of the report at once: they agree on the counts, take any text, and stay within their time."""
from __future__ import annotations

import json
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.plugins.plugin_utils._summary import render_summary
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, of_hosts, poisoned, recorded

_ILL = recorded("server-loopback-only")
# Each text is cut; a trouble has some hundred of them.
_LONGEST = 2**21


@pytest.mark.parametrize("name", RENDERERS)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_becomes_one_that_can_be_written_and_shown(name: str, text: str) -> None:
    rendered = RENDERERS[name](poisoned(_ILL, text))
    assert rendered.encode("utf-8")
    # A metric's labels are names of the inventory, spelt as they are.
    if name != "metrics.prom":
        assert len(rendered) < _LONGEST
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]", rendered)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_any_text_becomes_lines_of_a_terminal(text: str) -> None:
    lines = render_summary(poisoned(_ILL, text))
    assert len(lines) == len(render_summary(_ILL))
    assert all(line.isprintable() and len(line) < _LONGEST for line in lines)


@pytest.mark.parametrize("name", RENDERERS)
@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), max_size=40))
def test_any_characters(name: str, text: str) -> None:
    RENDERERS[name](poisoned(_ILL, text)).encode("utf-8")


@pytest.mark.parametrize("name", RENDERERS)
def test_the_report_is_not_changed(name: str) -> None:
    report = fleet(5)
    before = json.dumps(report)
    RENDERERS[name](report)
    assert json.dumps(report) == before


@pytest.mark.parametrize("name", RENDERERS)
def test_a_report_of_nothing(name: str) -> None:
    for hosts in ({}, {"web1": {"facts": {}, "endpoints": {}}}):
        assert RENDERERS[name](of_hosts(hosts))


@pytest.mark.parametrize("name", RENDERERS)
def test_a_thousand_hosts_take_no_time_that_counts(name: str) -> None:
    """About a second of the processor here for the slowest; a form whose time grew with the square would take minutes."""
    report = fleet(1000)
    began = time.process_time()
    RENDERERS[name](report)
    assert time.process_time() - began < 10

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Markdown as a CommonMark parser reads it."""
from __future__ import annotations

import pytest
from markdown_it import MarkdownIt

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._markdown import render_markdown
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, poisoned, recorded

# With GitHub's tables, strikethrough and links of bare addresses; names of hosts are no such addresses there.
_READER = MarkdownIt("gfm-like")
_READER.linkify.set({"fuzzy_link": False})  # type: ignore[union-attr]
_AT_THE_BEGINNING = ("# a", "1. b", "1) c", "- d", "+ e", "* f", "> g", "=== ", "--- ", "    code", "\tcode", "~~~", "_h_", "http://evil.example/",
                     "www.evil.example", "a@evil.example", "ftp://evil.example", "mailto:a@evil.example", "[^1]: x", "[a]: http://evil.example")


def _structure(text: str) -> list[str]:
    """Types of all tokens, but for the text itself, which escapes cut into pieces."""
    tokens = [token for block in _READER.parse(text) for token in (block, *(block.children or ()))]
    return [token.type for token in tokens if token.type not in ("text", "text_special")]


def _texts(text: str) -> str:
    return "\n".join("".join(child.content for child in block.children or ()) for block in _READER.parse(text) if block.type == "inline")


def test_counts_incidents_and_each_trouble_once() -> None:
    report = fleet(400)
    text = render_markdown(report)
    shown = _texts(text)
    for incident in report["incidents"]:
        assert incident["summary"] in shown
    ill = {(name, cause["code"]) for seen in report["hosts"].values() for name, endpoint in seen["endpoints"].items()
           for cause in endpoint["causes"]}
    assert all(code in shown for _name, code in ill)
    table = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| endpoint")]
    figures = [[int(figure) for figure in line.split("|")[2:-1]] for line in table]
    assert [sum(column) for column in zip(*figures)] == [report["summary"][state] for state in ("down", "degraded", "unknown", "healthy")]


def test_what_was_seen_how_to_see_it_and_what_to_do() -> None:
    report = recorded("server-loopback-only")
    (endpoint,) = report["hosts"]["server-loopback-only"]["endpoints"].values()
    (cause,) = endpoint["causes"]
    shown = _texts(render_markdown(report))
    assert cause["summary"] in shown and "do: " + cause["advice"] in shown
    for number in cause["evidence"]:
        assert endpoint["observations"][number]["message"] in shown
        assert endpoint["observations"][number]["reproduce"] in shown


def test_the_way_through_an_agents_workflow_is_drawn() -> None:
    text = render_markdown(recorded("agent-stopped"))
    assert "agent not running → network open → server healthy → clocks agree" in _texts(text)
    (drawn,) = [block.content for block in _READER.parse(text) if block.type == "fence" and block.info == "mermaid"]
    assert "class start,q0,a0 taken" in drawn
    assert "mermaid" not in render_markdown(recorded("server-loopback-only"))


def test_candidates_are_told_as_such() -> None:
    shown = _texts(render_markdown(recorded("vantage-refused-everywhere")))
    assert "perhaps " in shown and "what would decide: " in shown and "do: " not in shown


def test_all_well() -> None:
    text = render_markdown(recorded("healthy-database"))
    assert "##" not in text and "1 endpoints on 1 hosts" in text


@pytest.mark.parametrize("text", [*HOSTILE.values(), *_AT_THE_BEGINNING], ids=[*HOSTILE, *_AT_THE_BEGINNING])
def test_hostile_texts_are_text(text: str) -> None:
    report = recorded("server-loopback-only", "vantage-refused-everywhere")
    benign, hostile = (_structure(render_markdown(poisoned(report, prefix))) for prefix in ("benign", text))
    assert hostile == benign
    assert not {"link_open", "image", "html_inline", "html_block"} & set(hostile)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a file: one, self-contained, with the data whole and harmless. What it does is tested in a browser."""
from __future__ import annotations

import base64
import collections
import hashlib
import html.parser
import json
import re
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._html import render_html
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, poisoned, recorded

_MAKES_MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|DOMParser|createContextualFragment")


class _Page(html.parser.HTMLParser):
    """Elements with their attributes, and the text of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = collections.defaultdict(str)
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = dict(attrs).get("id") or tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        self.raw[self._inside] += data

    @property
    def data(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.raw["data"]))


def test_nothing_is_fetched_and_only_its_own_script_runs() -> None:
    page = _Page(render_html(fleet(3)))
    assert not [tag for tag, attributes in page.elements if {"src", "srcset", "action"} & set(attributes)]
    assert [attributes["href"] for _tag, attributes in page.elements if "href" in attributes] == ["#matrix"]
    assert "http" not in page.raw["style"].replace("https://www.gnu.org", "") and "url(" not in page.raw["style"]
    (policy,) = [attributes["content"] for _tag, attributes in page.elements if attributes.get("http-equiv") == "Content-Security-Policy"]
    hashes = {kind: "sha256-" + base64.b64encode(hashlib.sha256(page.raw[kind].encode()).digest()).decode() for kind in ("script", "style")}
    assert policy == (f"default-src 'none'; script-src '{hashes['script']}'; style-src '{hashes['style']}'; "
                      "base-uri 'none'; form-action 'none'")


def test_the_script_has_no_way_to_make_markup_of_text() -> None:
    script = _Page(render_html(fleet(3))).raw["script"]
    assert not _MAKES_MARKUP.search(script)


def test_every_row_cause_and_timing_is_in_the_data() -> None:
    report = fleet(50)
    data = _Page(render_html(report)).data
    texts = data["texts"]
    assert [host for host, _cells in data["hosts"]] == list(report["hosts"])
    for (_host, cells), seen in zip(data["hosts"], report["hosts"].values()):
        for (name, state, reason, url, _workflow, causes, observations), (wanted, endpoint) in zip(cells, seen["endpoints"].items()):
            assert (data["endpoints"][name], data["states"][state], texts[reason], texts[url]) == (
                wanted, endpoint["state"], endpoint["reason"], endpoint["url"])
            assert [texts[cause[0]] for cause in causes] == [cause["code"] for cause in endpoint["causes"]]
            assert [sorted(cause[5]) for cause in causes] == [sorted(cause["evidence"]) for cause in endpoint["causes"]]
            assert [(texts[one[0]], data["statuses"][one[1]], one[4]) for one in observations] == [
                (one["check"], one["status"], round(one["duration_ms"], 1)) for one in endpoint["observations"]]
            starts = [one[3] for one in observations if one[3] is not None]
            assert min(starts) == 0 and max(starts) < 60_000


def test_of_many_hosts_only_what_tells_something_is_in_words() -> None:
    small, large = (_Page(render_html(fleet(hosts))).data for hosts in (20, 2000))
    assert small["every_word"] and not large["every_word"]
    assert all(len(one) == 8 for _host, cells in small["hosts"] for cell in cells for one in cell[6])
    for _host, cells in large["hosts"]:
        for _name, state, *_rest, causes, observations in cells:
            cited = {number for cause in causes for number in (*cause[5], *(number for excluded in cause[6] for number in excluded[1]))}
            assert all(len(observations[number]) == 8 for number in cited)
            if large["states"][state] == "healthy":
                assert all(len(one) == 5 for one in observations)


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts_are_data(text: str) -> None:
    report = recorded("server-loopback-only", "healthy-database")
    benign, hostile = (_Page(render_html(poisoned(report, prefix))) for prefix in ("benign", text))
    assert [tag for tag, _attributes in hostile.elements] == [tag for tag, _attributes in benign.elements]
    assert len(hostile.data["texts"]) == len(benign.data["texts"])
    assert hostile.raw["script"] == benign.raw["script"]
    assert not set("<>&") & set(hostile.raw["data"]) and hostile.raw["data"].isascii()

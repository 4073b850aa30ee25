# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent's workflow as a Mermaid flowchart, with the way that was taken marked.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow import QUESTIONS

_TAKEN = "stroke:#c2410c,stroke-width:4px"
_UNSAFE = re.compile(r"[^A-Za-z0-9 .,:?_-]")


class _Chart:
    """Lines of a flowchart. Links are styled by their number, in the order in which they are drawn."""

    def __init__(self) -> None:
        self.lines = ["flowchart TD"]
        self.nodes: list[str] = []
        self._links = 0
        self._taken: list[str] = []

    def link(self, source: str, answer: str, target: str, is_taken: bool) -> None:
        label = "|%s|" % _label(answer) if answer else ""
        self.lines.append("    %s -->%s %s" % (source, label, target))
        if is_taken:
            self._taken.append(str(self._links))
            self.nodes.append(target.partition("{")[0].partition("[")[0].partition("(")[0])
        self._links += 1

    def text(self) -> str:
        styles = ["    classDef taken %s" % _TAKEN, "    class %s taken" % ",".join(dict.fromkeys(["start", *self.nodes]))]
        if self._taken:
            styles.append("    linkStyle %s %s" % (",".join(self._taken), _TAKEN))
        return "\n".join([*self.lines, *styles])


def diagram(begins: str, answers: t.Collection[str]) -> str:
    """:param begins: what the first node says. :param answers: as of ``_workflow.walk``.

    The way goes on through every question that was answered with yes, or by nothing that was seen, to the first no; what other answers
    there are was seen at once with these, and belongs to no step of a person who works one question after the other.
    """
    chart = _Chart()
    last = "done([%s])" % _label("Nothing in this workflow explains it")
    nodes = ["q%d{%s}" % (number, _label(question.asks)) for number, question in enumerate(QUESTIONS)]
    chart.link("start([%s])" % _label(begins), "", nodes[0], True)
    is_on_way = True
    for number, question in enumerate(QUESTIONS):
        source, remedy = "q%d" % number, "a%d" % number
        is_denied = question.no in answers
        onward = nodes[number + 1] if number + 1 < len(nodes) else last
        is_answered = is_denied or question.yes in answers
        chart.link(source, question.yes if is_answered or not is_on_way else "not answered", onward, is_on_way and not is_denied)
        chart.link(source, question.no, "%s[%s]" % (remedy, _label(question.leads_to)), is_on_way and is_denied)
        chart.link(remedy, "", "again([%s])" % _label("Look again with the same probes"), False)
        is_on_way = is_on_way and not is_denied
    return chart.text()


def _label(text: str) -> str:
    """Quoted, with what could be markup as Mermaid's entity codes."""
    return '"%s"' % _UNSAFE.sub(lambda found: "#%d;" % ord(found[0]), text)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as Markdown, for a ticket, a chat or a terminal: counts, incidents, and each trouble told once with all hosts that have it.

GitHub's Markdown, which is CommonMark with tables. This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import (
    WORST_FIRST,
    Cause,
    Endpoint,
    Report,
    Row,
    is_undecided,
    percent,
    proofs,
    rows,
    told,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible, visible_lines
from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow_diagram import diagram

_MOST_PROOFS = 5
_MOST_HOSTS = 50
# A page that nobody scrolls through helps nobody; report.html can be searched, and report.json has all of it.
_MOST_TROUBLES = 200
_MOST_REQUESTS = 50
_OF_A_REMEDIATION = ("host", "endpoint", "code", "action", "result", "detail", "undo")
# What could begin or end markup, an entity or a table's cell, or make a link of a bare address; of the rest nothing, so that it can be read
# as it is, too. A list's number and a heading's sign count at the beginning only, underscores at the edges of words.
_MARKUP = re.compile(
    r"[\\`*\[\]<>|~@]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|&(?=[#A-Za-z])|:(?=/)|(?<=www)\.|\A[#+\-=]", re.IGNORECASE)
_LIST_NUMBER = re.compile(r"\A(\d{1,9})([.)])")


def render_markdown(report: Report) -> str:
    """Troubles are the same where the endpoint, the state, the causes and their culprits are."""
    lines = ["# Connectivity report", "", _head(report), "", *_counts(report)]
    if report["incidents"]:
        lines += ["", "## Incidents", ""]
        lines += ["* %s (`%s`, %s)" % (_plain(incident["summary"]), incident["code"], incident["next"]) for incident in report["incidents"]]
    if report["remediations"]:
        lines += ["", "## Remediations", ""]
        lines += ["* %s" % ", ".join(_plain(one[key]) for key in _OF_A_REMEDIATION if one.get(key)) for one in report["remediations"]]
        for one in [one for one in report["remediations"] if one.get("request")][:_MOST_REQUESTS]:
            lines += ["", "### To ask for: %s of %s" % (_plain(one["code"]), _plain(one["endpoint"])), ""]
            lines += ["    " + line for line in visible_lines(one["request"])]
    troubles = _troubles(report)
    if troubles:
        lines += ["", "## What does not work"]
        for affected in troubles[:_MOST_TROUBLES]:
            lines += _trouble(affected)
    if len(troubles) > _MOST_TROUBLES:
        lines += ["", "%d more kinds of trouble are in report.html and report.json." % (len(troubles) - _MOST_TROUBLES)]
    return "\n".join([*lines, ""])


def _head(report: Report) -> str:
    summary = report["summary"]
    return "%s, in %s s: %d endpoints on %d hosts%s." % (
        report["generated_at"], report["duration_s"], summary["endpoints"], summary["hosts"],
        ", %d of them unreachable" % summary["unreachable"] if summary["unreachable"] else "")


def _counts(report: Report) -> t.Iterator[str]:
    counts: dict[str, dict[str, int]] = {}
    for row in rows(report):
        of_endpoint = counts.setdefault(row.name, dict.fromkeys(WORST_FIRST, 0))
        of_endpoint[row.state] += 1
    yield "| endpoint | %s |" % " | ".join(WORST_FIRST)
    yield "|---%s|" % ("|--:" * len(WORST_FIRST))
    for name, of_endpoint in counts.items():
        yield "| %s | %s |" % (_plain(name), " | ".join(str(of_endpoint[state]) for state in WORST_FIRST))


def _troubles(report: Report) -> list[list[Row]]:
    """The worst first, of equal ones those with the most hosts."""
    alike: dict[tuple[t.Any, ...], list[Row]] = {}
    for row in rows(report):
        if row.state != "healthy":
            causes = tuple((cause["code"], tuple(sorted(cause["culprit"].items()))) for cause in row.endpoint["causes"])
            key = (row.name, row.state, causes or row.endpoint["reason"])
            alike.setdefault(key, []).append(row)
    return sorted(alike.values(), key=lambda affected: (WORST_FIRST.index(affected[0].state), -len(affected)))


def _trouble(affected: list[Row]) -> t.Iterator[str]:
    row = affected[0]
    first = len(affected) > 1
    yield ""
    yield "### %s is %s for %s" % (_plain(row.name), row.state, "%d hosts" % len(affected) if first else _plain(row.host))
    yield ""
    if first:
        more = len(affected) - _MOST_HOSTS
        yield "On %s%s. As %s sees it:" % (
            ", ".join(_plain(one.host) for one in affected[:_MOST_HOSTS]), " and %d more" % more if more > 0 else "", _plain(row.host))
        yield ""
    if row.endpoint["reason"]:
        yield _plain(row.endpoint["reason"])
        yield ""
    for cause in row.endpoint["causes"]:
        yield from _cause(row.endpoint, cause)
    yield from _workflow(row)


def _workflow(row: Row) -> t.Iterator[str]:
    answers = row.endpoint["workflow"]
    if answers:
        yield ""
        yield "The agent's workflow: %s." % " → ".join(map(_plain, answers))
        yield ""
        yield "```mermaid"
        yield diagram("%s of %s is %s" % (row.name, row.host, row.state), answers)
        yield "```"


def _cause(endpoint: Endpoint, cause: Cause) -> t.Iterator[str]:
    yield "* %s**%s** (%s): %s" % (
        "perhaps " if is_undecided(cause) else "", _plain(cause["code"]), percent(cause["confidence"]), _plain(cause["summary"]))
    for observation in proofs(endpoint, cause)[:_MOST_PROOFS]:
        yield "  * seen: %s" % _plain(told(observation))
        if observation["reproduce"]:
            yield "    %s" % _code(observation["reproduce"])
    yield "  * %s" % (_plain("what would decide: " + cause["decide_by"]) if is_undecided(cause) else _plain("do: " + cause["advice"]))


def _plain(text: object) -> str:
    """Shown as it is: no character of it is markup."""
    return _LIST_NUMBER.sub(r"\1\\\2", _MARKUP.sub(r"\\\g<0>", visible(text).strip()))


def _code(text: object) -> str:
    """A code span, whose fence is longer than any run of backticks in it (CommonMark 0.31, 6.1)."""
    shown = visible(text)
    fence = "`" * (max(map(len, re.findall("`+", shown)), default=0) + 1)
    return "%s %s %s" % (fence, shown, fence)

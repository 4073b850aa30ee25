# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one line for Nagios, Icinga and what reads their plugins' output, with the exit status that goes with it.

Format and statuses: Monitoring Plugins Development Guidelines, "Plugin Output for Nagios" and "Plugin Return Codes".

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import WORST_FIRST, Report, Row, rows
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible

# What is told of by name; the rest is counted. Some readers keep 4 KiB of a plugin's output, older ones 1 KiB.
_MOST_NAMED = 5
_LONGEST_NAME = 120
_UNKNOWN = 3
# The worst state that there is decides. An endpoint of which nothing is known must not outweigh one that is known to be down.
_STATUSES = {"down": (2, "CRITICAL"), "degraded": (1, "WARNING"), "unknown": (_UNKNOWN, "UNKNOWN"), "healthy": (0, "OK")}


class Check(t.NamedTuple):
    """``status``: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. ``line`` has no line end."""

    status: int
    line: str


def nagios_check(report: Report) -> Check:
    """:returns: of a report without any endpoint UNKNOWN, as nothing was looked at."""
    counts = report["summary"]
    present = [state for state in WORST_FIRST if counts[state]]
    status, word = _STATUSES[present[0]] if present else (_UNKNOWN, "UNKNOWN")
    performance = " ".join("%s=%d;;;0;%d" % (state, counts[state], counts["endpoints"]) for state in WORST_FIRST)
    return Check(status, "CONNECTIVITY %s - %s|%s hosts=%d unreachable=%d time=%ss" % (
        word, _told(report, present), performance, counts["hosts"], counts["unreachable"], report["duration_s"]))


def render_nagios(report: Report) -> str:
    """The line as a file; its second word gives the exit status."""
    return nagios_check(report).line + "\n"


def _told(report: Report, present: list[str]) -> str:
    counts = report["summary"]
    ill = sorted((row for row in rows(report) if row.state != "healthy"), key=lambda row: WORST_FIRST.index(row.state))
    said = ", ".join("%d %s" % (counts[state], state) for state in present) or "nothing to look at"
    named = "; ".join(map(_named, ill[:_MOST_NAMED])) + ("; and %d more" % (len(ill) - _MOST_NAMED) if len(ill) > _MOST_NAMED else "")
    return "%d endpoints on %d hosts: %s%s" % (counts["endpoints"], counts["hosts"], said, ". " + named if named else "")


def _named(row: Row) -> str:
    causes = ", ".join(cause["code"] for cause in row.endpoint["causes"]) or row.state
    # A bar would begin the performance data.
    return "%s to %s: %s" % tuple(visible(text, _LONGEST_NAME).replace("|", "¦") for text in (row.host, row.name, causes))

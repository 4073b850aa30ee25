# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as JUnit's XML, which every continuous integration reads: a suite a host, a test case for each endpoint of it.

Elements and attributes: those that Ant's JUnit task writes, and that Jenkins and GitLab read. An endpoint that is down is a failure, one of
which nothing could be told is an error; a degraded one works, so it passes, and what will bite is its output.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t
from xml.sax.saxutils import escape, quoteattr

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import (
    Cause,
    Endpoint,
    Report,
    is_undecided,
    percent,
    proofs,
    told,
    took_s,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible

_MOST_PROOFS = 5
_RESULTS = {"down": "failure", "unknown": "error"}


def render_junit(report: Report) -> str:
    """:returns: an XML 1.0 document; what XML cannot hold was made visible."""
    counts = _counts(report["summary"], report["duration_s"])
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', _opened("testsuites", name="connectivity", **counts)]
    for host, seen in report["hosts"].items():
        lines += _suite(host, seen["endpoints"], report["generated_at"])
    return "\n".join([*lines, "</testsuites>", ""])


def _suite(host: str, endpoints: t.Mapping[str, Endpoint], generated_at: str) -> t.Iterator[str]:
    states = [endpoint["state"] for endpoint in endpoints.values()]
    summary = {"endpoints": len(states), "down": states.count("down"), "unknown": states.count("unknown")}
    took = [took_s(endpoint) for endpoint in endpoints.values()]
    # The schema of Ant's task has no time zone here; the report's is UTC.
    yield _opened("testsuite", name=host, timestamp=generated_at.removesuffix("Z"), **_counts(summary, max(took, default=0.0)))
    for (name, endpoint), seconds in zip(endpoints.items(), took):
        yield from _case(host, name, endpoint, seconds)
    yield "</testsuite>"


def _counts(summary: t.Mapping[str, t.Any], seconds: float) -> dict[str, object]:
    return {"tests": summary["endpoints"], "failures": summary["down"], "errors": summary["unknown"], "time": "%.3f" % seconds}


def _case(host: str, name: str, endpoint: Endpoint, seconds: float) -> t.Iterator[str]:
    opened = _opened("testcase", classname=host, name=name, time="%.3f" % seconds)
    if endpoint["state"] == "healthy":
        yield opened[:-1] + "/>"
        return
    yield opened
    text = "\n".join(map(visible, _story(endpoint)))
    result = _RESULTS.get(endpoint["state"])
    if result:
        codes = " ".join(cause["code"] for cause in endpoint["causes"]) or endpoint["state"]
        yield "%s%s</%s>" % (_opened(result, type=codes, message=_message(endpoint)), escape(text), result)
    else:
        yield "<system-out>%s</system-out>" % escape(text)
    yield "</testcase>"


def _message(endpoint: Endpoint) -> str:
    return "; ".join(cause["summary"] for cause in endpoint["causes"]) or endpoint["reason"] or endpoint["state"]


def _story(endpoint: Endpoint) -> t.Iterator[str]:
    yield "%s is %s%s" % (endpoint["url"], endpoint["state"], ": " + endpoint["reason"] if endpoint["reason"] else "")
    for cause in endpoint["causes"]:
        yield from _cause(endpoint, cause)


def _cause(endpoint: Endpoint, cause: Cause) -> t.Iterator[str]:
    yield "%s%s (%s): %s" % ("perhaps " if is_undecided(cause) else "", cause["code"], percent(cause["confidence"]), cause["summary"])
    for observation in proofs(endpoint, cause)[:_MOST_PROOFS]:
        yield "  seen: " + told(observation)
    yield "  what would decide: " + cause["decide_by"] if is_undecided(cause) else "  do: " + cause["advice"]


def _opened(element: str, **attributes: object) -> str:
    return "<%s %s>" % (element, " ".join("%s=%s" % (name, quoteattr(visible(value))) for name, value in attributes.items()))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as a person reads it in a terminal: for each endpoint that isn't healthy, what is wrong, the proof, and what to do.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import proofs, told
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible

_MOST_PROOFS = 3
_MOST_CANDIDATES = 6
# From so many hosts on, what they share is shown once, and each of them is a line.
_MANY_HOSTS = 4


def render_summary(report: t.Mapping[str, t.Any]) -> list[str]:
    """:returns: lines without trailing newline, and without what a terminal would obey.

    Hosts with the same trouble stay apart, so that each can be looked up.
    """
    shared = {(incident["code"], incident["endpoint"], host) for incident in report["incidents"] if len(incident["hosts"]) >= _MANY_HOSTS
              for host in incident["hosts"]}
    shown: set[tuple[str, ...]] = set()
    lines: list[str] = []
    for host, seen in report["hosts"].items():
        for name, endpoint in seen["endpoints"].items():
            if endpoint["state"] == "healthy":
                continue
            codes = tuple(cause["code"] for cause in endpoint["causes"])
            if (name, *codes) in shown and codes and all((code, name, host) in shared for code in codes):
                lines += [_as_the_others(host, name, endpoint, codes), ""]
            else:
                lines += [*_endpoint(host, name, endpoint), ""]
            shown.add((name, *codes))
    lines += ["%s (%s)" % (incident["summary"], incident["next"]) for incident in report["incidents"]]
    return [*map(visible, lines), *([""] if report["incidents"] else []), _totals(report)]


def _as_the_others(host: str, name: str, endpoint: t.Mapping[str, t.Any], codes: t.Iterable[str]) -> str:
    return "%s → %s is %s: %s, as above" % (host, name, endpoint["state"].upper(), ", ".join(codes))


def _endpoint(host: str, name: str, endpoint: t.Mapping[str, t.Any]) -> list[str]:
    head = "%s → %s is %s" % (host, name, endpoint["state"].upper())
    certain = [cause for cause in endpoint["causes"] if "decide_by" not in cause]
    candidates = [cause for cause in endpoint["causes"] if "decide_by" in cause]
    lines = [head + (": " + endpoint["reason"] if endpoint["reason"] and not certain else "")]
    for cause in certain:
        lines.append("  %s (%d %%): %s" % (cause["code"], round(cause["confidence"] * 100), cause["summary"]))
        lines += ["    seen: " + text for text in _proofs(endpoint, cause)]
        lines.append("    do:   %s" % cause["advice"])
    if candidates:
        lines.append("  it cannot be told which of these it is:")
        for cause in candidates[:_MOST_CANDIDATES]:
            lines.append("    %s (%d %%): %s" % (cause["code"], round(cause["confidence"] * 100), cause["summary"]))
        lines += ["    seen: " + text for text in _proofs(endpoint, candidates[0])]
        lines.append("    what would decide: %s" % candidates[0]["decide_by"])
    if not endpoint["causes"]:
        failed = [observation["message"] for observation in endpoint["observations"] if observation["status"] == "fail"]
        lines += ["    seen: %s" % message for message in failed[:_MOST_PROOFS]]
    return lines


def _proofs(endpoint: t.Mapping[str, t.Any], cause: t.Mapping[str, t.Any]) -> list[str]:
    return [told(observation) for observation in proofs(endpoint, cause)[:_MOST_PROOFS]]


def _totals(report: t.Mapping[str, t.Any]) -> str:
    summary = report["summary"]
    told = ["%d %s" % (summary[state], state) for state in ("healthy", "degraded", "down", "unknown") if summary[state]]
    if summary["unreachable"]:
        told.append("%d of the hosts unreachable" % summary["unreachable"])
    return "%d endpoints on %d hosts: %s (%.1f s)" % (
        summary["endpoints"], summary["hosts"], ", ".join(told) or "nothing to look at", report["duration_s"])

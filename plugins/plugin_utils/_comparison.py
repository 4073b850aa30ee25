# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two reports side by side: what broke, what healed, what is still ill in another way, what is new and what is gone. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import Cause, Report, is_undecided, rows
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible

KINDS = ("broke", "healed", "changed", "new", "gone")
_ILL = ("down", "degraded")
# Of hosts with the same change; the reports have all of them.
_MOST_HOSTS = 10

Picture = tuple[str, tuple[str, ...]]


@dataclasses.dataclass(frozen=True)
class Change:
    """How one endpoint looked to one host ``before`` and ``after``: its state and the codes of its causes; None where it had no row.

    The codes are sorted. A candidate's code ends with a question mark: when it becomes certain, that is a change.
    """

    host: str
    endpoint: str
    before: Picture | None
    after: Picture | None

    @property
    def kind(self) -> str:
        """``broke``: it was healthy, and is down or degraded. ``healed``: the reverse. ``changed``: everything else that differs."""
        if self.before is None:
            return "new"
        if self.after is None:
            return "gone"
        was, is_now = self.before[0], self.after[0]
        if was == "healthy" and is_now in _ILL:
            return "broke"
        return "healed" if was in _ILL and is_now == "healthy" else "changed"


def compare(before: t.Any, after: Report) -> dict[str, list[Change]]:
    """:param before: an earlier report, as it was read from its file. :param after: the present one. :returns: by kind, for all kinds.

    :raises ValueError: ``before`` is no report of the present one's schema.
    """
    if not isinstance(before, dict) or before.get("schema") != after["schema"]:
        raise ValueError("is no report of schema %s" % after["schema"])
    try:
        was = _pictures(before)
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError("is damaged (%s: %s)" % (type(problem).__name__, problem)) from None
    is_now = _pictures(after)
    changes: dict[str, list[Change]] = {kind: [] for kind in KINDS}
    for host, name in dict.fromkeys((*is_now, *was)):
        change = Change(host, name, was.get((host, name)), is_now.get((host, name)))
        if change.before != change.after:
            changes[change.kind].append(change)
    return changes


def _pictures(report: Report) -> dict[tuple[str, str], Picture]:
    return {(row.host, row.name): (row.state, tuple(sorted(map(_code, row.endpoint["causes"])))) for row in rows(report)}


def _code(cause: Cause) -> str:
    return cause["code"] + ("?" if is_undecided(cause) else "")


def render_changes(changes: t.Mapping[str, t.Sequence[Change]], before: Report) -> list[str]:
    """:param before: the earlier report. :returns: lines without trailing newline; hosts with the same change share one."""
    counts = ", ".join("%d %s" % (len(changes[kind]), kind) for kind in KINDS if changes[kind])
    lines = ["Compared with the report of %s: %s" % (visible(before.get("generated_at", "?")), counts or "nothing has changed")]
    for kind in KINDS:
        alike: dict[tuple[str, Picture | None, Picture | None], list[str]] = {}
        for change in changes[kind]:
            alike.setdefault((change.endpoint, change.before, change.after), []).append(change.host)
        lines += ["  %s: %s on %s: %s" % (kind, visible(endpoint), _hosts(hosts), _told(was, is_now))
                  for (endpoint, was, is_now), hosts in sorted(alike.items(), key=lambda item: -len(item[1]))]
    return lines


def _hosts(hosts: t.Sequence[str]) -> str:
    if len(hosts) == 1:
        return visible(hosts[0])
    shown = ", ".join(map(visible, hosts[:_MOST_HOSTS]))
    return "%d hosts (%s%s)" % (len(hosts), shown, " …" if len(hosts) > _MOST_HOSTS else "")


def _told(was: Picture | None, is_now: Picture | None) -> str:
    return " → ".join(map(_picture, filter(None, (was, is_now))))


def _picture(picture: Picture) -> str:
    state, codes = picture
    return visible(state + (" (%s)" % ", ".join(codes) if codes else ""))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what is seen of endpoints, one file after the other, to the events that are worth telling. Pure functions.

This plugin util is private to the collection; it can change at any time. An event source runs it by its path, outside of Ansible: it can
use nothing but the standard library.
"""
from __future__ import annotations

import collections
import datetime
import typing as t

if t.TYPE_CHECKING:
    from ansible_collections.connectivity.doctor.plugins.plugin_utils._state_files import Seen

_ILL = ("down", "degraded")
_MOST_TRACKED = 200_000
_MOST_CHANGES_KEPT = 100
_MOST_CAUSES = 8

Event = dict[str, t.Any]


class _Track:
    """What was told of one endpoint of one host."""

    def __init__(self, first: Seen) -> None:
        self.last = first
        self.since = first.since
        self.told: Seen | None = None
        self.told_at = first.at
        self.changes: collections.deque[float] = collections.deque(maxlen=_MOST_CHANGES_KEPT)
        self.flapping = False
        self.flapping_there = False


class Tracker:
    """Turns what is seen, in the order of time, into what is to be told; knows a bounded number of endpoints."""

    def __init__(self, repeat_s: float, flaps: int, flap_window_s: float) -> None:
        self._repeat_s, self._flaps, self._window_s = repeat_s, flaps, flap_window_s
        self._tracks: dict[tuple[str, str], _Track] = {}

    def tell(self, seen: Seen) -> Event | None:
        """:returns: the event, if there is one."""
        key = seen.host, seen.endpoint
        track = self._tracks.get(key)
        if track is None:
            if len(self._tracks) >= _MOST_TRACKED:
                return None
            track = self._tracks[key] = _Track(seen)
            track.told = None if seen.state in _ILL else seen
        elif seen.at < track.last.at:  # overtaken by another file
            return None
        elif seen.state != track.last.state:
            track.changes.append(seen.at)
            track.since = seen.since
        while track.changes and track.changes[0] < seen.at - self._window_s:
            track.changes.popleft()
        kind = self._kind(track, seen)
        track.last = seen
        if not kind:
            return None
        event = {
            "kind": kind, "host": seen.host, "endpoint": seen.endpoint, "from": track.told.state if track.told else "", "to": seen.state,
            "causes": list(seen.causes), "candidates": list(seen.candidates), "classes": list(seen.classes), "summary": seen.summary,
            "since": _rfc3339(track.since), "changes": len(track.changes), "flapping": track.flapping,
        }
        track.told, track.told_at = seen, seen.at
        return {"connectivity": event, "meta": {"hosts": seen.host}}

    def _kind(self, track: _Track, seen: Seen) -> str:
        if seen.flapping is not None:
            track.flapping_there = seen.flapping is True
        was_flapping, track.flapping = track.flapping, track.flapping_there or len(track.changes) > self._flaps
        if track.flapping:
            return "" if was_flapping else "flapping"
        told = track.told
        if was_flapping:
            return "calmed"
        if told is None or (told.state == "healthy" and seen.state in _ILL):
            return "broke"
        if told.state in _ILL and seen.state == "healthy":
            return "healed"
        # A diagnosis writes its report before it asks the servers, and after: other causes count when a second file has them.
        if told.state != seen.state or (told.differs(seen) and not track.last.differs(seen)):
            return "changed"
        return "persists" if seen.state in _ILL and seen.at - track.told_at >= self._repeat_s else ""


def bounded(events: list[Event], most_hosts: int) -> list[Event]:
    """:returns: the events; where they are of too many hosts, one about all of them, that names no host to do something on."""
    hosts = {event["connectivity"]["host"] for event in events}
    if len(hosts) <= most_hosts:
        return events
    kinds = collections.Counter(event["connectivity"]["kind"] for event in events)
    causes = collections.Counter(code for event in events for code in event["connectivity"]["causes"])
    counted = ", ".join("%d %s" % (count, kind) for kind, count in sorted(kinds.items()))
    return [{"connectivity": {
        "kind": "many", "hosts": len(hosts), "kinds": dict(kinds), "causes": [code for code, count in causes.most_common(_MOST_CAUSES)],
        "summary": "changes on %d hosts at once: %s" % (len(hosts), counted)}}]


def _rfc3339(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

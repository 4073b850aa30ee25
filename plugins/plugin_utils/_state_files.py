# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What reports and the states of monitors say of endpoints, read again and again from files that can be missing, half written or hostile.

This plugin util is private to the collection; it can change at any time. An event source runs it by its path, outside of Ansible: it can
use nothing but the standard library.
"""
from __future__ import annotations

import collections
import datetime
import glob
import itertools
import json
import logging
import os
import re
import stat
import typing as t

_LOG = logging.getLogger("connectivity.doctor.state_changes")
HOST = "{host}"
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_STATES = ("down", "degraded", "healthy", "unknown")
_MOST_FILES = 20_000
_MOST_CAUSES = 8
# Of one host: who writes the state of a monitor cannot drown those of others.
_MOST_ENDPOINTS = 500
_MOST_CHARACTERS = 300
# A host's name becomes a limit of ansible-playbook, where more than this can mean more than one host.
_NAME = re.compile(r"(?!(?:all|ungrouped)$)[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}")


class Seen(t.NamedTuple):
    """What one file says of one endpoint. ``at``, ``since``: seconds since the epoch. ``causes``: codes of the proved ones.

    ``flapping``: what a monitor says of that; None in a report, which cannot know.
    """

    host: str
    endpoint: str
    at: float
    state: str
    since: float
    causes: tuple[str, ...]
    candidates: tuple[str, ...]
    classes: tuple[str, ...]
    summary: str
    flapping: bool | None

    def differs(self, other: Seen) -> bool:
        """A monitor may prove less than a diagnosis: between the two only the state is compared."""
        known_alike = (self.flapping is None) == (other.flapping is None)
        return self.state != other.state or (known_alike and (self.causes, self.candidates) != (other.causes, other.candidates))


class Kind(t.NamedTuple):
    """A kind of file. ``rows``: from its document and the host that wrote it (empty: the controller) to host, endpoint and row of each."""

    schema: str
    most_bytes: int
    rows: t.Callable[[t.Any, str], t.Iterator[tuple[t.Any, t.Any, t.Any]]]


def _rows_of_report(report: t.Any, writer: str) -> t.Iterator[tuple[t.Any, t.Any, t.Any]]:
    for host, seen in report["hosts"].items():
        for name, row in seen["endpoints"].items():
            yield host, name, row


def _rows_of_monitor(state: t.Any, writer: str) -> t.Iterator[tuple[t.Any, t.Any, t.Any]]:
    if state["host"] != writer:
        raise ValueError("it speaks for another host than %s" % writer)
    for name, row in state["endpoints"].items():
        yield writer, name, row


KINDS = {
    "reports": Kind("connectivity.doctor/report/v1", 1024 * 1024 * 1024, _rows_of_report),
    "monitors": Kind("connectivity.doctor/monitor-state/v1", 8 * 1024 * 1024, _rows_of_monitor),
}


def read(kind: Kind, text: bytes, writer: str, now: float) -> tuple[list[Seen], str]:
    """:returns: all rows but damaged ones, and what is to be said of those. No time of the file counts that is after ``now``.

    :raises DAMAGED: the file is of another kind, or damaged as a whole.
    """
    document = json.loads(text)
    if document["schema"] != kind.schema:
        raise ValueError("its schema is not %s" % kind.schema)
    at = min(moment(document["generated_at"]), now)
    found, damaged = [], []
    endpoints: collections.Counter[str] = collections.Counter()
    for host, name, row in kind.rows(document, writer):
        try:
            endpoints[host] += 1
            if endpoints[host] > _MOST_ENDPOINTS:
                raise ValueError("%s has more than %d endpoints" % (host, _MOST_ENDPOINTS))
            found.append(_seen(host, name, row, at))
        except DAMAGED as problem:
            damaged.append("%s: %s" % (type(problem).__name__, problem))
    return found, "%d rows are left out, the first: %s" % (len(damaged), damaged[0]) if damaged else ""


def _seen(host: str, name: str, row: t.Any, at: float) -> Seen:
    if not _NAME.fullmatch(host):
        raise ValueError("%s cannot be the name of one host only" % host)
    if row["state"] not in _STATES:
        raise ValueError("%s is no state" % row["state"])
    causes = row["causes"][:_MOST_CAUSES]
    proved = [cause for cause in causes if cause.get("decided", "decide_by" not in cause)]
    return Seen(
        host, plain(name), at, row["state"], min(moment(row["since"]), at) if "since" in row else at,
        _sorted(cause["code"] for cause in proved), _sorted(cause["code"] for cause in causes if cause not in proved),
        _sorted(cause["remediation"]["class"] for cause in proved),
        plain("; ".join(cause["summary"] for cause in causes) or row["reason"]), row.get("flapping"))


def _sorted(texts: t.Iterable[t.Any]) -> tuple[str, ...]:
    return tuple(sorted({plain(text) for text in texts}))


def plain(text: t.Any) -> str:
    """Bounded, of one line, and no template: what a peer said can be in it, and it goes into variables of playbooks."""
    line = "".join(character if character.isprintable() else " " for character in str(text)[:_MOST_CHARACTERS])
    return re.sub(r"\{(?=[{%#])", "{ ", line)


def moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Files:
    """The files that match patterns, each read when it is new or has changed. :param patterns: by the name of their kind."""

    def __init__(self, patterns: dict[str, t.Sequence[str]]) -> None:
        self._patterns = [(KINDS[name], os.path.normpath(pattern)) for name, some in patterns.items() for pattern in some]
        self._known: dict[str, tuple[int, ...]] = {}
        self._complaints: dict[str, str] = {}

    def changed(self, now: float) -> list[Seen]:
        """All rows of the files that are new or other than at the last look, the oldest first; what is wrong with a file is logged once."""
        paths = dict(itertools.islice(self._paths(), _MOST_FILES))
        self._known = {path: signature for path, signature in self._known.items() if path in paths}
        self._complaints = {path: complaint for path, complaint in self._complaints.items() if path in paths}
        found: list[Seen] = []
        for path, (kind, writer) in paths.items():
            try:
                text = self._text(path, kind.most_bytes)
                if text is not None:
                    seen, complaint = read(kind, text, writer, now)
                    found += seen
                    self._complain(path, complaint)
            except FileNotFoundError:
                continue
            except (OSError, *DAMAGED) as problem:
                self._complain(path, "not read: %s: %s" % (type(problem).__name__, problem))
        return sorted(found, key=lambda seen: seen.at)

    def _paths(self) -> t.Iterator[tuple[str, tuple[Kind, str]]]:
        """Of each file its kind, and the host that its path names, if it names one."""
        for kind, pattern in self._patterns:
            for path in glob.iglob(pattern.replace(HOST, "*")):
                yield path, (kind, _named(pattern, path))

    def _text(self, path: str, most_bytes: int) -> bytes | None:
        """None where it is as it was. Nothing but a regular file is read: a pipe would be waited for."""
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            if self._known.get(path) == signature:
                return None
            self._known[path] = signature
            if not stat.S_ISREG(status.st_mode) or status.st_size > most_bytes:
                raise ValueError("no regular file of at most %d bytes" % most_bytes)
            return file.read(most_bytes)

    def _complain(self, path: str, complaint: str) -> None:
        if complaint and self._complaints.get(path) != complaint:
            _LOG.warning("%s: %s", plain(path), plain(complaint))
        self._complaints[path] = complaint


def _named(pattern: str, path: str) -> str:
    """What stands in the path for the host in the pattern, part by part; empty where there is none."""
    for part, found in zip(pattern.split(os.sep), path.split(os.sep)):
        before, host, after = part.partition(HOST)
        if host:
            return found[len(before):len(found) - len(after)]
    return ""

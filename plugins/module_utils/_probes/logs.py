# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the logs of an agent said in the last minutes, by family, and whether it said afterwards that it works again.

A line may name the wrong layer, and silence is a state of its own: both are told as they are.
"""
from __future__ import annotations

import heapq
import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._log.families import RECOVERED, BadPattern, Classifier, statuses
from ansible_collections.connectivity.doctor.plugins.module_utils._log.journal import Journal
from ansible_collections.connectivity.doctor.plugins.module_utils._log.reading import Line, Log
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact

ARGUMENTS: dict[str, t.Any] = {
    "files": {"type": "list", "elements": "path", "default": []},
    "unit": {"type": "str", "default": ""},
    "failed_units": {"type": "bool", "default": False},
    "minutes": {"type": "int", "default": 60},
    "signatures": {"type": "dict", "default": {}},
    "recovered": {"type": "list", "elements": "str", "default": []},
    "about": {"type": "str", "default": ""},
    "says_once": {"type": "bool", "default": False},
    "fates": {"type": "dict", "default": {}},
}

_SAMPLES = 3
_MOST_FAILED_UNITS = 5
# Of the probe's own time; searching thousands of lines must leave some for the others.
_SECONDS = 6.0

Source = t.Union[Log, Journal]


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Records ``logs.source`` for every file and the journal, and ``logs.family`` for every family that was met; passes if none is current.

    ``logs.source``: ``source`` (path or unit), ``kind`` (``file``, ``journal``), ``error`` (empty, ``missing``, ``not_permitted``,
    ``not_a_file``, ``damaged``, ``no_journal``, ``failed``), ``minutes``, ``lines`` (in the window), ``first_at``, ``last_at`` (of the last
    line, in or out of the window; empty if unknown), ``silent`` (no line in the window), ``silent_for_s`` (null if unknown), ``truncated``
    (there was more than is read), ``timed`` (false: the lines have no times), ``files`` (what was read, rotated files too), ``works_at``
    (of the last line in the window that says that the connection works; empty if none does).
    ``logs.family``: ``family``, ``count``, ``first_at``, ``last_at``, ``recovered`` (a line after the last one says that it works),
    ``recovered_at``, ``sources``, ``samples`` (up to three lines, the newest first, secrets masked), ``about`` (only lines with this text
    were counted; empty for all), ``stands`` (its writer says a failure once, so that the last line holds until another one says else),
    ``status`` and ``fate`` (of the newest line with an HTTP status of which it is known what becomes of the data: that status, and which of
    ``fates``; 0 and empty without one).
    """
    started = time.time()
    since = started - parameters["minutes"] * 60
    try:
        classifier = Classifier(parameters["signatures"], parameters["recovered"])
    except BadPattern as problem:
        context.observe("logs.source", "cannot_tell", parameters["unit"] or "", context.text(problem),
                        data={"reason": "bad_pattern", "detail": context.text(problem)})
        return Outcome(False)
    end = time.monotonic() + context.deadline.allow(_SECONDS)
    sources: list[Source] = [
        Log(os.path.expanduser(path), since, started, lambda: time.monotonic() > end) for path in parameters["files"]]
    units = [parameters["unit"]] if parameters["unit"] else []
    units += _failed_units(context) if parameters.get("failed_units") else []
    sources += [Journal(unit, since, context) for unit in units]
    families, works_at = _classified(sources, classifier, parameters.get("about", ""))
    fates = {status: fate for fate, listed in parameters.get("fates", {}).items() for status in listed}
    for source in sources:
        _observe_source(context, source, parameters["minutes"], started, works_at.get(source.path))
    target = parameters["unit"] or (parameters["files"] or [""])[0]
    for family in families.values():
        _observe_family(context, family, target, started, parameters, fates)
    return Outcome(not any(family.recovered_at is None for family in families.values()))


def _failed_units(context: Context) -> list[str]:
    """Of what should serve and does not, systemd knows that it failed, and its journal why. Where there is no systemd there are none."""
    answer = context.command(["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager"])
    return [line.split()[0] for line in answer.output.splitlines() if line.strip()][:_MOST_FAILED_UNITS]


class _Family:
    """Lines of one family, met from the newest to the oldest."""

    def __init__(self, name: str, last_at: float, recovered_at: float | None) -> None:
        self.name = name
        self.count = 0
        self.last_at = self.first_at = last_at
        self.recovered_at = recovered_at
        self.sources: list[str] = []
        self.samples: list[str] = []
        self.statuses: list[int] = []

    def add(self, line: Line, source: str) -> None:
        self.count += 1
        self.first_at = line.at
        if source not in self.sources:
            self.sources.append(source)
        self.statuses += [status for status in statuses(line.text) if status not in self.statuses]
        if len(self.samples) < _SAMPLES:
            sample = redact(line.text.strip())
            if sample not in self.samples:
                self.samples.append(sample)


def _classified(sources: t.Sequence[Source], classifier: Classifier, about: str) -> tuple[dict[str, _Family], dict[str, float]]:
    """All sources at once, from now into the past: a recovery that was met before a family's first line came after its last.

    :param about: what the lines that count have in them.
    :returns: the families, and by source when it last said that the connection works.
    """
    families: dict[str, _Family] = {}
    works_at: dict[str, float] = {}
    recovered_at: float | None = None
    for _minus_at, _number, line, source in heapq.merge(*(_keyed(number, source) for number, source in enumerate(sources))):
        name = classifier.family(line.text) if about in line.text else ""
        if name == RECOVERED:
            recovered_at = line.at
            works_at.setdefault(source.path, line.at)
        elif name:
            family = families.setdefault(name, _Family(name, line.at, recovered_at))
            family.add(line, source.path)
    return families, works_at


def _keyed(number: int, source: Source) -> t.Iterator[tuple[float, tuple[int, int], Line, Source]]:
    """Sorted by time, and lines of one second by their order; lines that are out of order count with those around them."""
    latest = float("-inf")
    for count, line in enumerate(source):
        latest = max(latest, -line.at)
        yield latest, (number, count), line, source


def _observe_source(context: Context, source: Source, minutes: int, now: float, works_at: float | None) -> None:
    kind = "journal" if isinstance(source, Journal) else "file"
    silent = source.lines == 0 and not source.error
    data = {
        "source": source.path,
        "kind": kind,
        "error": source.error,
        "minutes": minutes,
        "lines": source.lines,
        "first_at": timestamp(source.oldest) if source.oldest is not None else "",
        "last_at": timestamp(source.newest) if source.newest is not None else "",
        "silent": silent,
        "silent_for_s": round(max(0.0, now - source.newest), 1) if source.newest is not None else None,
        "truncated": source.truncated,
        "timed": source.timed,
        "files": source.files,
        "works_at": timestamp(works_at) if works_at is not None else "",
    }
    status, message = "ok", "%s has %d lines of the last %d minutes" % (source.path, source.lines, minutes)
    if source.error:
        data["reason"] = source.error
        status, message = "cannot_tell", "%s was not read: %s" % (source.path, source.error.replace("_", " "))
    elif silent:
        status, message = "warn", "%s says nothing of the last %d minutes" % (source.path, minutes)
    reproduce = "journalctl -u %s --since=-%dmin" % (source.path, minutes) if kind == "journal" else "tail -n 100 %s" % source.path
    context.observe("logs.source", status, source.path, message, data=data, started=now, reproduce=reproduce)


def _observe_family(
    context: Context, family: _Family, target: str, started: float, parameters: dict[str, t.Any], fates: t.Mapping[int, str],
) -> None:
    recovered = family.recovered_at is not None
    status = next((status for status in family.statuses if status in fates), 0)
    data = {
        "family": family.name,
        "count": family.count,
        "first_at": timestamp(family.first_at),
        "last_at": timestamp(family.last_at),
        "recovered": recovered,
        "recovered_at": timestamp(family.recovered_at) if family.recovered_at is not None else "",
        "sources": family.sources,
        "samples": [context.text(sample) for sample in family.samples],
        "about": parameters.get("about", ""),
        "stands": parameters.get("says_once", False),
        "status": status,
        "fate": fates.get(status, ""),
    }
    words = family.name.replace("_", " ")
    message = "%d lines of the last %d minutes say %s, the last at %s: %s" % (
        family.count, parameters["minutes"], words, data["last_at"], data["samples"][0])
    if recovered:
        message = "at %s it says that it works again; %s" % (data["recovered_at"], message)
    context.observe("logs.family", "ok" if recovered else "warn", target, message, data=data, started=started)

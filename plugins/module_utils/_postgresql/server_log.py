# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server's own log says of refused logins, of the server itself and of its disk: what it tells no client.

Only messages in English are understood; where a server writes another language, nothing is found, and nothing is concluded from that.

Sources: PostgreSQL's src/backend/libpq/auth.c and crypt.c (the DETAIL of a refused login), elog.c (the form of an entry), xlog.c,
postmaster.c; documentation, "Error Reporting and Logging".

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import csv
import json
import os
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._log.time import line_time

MOST_BYTES = 4 * 1024 * 1024
_LONGEST_LINE = 4096
_MOST_ENTRIES = 100000
_MOST_DETAILS = 20
_LINE = re.compile(
    r"^(?P<prefix>.*?)(?P<severity>LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|CONTEXT|STATEMENT|QUERY|LOCATION|NOTICE|INFO|DEBUG\d?):  "
    r"(?P<text>.*)$")
_BELOW = ("DETAIL", "HINT", "CONTEXT", "STATEMENT", "QUERY", "LOCATION")

_PASSWORD_REFUSED = re.compile(r'^password authentication failed for user "(?P<user>.*)"$')
# Older servers name only the line, newer ones the file too.
_MATCHED_LINE = re.compile(
    r'^Connection matched (?:file "(?P<file>[^"]+)" line (?P<line>\d+)|pg_hba\.conf line (?P<old_line>\d+)): "(?P<text>.*)"$')
# What auth.c and crypt.c say, by the reason that it stands for.
_REASONS = tuple((re.compile(pattern), reason) for pattern, reason in (
    (r'^Role ".*" does not exist\.', "role_missing"),
    (r'^User ".*" has an expired password\.', "password_expired"),
    (r'^User ".*" has no password assigned\.', "no_password"),
    (r'^User ".*" does not have a valid SCRAM secret\.|cannot be used with MD5 authentication\.', "unusable_secret"),
    (r'^Password does not match for user ".*"\.', "password_mismatch"),
))
# With these, a password that does not match is refused without a word.
_SILENT_METHODS = ("scram-sha-256", "md5")
_NO_SPACE = re.compile(r"[Nn]o space left on device|Disk quota exceeded")
_STATES = tuple((re.compile(pattern), state) for pattern, state in (
    (r"^database system is ready to accept", "ready"),
    (r"^received (?:smart|fast|immediate) shutdown request", "stopped"),
    (r"^database system was (?:interrupted|not properly shut down)", "recovering"),
    (r"^terminating any other active server processes|^aborting startup due to|^all server processes terminated", "crashed"),
))
_LOCK_WAIT = re.compile(r"^process (?P<pid>\d+) still waiting for (?P<mode>\w+) on (?P<lock>.+) after \d")
_HOLDERS = re.compile(r"^Process(?:es)? holding the lock: (?P<pids>[\d, ]+)\.")


# Time, user, database, client, severity, message and detail: their keys, and their columns from 0 ("Using CSV-Format Log Output").
_JSON_KEYS = ("timestamp", "user", "dbname", "remote_host", "error_severity", "message", "detail")
_CSV_COLUMNS = (0, 1, 2, 4, 11, 13, 14)


class Entry(t.NamedTuple):
    """``at``: seconds since the epoch, None where its prefix has no time. ``details``: the lines of its DETAIL."""

    at: float | None
    prefix: str
    severity: str
    text: str
    details: list[str]


class Refusal(t.NamedTuple):
    """``reason``: ``password_mismatch``, ``role_missing``, ``password_expired``, ``no_password`` (the role has none), ``unusable_secret``
    (its stored form does not serve this method), or ``other``. ``of_address``: the entry names the client."""

    reason: str
    at: float | None
    method: str
    hba_file: str
    hba_line: int | None
    hba_text: str
    detail: str
    of_address: bool


class LockWait(t.NamedTuple):
    pid: int
    mode: str
    lock: str
    holders: list[int]
    at: float | None


def read_tail(path: str) -> list[str]:
    """The last lines of a log. :raises OSError: it can't be read."""
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - MOST_BYTES))
        lines = file.read(MOST_BYTES).decode("utf-8", "backslashreplace").splitlines()
    return lines[1:] if size > MOST_BYTES else lines


def entries_of(lines: t.Iterable[str], since: float, now: float) -> list[Entry]:
    """The entries of the time from ``since`` on, and those without a time, in their order.

    An entry is written at once, so what belongs to it comes right below it, and the rest of a text with several lines behind a tab.
    """
    entries: list[Entry] = []
    part = ""
    for line in lines:
        line = line[:_LONGEST_LINE]
        current = entries[-1] if entries else None
        if line.startswith("\t") and current:
            if part == "DETAIL" and len(current.details) < _MOST_DETAILS:
                current.details.append(line[1:])
            continue
        match = _LINE.match(line)
        if match is None:
            part = ""
            continue
        part = match.group("severity")
        if part in _BELOW:
            if part == "DETAIL" and current and len(current.details) < _MOST_DETAILS:
                current.details.append(match.group("text"))
            continue
        if len(entries) < _MOST_ENTRIES:
            entries.append(Entry(line_time(match.group("prefix"), now), match.group("prefix"), part, match.group("text"), []))
    return [entry for entry in entries if entry.at is None or entry.at >= since]


def records_of(lines: t.Iterable[str], form: str, since: float, now: float) -> list[Entry]:
    """As :func:`entries_of`, from a log in ``csv`` or ``json``; what is in neither form is left out."""
    records = _json_records(lines) if form == "json" else _csv_records(lines)
    entries = []
    for at, user, database, client, severity, text, detail in records:
        if len(entries) < _MOST_ENTRIES:
            details = [line[:_LONGEST_LINE] for line in detail.splitlines()[:_MOST_DETAILS]]
            entries.append(Entry(line_time(at, now), "%s@%s %s " % (user, database, client), severity, text[:_LONGEST_LINE], details))
    return [entry for entry in entries if entry.at is None or entry.at >= since]


def _json_records(lines: t.Iterable[str]) -> t.Iterator[list[str]]:
    for line in lines:
        try:
            record = json.loads(line)
            yield [str(record.get(key) or "") for key in _JSON_KEYS]
        except (ValueError, AttributeError, RecursionError):
            continue


def _csv_records(lines: t.Iterable[str]) -> t.Iterator[list[str]]:
    """A text may have several lines. The first record may be cut, and a quote that never ends must not swallow the rest."""
    reader = csv.reader(line.replace("\0", "") + "\n" for line in lines)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            continue
        if len(row) > max(_CSV_COLUMNS):
            at, user, database, client, severity, text, detail = (row[column] for column in _CSV_COLUMNS)
            yield [at, user, database, client.rpartition(":")[0], severity, text, detail]


def refusal(entries: t.Sequence[Entry], user: str, address: str) -> Refusal | None:
    """Why a user's password was refused the last time: from this address, where the log names one; else from anywhere."""
    found = [entry for entry in entries if (match := _PASSWORD_REFUSED.match(entry.text)) and match.group("user") == user]
    of_address = [entry for entry in found if address and address in re.split(r"[\s\[\]()=,]", entry.prefix)]
    if not found:
        return None
    entry = (of_address or found)[-1]
    matched = next((match for detail in entry.details if (match := _MATCHED_LINE.match(detail))), None)
    method = _method(matched.group("text")) if matched else ""
    reason = next((reason for detail in entry.details for pattern, reason in _REASONS if pattern.search(detail)), "")
    if not reason:
        reason = "password_mismatch" if method in _SILENT_METHODS else "other"
    line = (matched.group("line") or matched.group("old_line")) if matched else None
    return Refusal(reason, entry.at, method, (matched.group("file") or "") if matched else "", int(line) if line else None,
                   matched.group("text") if matched else "", "; ".join(entry.details), bool(of_address))


def _method(hba_text: str) -> str:
    """The last word of a line that is a method: options have an equals sign."""
    words = [word for word in hba_text.partition("#")[0].split() if "=" not in word]
    return words[-1] if words else ""


def no_space(entries: t.Iterable[Entry]) -> list[Entry]:
    """What could not be written."""
    return [entry for entry in entries if _NO_SPACE.search(entry.text)]


def last_state(entries: t.Sequence[Entry]) -> str:
    """``ready``, ``stopped`` (it was asked to), ``crashed``, ``recovering``; empty where the log does not say."""
    for entry in reversed(entries):
        for pattern, state in _STATES:
            if entry.severity == "LOG" and pattern.search(entry.text):
                return state
    return ""


def lock_waits(entries: t.Iterable[Entry]) -> list[LockWait]:
    """With log_lock_waits, which processes wait, and for whom."""
    waits = []
    for entry in entries:
        match = _LOCK_WAIT.match(entry.text)
        holders = [found for detail in entry.details if (found := _HOLDERS.match(detail))]
        if match:
            pids = [int(pid) for found in holders for pid in found.group("pids").replace(",", " ").split()]
            waits.append(LockWait(int(match.group("pid")), match.group("mode"), match.group("lock"), pids, entry.at))
    return waits

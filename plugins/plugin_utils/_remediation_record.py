# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each remediation: a file a host beside the spooled observations, and a line of the audit for each action.

While a change waits for its proof, each witness leaves a file with what it saw.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import getpass
import json
import os
import pathlib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._moments import rfc3339
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import helped

_SIDE, _TESTIMONY = "remediations", "testimony"
AUDIT = "audit.jsonl"
RESULTS = ("verified", "rolled_back", "refused", "failed", "would_change")
# Until it is known better, what was begun did not come to its end.
UNENDED = "the run ended before it was known whether it helped; the host puts itself back by then"


def begun() -> dict[str, t.Any]:
    """What is told of a remediation whose end is not known yet."""
    return {"result": "failed", "detail": UNENDED}


def is_open(entry: t.Mapping[str, t.Any]) -> bool:
    return bool(entry["detail"] == UNENDED)


def start(spool: str, host: str, entries: t.Sequence[dict[str, t.Any]]) -> None:
    """What is planned for a host, in the place of what an earlier run did."""
    _spool.write_text(spool, host, _SIDE, json.dumps(list(entries)))


def finish(spool: str, report_dir: str, host: str, name: str, told: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Add to a planned remediation what became of it, and a line to the audit. What did not help is left to a person, with that reason.

    :returns: the whole entry. :raises KeyError: it was not planned.
    """
    entries = read(spool, host)
    for entry in entries:
        if entry["name"] == name:
            entry.update(told)
            reason = " ".join(entry["detail"].split())
            entry["request"] = "" if helped(entry) else entry["request"].replace(UNENDED, reason)
            start(spool, host, entries)
            audit(report_dir, entry)
            return entry
    raise KeyError(name)


def read(spool: str, host: str) -> list[dict[str, t.Any]]:
    text = _spool.read_text(spool, host, _SIDE)
    return t.cast("list[dict[str, t.Any]]", json.loads(text)) if text else []


def audit(report_dir: str, entry: t.Mapping[str, t.Any]) -> None:
    """One line more; earlier runs' lines stay. A line is written whole, so that several workers can write at once."""
    line = {"at": rfc3339(), "by": getpass.getuser(), **entry}
    os.makedirs(report_dir, mode=0o700, exist_ok=True)
    descriptor = os.open(pathlib.Path(report_dir) / AUDIT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(line, sort_keys=True) + "\n").encode())
    finally:
        os.close(descriptor)


def testify(spool: str, host: str, testimony: t.Mapping[str, t.Any]) -> None:
    """:param testimony: ``name`` of the remediation, ``verified``, ``reason``, ``after`` (endpoints' states and causes by name), and
    ``earlier``, the text of what was spooled before.
    """
    _spool.write_text(spool, host, _TESTIMONY, json.dumps(dict(testimony)))


def testimony(spool: str, host: str, name: str) -> dict[str, t.Any] | None:
    """None where this host did not look at what this remediation did."""
    told = _last_testimony(spool, host)
    return told if told and told["name"] == name else None


def is_gone(spool: str, host: str, name: str, endpoint: str, code: str) -> bool:
    """Whether this host has seen, since the plan was made, that the cause for which it has this remediation is gone."""
    told = _last_testimony(spool, host)
    if not told or not told["verified"] or told["name"].rpartition("-")[0] != name.rpartition("-")[0]:
        return False
    return endpoint in told["after"] and code not in told["after"][endpoint]["causes"]


def _last_testimony(spool: str, host: str) -> dict[str, t.Any] | None:
    text = _spool.read_text(spool, host, _TESTIMONY)
    return t.cast("dict[str, t.Any]", json.loads(text)) if text else None

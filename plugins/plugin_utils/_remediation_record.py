# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What became of each remediation: a file a host beside the spooled observations, and a line of the audit for each action.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import os
import pathlib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _spool

_SIDE = "remediations"
AUDIT = "audit.jsonl"
RESULTS = ("verified", "rolled_back", "refused", "failed", "would_change")


def start(spool: str, host: str, entries: t.Sequence[dict[str, t.Any]]) -> None:
    """What is planned for a host, in the place of what an earlier run did."""
    _spool.write_text(spool, host, _SIDE, json.dumps(list(entries)))


def finish(spool: str, host: str, name: str, told: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Add to a planned remediation what became of it. :returns: the whole entry."""
    entries = read(spool, host)
    for entry in entries:
        if entry["name"] == name:
            entry.update(told)
            start(spool, host, entries)
            return entry
    raise KeyError(name)


def read(spool: str, host: str) -> list[dict[str, t.Any]]:
    text = _spool.read_text(spool, host, _SIDE)
    return t.cast("list[dict[str, t.Any]]", json.loads(text)) if text else []


def audit(report_dir: str, entry: t.Mapping[str, t.Any]) -> None:
    """One line more; earlier runs' lines stay. A line is written whole, so that several workers can write at once."""
    os.makedirs(report_dir, mode=0o700, exist_ok=True)
    descriptor = os.open(pathlib.Path(report_dir) / AUDIT, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, (json.dumps(entry, sort_keys=True) + "\n").encode())
    finally:
        os.close(descriptor)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits for the bundle beside the spooled observations: the key of the run, what each host's report has, and what was collected there.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import os
import pathlib
import secrets
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _spool

_KEY = "bundle.key"
_DIAGNOSED, _COLLECTED = "diagnosed", "collected"


def begin(spool: str, hosts: t.Iterable[str], new_key: bool) -> None:
    """Drop what an earlier run left of these hosts. :param new_key: this is the first batch of a run."""
    os.makedirs(spool, mode=0o700, exist_ok=True)
    if new_key:
        end(spool)
    path = pathlib.Path(spool, _KEY)
    if not path.exists():
        with os.fdopen(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
    for host in hosts:
        for side in (_DIAGNOSED, _COLLECTED):
            _spool.forget_text(spool, host, side)


def key(spool: str) -> str:
    """:raises OSError: no bundle was begun."""
    return pathlib.Path(spool, _KEY).read_text(encoding="ascii")


def end(spool: str) -> None:
    """Without the key nobody can try secrets against the tokens of a bundle, nor find the address behind another."""
    pathlib.Path(spool, _KEY).unlink(missing_ok=True)


def put_diagnosed(spool: str, host: str, report: t.Mapping[str, t.Any]) -> None:
    _put(spool, host, _DIAGNOSED, report)


def take_diagnosed(spool: str, host: str) -> dict[str, t.Any] | None:
    """It is not redacted: read once, and gone."""
    text = _spool.read_text(spool, host, _DIAGNOSED)
    _spool.forget_text(spool, host, _DIAGNOSED)
    return t.cast("dict[str, t.Any]", json.loads(text)) if text else None


def put_collected(spool: str, host: str, collected: t.Mapping[str, t.Any]) -> None:
    _put(spool, host, _COLLECTED, collected)


def collected(spool: str, host: str) -> dict[str, t.Any] | None:
    text = _spool.read_text(spool, host, _COLLECTED)
    return t.cast("dict[str, t.Any]", json.loads(text)) if text else None


def _put(spool: str, host: str, side: str, value: t.Mapping[str, t.Any]) -> None:
    _spool.write_text(spool, host, side, json.dumps(value))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that carry a host's observations to the report, so that Ansible itself carries next to nothing.

One file a host and side, written by the worker that observed it, read once when the report is made.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint
from ansible_collections.connectivity.doctor.plugins.plugin_utils._whole_files import write_whole

# A file's name has at most 255 bytes on common file systems.
_LONGEST_PLAIN = 200


@dataclasses.dataclass
class HostRecord:
    """What one round trip to one host brought, or why it brought nothing. Holds no secret.

    ``controller_clock``: this machine's clock before and after the round trip, in seconds since the epoch.
    """

    host: str
    side: str
    endpoints: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    observations: list[dict[str, t.Any]] = dataclasses.field(default_factory=list)
    facts: dict[str, t.Any] = dataclasses.field(default_factory=dict)
    controller_clock: list[float] = dataclasses.field(default_factory=list)
    unreachable: str = ""
    problem: str = ""

    def describe(self, endpoints: t.Iterable[Endpoint]) -> None:
        """Keep of the endpoints what inference and the report need."""
        self.endpoints = [
            {
                "name": endpoint.name,
                "url": endpoint.url,
                "scheme": endpoint.scheme,
                "host": endpoint.host,
                "port": endpoint.port,
                "user": endpoint.user,
                "database": endpoint.database,
                "sslmode": endpoint.parameters.get("sslmode", "prefer"),
                "server": endpoint.server,
                "proxy": endpoint.proxy,
                "agent": endpoint.agent.name if endpoint.agent else "",
                "receiver": endpoint.agent.other_side.get("unit", "") if endpoint.agent else "",
                "thresholds": dict(endpoint.thresholds),
            }
            for endpoint in endpoints
        ]


def _path(folder: str, host: str, side: str) -> pathlib.Path:
    """An inventory name may hold any character; the file's name may not, and two names must not share one file."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "_", host)[:_LONGEST_PLAIN]
    if plain != host:
        # Ansible keeps bytes that are no UTF-8 as surrogates.
        plain += "-" + hashlib.sha256(host.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return pathlib.Path(folder) / ("%s.%s.json" % (plain, side))


def write(folder: str, record: HostRecord) -> None:
    """In the place of what was there of this host and side."""
    write_text(folder, record.host, record.side, json.dumps(dataclasses.asdict(record)))


def write_text(folder: str, host: str, side: str, text: str) -> None:
    """Whole or not at all: a killed run leaves no half file."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = _path(folder, host, side)
    write_whole(path.parent, {path.name: text})


def read(folder: str, host: str, side: str) -> HostRecord | None:
    """None where this host was not observed from this side."""
    text = read_text(folder, host, side)
    return HostRecord(**json.loads(text)) if text else None


def read_text(folder: str, host: str, side: str) -> str:
    """Empty where there is none."""
    try:
        return _path(folder, host, side).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""


def forget(folder: str, host: str) -> None:
    """Drop what an earlier run left of a host."""
    for side in ("client", "server"):
        forget_text(folder, host, side)


def forget_text(folder: str, host: str, side: str) -> None:
    _path(folder, host, side).unlink(missing_ok=True)

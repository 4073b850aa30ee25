# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One endpoint that a managed node must reach, as a record. What a user writes of it is read by ``_endpoints``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile

# Throughput loads the network: it is measured only where a rate is asked for.
DEFAULT_THRESHOLDS = {"latency_ms": 1000.0, "success_rate": 0.9, "certificate_days": 30.0, "clock_offset_s": 5.0, "bits_per_second": 0.0}


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One endpoint that a managed node must reach. ``password`` and ``credential`` never leave the plan.

    ``addresses``: what the user says that the name has, for hosts whose DNS does not know it.
    """

    name: str
    scheme: str
    host: str
    port: int
    path: str = ""
    user: str = ""
    database: str = ""
    parameters: t.Mapping[str, str] = dataclasses.field(default_factory=dict)
    password: str = dataclasses.field(default="", repr=False)
    server: str = ""
    members: tuple[tuple[str, int], ...] = ()
    pool: t.Mapping[str, float] = dataclasses.field(default_factory=dict)
    proxy: str = ""
    thresholds: t.Mapping[str, float] = dataclasses.field(default_factory=lambda: dict(DEFAULT_THRESHOLDS))
    agent: AgentProfile | None = None
    credential: str = dataclasses.field(default="", repr=False)
    ca_file: str = ""
    addresses: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What the agent shows the endpoint: of a database's client, the password."""
        return self.credential or (self.password if self.scheme == "postgresql" else "")

    @property
    def url(self) -> str:
        """The endpoint as a person would write it, without any secret."""
        host = "[%s]" % self.host if ":" in self.host else self.host
        user = self.user + "@" if self.user else ""
        tail = "/" + self.database if self.scheme == "postgresql" and self.database else self.path
        return "%s://%s%s:%d%s" % (self.scheme, user, host, self.port, tail)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to write the report of a large fleet in all its forms, and how large they become."""
from __future__ import annotations

import time
from typing import NamedTuple

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.tests.support.reports import fleet

# All of them ill is the worst case: then nearly everything is told in words.
_SHARES = {"a tenth of the endpoints ill": 10, "all of them ill": 1}


class Rendered(NamedTuple):
    """One form of one fleet's report."""

    fleet: str
    name: str
    seconds: float
    megabytes: float


def measure(hosts: int) -> list[Rendered]:
    """:param hosts: how many; the recorded cases are dealt out to them in turn."""
    measured: list[Rendered] = []
    for share, ill_every in _SHARES.items():
        report = fleet(hosts, ill_every)
        for name, render in RENDERERS.items():
            began = time.perf_counter()
            text = render(report)
            measured.append(Rendered(share, name, time.perf_counter() - began, len(text.encode()) / 1e6))
    return measured


def render(measured: list[Rendered], hosts: int) -> str:
    lines = [f"The report of {hosts} hosts:"]
    lines += [f"  {one.name:13} {one.seconds:5.1f} s {one.megabytes:6.1f} MB  {one.fleet}" for one in measured]
    return "\n".join(lines)

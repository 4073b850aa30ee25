# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reports and states of monitors, as small as a reader of states can take them."""
from __future__ import annotations

import typing as t

REPORT = "connectivity.doctor/report/v1"
MONITOR = "connectivity.doctor/monitor-state/v1"


def row(state: str = "healthy", *causes: str, candidate: bool = False, **more: t.Any) -> dict[str, t.Any]:
    """An endpoint's row. :param candidate: its causes are candidates only."""
    return {"state": state, "reason": "", **more, "causes": [
        {"code": code, "summary": "%s it is" % code, "remediation": {"class": "guarded"}, **({"decide_by": "more"} if candidate else {})}
        for code in causes]}


def moment(at: float) -> str:
    """:param at: seconds from the beginning of 2026."""
    return "2026-01-01T%02d:%02d:%06.3fZ" % (at // 3600, at // 60 % 60, at % 60)


def report(at: float, **hosts: dict[str, t.Any]) -> dict[str, t.Any]:
    """Each host with its row of the one endpoint ``db``."""
    return {"schema": REPORT, "generated_at": moment(at), "hosts": {host: {"endpoints": {"db": one}} for host, one in hosts.items()}}


def monitored(at: float, host: str, one: dict[str, t.Any], since: float = 0, flapping: bool = False) -> dict[str, t.Any]:
    """The state of one host's monitor."""
    return {"schema": MONITOR, "host": host, "generated_at": moment(at),
            "endpoints": {"db": {**one, "since": moment(since), "flapping": flapping}}}

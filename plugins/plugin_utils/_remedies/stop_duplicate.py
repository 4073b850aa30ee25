# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stops copies of an agent that run beside its unit: services that run one, and processes that no service runs.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    seen = trouble.proofs("service.process")[0]["data"]
    copies = list(zip(seen["others"], fact(seen, "others_units"), strict=True))
    services = sorted({unit for _pid, unit in copies if unit})
    pids = [pid for pid, unit in copies if not unit]
    what = ["stop %s" % service for service in services]
    what += ["end the processes %s that no service runs" % seen["command"]] if pids else []
    return Change(
        summary="%s, beside %s" % (" and ".join(what), seen["unit"]),
        parameters={"services": services, "pids": pids, "command": seen["command"]},
        units=tuple(services),
    )


REMEDY = Remedy("stop_duplicate", _plan)

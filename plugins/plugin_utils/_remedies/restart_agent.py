# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts or restarts the agent's unit, enabled where it should start with the host, and with more descriptors where it has used up its own.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import unit_of, with_raised_limit
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble

# A unit that is not enabled was never meant to run, unless its being disabled is the very trouble.
_ENABLES = ("agent.disabled",)
_NEEDS_DESCRIPTORS = ("agent.fd_limit",)


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = trouble.cause["culprit"].get("unit") or unit_of(trouble)
    if trouble.cause["code"] in _NEEDS_DESCRIPTORS:
        return with_raised_limit(trouble, unit, "LimitNOFILE", trouble.cause["culprit"].get("limit", ""))
    enables = trouble.cause["code"] in _ENABLES
    return Change(
        summary="%s and restart %s" % ("enable", unit) if enables else "restart %s" % unit,
        parameters={"unit": unit, "enabled": enables},
        units=(unit,),
        settles_s=20.0,
    )


REMEDY = Remedy("restart_agent", _plan, needs_the_way=True)

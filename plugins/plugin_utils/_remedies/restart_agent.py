# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts or restarts the agent's unit, enabled where it should start with the host, and with a larger limit where that was its end.

Of a process that hangs, what it is doing is kept before.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import unit_of, with_raised_limit
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble

# A unit that is not enabled was never meant to run, unless its being disabled is the very trouble.
_ENABLES = ("agent.disabled",)
_NEEDS_DESCRIPTORS = ("agent.fd_limit",)
_NEEDS_MEMORY = ("agent.oom_killed",)
_HANGS = ("agent.hung",)


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = trouble.cause["culprit"].get("unit") or unit_of(trouble)
    if trouble.cause["code"] in _NEEDS_DESCRIPTORS:
        return with_raised_limit(trouble, unit, "LimitNOFILE", trouble.cause["culprit"].get("limit", ""))
    if trouble.cause["code"] in _NEEDS_MEMORY and _memory_limit(trouble):
        return with_raised_limit(trouble, unit, "MemoryMax", _memory_limit(trouble))
    enables = trouble.cause["code"] in _ENABLES
    hung = trouble.cause["culprit"]["pid"] if trouble.cause["code"] in _HANGS else ""
    first = "enable and " if enables else "keep what its process is doing, and " if hung else ""
    return Change(
        summary="%srestart %s" % (first, unit),
        parameters={"unit": unit, "enabled": enables, **({"hung": hung} if hung else {})},
        units=(unit,),
        settles_s=20.0,
    )


def _memory_limit(trouble: Trouble) -> str:
    """In bytes, of the unit itself; empty where it has none, and the memory of the whole host ran out."""
    for group in own(trouble, "service.cgroup"):
        if group["data"].get("oom_kills") and group["data"].get("memory_limit_bytes"):
            return str(group["data"]["memory_limit_bytes"])
    return ""


REMEDY = Remedy("restart_agent", _plan, needs_the_way=True)

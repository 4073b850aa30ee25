# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the time daemon that the host has, and lets it start with the host; its sources stay as they are.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    daemon = trouble.proofs("clock.synchronization")[0]["data"]
    if not daemon["unit"]:
        raise NoRemedy("no time daemon is installed; which one it should be is not for this to decide")
    if daemon["running"]:
        raise NoRemedy("%s runs; what it lacks is a source that answers" % daemon["unit"])
    unit = daemon["unit"]
    return Change(summary="start and enable %s" % unit, parameters={"unit": unit}, units=(unit,), settles_s=30.0)


REMEDY = Remedy("start_time_daemon", _plan)

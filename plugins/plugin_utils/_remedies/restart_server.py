# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Restarts the service whose process holds the port and does not take connections; those that it has end.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._server_unit import unit_of_listener
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = unit_of_listener(trouble)
    return Change(summary="restart %s, which ends its connections" % unit, parameters={"unit": unit}, units=(unit,), settles_s=30.0)


REMEDY = Remedy("restart_server", _plan)

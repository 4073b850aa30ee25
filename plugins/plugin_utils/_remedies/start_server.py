# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the service of which nothing listens any more; whether it starts with its host stays as it is.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._server_unit import unit_of_service
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = unit_of_service(trouble)
    return Change(summary="start %s" % unit, parameters={"unit": unit}, units=(unit,), settles_s=20.0)


REMEDY = Remedy("start_server", _plan)

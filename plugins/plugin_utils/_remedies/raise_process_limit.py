# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doubles the limit of a unit that is reached. What starts so many is for a person to find, and a limit of the whole host is theirs, too.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import unit_of, with_raised_limit
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_OF_A_UNIT = ("TasksMax", "LimitNPROC")


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    culprit = trouble.cause["culprit"]
    if culprit.get("setting") not in _OF_A_UNIT or trouble.is_elsewhere:
        raise NoRemedy("it is a limit of the whole host, %s" % culprit.get("setting", "which is not known"))
    return with_raised_limit(trouble, unit_of(trouble), culprit["setting"], culprit["limit"])


REMEDY = Remedy("raise_process_limit", _plan)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the unit back the network that its own settings take away, by the very settings that do; what else it is confined by stays.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import DropIn, unit_of, with_restart
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# systemd.exec(5), systemd.resource-control(5): an empty value takes back what was listed before, families are added to those listed.
_TAKEN_BACK = {
    "PrivateNetwork": "PrivateNetwork=no",
    "IPAddressDeny": "IPAddressDeny=",
    "RestrictAddressFamilies": "RestrictAddressFamilies=AF_INET AF_INET6",
}


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    settings = trouble.proofs("service.unit")[0]["data"].get("sandbox") or {}
    lines = [line for setting, line in _TAKEN_BACK.items() if setting in settings]
    if not lines:
        raise NoRemedy("which setting takes the network away is not known")
    unit = unit_of(trouble)
    return with_restart("set %s of %s" % (" and ".join(lines), unit), unit, drop_in=DropIn("network", lines))


REMEDY = Remedy("adjust_unit", _plan)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes the mask off an agent's unit and starts it, if somebody has said that this mask is no wish of anybody's.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._agent_unit import with_suffix
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# A mask is a link to /dev/null in one of these, for good or until the host boots (systemctl(1)).
_FOLDERS = ("/etc/systemd/system", "/run/systemd/system")


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    unit = trouble.cause["culprit"].get("unit", "")
    if not unit:
        raise NoRemedy("no systemd unit of the agent is known")
    return Change(
        summary="take the mask off %s, and start it" % unit,
        parameters={"unit": unit},
        files=tuple("%s/%s" % (folder, with_suffix(unit)) for folder in _FOLDERS),
        units=(unit,),
        settles_s=20.0,
    )


REMEDY = Remedy("unmask_agent", _plan, needs_the_way=True, only_by_name=True)

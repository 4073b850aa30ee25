# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One setting of the kernel, now and at every start: what the remedies share that change one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change

_SETTLES_S = 5.0


def change(setting: str, before: str, after: str) -> Change:
    """:param setting: as sysctl(8) has it; with slashes, where an interface's name may have points in it.

    :param before: what it is now, which is put back. A file of its own keeps it; those of later names, and sysctl.conf, may win over it."""
    file = "/etc/sysctl.d/zz-connectivity-doctor-%s.conf" % setting.replace("/", ".")
    return Change(
        summary="set %s from %s to %s" % (setting, before, after),
        parameters={"commands": [], "sysctl": {"file": file, "name": setting, "value": after}, "edits": [], "drop_in": {},
                    "reloads": ()},
        files=(file,), commands=(("sysctl", "-q", "-w", "%s=%s" % (setting, before)),), settles_s=_SETTLES_S,
    )

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives an interface the MTU that its link carries: the kernel's setting, and the file of whoever sets the interface up.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._interface_files import with_mtu
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# What every link that carries IPv6 must carry (RFC 8200, section 5); below it the kernel takes IPv6 away.
_SMALLEST = 1280
_SETTLES_S = 5.0


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    culprit = trouble.cause["culprit"]
    device, now, carried = culprit.get("device", ""), int(culprit["mtu"]), int(culprit["carried"])
    seen = trouble.proofs("route.mtu")
    exact = [one["data"]["path_mtu"] for one in seen]
    if not device or carried not in exact:
        raise NoRemedy("how much the link carries was not found to the byte")
    if carried < _SMALLEST:
        raise NoRemedy("the link carries %d bytes, and no interface with IPv6 may have less than %d" % (carried, _SMALLEST))
    set_mtu = ["ip", "link", "set", "dev", device, "mtu"]
    kept = with_mtu(fact(seen[0]["data"], "configured"), carried)
    return Change(
        summary="set the MTU of %s from %d to %d%s" % (device, now, carried, kept.told),
        parameters={"commands": [[*set_mtu, str(carried)]], "edits": list(kept.edits), "drop_in": kept.drop_in, "reloads": kept.reloads},
        files=kept.files, reloads=kept.reloads, commands=((*set_mtu, str(now)),), settles_s=_SETTLES_S,
    )


REMEDY = Remedy("set_mtu", _plan)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives an interface the MTU that its link carries: the kernel's setting, and the line of ifupdown's file that has it.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_INTERFACES = "/etc/network/interfaces"
# What every link that carries IPv6 must carry (RFC 8200, section 5); below it the kernel takes IPv6 away.
_SMALLEST = 1280
_SETTLES_S = 5.0


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    culprit = trouble.cause["culprit"]
    device, now, carried = culprit.get("device", ""), int(culprit["mtu"]), int(culprit["carried"])
    exact = [seen["data"]["path_mtu"] for seen in trouble.proofs("route.mtu")]
    if not device or carried not in exact:
        raise NoRemedy("how much the link carries was not found to the byte")
    if carried < _SMALLEST:
        raise NoRemedy("the link carries %d bytes, and no interface with IPv6 may have less than %d" % (carried, _SMALLEST))
    set_mtu = ["ip", "link", "set", "dev", device, "mtu"]
    return Change(
        summary="set the MTU of %s from %d to %d" % (device, now, carried),
        parameters={"commands": [[*set_mtu, str(carried)]], "file": _INTERFACES, "edits": [
            {"regexp": _line(device, now), "replace": r"\g<1>%d" % carried}]},
        files=(_INTERFACES,), commands=((*set_mtu, str(now)),), settles_s=_SETTLES_S,
    )


def _line(device: str, mtu: int) -> str:
    """``mtu`` in a stanza of the interface; the first group is all of the stanza before its value."""
    inside = r"(?:(?![ \t]*(?:iface|auto|allow-|mapping|source))[^\n]*\n)*?"
    return r"(?m)^([ \t]*iface[ \t]+%s[ \t][^\n]*\n%s[ \t]*mtu[ \t]+)%d(?=[ \t]*$)" % (re.escape(device), inside, mtu)


REMEDY = Remedy("set_mtu", _plan)

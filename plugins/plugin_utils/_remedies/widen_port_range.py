# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gives the host the kernel's own range of ephemeral ports again, where it has a smaller one.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _sysctl
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# Of Linux, and of IANA's registry almost the upper half of what services may be registered in. Below it services listen: one that starts
# again would find its port taken.
_LOW, _HIGH = 32768, 60999


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    ports = trouble.proofs("host.ports")[0]["data"]
    low, high = min(ports["low"], _LOW), max(ports["high"], _HIGH)
    if (low, high) == (ports["low"], ports["high"]):
        raise NoRemedy("the range %d-%d is no smaller than the kernel's own; the client must keep and share its connections" % (low, high))
    return _sysctl.change("net.ipv4.ip_local_port_range", "%d %d" % (ports["low"], ports["high"]), "%d %d" % (low, high))


REMEDY = Remedy("widen_port_range", _plan)

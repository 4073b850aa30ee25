# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Doubles the table of tracked connections that is full.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import _sysctl
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# An entry takes about 320 bytes of the kernel's memory: this many take 320 MB, and are more than a host by itself has.
_LARGEST = 1024 * 1024


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    seen = trouble.proofs("host.conntrack")[0]["data"]
    limit = seen["limit"]
    if not fact(seen, "settable"):
        raise NoRemedy("the limit is that of the machine on which this container runs, and is to be raised there")
    if limit * 2 > _LARGEST:
        raise NoRemedy("%d connections are tracked at most, and twice as many are not for this to allow; find what opens them" % limit)
    return _sysctl.change("net.netfilter.nf_conntrack_max", str(limit), str(limit * 2))


REMEDY = Remedy("raise_conntrack_limit", _plan)

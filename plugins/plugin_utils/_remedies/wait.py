# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks again until the trouble is over by itself, for a while; nothing is changed.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, Remedy, Trouble

# Shorter than the time after which a host puts itself back, by one whole look.
_WAITS_S = 60.0


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    return Change(summary="wait up to %d s for %s" % (_WAITS_S, trouble.place), parameters={}, settles_s=_WAITS_S)


REMEDY = Remedy("wait", _plan, only_looks=True)

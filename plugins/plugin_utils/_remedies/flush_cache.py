# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Empties the host's own cache of names, which fills again by itself; there is nothing to undo.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_COMMANDS = {"nscd": ["nscd", "--invalidate=hosts"], "resolved": ["resolvectl", "flush-caches"]}


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    cache = trouble.cause["culprit"].get("cache", "")
    if cache not in _COMMANDS:
        raise NoRemedy("the cache is %s, which is not on this host or not known" % (cache or "unknown"))
    return Change(summary="empty the cache of %s" % cache, parameters={"command": _COMMANDS[cache]}, settles_s=3.0)


REMEDY = Remedy("flush_cache", _plan)

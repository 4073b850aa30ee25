# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many connections an application's pool may ask for, how many its server has, and how many a probe may open.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.session import bounds

# A probe must not be what takes the database down: this part of the free connections by itself, that part where the user wants more.
_SHARE, _LARGEST_SHARE = 0.1, 0.5


def capacity(facts: t.Mapping[str, t.Any], asked_for: int) -> dict[str, t.Any]:
    """What the pool asks for against what there is.

    ``limit``, ``free`` and ``nearest_limit`` (``server``, ``role``, ``database``): of the limit that has the fewest left.
    ``exceeds_server``: the pool can ask for more than some limit allows, whatever others use; ``exceeds_free``: for more than is left
    now, where all of this user's sessions are taken for the pool's own. ``smallest_limit``, ``smallest_limit_of``: whatever is in use.

    :param facts: of :meth:`_postgresql.session.Server.connections`. :param asked_for: size and overflow of the pool.
    """
    limits = bounds(facts)
    free, whose, limit = min((limit - used, whose, limit) for whose, used, limit in limits)
    free = max(0, free)
    smallest, smallest_of = min((limit, whose) for whose, _used, limit in limits)
    own = facts["used_by_user"] - 1  # without the session that asks
    return {
        "limit": limit,
        "free": free,
        "nearest_limit": whose,
        "smallest_limit": smallest,
        "smallest_limit_of": smallest_of,
        "exceeds_server": asked_for > smallest,
        "exceeds_free": asked_for > free + max(0, own) + 1,
    }


def connection_cap(asked_for: int, free: int, wanted: int | None) -> int:
    """How many connections the probe may have open at once, 0 if none: a tenth of what is free, at least one, or what the user said.

    :param wanted: by the user; never more than half of what is free. :returns: never more than ``asked_for``.
    """
    if free < 1:
        return 0
    allowed = max(1, int(free * _SHARE)) if wanted is None else min(wanted, int(free * _LARGEST_SHARE))
    return max(0, min(asked_for, allowed))

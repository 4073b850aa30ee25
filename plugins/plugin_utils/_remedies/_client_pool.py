# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a pool is set to: as large as its server can bear, or its workers need; and its connections younger than what ends idle ones.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import math
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import fact, own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy, Trouble

Told = t.Mapping[str, t.Mapping[str, t.Any]]
Values = t.Dict[str, int]

# More than this part of the connections in use is told as too many (``connection_warn_ratio`` of the probe).
_MOST_IN_USE = 0.9
_SIZE, _OVERFLOW, _RECYCLE = "pool.size", "pool.max_overflow", "pool.recycle"
_KEEPALIVES, _KEEPALIVES_IDLE, _INTERVAL = "keepalives", "keepalives_idle", "keepalives_interval"
_KERNELS_INTERVAL_S = 75  # tcp(7), tcp_keepalive_intvl


def within_server(trouble: Trouble, told: Told) -> Values:
    """The inventory's pool where the server can bear that, else the application's, made smaller: the overflow first."""
    capacity = _capacity(trouble)
    most = _bearable(capacity)
    if most < 1:
        raise NoRemedy("the %s allows no connection more, so that no size of the pool is right" % fact(capacity, "nearest_limit"))
    now: Values = {_SIZE: int(capacity["size"]), _OVERFLOW: int(capacity["max_overflow"])}
    said = {name: _said(told, name, now[name]) for name in now}
    if sum(said.values()) <= most:
        return _settable(told, now, said)
    overflow = max(0, most - now[_SIZE]) if _OVERFLOW in told else now[_OVERFLOW]
    size = most - overflow if now[_SIZE] + overflow > most else now[_SIZE]
    if size < 1:
        raise NoRemedy("its overflow alone is more than the server can bear, and no file of the client is known that says it")
    return _settable(told, now, {_SIZE: size, _OVERFLOW: overflow})


def for_workers(trouble: Trouble, told: Told) -> Values:
    """As many connections as there are workers, where the server can bear that."""
    capacity = _capacity(trouble)
    now: Values = {_SIZE: int(capacity["size"]), _OVERFLOW: int(capacity["max_overflow"])}
    (wait, *_others) = trouble.proofs("pool.wait")
    needed, most = int(wait["data"]["workers"]), _bearable(capacity)
    if needed > most:
        raise NoRemedy("%d workers need more connections than the %s can bear (%d)" % (needed, fact(capacity, "nearest_limit"), most))
    return _settable(told, now, {_SIZE: max(now[_SIZE], needed - now[_OVERFLOW]), _OVERFLOW: now[_OVERFLOW]})


def kept_alive(trouble: Trouble, told: Told) -> Values:
    """With keepalives a third as far apart, a connection was seen to live; so does one that is replaced before that."""
    (idle, *_others) = trouble.proofs("pool.idle")
    proved = max(1, int(fact(idle["data"], "idle_s") / 3))
    if _KEEPALIVES_IDLE in told and (_INTERVAL in told or proved >= _KERNELS_INTERVAL_S):
        return _keepalives(told, proved)
    if _RECYCLE in told:
        return {_RECYCLE: _no_more(told, _RECYCLE, proved)}
    raise NoRemedy("no file of the client is known that has its keepalives with their interval, or when its pool replaces a connection")


def _keepalives(told: Told, proved: int) -> Values:
    """Once one was sent, Linux sends the next after the interval, or when the connection was idle for so long again, whichever is later."""
    values = {_KEEPALIVES_IDLE: _no_more(told, _KEEPALIVES_IDLE, proved)}
    interval = (told.get(_INTERVAL) or {}).get("value") or ""
    if (int(interval) if interval.isdigit() else _KERNELS_INTERVAL_S) > proved:
        values[_INTERVAL] = _no_more(told, _INTERVAL, proved)
    if told.get(_KEEPALIVES, {}).get("value") == "0":
        values[_KEEPALIVES] = 1
    return values


def recycled(trouble: Trouble, told: Told) -> Values:
    """Replaced when half of the time is over after which connections are ended."""
    (idle, *_others) = trouble.proofs("pool.idle")
    if _RECYCLE not in told:
        raise NoRemedy("no file of the client is known that says when its pool replaces a connection")
    return {_RECYCLE: _no_more(told, _RECYCLE, max(1, int(fact(idle["data"], "died_after_s") / 2)))}


def _capacity(trouble: Trouble) -> t.Mapping[str, t.Any]:
    for observation in own(trouble, "pool.capacity"):
        if "free" in observation["data"] and "asked_for" in observation["data"]:
            return observation["data"]
    raise NoRemedy("how many connections the server has free is not known")


def _bearable(capacity: t.Mapping[str, t.Any]) -> int:
    """For the whole pool, beside what others have now. All other sessions of this user are taken for the pool's own."""
    others = fact(capacity, "limit") - fact(capacity, "free") - max(0, fact(capacity, "used_by_user") - 1)
    return math.floor(_MOST_IN_USE * capacity["limit"]) - others


def _said(told: Told, name: str, otherwise: int) -> int:
    """What the inventory says."""
    said = str((told.get(name) or {}).get("expected") or "")
    return int(said) if said.isdigit() else otherwise


def _no_more(told: Told, name: str, proved: int) -> int:
    """What the inventory says, unless that is longer than what was seen to live."""
    said = _said(told, name, proved)
    return said if 0 < said <= proved else proved


def _settable(told: Told, now: Values, wanted: Values) -> Values:
    changed = {name: value for name, value in wanted.items() if value != now[name]}
    missing = [name for name in changed if name not in told]
    if missing or not changed:
        raise NoRemedy("no file of the client is known that says %s" % " and ".join(missing or now))
    return changed

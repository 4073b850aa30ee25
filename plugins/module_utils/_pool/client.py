# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool as the application's own files have it: what they say is what is tried, in place of what somebody else says of it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import math
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _agent_process
from ansible_collections.connectivity.doctor.plugins.module_utils._config import settings as _config_settings
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import Declared, as_list, read_declared
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

# By name, the probe's parameter and what kind of number it is.
_POOL: dict[str, tuple[str, t.Callable[[float], t.Any]]] = {
    "pool.size": ("size", int), "pool.max_overflow": ("max_overflow", int), "pool.pool_timeout": ("pool_timeout", float),
    "pool.recycle": ("recycle", float),
}
# Of libpq's parameters, those on which it depends whether an idle connection lives.
_KEPT_ALIVE = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")


def read(client: t.Mapping[str, t.Any], context: Context) -> dict[str, str]:
    """:param client: ``files``, each with ``path``, ``format``, ``endpoint`` and ``settings``; ``unit``, ``process``, ``environment``.

    :returns: by name, what is set there.
    """
    agent = _agent_process.find_agent(client.get("unit", ""), client.get("process", ""), "", context)
    files = [_declared(file) for file in client["files"]]
    declared = [file.get("settings") or {} for file in client["files"]]
    return _config_settings.values(_config_settings.client_settings(
        files, declared, client.get("environment") or {}, agent.environment or {}))


def _declared(file: t.Mapping[str, t.Any]) -> Declared:
    keys = {"endpoint": as_list(file.get("endpoint")), **_config_settings.declared_keys(file.get("settings") or {})}
    return read_declared(file, keys)


def describes_pool(told: t.Container[str]) -> bool:
    return any(name in told for name in _POOL)


def applied(parameters: t.Mapping[str, t.Any], told: t.Mapping[str, str]) -> dict[str, t.Any]:
    """The probe's parameters, with the client's own settings over them; ``set_by_client`` names these. What is no number does not count."""
    changed = {argument: kind(number) for name, (argument, kind) in _POOL.items() if (number := _number(told.get(name))) is not None}
    kept_alive = {name: told[name] for name in _KEPT_ALIVE if _number(told.get(name)) is not None}
    names = [name for name, (argument, _kind) in _POOL.items() if argument in changed] + list(kept_alive)
    return {**parameters, **changed, "parameters": {**(parameters.get("parameters") or {}), **kept_alive}, "set_by_client": names}


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None

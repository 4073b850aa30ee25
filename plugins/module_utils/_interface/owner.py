# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sets up an interface and its routes at the next start, and in which lines of which files.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    ifupdown as _interfaces_ifupdown,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    networkd as _interfaces_networkd,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface import (
    networkmanager as _interfaces_networkmanager,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._interface.setting import LinkSetting, RouteSetting

_MOST = 8


def route_settings() -> list[RouteSetting]:
    """All that the files of this host set."""
    return [*_interfaces_ifupdown.routes(), *_interfaces_networkd.routes(), *_interfaces_networkmanager.routes()]


def setting_any(settings: t.Iterable[RouteSetting], routes: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """:param routes: as :func:`_route.table.matching` has them. :returns: what would set one of these very routes again."""
    devices = {(route["prefix"], route["type"], route["gateway"]): route["device"] for route in routes}

    def is_wanted(one: RouteSetting) -> bool:
        device = devices.get((one.prefix, one.type, one.gateway))
        return device is not None and (device == one.device or not device or not one.device)

    return [one.facts() for one in settings if is_wanted(one)][:_MOST]


def gateways(settings: t.Iterable[RouteSetting], address: str) -> list[dict[str, t.Any]]:
    """What they set the default route of the address' family to: ``gateway``, ``device``, ``file``, ``line``."""
    default = "::/0" if ":" in address else "0.0.0.0/0"
    return [{"gateway": one.gateway, "device": one.device, "file": one.file, "line": one.line}
            for one in settings if one.prefix == default and one.type == "unicast" and one.gateway and one.device][:_MOST]


def link_setting(context: Context, device: str) -> LinkSetting | None:
    """Where the MTU of an interface is to be set so that it stays; None where nobody is known who would set it up."""
    return (_interfaces_networkd.link(context, device) or _interfaces_networkmanager.link(context, device)
            or _interfaces_ifupdown.link(device))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue: every cause, by its code. To add a cause, add it to its layer's file.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import Cause
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import (
    agent,
    balancer,
    clock,
    credential,
    dns,
    firewall,
    host,
    network,
    pool,
    pooler,
    postgresql,
    proxy,
    server,
    tls,
)

# From the host outwards: of two causes as sure as each other, the nearer one is told first.
LAYERS = (host, agent, clock, dns, network, firewall, proxy, server, balancer, tls, credential, pool, pooler, postgresql)

CATALOGUE: dict[str, Cause] = {cause.code: cause for layer in LAYERS for cause in layer.CAUSES}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All remedies by the action that a cause names. One file a remedy; the tasks of each are in the role ``remediate``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import (
    add_hba_line,
    adjust_unit,
    fix_agent_config,
    fix_hosts,
    fix_resolver,
    fix_route,
    fix_time,
    flush_cache,
    install_ca,
    open_firewall,
    raise_conntrack_limit,
    raise_process_limit,
    restart_agent,
    restart_server,
    restore_file_mode,
    set_listen_address,
    set_mtu,
    start_server,
    start_time_daemon,
    stop_duplicate,
    unmask_agent,
    wait,
    widen_port_range,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Remedy

_ALL = (
    add_hba_line,
    adjust_unit,
    fix_agent_config,
    fix_hosts,
    fix_resolver,
    fix_route,
    fix_time,
    flush_cache,
    install_ca,
    open_firewall,
    raise_conntrack_limit,
    raise_process_limit,
    restart_agent,
    restart_server,
    restore_file_mode,
    set_listen_address,
    set_mtu,
    start_server,
    start_time_daemon,
    stop_duplicate,
    unmask_agent,
    wait,
    widen_port_range,
)
REMEDIES: dict[str, Remedy] = {module.REMEDY.action: module.REMEDY for module in _ALL}

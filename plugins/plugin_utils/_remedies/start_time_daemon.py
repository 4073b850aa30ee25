# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts the time daemon that the host has, and lets it start with the host; gives it other sources where none of its own answers.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import fix_time
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Remedy

REMEDY = Remedy("start_time_daemon", fix_time.REMEDY.plan)

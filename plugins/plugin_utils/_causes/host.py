# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in the managed node itself.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import seen

CAUSES = (
    Cause(
        code="host.unreachable",
        meaning="Ansible cannot reach the host, so nothing can be said about its endpoints.",
        summary="Ansible cannot reach {host}, so {endpoint} was not looked at",
        proof=seen("host.connection", "fail"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Make the host reachable for Ansible, then diagnose again.",
        component="connection",
        direction="inbound",
        culprit={"message": "{detail}"},
    ),
)

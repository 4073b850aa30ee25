# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in what a client shows to be let in. Only the server's own answer to a real request tells.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import seen, unseen

_DENIED = (401, 403)
# What the proxy refused never reached the server.
_BY_SERVER = unseen(seen("proxy.connect", "fail"))

CAUSES = (
    Cause(
        code="credential.rejected",
        meaning="The server refuses the credential that it was shown.",
        summary="{name}:{port} refuses the credential ({status})",
        proof=seen("http.response", "fail", status=_DENIED, credential_sent=True) & _BY_SERVER,
        ruled_out=seen("http.response", credential_sent=False) | seen("proxy.connect", "fail"),
        look_alikes=("proxy.denied", "credential.missing"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the credential renewed, and deploy the new one.",
        component="credential",
        culprit={"status": "{status}"},
    ),
    Cause(
        code="credential.missing",
        meaning="The server asks for a credential, and was shown none.",
        summary="{name}:{port} asks for a credential ({status}), and none is configured",
        proof=(seen("http.response", "fail", status=_DENIED, credential_sent=False) & _BY_SERVER)
        | seen("postgresql.login", "fail", error_kind="no_password"),
        ruled_out=seen("http.response", credential_sent=True) & _BY_SERVER,
        look_alikes=("proxy.denied", "credential.rejected"),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the credential from the vault.",
        component="credential",
        culprit={"status": "{status}"},
    ),
)

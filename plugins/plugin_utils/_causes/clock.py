# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in time. Two clocks that differ don't tell which one is wrong; a third one does.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import seen

_EXPIRED, _NOT_YET_VALID = 10, 9
_OFF_CONTROLLER = seen("clock.offset", ("warn", "fail"), reference="controller")
_OFF_SERVER = seen("clock.offset", ("warn", "fail"), reference="server")

CAUSES = (
    Cause(
        code="clock.client_skew",
        meaning="The host's clock is wrong, so that certificates and tokens look expired or not yet valid to it.",
        summary="{host}'s clock is off by {offset_s} s",
        proof=_OFF_CONTROLLER & (_OFF_SERVER | seen("tls.verify", "fail", verify_code=(_EXPIRED, _NOT_YET_VALID))),
        ruled_out=seen("clock.offset", "ok", reference="controller"),
        look_alikes=("clock.server_skew", "tls.certificate_expired", "tls.certificate_not_yet_valid"),
        explains=seen("tls.verify", "fail", verify_code=(_EXPIRED, _NOT_YET_VALID))
        | seen("postgresql.login", "fail", error_kind="tls_verify")
        | seen("http.response", error="tls_failed") | seen("tls.certificate", "warn"),
        remediation=Remediation("fix_time", GUARDED),
        advice="Set the host's clock by NTP, and keep it synchronized.",
        component="clock",
        culprit={"offset_s": "{offset_s}"},
    ),
    Cause(
        code="clock.server_skew",
        meaning="The server's clock is wrong; this host's is right.",
        summary="the clock of {name} is off by {offset_s} s",
        proof=_OFF_SERVER & seen("clock.offset", "ok", reference="controller"),
        ruled_out=seen("clock.offset", "ok", reference="server"),
        look_alikes=("clock.client_skew",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the server's clock set by NTP.",
        component="clock",
        place="server",
        culprit={"offset_s": "{offset_s}"},
    ),
)

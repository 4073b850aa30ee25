# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in an HTTP proxy on the way. Its own answers carry its marks; the server's don't.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import described, given, seen

_THROUGH_PROXY = described(proxy=given)

CAUSES = (
    Cause(
        code="proxy.unreachable",
        meaning="The proxy that the endpoint is configured to use does not accept connections.",
        summary="the proxy {proxy} does not accept connections ({error})",
        proof=_THROUGH_PROXY & seen("tcp.connect", "fail", error="ECONNREFUSED", answer="rst"),
        suspicion=_THROUGH_PROXY & seen("tcp.connect", "fail", error="TIMEOUT"),
        ruled_out=seen("tcp.connect", "ok"),
        look_alikes=("firewall.path",),
        decide_by="who listens on the proxy's port, seen on the proxy itself",
        remediation=Remediation("escalate", GUARDED),
        advice="Start the proxy, or use another one.",
        component="proxy",
        place="path",
        culprit={"proxy": "{proxy}"},
    ),
    Cause(
        code="proxy.authentication_required",
        meaning="The proxy demands credentials of its own.",
        summary="the proxy demands credentials (407)",
        proof=seen("proxy.connect", "fail", status=407),
        remediation=Remediation("escalate", ESCALATE),
        advice="Give the proxy's credentials, or have this host allowed without.",
        component="proxy",
        place="path",
        explains=seen("http.response", ("fail", "cannot_tell")),
        culprit={"proxy": "{proxy}", "status": "407"},
    ),
    Cause(
        code="proxy.denied",
        meaning="The proxy itself refuses to forward the request.",
        summary="the proxy refuses to forward to {name}:{port} ({status})",
        proof=seen("proxy.connect", "fail", status=(403, 405), answered_by="proxy"),
        ruled_out=seen("proxy.connect", "ok"),
        look_alikes=("credential.rejected",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Request that the proxy allows this destination and port.",
        component="proxy",
        place="path",
        explains=seen("http.response", ("fail", "cannot_tell")),
        culprit={"proxy": "{proxy}", "status": "{status}"},
    ),
)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in packet filters. A REJECT names its sender; silence is told apart by where the packet was last seen.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, below, described, seen, server_saw

# The kernel's own "nobody answers on the link" comes from the host itself too, but only after a second or more.
_AT_ONCE = below(800)
_LEFT_THE_HOST = seen("tcp.connect", answer=("rst", "accepted")) | seen("tcp.connect", icmp_from=("target", "path")) | seen(
    "tcp.connect", error="TIMEOUT", dropped_here="none")
_SILENCE = seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("none", "some", "unknown"))
_PROHIBITED = ("admin_prohibited", "host_prohibited", "net_prohibited", "port_unreachable", "protocol_unreachable",
               "source_policy_failed", "reject_route")
_ON_THE_SERVER = "the server's own side of the port (who listens, its firewall's counters) while this host connects"


def _reset_despite_listener(case: Case) -> Match | None:
    """The connection was reset although somebody listens on that address: a filter made the reset."""
    for number, listener in case.of("sockets.listener", "server"):
        served = listener["data"]["families"] if listener["data"]["scope"] == "reachable" else ()
        resets = [(one, connect["data"]) for one, connect in case.of("tcp.connect", "client")
                  if connect["data"]["answer"] == "rst" and connect["data"]["family"] in served]
        if resets:
            return Match((*(one for one, _data in resets), number), resets[0][1])
    return None


CAUSES = (
    Cause(
        code="firewall.client_egress",
        meaning="The host's own firewall stops what it sends to the endpoint.",
        summary="{host}'s own firewall stops tcp to {address}:{port}",
        proof=seen("tcp.connect", "fail", icmp_from="self", elapsed_ms=_AT_ONCE)
        | seen("tcp.connect", "fail", error="TIMEOUT", dropped_here="all"),
        suspicion=seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("some", "unknown")),
        ruled_out=_LEFT_THE_HOST,
        look_alikes=("firewall.server_ingress", "firewall.path", "server.not_running"),
        decide_by="the same connection once more with nothing else trying it, or the counter of the host's own firewall rule",
        remediation=Remediation("open_firewall", GUARDED),
        advice="Allow tcp from this host to {address} port {port}, before the rule that stops it.",
        component="firewall",
        direction="outbound",
        culprit={"flow": "tcp to {address}:{port}"},
    ),
    Cause(
        code="firewall.server_ingress",
        meaning="The server's firewall stops what this host sends to the endpoint.",
        summary="the firewall of {name} stops tcp from {host} to port {port}",
        proof=seen("tcp.connect", "fail", icmp_from="target")
        | Joined(_reset_despite_listener),
        suspicion=_SILENCE | (seen("tcp.connect", "fail", error="ECONNREFUSED", answer="rst") & described(proxy="")),
        ruled_out=seen("tcp.connect", icmp_from=("self", "path")) | seen("tcp.connect", dropped_here="all")
        | seen("tcp.connect", answer="local")
        | (seen("tcp.connect", error="ECONNREFUSED", answer="rst") & server_saw("sockets.listener", scope=("none", "loopback"))),
        look_alikes=("firewall.client_egress", "firewall.path", "server.not_running"),
        decide_by=_ON_THE_SERVER,
        remediation=Remediation("open_firewall", GUARDED),
        advice="Allow tcp from {host}'s address to port {port} in the server's firewall.",
        component="firewall",
        direction="inbound",
        place="server",
        culprit={"flow": "tcp to {address}:{port}"},
    ),
    Cause(
        code="firewall.path",
        meaning="A firewall between the host and the endpoint stops the connection.",
        summary="a firewall on the way stops tcp from {host} to {address}:{port}",
        proof=seen("tcp.connect", "fail", icmp_from="path", icmp_name=_PROHIBITED),
        suspicion=_SILENCE
        | seen("tcp.connect", "fail", icmp_from="path", icmp_name=("host_unreachable", "address_unreachable"), elapsed_ms=_AT_ONCE),
        ruled_out=seen("tcp.connect", icmp_from=("self", "target")) | seen("tcp.connect", dropped_here="all"),
        look_alikes=("firewall.client_egress", "firewall.server_ingress"),
        decide_by=_ON_THE_SERVER,
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the network to allow tcp from {host} to {address} port {port}.",
        component="firewall",
        place="path",
        culprit={"flow": "tcp to {address}:{port}", "sender": "{icmp_sender}"},
    ),
)

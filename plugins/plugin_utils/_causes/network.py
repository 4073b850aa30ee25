# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in routes, links and next hops. The errno and the kernel's own route decide; a firewall's answer comes from outside.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import above, empty, every, given, seen, unseen

# Hosts without IPv6 get AAAA records too; that the kernel then has no way is no fault while IPv4 is there.
_NO_WAY = every("tcp.connect", "fail", error="ENETUNREACH", answer="local") | (
    seen("tcp.connect", "fail", family="ipv4", error="ENETUNREACH", answer="local"))
_NO_ROUTE = seen("route.lookup", type="none")
# The kernel gives up on a neighbour after three seconds of asking (arp(7)); a filter answers at once.
_NOBODY_ANSWERS = seen("tcp.connect", "fail", error="EHOSTUNREACH", icmp_from="self", elapsed_ms=above(800)) | seen(
    "tcp.connect", "fail", error="EHOSTUNREACH", answer="none", elapsed_ms=above(800))
_NEIGHBOUR_SILENT = ("FAILED", "INCOMPLETE")

CAUSES = (
    Cause(
        code="network.link_down",
        meaning="An interface that has an address is down, and with it the way to the endpoint.",
        summary="{host}: interface {links_down} is down, so there is no route to {address}",
        proof=_NO_WAY & seen("route.lookup", type="none", links_down=given),
        ruled_out=seen("route.lookup", links_down=empty),
        look_alikes=("network.no_route",),
        explains=seen("tcp.connect", "fail", error="ENETUNREACH"),
        remediation=Remediation("fix_route", GUARDED),
        advice="Bring the interface up.",
        component="link",
        direction="outbound",
        culprit={"interfaces": "{links_down}"},
    ),
    Cause(
        code="network.no_route",
        meaning="The host has no route to the endpoint's address; no packet leaves.",
        summary="{host} has no route to {address}",
        proof=(_NO_WAY & _NO_ROUTE & unseen(seen("route.lookup", links_down=given)))
        | seen("tcp.connect", "fail", icmp_name=("net_unreachable", "no_route"), icmp_from="path"),
        ruled_out=seen("route.lookup", type="unicast") | seen("route.lookup", links_down=given),
        look_alikes=("network.link_down", "firewall.server_ingress"),
        explains=seen("tcp.connect", "fail", error="ENETUNREACH"),
        remediation=Remediation("fix_route", GUARDED),
        advice="Restore the route, usually the default route.",
        component="route",
        direction="outbound",
        culprit={"destination": "{address}", "route": "none"},
    ),
    Cause(
        code="network.blackhole_route",
        meaning="A route of type blackhole swallows what is sent to the endpoint.",
        summary="{host}: a blackhole route swallows what is sent to {address}",
        proof=seen("tcp.connect", "fail", error="EINVAL", answer="local") & seen("route.lookup", type="blackhole"),
        ruled_out=seen("route.lookup", type=("unicast", "none", "prohibit", "unreachable")),
        remediation=Remediation("fix_route", GUARDED),
        advice="Delete the blackhole route, unless it is there on purpose.",
        component="route",
        direction="outbound",
        culprit={"destination": "{address}", "route": "blackhole"},
    ),
    Cause(
        code="network.prohibit_route",
        meaning="A route of type prohibit or unreachable forbids what is sent to the endpoint.",
        summary="{host}: a route of type {type} forbids what is sent to {address}",
        proof=seen("route.lookup", type=("prohibit", "unreachable"))
        & seen("tcp.connect", "fail", error=("EACCES", "EHOSTUNREACH"), answer="local"),
        ruled_out=seen("route.lookup", type=("unicast", "none", "blackhole")),
        look_alikes=("network.blackhole_route",),
        remediation=Remediation("fix_route", GUARDED),
        advice="Delete the route, unless it is there on purpose.",
        component="route",
        direction="outbound",
        culprit={"destination": "{address}", "route": "{type}"},
    ),
    Cause(
        code="network.gateway_unreachable",
        meaning="The route leads to a gateway that does not answer on its link.",
        summary="{host}: gateway {gateway} towards {address} does not answer on {device}",
        proof=_NOBODY_ANSWERS & seen("route.lookup", gateway=given, next_hop_state=_NEIGHBOUR_SILENT),
        ruled_out=seen("route.lookup", gateway="") | every("route.lookup", next_hop_state=lambda state: state not in _NEIGHBOUR_SILENT),
        look_alikes=("network.host_unreachable", "firewall.client_egress"),
        remediation=Remediation("fix_route", GUARDED),
        advice="Correct the gateway of the route, or bring the gateway back.",
        component="route",
        direction="outbound",
        culprit={"gateway": "{gateway}", "device": "{device}"},
    ),
    Cause(
        code="network.host_unreachable",
        meaning="Nobody answers for the endpoint's address on its own link: the machine is off, or the address is wrong.",
        summary="nobody answers for {address} on its link",
        proof=(_NOBODY_ANSWERS & seen("route.lookup", gateway="", next_hop_state=_NEIGHBOUR_SILENT))
        | seen("tcp.connect", "fail", icmp_name=("host_unreachable", "address_unreachable"), icmp_from="path", elapsed_ms=above(800)),
        ruled_out=seen("route.lookup", gateway=given, next_hop_state=_NEIGHBOUR_SILENT) | seen("tcp.connect", answer=("rst", "accepted")),
        look_alikes=("network.gateway_unreachable", "firewall.client_egress", "firewall.path"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Start the machine that has this address, or correct the address.",
        component="host",
        place="server",
        culprit={"address": "{address}"},
    ),
    Cause(
        code="network.ipv6_broken",
        meaning="The endpoint has an IPv6 address that this host can't reach, while IPv4 works: clients wait before they fall back.",
        summary="{host} reaches {name} by IPv4, but not by IPv6 ({address}: {error})",
        proof=seen("tcp.connect", "fail", family="ipv6", answer=("none", "icmp")) & seen("tcp.connect", "ok", family="ipv4"),
        remediation=Remediation("fix_route", GUARDED),
        advice="Repair the IPv6 path, or remove the IPv6 address from the name.",
        component="route",
        direction="outbound",
        place="path",
        follows_from=("firewall.client_egress", "firewall.server_ingress", "firewall.path"),
        culprit={"address": "{address}"},
    ),
)

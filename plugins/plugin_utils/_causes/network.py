# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in routes, links and next hops. The errno and the kernel's own route decide; a firewall's answer comes from outside.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import _network_evidence as way
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Joined,
    above,
    empty,
    every,
    given,
    seen,
    server_saw,
    unseen,
)

# Hosts without IPv6 get AAAA records too; that the kernel then has no way is no fault while IPv4 is there.
_NO_WAY = every("tcp.connect", "fail", error="ENETUNREACH", answer="local") | (
    seen("tcp.connect", "fail", family="ipv4", error="ENETUNREACH", answer="local"))
_NO_ROUTE = seen("route.lookup", type="none")
# The routes of an interface that is down are gone; what a tunnel carried goes another way, or none.
_NO_TUNNEL = unseen(seen("route.lookup", tunnels_down=given))
# The kernel gives up on a neighbour after three seconds of asking (arp(7)); a filter answers at once.
_NOBODY_ANSWERS = seen("tcp.connect", "fail", error="EHOSTUNREACH", icmp_from="self", elapsed_ms=above(800)) | seen(
    "tcp.connect", "fail", error="EHOSTUNREACH", answer="none", elapsed_ms=above(800))
_NEIGHBOUR_SILENT = ("FAILED", "INCOMPLETE")
_SILENCE = seen("tcp.connect", "fail", error="TIMEOUT")
_NO_ANSWER = seen("tcp.connect", "fail", error=("TIMEOUT", "EHOSTUNREACH"), answer=("none", "icmp"))
_LINK_OF_WAY_BACK = way.WayBack(server_saw("route.lookup", type="none", links_down=given))
_NO_WAY_BACK = way.WayBack(server_saw("route.lookup", type="none", links_down=empty))
_BLACKHOLE_BACK = way.WayBack(server_saw("route.lookup", type="blackhole"))
_PROHIBITED_BACK = way.WayBack(server_saw("route.lookup", type=("prohibit", "unreachable")))
_GATEWAY_BACK = way.WayBack(server_saw("route.lookup", gateway=given, next_hop_state=_NEIGHBOUR_SILENT))
_ALL_SIZES_PASS = seen("route.mtu", black_hole=False)

CAUSES = (
    Cause(
        code="network.link_down",
        meaning="An interface that has an address is down, and with it the way to the endpoint.",
        summary="{observer}: interface {links_down} is down, so there is no route to {address}",
        proof=way.Here(_NO_WAY & seen("route.lookup", type="none", links_down=given) & _NO_TUNNEL) | _LINK_OF_WAY_BACK,
        ruled_out=seen("route.lookup", links_down=empty),
        look_alikes=("network.no_route",),
        explains=seen("tcp.connect", "fail", error="ENETUNREACH") | _LINK_OF_WAY_BACK,
        remediation=Remediation("fix_route", GUARDED),
        advice="Bring the interface up.",
        component="link",
        direction="outbound",
        place="observer",
        culprit={"interfaces": "{links_down}"},
    ),
    Cause(
        code="network.no_route",
        meaning="The host has no route to the endpoint's address; no packet leaves.",
        summary="{observer} has no route to {address}",
        proof=way.Here((_NO_WAY & _NO_ROUTE & unseen(seen("route.lookup", links_down=given)))
                       | (seen("tcp.connect", "fail", icmp_name=("net_unreachable", "no_route"), icmp_from="path") & _NO_TUNNEL))
        | _NO_WAY_BACK,
        ruled_out=seen("route.lookup", type="unicast") | seen("route.lookup", links_down=given),
        look_alikes=("network.link_down", "network.tunnel_down", "firewall.server_ingress"),
        explains=seen("tcp.connect", "fail", error="ENETUNREACH") | _NO_WAY_BACK,
        remediation=Remediation("fix_route", GUARDED),
        advice="Restore the route, usually the default route.",
        component="route",
        direction="outbound",
        place="observer",
        culprit={"destination": "{address}", "route": "none"},
    ),
    Cause(
        code="network.blackhole_route",
        meaning="A route of type blackhole swallows what is sent to the endpoint.",
        summary="{observer}: a blackhole route swallows what is sent to {address}",
        proof=way.Here(seen("tcp.connect", "fail", error="EINVAL", answer="local") & seen("route.lookup", type="blackhole"))
        | _BLACKHOLE_BACK,
        ruled_out=seen("route.lookup", type=("unicast", "none", "prohibit", "unreachable")),
        explains=_BLACKHOLE_BACK,
        remediation=Remediation("fix_route", GUARDED),
        advice="Delete the blackhole route, unless it is there on purpose.",
        component="route",
        direction="outbound",
        place="observer",
        culprit={"destination": "{address}", "route": "blackhole"},
    ),
    Cause(
        code="network.prohibit_route",
        meaning="A route of type prohibit or unreachable forbids what is sent to the endpoint.",
        summary="{observer}: a route of type {type} forbids what is sent to {address}",
        proof=way.Here(seen("route.lookup", type=("prohibit", "unreachable"))
                       & seen("tcp.connect", "fail", error=("EACCES", "EHOSTUNREACH"), answer="local")) | _PROHIBITED_BACK,
        ruled_out=seen("route.lookup", type=("unicast", "none", "blackhole")),
        look_alikes=("network.blackhole_route",),
        explains=_PROHIBITED_BACK,
        remediation=Remediation("fix_route", GUARDED),
        advice="Delete the route, unless it is there on purpose.",
        component="route",
        direction="outbound",
        place="observer",
        culprit={"destination": "{address}", "route": "{type}"},
    ),
    Cause(
        code="network.gateway_unreachable",
        meaning="The route leads to a gateway that does not answer on its link.",
        summary="{observer}: gateway {gateway} towards {address} does not answer on {device}",
        proof=way.Here(_NOBODY_ANSWERS & seen("route.lookup", gateway=given, next_hop_state=_NEIGHBOUR_SILENT)) | _GATEWAY_BACK,
        ruled_out=seen("route.lookup", gateway="") | every("route.lookup", next_hop_state=lambda state: state not in _NEIGHBOUR_SILENT),
        look_alikes=("network.host_unreachable", "firewall.client_egress"),
        explains=_GATEWAY_BACK,
        remediation=Remediation("fix_route", GUARDED),
        advice="Correct the gateway of the route, or bring the gateway back.",
        component="route",
        direction="outbound",
        place="observer",
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
    Cause(
        code="network.mtu_black_hole",
        meaning="Packets above a size vanish on the way, and nobody tells the sender (RFC 2923): connections open, and stall at once.",
        summary="packets of more than {largest_through} bytes from {host} to {address} vanish after {lost_after_hop}, and nobody says so",
        proof=Joined(way.black_hole) & way.LARGE_IS_MISSING,
        ruled_out=_ALL_SIZES_PASS | Joined(way.black_hole_of_own_link),
        look_alikes=("server.hung", "network.mtu_mismatch"),
        explains=way.LARGE_IS_MISSING,
        remediation=Remediation("escalate", ESCALATE),
        advice="Let ICMP 'fragmentation needed' (IPv6: 'packet too big') through on the way; until then, clamp TCP's segments to the "
               "{largest_through} bytes of the path, or set net.ipv4.tcp_mtu_probing=1.",
        component="path",
        place="path",
        culprit={"largest": "{largest_through}", "after": "{lost_after_hop}", "before": "{lost_before_hop}"},
    ),
    Cause(
        code="network.mtu_mismatch",
        meaning="An interface takes larger packets than its link, or the other end of it, carries: what is larger vanishes.",
        summary="{device} of {host} takes packets of {interface_mtu} bytes, and its link to {lost_before_hop} carries {largest_through}",
        proof=Joined(way.black_hole_of_own_link) & way.LARGE_IS_MISSING,
        ruled_out=_ALL_SIZES_PASS | Joined(way.black_hole),
        look_alikes=("network.mtu_black_hole", "server.hung"),
        explains=way.LARGE_IS_MISSING,
        remediation=Remediation("set_mtu", GUARDED),
        advice="Set the MTU of {device} to {largest_through}, or that of everything on its link to {interface_mtu}.",
        component="link",
        culprit={"device": "{device}", "mtu": "{interface_mtu}", "carried": "{largest_through}", "towards": "{lost_before_hop}"},
    ),
    Cause(
        code="network.packet_loss",
        meaning="Packets to the endpoint get lost, more than its success rate allows: what is sent again makes it slow or fail by chance.",
        summary="{lost} of {sent} packets from {host} to {address} got lost ({least} to {most} %, with 95 % certainty)",
        proof=Joined(way.loses),
        ruled_out=Joined(way.loses_nothing),
        explains=Joined(way.silence_by_loss),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the network, from the first hop on that loses packets: a bad cable, a full link, or a limit.",
        component="path",
        place="path",
        culprit={"address": "{address}", "loss": "{loss}", "first_lossy_hop": "{first_lossy_hop}"},
    ),
    Cause(
        code="network.high_latency",
        meaning="The way to the endpoint takes so long that the endpoint is slow, whatever the server does.",
        summary="{name} took {took_ms} ms (limit {limit_ms}): {round_trips} round trips of {rtt_ms} ms to {address}",
        proof=Joined(way.far),
        ruled_out=Joined(way.near),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the network why {address} is {rtt_ms} ms away: a detour, a full queue, or the distance itself.",
        component="path",
        place="path",
        culprit={"address": "{address}", "rtt_ms": "{rtt_ms}", "slowest_hop": "{slowest_hop}"},
    ),
    Cause(
        code="network.rp_filter",
        meaning="A host drops what arrives on another interface than the one by which it would answer (RFC 3704).",
        summary="{observer} drops packets from {peer} that arrive on {device}, as its way back goes out of {return_device}",
        proof=(_SILENCE & Joined(way.dropped_by_servers_reverse_path)) | (_SILENCE & Joined(way.dropped_by_own_reverse_path)),
        ruled_out=seen("tcp.connect", answer=("rst", "accepted")) | Joined(way.reverse_path_is_open),
        look_alikes=("firewall.server_ingress", "firewall.path", "firewall.server_egress"),
        explains=_SILENCE,
        remediation=Remediation("fix_route", GUARDED),
        advice="Correct the route of {observer} to {peer}, or let it be loose: net.ipv4.conf.{device}.rp_filter=2.",
        component="route",
        direction="inbound",
        place="observer",
        culprit={"host": "{observer}", "device": "{device}", "return_device": "{return_device}"},
    ),
    Cause(
        code="network.duplicate_address",
        meaning="Two machines hold one address: packets go to whichever answered last, and connections break by turns.",
        summary="{duplicate_address} is held by two machines on {duplicate_device} of {observer}: {duplicate_macs} answers for it too",
        proof=Joined(way.held_twice),
        ruled_out=Joined(way.held_once),
        look_alikes=("server.not_running", "firewall.server_ingress"),
        explains=way.ANY_FAILURE,
        remediation=Remediation("escalate", ESCALATE),
        advice="Find the machine with the MAC address {duplicate_macs}, and give it another address.",
        component="link",
        place="observer",
        culprit={"address": "{duplicate_address}", "device": "{duplicate_device}", "mac": "{duplicate_macs}"},
    ),
    Cause(
        code="network.low_bandwidth",
        meaning="The way to the endpoint carries less than the user asks for (`thresholds.bits_per_second`).",
        summary="{megabits} Mbit/s from {address} to {host}, where {wanted_megabits} are asked for",
        proof=Joined(way.full_way),
        suspicion=Joined(way.slow_bulk),
        decide_by="the same transfer from another server over the same way, or the load of the server meanwhile",
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the network for the limit between {host} and {address}, and for what else uses it.",
        component="path",
        place="path",
        culprit={"megabits_per_second": "{megabits}", "address": "{address}"},
    ),
    Cause(
        code="network.tunnel_down",
        meaning="A tunnel (VPN) is down, and with it the way to everything behind it.",
        summary="{observer}: tunnel {tunnels_down} is down, which leads to {address}",
        proof=Joined(way.tunnel_is_down),
        suspicion=Joined(way.tunnel_may_be_down),
        ruled_out=every("route.lookup", tunnel="", tunnels_down=empty) | seen("tcp.connect", answer=("rst", "accepted")),
        look_alikes=("firewall.path", "network.host_unreachable"),
        decide_by="whether anything else behind the same tunnel answers, and the state of the tunnel at its other end",
        explains=_NO_ANSWER | seen("tcp.connect", "fail", error="ENETUNREACH"),
        remediation=Remediation("restart_tunnel", GUARDED),
        advice="Bring the tunnel up again, at the end where it is down.",
        component="tunnel",
        place="observer",
        culprit={"tunnel": "{tunnels_down}", "destination": "{address}"},
    ),
    Cause(
        code="network.port_mapping_missing",
        meaning="The address of the endpoint is translated to the server (NAT, port mapping), and the mapping is gone.",
        summary="{address}:{port} leads nowhere, while {direct}, which it stands for, accepts connections of {host}",
        proof=Joined(way.mapping_is_gone),
        suspicion=Joined(way.mapping_may_be_gone),
        ruled_out=Joined(way.no_mapping) | every("tcp.connect", "ok"),
        look_alikes=("server.not_running", "firewall.server_ingress"),
        decide_by="who holds the address, and which ports it maps",
        explains=seen("tcp.connect", "fail", answer=("rst", "none")) | server_saw("sockets.listener", scope="none"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Restore the mapping of {address} port {port} to {direct} on the machine that holds the address.",
        component="nat",
        place="path",
        culprit={"mapping": "{address}:{port}", "to": "{direct}"},
    ),
)

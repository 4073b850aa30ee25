# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow and its packets, as the kernel's packet filter sees them on this host: hooks, connection tracking and addresses that NAT changes.

Sources: linux/netfilter_ipv4.h (priorities), net/netfilter/nf_conntrack_core.c, nf_nat_core.c.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import typing as t

PROTOCOLS = {"tcp": 6, "udp": 17}
SYN, ACK = 0x02, 0x10

PRIORITY_CONNTRACK, PRIORITY_DESTINATION_NAT, PRIORITY_SOURCE_NAT = -200, -100, 100

# Where the kernel changes destinations, and where it changes sources.
DESTINATION_HOOKS = ("prerouting", "output")
SOURCE_HOOKS = ("input", "postrouting")

# What a rule may ask for and nobody can know beforehand.
UNKNOWN = "unknown"


class Span(t.NamedTuple):
    """What a number can be, both ends included. A port that the kernel will choose is the range that it chooses from."""

    low: int
    high: int


def address_number(text: str) -> tuple[int, int]:
    """:returns: the IP version (4 or 6) and the address as a number. :raises OSError: it is not an address."""
    plain = text.partition("%")[0]
    if ":" in plain:
        return 6, int.from_bytes(socket.inet_pton(socket.AF_INET6, plain), "big")
    return 4, int.from_bytes(socket.inet_pton(socket.AF_INET, plain), "big")


def address_text(version: int, number: int) -> str:
    if version == 6:
        return socket.inet_ntop(socket.AF_INET6, number.to_bytes(16, "big"))
    return socket.inet_ntop(socket.AF_INET, number.to_bytes(4, "big"))


def network_span(version: int, address: int, length: int) -> Span:
    """All addresses with this prefix. :raises ValueError: no such length."""
    free = (128 if version == 6 else 32) - length
    if free < 0 or length < 0:
        raise ValueError("no prefix has %d bits" % length)
    low = address >> free << free
    return Span(low, low + (1 << free) - 1)


class Flow(t.NamedTuple):
    """One flow of this host. Addresses are text, and both of the same family.

    :ivar direction: ``outbound``: this host sends the first packet. ``inbound``: the peer does.
    :ivar uid: the user whose socket it is on this host: a number, None for no socket, ``UNKNOWN``.
    :ivar interface_address: the first address of the interface, which a redirection leads to; empty if it is ``local``.
    :ivar loopback: the peer is this host itself.
    :ivar own_addresses: the addresses of this host. :ivar interface_to: to which interface a packet to an address would go.
    """

    direction: str
    protocol: str
    local: str
    peer: str
    local_port: Span
    peer_port: Span
    interface: str
    interface_address: str = ""
    uid: int | str | None = UNKNOWN
    loopback: bool = False
    own_addresses: frozenset[str] = frozenset()
    interface_to: t.Callable[[str], str] = lambda address: ""


class Connection:
    """What both directions of a flow share: the entry of the connection tracker."""

    def __init__(self) -> None:
        self.tracked = False
        self.mark: int | str = 0
        self.bound: set[str] = set()  # "destination", "source": NAT has decided on it, were it for no change
        self.original_destination: tuple[int, Span] | None = None
        self.original_source: tuple[int, Span] | None = None
        self.forwarded_to = ""
        # Source, its port, destination and its port of the request when it left: the reply comes back to these.
        self.last: tuple[int, Span, int, Span] | None = None

    @property
    def status(self) -> int:
        """The bits of ``ct status`` that rules ask for (IPS_SRC_NAT, IPS_DST_NAT)."""
        return (16 if self.original_source else 0) | (32 if self.original_destination else 0)


class Packet:
    """One packet at one hook. Rules read it, and some change it."""

    def __init__(self, flow: Flow, connection: Connection, reply: bool) -> None:
        from_here = (flow.direction == "outbound") != reply
        version, local = address_number(flow.local)
        peer = address_number(flow.peer)[1]
        self.flow, self.connection, self.reply, self.version = flow, connection, reply, version
        self.protocol = PROTOCOLS[flow.protocol]
        self.source, self.source_port = (local, flow.local_port) if from_here else (peer, flow.peer_port)
        self.destination, self.destination_port = (peer, flow.peer_port) if from_here else (local, flow.local_port)
        self.from_here = from_here
        self.tcp_flags = (SYN | ACK if reply else SYN) if self.protocol == PROTOCOLS["tcp"] else 0
        self.mark: int | str = 0
        self.state = ""  # of connection tracking: new, established, untracked, invalid; empty before it has seen the packet
        self.hook = self.input_interface = self.output_interface = ""
        if reply and connection.last:
            self.destination, self.destination_port, self.source, self.source_port = connection.last

    def leave(self) -> None:
        """The end of its way on this host: the answer will be to the addresses that it has now."""
        self.connection.last = (self.source, self.source_port, self.destination, self.destination_port)

    @property
    def uid(self) -> int | str | None:
        """Only where this host's socket hands the packet down is its owner certain; before a socket takes it, it has none."""
        if self.hook in ("output", "postrouting") and self.from_here and not self.connection.forwarded_to:
            return self.flow.uid if self.reply == (self.flow.direction == "inbound") or not self.flow.loopback else UNKNOWN
        return UNKNOWN if self.hook == "input" else None

    def is_own(self, address: int) -> bool:
        text = address_text(self.version, address)
        return text in self.flow.own_addresses or text == self.flow.local or text == "::1" or text.startswith("127.")

    # --- what happens to it between the chains

    def track(self) -> None:
        """The connection tracker meets it, unless a rule has said that it shall not. Over loopback it has met it already."""
        if self.state:
            return
        if not self.reply:
            self.state, self.connection.tracked = "new", True
        elif self.connection.tracked:
            self.state = "established"
        elif self.protocol == PROTOCOLS["tcp"]:
            self.state = "invalid"  # a SYN-ACK without a SYN is of no connection
        else:
            self.state, self.connection = "new", Connection()  # a datagram can always be the first

    def do_not_track(self) -> None:
        if self.state in ("", "invalid"):
            self.state = "untracked"

    def translate_back(self) -> None:
        """What NAT did to the request is undone for the reply: sources where destinations are changed, and the other way round."""
        if self.state != "established":
            return
        if self.hook in DESTINATION_HOOKS and self.connection.original_source:
            self.destination, self.destination_port = self.connection.original_source
        elif self.hook in SOURCE_HOOKS and self.connection.original_destination:
            self.source, self.source_port = self.connection.original_destination

    @property
    def nat_decides(self) -> bool:
        """NAT chains see a connection's first packet, once for its destination and once for its source."""
        part = "destination" if self.hook in DESTINATION_HOOKS else "source"
        return self.state == "new" and not self.reply and part not in self.connection.bound

    def change_destination(self, address: int | None, port: Span | None) -> None:
        """Destination NAT. What leads where the packet goes anyway is none."""
        self.connection.bound.add("destination")
        before = self.destination, self.destination_port
        self.destination, self.destination_port = before[0] if address is None else address, port or before[1]
        if (self.destination, self.destination_port) != before:
            self.connection.original_destination = before

    def redirect(self, port: Span | None) -> None:
        """To this host itself. :raises ValueError: it is one that this host sends, and goes another way then."""
        if self.hook != "prerouting":
            raise ValueError("redirect of what this host sends")
        self.change_destination(address_number(self.flow.interface_address or self.flow.local)[1], port)

    def change_source(self, address: int | None, port: Span | None) -> None:
        """Source NAT."""
        self.connection.bound.add("source")
        before = self.source, self.source_port
        self.source, self.source_port = before[0] if address is None else address, port or before[1]
        if (self.source, self.source_port) != before:
            self.connection.original_source = before


class Station(t.NamedTuple):
    """A hook on a packet's way, and the interfaces by which it comes and goes there."""

    hook: str
    input_interface: str
    output_interface: str


def way(packet: Packet) -> list[Station]:
    """The hooks that a packet passes, unless NAT sends it elsewhere."""
    flow, inside = packet.flow, packet.connection.forwarded_to
    if inside and packet.reply:
        return [Station("ingress", inside, ""), Station("prerouting", inside, ""), Station("forward", inside, flow.interface),
                Station("postrouting", inside, flow.interface), Station("egress", "", flow.interface)]
    leaving = [Station("output", "", flow.interface), Station("postrouting", "", flow.interface), Station("egress", "", flow.interface)]
    arriving = [Station("ingress", flow.interface, ""), Station("prerouting", flow.interface, ""), Station("input", flow.interface, "")]
    if flow.loopback:
        return leaving + arriving
    return leaving if packet.from_here else arriving


def way_after_prerouting(packet: Packet, stations: list[Station]) -> list[Station]:
    """What a packet passes once its destination is certain: a translated one may be another machine's, or a container's."""
    if packet.reply or not packet.connection.original_destination or packet.is_own(packet.destination):
        return stations
    inside = packet.flow.interface_to(address_text(packet.version, packet.destination)) or "?"
    packet.connection.forwarded_to = inside
    return [Station("forward", packet.flow.interface, inside), Station("postrouting", packet.flow.interface, inside),
            Station("egress", "", inside)]

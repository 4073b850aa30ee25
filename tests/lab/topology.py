# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's machines and networks, as data.

To add a machine is to add a line to ``SERVERS``; what a role installs and configures is in ``provision/<role>/``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

DOMAIN = "lab.example"
DEFAULT_CLIENTS = 4
MAX_CLIENTS = 100


@dataclass(frozen=True)
class Network:
    """A bridge with an IPv4 /24 and, where it carries data, an IPv6 /64."""

    name: str
    prefix4: str
    prefix6: str = ""
    gateway: int = 0

    @property
    def bridge(self) -> str:
        """The bridge's interface name, inside the lab's network namespace."""
        return f"br-{self.name}"

    def address4(self, number: int) -> str:
        """IPv4 address of the machine with this number."""
        return f"{self.prefix4}.{number}"

    def address6(self, number: int) -> str:
        """IPv6 address of the machine with this number; it reads like the IPv4 one (``fd77:1::11`` and ``.11``)."""
        return f"{self.prefix6}::{number}" if self.prefix6 else ""


CLIENTS = Network("clients", "10.77.1", "fd77:1", gateway=1)
SERVER_NET = Network("servers", "10.77.2", "fd77:2", gateway=1)
# No gateway and no IPv6: what cuts the data networks must not cut us off from the machine.
MANAGEMENT = Network("mgmt", "10.77.9")
NETWORKS = (CLIENTS, SERVER_NET, MANAGEMENT)
CONTROLLER_NUMBER = 1


@dataclass(frozen=True)
class Interface:
    """One network card of a machine; the first of ``numbers`` is its main address, the others are additional."""

    name: str
    network: Network
    numbers: tuple[int, ...]
    default_route: bool = False

    @property
    def mac(self) -> str:
        """The card's hardware address, the same after a reset: nobody's neighbour table goes stale."""
        return f"02:0d:00:00:{NETWORKS.index(self.network):02x}:{self.numbers[0]:02x}"


@dataclass(frozen=True)
class Host:
    """A machine: its roles in the order in which they are provisioned, and its network cards."""

    name: str
    roles: tuple[str, ...]
    interfaces: tuple[Interface, ...]
    group: str = "servers"

    @property
    def fqdn(self) -> str:
        """The name in the lab's DNS zone."""
        return f"{self.name}.{DOMAIN}"

    @property
    def uuid(self) -> uuid.UUID:
        """What identifies the machine to systemd and to netdata: the same in every lab."""
        return uuid.uuid5(uuid.NAMESPACE_DNS, self.fqdn)

    def interface(self, name: str) -> Interface:
        """The network card of that name; ``KeyError`` when there is none."""
        return {card.name: card for card in self.interfaces}[name]

    @property
    def management_address(self) -> str:
        """The IPv4 address that ssh and Ansible use."""
        card = self.interface("mgmt0")
        return card.network.address4(card.numbers[0])

    @property
    def address4(self) -> str:
        """The IPv4 address of ``net0``, which carries the data."""
        card = self.interface("net0")
        return card.network.address4(card.numbers[0])

    @property
    def address6(self) -> str:
        """The IPv6 address of ``net0``."""
        card = self.interface("net0")
        return card.network.address6(card.numbers[0])


def _machine(name: str, network: Network, number: int, management: int, *roles: str, more: tuple[int, ...] = ()) -> Host:
    cards = (
        Interface("net0", network, (number, *more), default_route=True),
        Interface("mgmt0", MANAGEMENT, (management,)),
    )
    return Host(name, ("base", *roles), cards, group="clients" if network is CLIENTS else "servers")


ROUTER = Host(
    "router",
    ("base", "router"),
    (
        Interface("net0", CLIENTS, (CLIENTS.gateway,)),
        Interface("net1", SERVER_NET, (SERVER_NET.gateway,)),
        Interface("mgmt0", MANAGEMENT, (2,)),
    ),
)

# The name server's two addresses: a resolver that clients ask, and the zone's authority, which the resolver asks.
RESOLVER_NUMBER, AUTHORITY_NUMBER = 53, 54

SERVERS = (
    ROUTER,
    _machine("db1", SERVER_NET, 20, 20, "server", "database"),
    _machine("apm1", SERVER_NET, 30, 30, "server", "apm"),
    _machine("proxy1", SERVER_NET, 40, 40, "server", "proxy"),
    _machine("lb1", SERVER_NET, 50, 50, "server", "balancer"),
    _machine("ns1", SERVER_NET, RESOLVER_NUMBER, RESOLVER_NUMBER, "server", "nameserver", more=(AUTHORITY_NUMBER,)),
)

# Names without a machine of their own; faults use them: (name, type, value).
EXTRA_RECORDS = (
    ("database", "CNAME", "db1"),
    ("apm", "CNAME", "apm1"),
    ("only4", "A", SERVER_NET.address4(20)),
    ("only6", "AAAA", SERVER_NET.address6(20)),
    # On the servers' network, and no machine has it: its neighbour never answers.
    ("absent", "A", SERVER_NET.address4(199)),
)


def hosts(clients: int = DEFAULT_CLIENTS) -> dict[str, Host]:
    """All machines by name: the servers first, because clients need them, then ``web1`` to ``web<clients>``."""
    if not 1 <= clients <= MAX_CLIENTS:
        raise ValueError(f"the lab can have 1 to {MAX_CLIENTS} clients, not {clients}")
    webs = (_machine(f"web{n}", CLIENTS, 10 + n, 100 + n, "client") for n in range(1, clients + 1))
    return {host.name: host for host in (*SERVERS, *webs)}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's network namespaces, bridges and cables.

One namespace, ``doctor-lab``, holds the bridges and is where the controller (ssh, ansible) runs. Each machine has a
namespace of its own; a pair of veth interfaces is the cable between a machine's card and its network's bridge.
Nothing is created in the machine's own namespace.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from .shell import run
from .topology import CONTROLLER_NUMBER, MANAGEMENT, NETWORKS, Host

NAMESPACE = "doctor-lab"
CONTROLLER_PREFIX = ("ip", "netns", "exec", NAMESPACE)

# Inside a new namespace: IPv6 addresses are usable at once, and a bridge is a wire, not a firewall.
NAMESPACE_SYSCTLS = ("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.accept_ra=0")
BRIDGE_SYSCTLS = ("net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0")


def namespace(host: str) -> str:
    """The name of a machine's network namespace."""
    return f"{NAMESPACE}-{host}"


def existing() -> list[str]:
    """The namespaces of a lab that are there now, the machines' first."""
    names = [line.split()[0] for line in run(["ip", "netns", "list"]).stdout.splitlines() if line]
    ours = [name for name in names if name == NAMESPACE or name.startswith(f"{NAMESPACE}-")]
    return sorted(ours, key=lambda name: (name == NAMESPACE, name))


def _batch(lines: list[str], name: str = NAMESPACE) -> None:
    run(["ip", "-n", name, "-batch", "-"], input="\n".join(lines) + "\n")


def create() -> None:
    """The controller's namespace, with a bridge for each network."""
    run(["ip", "netns", "add", NAMESPACE])
    run([*CONTROLLER_PREFIX, "sysctl", "-qw", *NAMESPACE_SYSCTLS, *BRIDGE_SYSCTLS])
    lines = ["link set lo up"]
    for network in NETWORKS:
        lines += [f"link add {network.bridge} type bridge", f"link set {network.bridge} up"]
    lines.append(f"address add {MANAGEMENT.address4(CONTROLLER_NUMBER)}/24 dev {MANAGEMENT.bridge}")
    _batch(lines)


def connect(host: Host) -> None:
    """The machine's namespace, and a cable from each of its cards to the bridge of its network."""
    theirs = namespace(host.name)
    run(["ip", "netns", "add", theirs])
    run(["ip", "netns", "exec", theirs, "sysctl", "-qw", *NAMESPACE_SYSCTLS])
    lines = []
    for card in host.interfaces:
        # At most 15 characters: "router-mgmt0" is the longest.
        cable = f"{host.name}-{card.name}"
        lines += [
            f"link add {cable} type veth peer name {card.name} address {card.mac} netns {theirs}",
            f"link set {cable} master {card.network.bridge} up",
        ]
    _batch(lines)
    _batch(["link set lo up"], theirs)


def disconnect(name: str) -> None:
    """Remove a namespace and its cables, after ending the programs in it (ssh's connection masters, for example)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = [int(pid) for pid in run(["ip", "netns", "pids", name]).stdout.split()]
        for pid in set(pids) - {os.getpid()}:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        if pids and number is signal.SIGTERM:
            time.sleep(0.2)
    run(["ip", "netns", "delete", name])


def remove() -> None:
    """Remove all of the lab's namespaces."""
    for name in existing():
        disconnect(name)

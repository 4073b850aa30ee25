# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host takes packets of a peer where they arrive: the reverse path filter (RFC 3704, net.ipv4.conf.*.rp_filter).

The kernel is asked itself, without a packet: ``ip route get OWN from PEER iif DEVICE`` does the check that an arriving packet meets, and
fails where the filter would drop it. IPv6 has no such filter in its routing; a rule of the packet filter may do the same.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

_MOST_INTERFACES = 16
# EXDEV; newer kernels say EINVAL, which is also what they say of sources that nobody may have.
_REFUSED, _REFUSED_OR_MARTIAN = "Invalid cross-device link", "Invalid argument"
_SYSCTL = "/proc/sys/net/ipv4/conf/%s/rp_filter"


def observe_reverse_path(
    context: Context, address: str, lookup: dict[str, t.Any] | None, local_address: str, counted: int, before: int
) -> None:
    """Records ``route.reverse_path``. :param lookup: the facts of ``route.lookup`` to the peer.

    :param local_address: the address of this host that the peer talks to; empty for the one that this host would use.
    :param counted: IPReversePathFilter of TcpExt now. :param before: the same before the other checks.
    """
    started = time.time()
    peer = address.partition("%")[0]
    own = local_address or (lookup or {}).get("source", "")
    data: dict[str, t.Any] = {
        "address": peer,
        "local_address": own,
        "return_device": (lookup or {}).get("device", ""),
        "arrival_device": "",
        "arrival_accepted": None,
        "interfaces": [],
        "dropped_during_probe": counted - before,
        "dropped_since_boot": counted,
    }
    if ":" not in peer:
        data["interfaces"] = [_interface(context, peer, name, addresses) for name, addresses in up_addresses(context)]
        for one in data["interfaces"]:
            if own and own in one["addresses"]:
                data["arrival_device"], data["arrival_accepted"] = one["name"], one["accepts_peer"]
    refused = data["arrival_accepted"] is False
    status = "fail" if refused else "warn" if data["dropped_during_probe"] else "ok"
    context.observe(
        "route.reverse_path", status, address, _sentence(data), data=data, started=started,
        reproduce="ip route get %s from %s iif %s; nstat -az TcpExtIPReversePathFilter" % (
            own or "OWN", peer, data["arrival_device"] or "DEVICE"))


def up_addresses(context: Context) -> list[tuple[str, list[str]]]:
    """Each interface that is up and has IPv4 addresses, with them."""
    try:
        links = json.loads(context.command(["ip", "-j", "-4", "address", "show", "up"], seconds=2.0).output or "[]")
        found = [(str(link["ifname"]), [str(one["local"]) for one in link["addr_info"]]) for link in links if link.get("addr_info")]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []
    return [(name, addresses) for name, addresses in found if name != "lo"][:_MOST_INTERFACES]


def _interface(context: Context, peer: str, name: str, addresses: list[str]) -> dict[str, t.Any]:
    answer = context.command(["ip", "route", "get", addresses[0], "from", peer, "iif", name], seconds=2.0)
    own = _value(name)
    filtering = _effective(own)
    refused = _REFUSED in answer.errors or (_REFUSED_OR_MARTIAN in answer.errors and bool(filtering) and not _flow.is_own_address(peer))
    accepts = True if answer.exit_code == 0 else False if refused else None
    return {"name": name, "addresses": addresses, "rp_filter": filtering, "rp_filter_own": own, "accepts_peer": accepts}


def _effective(own: int | None) -> int | None:
    """The larger of the interface's value and that of all: 0 off, 1 strict, 2 loose."""
    of_all = _value("all")
    return None if own is None or of_all is None else max(own, of_all)


def _value(name: str) -> int | None:
    try:
        with open(_SYSCTL % name, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _sentence(data: dict[str, t.Any]) -> str:
    if data["arrival_accepted"] is False:
        return "packets from %s to %s are dropped on %s by the reverse path filter, as the way back goes out of %s" % (
            data["address"], data["local_address"], data["arrival_device"], data["return_device"] or "no interface")
    if data["dropped_during_probe"]:
        return "the reverse path filter of this host dropped %d packets meanwhile" % data["dropped_during_probe"]
    if ":" in data["address"]:
        return "IPv6 has no reverse path filter in its routing"
    return "this host takes packets from %s%s" % (
        data["address"], " on %s" % data["arrival_device"] if data["arrival_device"] else ", as far as can be seen")

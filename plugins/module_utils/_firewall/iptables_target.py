# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the targets of iptables do with a packet: iptables-extensions(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import flow as flows
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Packet, Span
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Action

Options = t.Dict[str, str]

WITHOUT_EFFECT = frozenset((
    "LOG", "NFLOG", "ULOG", "AUDIT", "TRACE", "TCPMSS", "CLASSIFY", "TTL", "HL", "DSCP", "TOS", "ECN", "CHECKSUM", "SET", "SECMARK",
    "CONNSECMARK", "RATEEST", "LED", "IDLETIMER", "TEE", "TCPOPTSTRIP"))

_REJECTS = {
    "icmp-net-unreachable": "net_unreachable", "icmp-host-unreachable": "host_unreachable", "icmp-port-unreachable": "port_unreachable",
    "icmp-proto-unreachable": "protocol_unreachable", "icmp-net-prohibited": "net_prohibited", "icmp-host-prohibited": "host_prohibited",
    "icmp-admin-prohibited": "admin_prohibited", "tcp-reset": "tcp_reset",
    "icmp6-no-route": "no_route", "no-route": "no_route", "icmp6-adm-prohibited": "admin_prohibited", "adm-prohibited": "admin_prohibited",
    "icmp6-addr-unreachable": "address_unreachable", "addr-unreach": "address_unreachable", "icmp6-port-unreachable": "port_unreachable",
    "icmp6-policy-fail": "source_policy_failed", "icmp6-reject-route": "reject_route",
}


def _accept(options: Options, packet: Packet) -> Action:
    return Action("accept")


def _drop(options: Options, packet: Packet) -> Action:
    return Action("drop")


def _return(options: Options, packet: Packet) -> Action:
    return Action("return")


def _reject(options: Options, packet: Packet) -> Action:
    return Action("reject", _REJECTS[options.get("--reject-with", "icmp-port-unreachable")])


def _mark(options: Options, packet: Packet) -> None:
    """``--set-xmark value/mask`` is how all its forms are saved: the bits of the mask are cleared, then the value's are turned."""
    packet.mark = _xor(packet.mark, options["--set-xmark"])


def _xor(mark: int | str, written: str) -> int | str:
    number, _slash, mask = written.partition("/")
    return mark if isinstance(mark, str) else (mark & ~int(mask or "0xffffffff", 0)) ^ int(number, 0)


def _connection_mark(options: Options, packet: Packet) -> None:
    connection = packet.connection
    if packet.state not in ("new", "established"):
        return
    if "--set-xmark" in options:
        connection.mark = _xor(connection.mark, options["--set-xmark"])
    elif "--save-mark" in options:
        connection.mark = _mixed(connection.mark, packet.mark, options, "--ctmask", "--nfmask")
    elif "--restore-mark" in options:
        packet.mark = _mixed(packet.mark, connection.mark, options, "--nfmask", "--ctmask")
    else:
        raise ValueError("no known form")


def _mixed(kept: int | str, taken: int | str, options: Options, clears: str, takes: str) -> int | str:
    if isinstance(kept, str) or isinstance(taken, str):
        return UNKNOWN
    cleared, bits = (int(options.get(name) or "0xffffffff", 0) for name in (clears, takes))
    return (kept & ~cleared) ^ (taken & bits)


def _no_tracking(options: Options, packet: Packet) -> None:
    packet.do_not_track()


def _tracking(options: Options, packet: Packet) -> None:
    if "--notrack" in options:
        _no_tracking(options, packet)


def _destination(options: Options, packet: Packet) -> Action:
    address, port = _translation(options["--to-destination"])
    packet.change_destination(address, port)
    return Action("accept")


def _source(options: Options, packet: Packet) -> Action:
    address, port = _translation(options["--to-source"])
    packet.change_source(address, port)
    return Action("accept")


def _masquerade(options: Options, packet: Packet) -> Action:
    packet.change_source(None, None)
    return Action("accept")


def _redirect(options: Options, packet: Packet) -> Action:
    packet.redirect(_port(options.get("--to-ports", "")))
    return Action("accept")


def _translation(written: str) -> tuple[int | None, Span | None]:
    """``10.0.0.1``, ``10.0.0.1:80``, ``:80``, ``[fd00::1]:80``. :raises ValueError, OSError: it is one of several addresses."""
    if written.startswith("["):
        address, _bracket, port = written[1:].partition("]")
        return flows.address_number(address)[1], _port(port.lstrip(":"))
    if written.count(":") > 1:
        return flows.address_number(written)[1], None
    address, _colon, port = written.partition(":")
    return (flows.address_number(address)[1] if address else None), _port(port)


def _port(written: str) -> Span | None:
    low, _dash, high = written.partition("-")
    return Span(int(low), int(high or low)) if low else None


TARGETS: dict[str, t.Callable[[Options, Packet], Action | None]] = {
    "ACCEPT": _accept,
    "DROP": _drop,
    "RETURN": _return,
    "REJECT": _reject,
    "MARK": _mark,
    "CONNMARK": _connection_mark,
    "NOTRACK": _no_tracking,
    "CT": _tracking,
    "DNAT": _destination,
    "SNAT": _source,
    "MASQUERADE": _masquerade,
    "REDIRECT": _redirect,
}

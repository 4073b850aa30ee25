# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether an address on this host's links is held by more than one machine, asked as RFC 5227 (section 2.1.1) does.

An ARP probe has no sender address, so that nobody's table changes by it. Only IPv4: an IPv6 host asks by itself before it takes an address
(RFC 4862, section 5.4), and leaves it where another one answers.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import errno
import select
import socket
import struct
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._route.reverse import up_addresses

_ETHERTYPE = 0x0806
_FRAME = struct.Struct("!6s6sHHHBBH6s4s6s4s")
_ETHERNET, _IPV4, _REQUEST, _REPLY = 1, 0x0800, 1, 2
_EVERYBODY = b"\xff" * 6
_BYTES = 128
# Switches learn, and sleepy machines wake up: asked twice, the second answer may be the other machine's.
_ASKED_S = (0.0, 0.25)
_LISTEN_S = 0.7
_MOST_ANSWERS = 200


class Holder(t.NamedTuple):
    """An ``address`` that was asked for on a ``device``, and who answered; ``own``: it is this host's, which does not answer itself.

    A router may answer for every address of the link (local proxy ARP); so that the next hop answers for an own address tells nothing.
    """

    address: str
    device: str
    own: bool
    macs: list[str]

    @property
    def is_duplicate(self) -> bool:
        return len(self.macs) > (0 if self.own else 1)


def observe_neighbours(context: Context, address: str, lookup: dict[str, t.Any] | None) -> None:
    """Records ``route.neighbours``: ``peer`` (the address that it is about), ``asked`` (``address``, ``device``, ``own``, ``macs`` of those
    who answered), and of the first address that has too many holders ``duplicate_address``, ``duplicate_device``, ``duplicate_own``
    and ``duplicate_macs``; all empty where there is none. ``cannot_tell`` has ``reason`` ``not_permitted``.

    :param lookup: the facts of ``route.lookup``: the next hop is asked for, and all IPv4 addresses of this host.
    """
    started = time.time()
    wanted = {(own, name): True for name, addresses in up_addresses(context) for own in addresses}
    facts = lookup or {}
    if facts.get("type") == "unicast" and facts.get("next_hop") and ":" not in facts["next_hop"] and facts.get("device"):
        wanted.setdefault((facts["next_hop"], facts["device"]), False)
    try:
        answers = _ask(context, wanted)
    except PermissionError:
        context.observe("route.neighbours", "cannot_tell", address, "this user may not ask by ARP who holds an address",
                        data={"peer": address, "reason": "not_permitted"}, started=started)
        return
    holders = [
        Holder(one, device, own, sorted(answers.get((one, device), set()) - ({facts.get("next_hop_mac", "")} if own else set())))
        for (one, device), own in wanted.items()
    ]
    twice = next((holder for holder in holders if holder.is_duplicate), None)
    data: dict[str, t.Any] = {
        "peer": address,
        "asked": [holder._asdict() for holder in holders],
        "duplicate_address": twice.address if twice else "",
        "duplicate_device": twice.device if twice else "",
        "duplicate_own": twice.own if twice else False,
        "duplicate_macs": twice.macs if twice else [],
    }
    reproduce = "; ".join("arping -D -c 2 -I %s %s" % (device, one) for one, device in list(wanted)[:2])
    context.observe("route.neighbours", "fail" if twice else "ok", address, _sentence(twice), data=data, started=started,
                    reproduce=reproduce)


def _sentence(twice: Holder | None) -> str:
    if twice is None:
        return "no other machine answers for an address of this host, and one at most for its next hop"
    who = "%s too" % ", ".join(twice.macs) if twice.own else "each of %s" % ", ".join(twice.macs)
    return "%s is held by more than one machine on %s: %s answers for it" % (twice.address, twice.device, who)


def _ask(context: Context, wanted: t.Iterable[tuple[str, str]]) -> dict[tuple[str, str], set[str]]:
    """Who answers, by address and device. :raises PermissionError: this user may not."""
    by_device: dict[str, list[str]] = {}
    for address, device in wanted:
        by_device.setdefault(device, []).append(address)
    sockets: dict[str, socket.socket] = {}
    answers: dict[tuple[str, str], set[str]] = {}
    try:
        for device in by_device:
            sock = _open(device)
            if sock is not None:
                sockets[device] = sock
        began = time.monotonic()
        waiting = list(_ASKED_S)
        while sockets and time.monotonic() - began < context.deadline.allow(_LISTEN_S):
            if waiting and time.monotonic() - began >= waiting[0]:
                waiting.pop(0)
                for device, sock in sockets.items():
                    _send(sock, by_device[device])
            _listen(sockets, answers)
    finally:
        for sock in sockets.values():
            sock.close()
    return answers


def _open(device: str) -> socket.socket | None:
    """None for a device that is no Ethernet, or went away. :raises PermissionError: this user may not."""
    try:
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETHERTYPE))
    except OSError as problem:
        if problem.errno == errno.EAFNOSUPPORT:  # so says RestrictAddressFamilies= of a service (systemd.exec(5))
            raise PermissionError(problem.errno, problem.strerror) from None
        raise
    try:
        sock.bind((device, _ETHERTYPE))
        sock.setblocking(False)
    except OSError:
        sock.close()
        return None
    if sock.getsockname()[3] != _ETHERNET or len(sock.getsockname()[4]) != 6:
        sock.close()
        return None
    return sock


def _send(sock: socket.socket, addresses: t.Iterable[str]) -> None:
    own = sock.getsockname()[4]
    for address in addresses:
        frame = _FRAME.pack(_EVERYBODY, own, _ETHERTYPE, _ETHERNET, _IPV4, 6, 4, _REQUEST, own, bytes(4), bytes(6),
                            socket.inet_aton(address))
        try:
            sock.send(frame)
        except OSError:
            return


def _listen(sockets: dict[str, socket.socket], answers: dict[tuple[str, str], set[str]]) -> None:
    """What came within a moment. Others' requests name their senders too, but only answers were asked for.

    A host with two interfaces on one link answers for its addresses on both (arp_ignore in Documentation/networking/ip-sysctl.rst).
    """
    own = _own_macs()
    names = {sock.fileno(): name for name, sock in sockets.items()}
    poller = select.poll()
    for descriptor in names:
        poller.register(descriptor, select.POLLIN)
    for descriptor, _event in poller.poll(50):
        device = names[descriptor]
        for _answer in range(_MOST_ANSWERS):
            try:
                frame = sockets[device].recv(_BYTES)
            except OSError:
                break
            told = read_answer(frame)
            mac = ":".join("%02x" % byte for byte in told[1]) if told else ""
            if told and mac not in own:
                answers.setdefault((told[0], device), set()).add(mac)


def _own_macs() -> set[str]:
    found = set()
    for _index, name in socket.if_nameindex():
        try:
            with open("/sys/class/net/%s/address" % name, encoding="ascii") as file:
                found.add(file.read().strip())
        except OSError:
            continue
    return found


def read_answer(frame: bytes) -> tuple[str, bytes] | None:
    """:returns: the address that an ARP reply tells of, and its holder's MAC; None for anything else."""
    if len(frame) < _FRAME.size:
        return None
    fields = _FRAME.unpack_from(frame)
    mac, address = fields[8:10]
    return (socket.inet_ntoa(address), mac) if fields[2:8] == (_ETHERTYPE, _ETHERNET, _IPV4, 6, 4, _REPLY) else None

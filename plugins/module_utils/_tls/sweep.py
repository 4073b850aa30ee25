# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a TLS server accepts, asked one version and one cipher at a time, and whether this host offers any of it.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._tls import hello as _tls_hello
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import wire as _tls_wire
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import Remaining, SocketChannel
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.place import Place, open_for_tls

# Makes the time for one connection.
Budget = t.Callable[[], Remaining]

_MAXIMUM_CIPHERS = 3
_SAYS_NO = ("alert", "closed", "reset")


def ask(where: Place, version: int, ciphers: t.Iterable[int], remaining: Remaining) -> _tls_hello.Reply:
    """One connection, one ClientHello."""
    opened = open_for_tls(where, remaining)
    if opened.sock is None:
        return _tls_hello.Reply(opened.connect_error or opened.error)
    with opened.sock as sock:
        return _tls_hello.ask(SocketChannel(sock), _tls_hello.client_hello(version, ciphers, where.sni() or None), remaining)


def ask_anything(where: Place, remaining: Remaining) -> _tls_hello.Reply:
    """Whether the port speaks TLS at all: TLS 1.2, with every cipher. A server of TLS 1.3 only says so with an alert."""
    return ask(where, 0x0303, _tls_hello.cipher_names(), remaining)


def versions(where: Place, offered: list[int], budget: Budget) -> tuple[dict[str, t.Any], dict[int, _tls_hello.Reply]]:
    """Each version alone, with every cipher there is.

    :param offered: what this host's OpenSSL offers by itself.
    :returns: ``accepted``, ``refused``, ``untested`` (names), ``answers`` (per version: ``server_hello``,
        ``other_version``, an alert's name, ``closed`` …), ``client_minimum``, ``client_maximum``, ``in_common``; and the replies.
    """
    everything = _tls_hello.cipher_names()
    replies = {version: ask(where, version, everything, budget()) for version in _tls_hello.VERSIONS}
    found: dict[str, list[str]] = {"accepted": [], "refused": [], "untested": []}
    for version, reply in replies.items():
        found[_verdict(version, reply)].append(_tls_wire.version_name(version))
    client = [_tls_wire.version_name(version) for version in sorted(offered)]
    return {
        "accepted": found["accepted"],
        "refused": found["refused"],
        "untested": found["untested"],
        "answers": {_tls_wire.version_name(version): _answer(version, reply) for version, reply in replies.items()},
        "client_minimum": client[0] if client else "",
        "client_maximum": client[-1] if client else "",
        "in_common": [name for name in client if name in found["accepted"]],
    }, replies


def _verdict(version: int, reply: _tls_hello.Reply) -> str:
    if reply.answer == "server_hello":
        return "accepted" if reply.version == version else "refused"  # it answered with an older one
    return "refused" if reply.answer in _SAYS_NO else "untested"


def _answer(version: int, reply: _tls_hello.Reply) -> str:
    if reply.answer == "server_hello" and reply.version != version:
        return "other_version"
    return _tls_wire.alert_name(reply.alert) if reply.answer == "alert" else reply.answer


def ciphers(where: Place, version: int, first: _tls_hello.Reply, offered: _tls_wire.Hello, budget: Budget) -> dict[str, t.Any]:
    """What the server picks of all ciphers, then of those without it, and so on; and whether this host offers that.

    :param first: its reply to all of them. :param offered: this host's own ClientHello.
    :returns: ``ciphers_accepted_by_server`` (OpenSSL's names, at most 3, in its order), ``cipher_in_common``,
        ``groups_accepted_by_server`` (of the key exchange), ``group_in_common``: None when the server named none.
    """
    names = _tls_hello.cipher_names()
    taken: list[int] = []
    groups: list[int] = []
    reply = first
    while reply.answer == "server_hello" and reply.version == version and reply.cipher not in taken:
        taken.append(reply.cipher)
        if reply.group and reply.group not in groups:
            groups.append(reply.group)
        if len(taken) == _MAXIMUM_CIPHERS:
            break
        reply = ask(where, version, [number for number in names if number not in taken], budget())
    return {
        "ciphers_accepted_by_server": [names.get(number, "0x%04x" % number) for number in taken],
        "cipher_in_common": any(number in offered.ciphers for number in taken) if taken else None,
        "groups_accepted_by_server": [_tls_wire.group_name(number) for number in groups],
        "group_in_common": any(number in offered.groups for number in groups) if groups else None,
    }

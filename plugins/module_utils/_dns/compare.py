# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several answers about one name say together: which candidate was used, whether servers agree, and what another vantage sees.

Pure functions over the data of ``dns.answer``.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

Answer = t.Mapping[str, t.Any]
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")


def addresses_of(answers: t.Iterable[Answer]) -> list[str]:
    return sorted({address for answer in answers for address in answer["addresses"]})


def rcode_of(answers: t.Sequence[Answer]) -> str:
    """Of both record types together: the one with addresses counts, else the worst that was said."""
    codes = [answer["rcode"] for answer in answers if answer["rcode"]]
    others = [code for code in codes if code != "NOERROR"]
    if addresses_of(answers):
        return "NOERROR"
    return (others or codes or [""])[0]


def disagree(one: t.Iterable[str], other: t.Iterable[str]) -> bool:
    """Whether two sets of addresses have nothing in common in a family that both know: servers may show parts of one large set in turn."""
    for has_colon in (False, True):
        ours, theirs = ({address for address in addresses if (":" in address) is has_colon} for addresses in (one, other))
        if ours and theirs and not ours & theirs:
            return True
    return False


def used_name(by_name: t.Mapping[str, t.Sequence[Answer]]) -> str:
    """The first candidate that has addresses, or empty."""
    return next((name for name, answers in by_name.items() if addresses_of(answers)), "")


def search(host: str, by_name: t.Mapping[str, t.Sequence[Answer]], absolute: t.Sequence[Answer]) -> dict[str, t.Any]:
    """:param by_name: answers by candidate, in the order in which they were asked. :param absolute: those for the name as it is."""
    used = used_name(by_name)
    found, right = addresses_of(by_name.get(used, ())), addresses_of(absolute)
    searched = bool(used) and used != host.rstrip(".") + "."
    return {
        "name": host,
        "candidates": [{"name": name, "rcode": rcode_of(answers), "addresses": addresses_of(answers)} for name, answers in by_name.items()],
        "used": used,
        "used_addresses": found,
        "searched": searched,
        "absolute": host.rstrip(".") + ".",
        "absolute_rcode": rcode_of(absolute),
        "absolute_addresses": right,
        "differs": searched and bool(right) and found != right,
    }


def agreement(host: str, by_server: t.Mapping[str, t.Mapping[str, t.Sequence[Answer]]]) -> dict[str, t.Any]:
    """Servers grouped by what they said of the candidate that has addresses, or else of the first; the silent ones apart."""
    groups: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    silent = []
    for server, by_name in by_server.items():
        name = used_name(by_name) or next(iter(by_name), "")
        answers = by_name.get(name, ())
        rcode = rcode_of(answers)
        if rcode:
            groups.setdefault((name, rcode, tuple(addresses_of(answers))), []).append(server)
        else:
            silent.append(server)
    return {
        "name": host,
        "agree": len(groups) < 2,
        "groups": [{"name": name, "rcode": rcode, "addresses": list(addresses), "servers": servers}
                   for (name, rcode, addresses), servers in groups.items()],
        "silent": silent,
    }


def is_private(address: str) -> bool:
    """RFC 1918, RFC 6598 and RFC 4193: what a split horizon shows inside only."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in map(ipaddress.ip_network, _PRIVATE) if network.version == parsed.version)

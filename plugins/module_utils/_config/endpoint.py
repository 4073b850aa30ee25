# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads where an agent is told to send: the ways in which agents write a host, a port and a scheme, and how they differ from what is meant.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact_url

_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://([^/?#]*)([^?#]*)")
# stream.conf of netdata: [PROTOCOL:]HOST[%INTERFACE][:PORT][:SSL]
_PROTOCOL = re.compile(r"^(tcp|udp):(?!//)")
_TLS_SUFFIX = re.compile(r":SSL$", re.IGNORECASE)
_DEFAULT_PORTS = {"http": 80, "https": 443}
_OVER_TLS = {"https": True, "tls": True, "grpcs": True, "ssl": True, "http": False, "tcp": False, "grpc": False}
_YES = ("true", "yes", "on", "1", "enabled")
_NO = ("false", "no", "off", "0", "disabled")


class Destination(t.NamedTuple):
    """``port`` 0 and ``scheme`` empty where nothing tells them."""

    host: str
    port: int
    scheme: str
    path: str
    url: str


def is_yes(value: str) -> bool | None:
    """How agents write a switch. None where it is no switch."""
    word = value.strip().lower()
    return True if word in _YES else False if word in _NO else None


def split_destinations(value: str) -> list[str]:
    """Several destinations in one value: with commas (most), semicolons (Zabbix clusters) or blanks (netdata) between."""
    return [part for part in re.split(r"[,;\s]+", value) if part]


def parse_destination(value: str, default_port: int = 0, default_scheme: str = "") -> Destination:
    """:param value: one destination, in any of the forms; what can't be read becomes the host as it stands."""
    text = value.strip().strip("\"'")
    match = _URL.match(text)
    if match:
        scheme, authority, path = match.group(1).lower(), match.group(2).rpartition("@")[2], match.group(3)
        default_port = _DEFAULT_PORTS.get(scheme, default_port)
    else:
        protocol = _PROTOCOL.match(text)
        scheme, authority = default_scheme, text[protocol.end():] if protocol else text
        authority, slash, path = authority.partition("/")
        path = slash + path
        if _TLS_SUFFIX.search(authority):
            scheme, authority = "tls", authority[:-len(":SSL")]
    host, port = _host_and_port(authority)
    return Destination(host.partition("%")[0].rstrip(".").lower(), port or default_port, scheme, path, redact_url(text))


def _host_and_port(authority: str) -> tuple[str, int]:
    match = re.fullmatch(r"\[([^\]]*)\](?::(\d{1,5}))?", authority)
    if not match and authority.count(":") <= 1:
        match = re.fullmatch(r"([^:]*)(?::(\d{1,5}))?", authority)
    if not match:
        return authority, 0  # an IPv6 address without brackets, or nothing that can be read
    return match.group(1), int(match.group(2) or 0)


def at_site(site: str, host: str, default_port: int = 0, default_scheme: str = "") -> Destination:
    """:param site: the domain below which all hosts are that an agent sends to. :param host: as it should be; the one that is meant, if it
    is below the domain.
    """
    domain, wanted = site.strip().strip(".").lower(), host.rstrip(".").lower()
    return Destination(wanted if wanted.endswith("." + domain) else domain, default_port, default_scheme, "", domain)


def with_port(destination: Destination, port: str) -> Destination:
    """A port from a key of its own."""
    return destination._replace(port=int(port)) if port.strip().isdigit() else destination


def with_scheme(destination: Destination, scheme: str) -> Destination:
    """A scheme from a key of its own: its name, or a switch that turns TLS on."""
    tls = is_yes(scheme)
    if tls is not None:
        return destination._replace(scheme="https" if tls else "http")
    return destination._replace(scheme=scheme.strip().lower()) if scheme.strip() else destination


def differences(found: Destination, host: str, port: int, scheme: str) -> list[str]:
    """:param host: as it should be; empty, 0 and empty where it doesn't matter. :returns: which of ``host``, ``port``, ``scheme`` differ.

    Schemes differ where one means TLS and the other doesn't. A name and an address can't be compared, and do not differ.
    """
    differ = []
    wanted = host.strip("[]").partition("%")[0].rstrip(".").lower()
    if wanted and not same_host(found.host, wanted) and comparable(found.host, wanted):
        differ.append("host")
    if port and found.port and found.port != port:
        differ.append("port")
    tls, wanted_tls = _OVER_TLS.get(found.scheme), _OVER_TLS.get(scheme.lower())
    if tls is not None and wanted_tls is not None and tls != wanted_tls:
        differ.append("scheme")
    return differ


def same_host(one: str, other: str) -> bool:
    """Names, or addresses in any of their forms."""
    first, second = _address(one), _address(other)
    return first == second if first and second else one == other


def comparable(one: str, other: str) -> bool:
    """Whether both are names, or both are addresses. Loopback and a name can be compared: who sends to itself sends nowhere else."""
    first, second = _address(one), _address(other)
    if bool(first) == bool(second):
        return True
    return any(address and address.is_loopback for address in (first, second)) and "localhost" not in (one, other)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Caches between an application and its name servers: systemd-resolved (resolvectl(1)) and nscd(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context

# Where a caching resolver of this very host listens for programs that do not know of it.
STUBS = ("127.0.0.53", "127.0.0.54")
_UPLINKS = "/run/systemd/resolve/resolv.conf"
_RESOLVED_SOCKET = "/run/systemd/resolve/io.systemd.Resolve"
_NSCD_SOCKETS = ("/run/nscd/socket", "/var/run/nscd/socket")
_COMMAND_S = 5.0
_LARGEST_FILE = 65536
_MOST_ADDRESSES = 32


class Cached(t.NamedTuple):
    """``cache``: ``resolved`` or ``nscd``. ``from_cache``: None where it does not tell. ``fresh``: addresses past the cache.

    ``error``: ``no_tool``, ``not_found`` (the cache, or whom it asks, denies the name), or resolvectl's own words.
    ``keeps_s``: how long it keeps an answer, whatever its TTL; None where it heeds the TTL.
    """

    cache: str
    addresses: tuple[str, ...]
    from_cache: bool | None
    fresh: tuple[str, ...]
    keeps_s: int | None
    error: str


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(1.0)
        try:
            sock.connect(path)
        except OSError:
            return False
    return True


def uplinks() -> list[str] | None:
    """The name servers that systemd-resolved itself asks; None where it has not said so, as it never ran."""
    try:
        with open(_UPLINKS, encoding="utf-8", errors="backslashreplace") as file:
            lines = file.read(_LARGEST_FILE).splitlines()
    except OSError:
        return None
    return [words[1] for words in map(str.split, lines) if len(words) > 1 and words[0] == "nameserver" and words[1] not in STUBS][:6]


def ask_resolved(host: str, context: Context) -> Cached | None:
    """None where systemd-resolved does not run."""
    if not _accepts(_RESOLVED_SOCKET):
        return None
    usual = context.command(["resolvectl", "--no-pager", "--legend=yes", "query", "--", host], _COMMAND_S)
    if usual.problem == "not_found":
        return Cached("resolved", (), None, (), None, "no_tool")
    past = context.command(["resolvectl", "--no-pager", "--legend=no", "--cache=no", "query", "--", host], _COMMAND_S)
    addresses, from_cache = parse_query(usual.output)
    error = "" if addresses else "not_found" if "not found" in usual.errors else context.text(usual.errors.strip(), 200)
    return Cached("resolved", addresses, from_cache, parse_query(past.output)[0], None, error)


_ADDRESS = re.compile(r"(?:^|\s)([0-9a-fA-F.:]{3,45})(?=\s|%|$)")


def parse_query(text: str) -> tuple[tuple[str, ...], bool | None]:
    """Addresses, and whether they were in the cache: ``db.example.com: 192.0.2.5 -- link: eth0``, then ``-- Data from: cache``."""
    addresses: dict[str, None] = {}
    from_cache: bool | None = None
    for line in text.splitlines()[:200]:
        if line.startswith("-- Data from:"):
            from_cache = line.split(":", 1)[1].split() == ["cache"]
        elif not line.startswith("--"):
            for word in _ADDRESS.findall(line.partition(" -- ")[0]):
                if _is_address(word):
                    addresses[word] = None
    return tuple(addresses)[:_MOST_ADDRESSES], from_cache


def _is_address(word: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, word)
        except OSError:
            continue
        return True
    return False


def links(context: Context) -> list[dict[str, t.Any]]:
    """Servers by link as ``resolvectl dns`` prints them: ``Link 2 (eth0): 10.0.0.2 10.0.0.3``."""
    return parse_links(context.command(["resolvectl", "--no-pager", "dns"], _COMMAND_S).output)


def parse_links(text: str) -> list[dict[str, t.Any]]:
    found = []
    for line in text.splitlines()[:100]:
        head, _colon, servers = line.partition(": ")
        link = re.fullmatch(r"Link \d{1,6} \((\S{1,64})\)|(Global)", head.rstrip(":").strip())
        if link and servers.split():
            found.append({"link": link.group(1) or "", "servers": servers.split()[:8]})
    return found


def ask_nscd(addresses: t.Sequence[str]) -> Cached | None:
    """None where nscd does not run, or keeps no hosts. glibc asks it first, so that what a program gets comes through it.

    :param addresses: what this program got.
    """
    keeps = hosts_seconds()
    if keeps is None or not any(map(_accepts, _NSCD_SOCKETS)):
        return None
    return Cached("nscd", tuple(addresses), None, (), keeps, "")


def hosts_seconds(path: str = "/etc/nscd.conf") -> int | None:
    """How long nscd keeps a name's addresses; None where it keeps none. nscd.conf(5): 3600 is its default."""
    try:
        with open(path, encoding="utf-8", errors="backslashreplace") as file:
            lines = [line.split("#")[0].split() for line in file.read(_LARGEST_FILE).splitlines()]
    except OSError:
        return None
    settings = {words[0]: words[2] for words in lines if len(words) == 3 and words[1] == "hosts"}
    if settings.get("enable-cache") != "yes":
        return None
    seconds = settings.get("positive-time-to-live", "3600")
    return int(seconds) if seconds.isascii() and seconds.isdigit() and len(seconds) < 10 else 3600

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How this host is set up to resolve names: resolv.conf(5), nsswitch.conf(5), hosts(5).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import re
import typing as t

_LARGEST_FILE = 4 * 1024 * 1024
# resolv.conf(5): MAXNS servers are used, the rest is ignored.
_MOST_SERVERS = 3
_MOST_OPTIONS = 20
# Each by the folder that resolv.conf leads into, or by its name in the head of the file that it wrote there.
_OWNERS = (("resolved", "/run/systemd/resolve/", "systemd-resolved"), ("networkmanager", "/run/NetworkManager/", "networkmanager"),
           ("resolvconf", "/run/resolvconf/", "resolvconf"))
_STUB = "127.0.0.53"
_HEAD_LINES = 5
_MADE = ("generated", "managed by", "do not edit", "created by")
_DEFAULT_SOURCES = ("dns", "files")  # nsswitch.conf(5), when there is no hosts line; glibc >= 2.33 says "files dns"


class ResolverConfiguration(t.NamedTuple):
    """``problem`` of the file: ``missing``, ``dangling_link``, ``unreadable`` or empty. ``sources`` of the hosts database, in order.

    ``options``: as the file has them. ``owner``: who writes the file, see :func:`owner_of`.
    """

    servers: tuple[str, ...]
    search: tuple[str, ...]
    ndots: int
    problem: str
    link: str
    sources: tuple[str, ...]
    sources_line: int
    options: tuple[str, ...] = ()
    owner: str = "file"


class HostsLine(t.NamedTuple):
    line: int
    address: str
    names: tuple[str, ...]


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        return file.read(_LARGEST_FILE)


def read_configuration(resolv_conf: str = "/etc/resolv.conf", nsswitch: str = "/etc/nsswitch.conf") -> ResolverConfiguration:
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[str] = []
    ndots = 1
    problem, text = "", ""
    try:
        text = _read(resolv_conf)
    except FileNotFoundError:
        problem = "dangling_link" if os.path.islink(resolv_conf) else "missing"
    except OSError:
        problem = "unreadable"
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options += words[1:]
            for option in words[1:]:
                if option.startswith("ndots:") and option[6:].isdigit():
                    ndots = min(15, int(option[6:]))
    sources, line_number = _sources(nsswitch)
    link = os.path.realpath(resolv_conf) if os.path.islink(resolv_conf) else ""
    return ResolverConfiguration(
        tuple(servers[:_MOST_SERVERS]), search, ndots, problem, link, sources, line_number, tuple(options[:_MOST_OPTIONS]),
        owner_of(text, link, servers))


def owner_of(text: str, link: str, servers: t.Collection[str]) -> str:
    """Who writes resolv.conf, so that a change must be made there.

    ``resolved``, ``networkmanager``, ``resolvconf``, ``other`` (it leads elsewhere, or its head says that another program made it), or
    ``file`` (nobody: it is its own).

    :param text: of the file. :param link: where it leads, or empty.
    """
    head = "\n".join(line for line in text.splitlines()[:_HEAD_LINES] if line[:1] in ("#", ";")).lower()
    for owner, folder, name in _OWNERS:
        if link.startswith(folder) or (not link and name in head):
            return owner
    if _STUB in servers:
        return "resolved"
    return "other" if link or any(words in head for words in _MADE) else "file"


def _sources(path: str) -> tuple[tuple[str, ...], int]:
    try:
        lines = _read(path).splitlines()
    except OSError:
        return _DEFAULT_SOURCES, 0
    for number, line in enumerate(lines, 1):
        database, colon, sources = line.split("#")[0].partition(":")
        if colon and database.strip() == "hosts":
            return tuple(re.sub(r"\[[^]]*\]", " ", sources).split()), number  # without the actions in brackets
    return _DEFAULT_SOURCES, 0


class Precedence(t.NamedTuple):
    """A line of gai.conf(5). The larger ``value`` comes first where a name has addresses of several prefixes (RFC 6724, section 2.1)."""

    prefix: str
    value: int
    line: int


def read_precedence(path: str = "/etc/gai.conf") -> list[Precedence]:
    """Empty where the order of addresses is the built-in one: one line here replaces all of that table."""
    try:
        lines = _read(path).splitlines()
    except OSError:
        return []
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if len(words) == 3 and words[0] == "precedence" and words[2].isascii() and words[2].isdigit() and len(words[2]) < 10:
            found.append(Precedence(words[1], int(words[2]), number))
    return found[:20]


def hosts_lines(name: str, path: str = "/etc/hosts") -> list[HostsLine]:
    """The lines of the hosts file that give this name, in the order in which they are used."""
    wanted = name.rstrip(".").lower()
    found = []
    try:
        lines = _read(path).splitlines()
    except OSError:
        return []
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        if len(words) > 1 and wanted in (word.lower() for word in words[1:]):
            found.append(HostsLine(number, words[0], tuple(words[1:])))
    return found


def candidates(name: str, configuration: ResolverConfiguration) -> list[str]:
    """The full names that the resolver would try, in its order (resolv.conf(5): ``search``, ``ndots``)."""
    if name.endswith("."):
        return [name]
    searched = ["%s.%s." % (name, domain.strip(".")) for domain in configuration.search if domain.strip(".")]
    absolute = [name + "."]
    return (absolute + searched if name.count(".") >= configuration.ndots else searched + absolute)[:6]

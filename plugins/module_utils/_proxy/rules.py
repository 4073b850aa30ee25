# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a program goes through the proxy: each library's own rules for the same environment, as a table.

``NO_PROXY`` has no standard. Libraries differ in which variable they read, how they split it, and whether an entry stands for a
domain, one name, an ending, a network or a port. The rows were compared with the libraries themselves: see the unit tests.

Sources: curl(1) and CURLOPT_NOPROXY(3); the GNU wget manual, "Proxies", and its ``sufmatch``; urllib.request of Python; requests,
``should_bypass_proxies``; golang.org/x/net/http/httpproxy; undici, ``EnvHttpProxyAgent``; proxy-from-env, which axios uses;
Java's "Networking Properties".

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import re
import typing as t

_DEFAULT_PORTS = {"http": 80, "https": 443}


class Library(t.NamedTuple):
    """How one library reads the environment.

    ``proxies``: variables by scheme, the first that is set counts; ``exclusions`` likewise. ``empty_counts``: a variable that is set to
    nothing hides the one of the same name in capitals. ``separator`` of entries.
    ``everything``: where ``*`` stands for every host: ``entry`` (also one of
    several), ``value`` (only alone), ``""`` (nowhere).

    What an entry matches, for ``bare`` (example.com), ``dotted`` (.example.com) and ``starred`` (*.example.com): ``domain`` (the name and
    all below it), ``below`` (only what is below), ``exact``, ``ending`` (any name that ends so, notexample.com too), ``""`` (nothing).

    ``port``: an entry may name one: ``number``; ``text`` (it is compared with the URL's host and port as written); ``""``: never matches.
    ``networks``: versions of IP whose CIDR networks it understands. ``by_number``: addresses are compared as numbers; ``by_name``: by the
    rules for names, too. ``local``: localhost and loopback addresses never go to a proxy.
    ``bracketed``: IPv6 hosts are compared with their brackets.
    """

    name: str
    proxies: t.Mapping[str, tuple[str, ...]]
    exclusions: tuple[str, ...]
    empty_counts: bool
    separator: str
    everything: str
    bare: str
    dotted: str
    starred: str
    port: str
    networks: tuple[int, ...]
    by_number: bool
    by_name: bool
    local: bool
    bracketed: bool


_EITHER = ("no_proxy", "NO_PROXY")
_LOWER_FIRST = {"http": ("http_proxy", "HTTP_PROXY"), "https": ("https_proxy", "HTTPS_PROXY")}
_WITH_ALL = {scheme: names + ("all_proxy", "ALL_PROXY") for scheme, names in _LOWER_FIRST.items()}

LIBRARIES = (
    Library(  # 7.86 and newer; before, it knew no networks, and in 7.88 it knew none of IPv6. HTTP_PROXY could be set by a CGI's client.
        "curl", {"http": ("http_proxy", "all_proxy", "ALL_PROXY"), "https": ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")},
        _EITHER, False, r"[,\s]+", "value", "domain", "domain", "", "", (4,), True, False, False, False),
    Library(
        "wget", {"http": ("http_proxy",), "https": ("https_proxy",)}, ("no_proxy",),
        False, r",\s*", "", "domain", "below", "", "", (), False, True, False, False),
    Library(
        "python_urllib", _LOWER_FIRST, _EITHER, True, r"\s*,\s*", "value", "domain", "domain", "", "text", (), False, True, False, True),
    Library(
        "python_requests", _WITH_ALL, _EITHER, True, r"\s*,\s*", "value", "domain", "domain", "", "text", (4,), False, True, False, False),
    Library(  # up to 2.33, which did not know where a label begins
        "python_requests_older", _WITH_ALL, _EITHER,
        True, r"\s*,\s*", "value", "ending", "domain", "", "text", (4,), False, True, False, False),
    Library(
        "go", {"http": ("HTTP_PROXY", "http_proxy"), "https": ("HTTPS_PROXY", "https_proxy")}, ("NO_PROXY", "no_proxy"),
        False, r"\s*,\s*", "entry", "domain", "below", "below", "number", (4, 6), True, True, True, False),
    Library(  # Node's own fetch and http read no environment unless told to; undici's EnvHttpProxyAgent is what they use then
        "node_undici", {"http": _LOWER_FIRST["http"], "https": _LOWER_FIRST["https"] + _LOWER_FIRST["http"]}, _EITHER,
        True, r"[,\s]+", "entry", "exact", "below", "ending", "number", (), False, True, False, True),
    Library(
        "node_axios", _WITH_ALL, _EITHER, False, r"[,\s]+", "entry", "exact", "below", "ending", "number", (), False, True, False, True),
)


class Decision(t.NamedTuple):
    """``route``: ``proxy`` or ``direct``. ``because``: ``proxy_variable``, ``no_proxy_variable`` (none is set), ``excluded`` (by
    ``entry`` of ``variable``) or ``local``. ``proxy``: the value of the variable, as it stands there."""

    route: str
    because: str
    variable: str = ""
    entry: str = ""
    proxy: str = ""


def decide(library: Library, environment: t.Mapping[str, str], scheme: str, host: str, port: int) -> Decision:
    """:param host: a name, or an address without brackets. :param scheme: ``http`` or ``https``."""
    variable, proxy = _first(library, library.proxies[scheme], environment)
    if not proxy:
        return Decision("direct", "no_proxy_variable")
    host = host.lower()
    if library.local and _is_local(host):
        return Decision("direct", "local", "", "", proxy)
    named, value = _first(library, library.exclusions, environment)
    entry = _matching(library, value, scheme, host, port)
    if entry:
        return Decision("direct", "excluded", named, entry, proxy)
    return Decision("proxy", "proxy_variable", variable, "", proxy)


def _first(library: Library, names: t.Iterable[str], environment: t.Mapping[str, str]) -> tuple[str, str]:
    hidden = set()
    for name in names:
        if environment.get(name) and name.lower() not in hidden:
            return name, environment[name]
        if library.empty_counts and name in environment:
            hidden.add(name.lower())
    return "", ""


def _matching(library: Library, value: str, scheme: str, host: str, port: int) -> str:
    """The first entry that matches, or ""."""
    if library.everything and value.strip() == "*":
        return "*"
    if library.name.startswith("python_requests"):
        value = value.replace(" ", "")
    entries = re.split(library.separator, value.strip())
    return next((entry for entry in entries if entry and _matches(library, entry.lower(), scheme, host, port)), "")


def _matches(library: Library, entry: str, scheme: str, host: str, port: int) -> bool:
    if entry == "*":
        return library.everything == "entry"
    address = _address(host)
    if address is not None and address.version in library.networks and re.fullmatch(r".+/\d+", entry):
        return _in_network(address, entry)
    if library.port == "number":
        named = re.fullmatch(r"(.+):(\d+)", entry)
        if named and (_address(entry) is None or library.bracketed):
            if int(named.group(2)) != port:
                return False
            entry = named.group(1)
    if address is not None:
        return _matches_address(library, entry, address, host)
    if library.port == "text" and port != _DEFAULT_PORTS[scheme] and _matches_name(library, entry, "%s:%d" % (host, port)):
        return True
    return _matches_name(library, entry, host)


def _matches_address(library: Library, entry: str, address: _Address, host: str) -> bool:
    if library.by_number and _address(entry) == address:
        return True
    return library.by_name and _matches_name(library, entry, "[%s]" % host if library.bracketed and address.version == 6 else host)


def _matches_name(library: Library, entry: str, host: str) -> bool:
    if library.starred == "ending" and entry.startswith("*"):
        return host.endswith(entry[1:])
    if entry.startswith("*."):
        kind, name = library.starred, entry[2:]
    elif entry.startswith("."):
        kind, name = library.dotted, entry.lstrip(".")
    else:
        kind, name = library.bare, entry
    name = name.rstrip(".") if library.name == "curl" else name
    if not name or not kind:
        return False
    if kind == "ending":
        return host.endswith(name)
    return (host == name and kind != "below") or (host.endswith("." + name) and kind != "exact")


_Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _in_network(address: _Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def _is_local(host: str) -> bool:
    address = _address(host)
    return address.is_loopback if address is not None else host == "localhost"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Java's proxy: system properties, no environment variables, and patterns of its own.

Source: "Java Networking and Proxies" and ``sun.net.spi.DefaultProxySelector`` of OpenJDK 17.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import shlex
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._proxy.rules import Decision

# What is read into every virtual machine, and beats the command line in the last case.
_BEFORE, _AFTER = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"), ("_JAVA_OPTIONS",)
_ALWAYS_DIRECT = "localhost|127.*|[::1]|0.0.0.0|[::0]"
_PREFIXES = {"http": ("http.proxy", "proxy"), "https": ("https.proxy", "proxy")}
_DEFAULT_PORTS = {"http": "80", "https": "443"}


def properties(environment: t.Mapping[str, str], command_line: t.Sequence[str]) -> dict[str, str]:
    """The system properties that begin with ``http`` or ``proxy``, as the process got them. :param command_line: its words."""
    words = [word for name in _BEFORE for word in _words(environment.get(name, ""))]
    words += list(command_line) + [word for name in _AFTER for word in _words(environment.get(name, ""))]
    found = {}
    for word in words:
        named = re.fullmatch(r"-D((?:https?\.|proxy)[A-Za-z.]+)=(.*)", word, re.DOTALL)
        if named:
            found[named.group(1)] = named.group(2)
    return found


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def decide(given: t.Mapping[str, str], scheme: str, host: str) -> Decision:
    """:param given: system properties. :param scheme: ``http`` or ``https``. :param host: a name, or an address without brackets."""
    for prefix in _PREFIXES[scheme]:
        name = given.get(prefix + "Host")
        if name:
            break
    else:
        return Decision("direct", "no_proxy_variable")
    proxy = "http://%s:%s" % (name, given.get(prefix + "Port") or _DEFAULT_PORTS[scheme])
    value = given.get("http.nonProxyHosts")  # for https too
    patterns = _ALWAYS_DIRECT if value is None else value and value + "|" + _ALWAYS_DIRECT
    compared = "[%s]" % host.lower() if ":" in host else host.lower()
    for pattern in patterns.split("|"):
        if pattern and _matches(pattern.lower(), compared):
            listed = value is not None and pattern in value.split("|")
            return Decision("direct", "excluded" if listed else "local", "http.nonProxyHosts" if listed else "", pattern, proxy)
    return Decision("proxy", "proxy_variable", prefix + "Host", "", proxy)


def _matches(pattern: str, host: str) -> bool:
    """A star is one only at the beginning or at the end."""
    if pattern == "*":
        return True
    begins, ends = pattern.startswith("*"), pattern.endswith("*")
    text = pattern[begins:len(pattern) - ends]
    if begins and ends:
        return text in host
    return host.endswith(text) if begins else host.startswith(text) if ends else host == text

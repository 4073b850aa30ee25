# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other addresses and names in the place of the real ones, with their relations: what shares a network, a domain or a host still does.

Addresses keep the length of the prefix that they share (Xu, Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002,
with HMAC-SHA-256 in the place of its cipher). The first bits, which tell private from public, stay as they are, and so do addresses with a
meaning of their own: loopback, link-local and multicast ones, and those of no host.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import typing as t

_Address = t.Union[ipaddress.IPv4Address, ipaddress.IPv6Address]

_IPV4 = r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)"
# gRPC writes the brackets around an address as a url does, %5B and %5D.
_IPV6 = (r"(?:(?<![\w:.%])|(?<=%5B))(?=[0-9a-f:]*:[0-9a-f:]*:)"
         r"(?:[0-9a-f:]{2,30}:(?:\d{1,3}\.){3}\d{1,3}|[0-9a-f:]{1,44}(?:[0-9a-f]|::)(?!\.\d))"
         r"(?!\w|:[\w:])")
_MAC = r"(?<![\w:.-])(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}(?![\w:-])"
_REVERSE = r"(?<![\w.])(?:\d{1,3}\.){4}in-addr\.arpa|(?<![\w.])(?:[0-9a-f]\.){32}ip6\.arpa"
_PREFIX = r"(?:/(?P<length>\d{1,3})(?![\w.]))?"
# curl's way to say with which address a name and port are reached.
_BEHIND = r"(?<![\w.:-])[\w.-]*[g-z_.-][\w.-]*:\d{1,5}:(?=[0-9a-f:]*:[0-9a-f]*:)[0-9a-f:]{1,44}(?:[0-9a-f]|::)(?!\w|:[\w:]|\.\d)"
_FOUND = re.compile(
    r"(?P<reverse>%s)|(?P<mac>%s)|(?P<behind>%s)|(?P<address>%s|%s)%s" % (_REVERSE, _MAC, _BEHIND, _IPV4, _IPV6, _PREFIX), re.IGNORECASE)
_KINDS = ("address", "mac", "behind", "reverse")

# Bits that stay. Of those with 16, the second number decides what kind of address it is.
_KEPT_IPV4 = dict.fromkeys((100, 169, 172, 192, 198, 203), 16)
_KEPT_IPV4_ELSE = 8
_KEPT_IPV6_LOCAL, _KEPT_IPV6 = 8, 16
# In 2001::/16, the second number does.
_KEPT_IPV6_SPECIAL = {0x2001: 32}
_WORD = re.compile(r"(?<![\w.-])\.?\w[\w.-]*")
# Without brackets, a port of five digits is the only one that is no part of the address.
_WITH_PORT = re.compile(r":.*:\d{5}$")
# Names that are no host's own.
_COMMON = frozenset(("localhost", "localdomain", "local", "ip6-localhost", "ip6-loopback", "ip6-allnodes", "ip6-allrouters", "arpa", "all"))
_MOST_NAMES = 5000


class Places:
    """:param key: of the run; the same place is the same in all texts of it. :param names: of hosts and domains, as far as they are known.

    ``told``: what stands for what, for those who may know.
    """

    def __init__(self, key: str, names: t.Iterable[str] = ()) -> None:
        self._key = key.encode("utf-8", "surrogatepass")
        self._addresses: dict[_Address, _Address] = {}
        self._bits: dict[tuple[int, str], int] = {}
        self.told: dict[str, str] = {}
        self._hosts: set[str] = set()
        self._domains: set[str] = set()
        self.know(names)

    def know(self, names: t.Iterable[str]) -> None:
        """A name with a dot stands for its whole domain and all in it; the first label of a host's full name for the host, too."""
        for name in (name.strip(".").lower() for name in names):
            if _is_name(name) and len(self._hosts) < _MOST_NAMES:
                self._hosts.add(name.split(".")[0])
                self._domains |= {name.split(".", 1)[1] if name.count(".") > 1 else name} if "." in name else set()

    def mapped(self, text: str) -> str:
        text = _FOUND.sub(self._place, text)
        return _WORD.sub(self._word, text) if self._hosts else text

    def _word(self, match: t.Match[str]) -> str:
        word = match.group().rstrip(".-")
        labels = word.lower().lstrip(".").split(".")
        is_ours = (len(labels) == 1 and labels[0] in self._hosts) or any(
            ".".join(labels[index:]) in self._domains for index in range(len(labels)))
        return self.name(word) + match.group()[len(word):] if is_ours else match.group()

    def name(self, name: str) -> str:
        """Label by label, so that the same domain is the same."""
        mapped = ".".join(label if not label or label.lower() in _COMMON else "n" + self._hash("name", label.lower())[:8]
                          for label in name.split("."))
        return self._noted(name, mapped)

    def address(self, address: _Address, length: int | None = None) -> _Address:
        """:param length: of the prefix, where it is a network; then the bits behind it stay."""
        if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
            return address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            inner = self.address(address.ipv4_mapped, None if length is None else max(0, length - 96))
            return ipaddress.IPv6Address("::ffff:%s" % inner)
        if address not in self._addresses:
            self._addresses[address] = self._permuted(address)
        mapped, most = self._addresses[address], address.max_prefixlen
        host_bits = most - length if length is not None and 0 <= length <= most else 0
        if host_bits and not int(address) & ((1 << host_bits) - 1):  # a network itself
            return type(address)(int(mapped) >> host_bits << host_bits)
        return type(address)(0xffffffff) if int(address) == 0xffffffff and most == 32 else mapped

    def _permuted(self, address: _Address) -> _Address:
        bits = "{:0{}b}".format(int(address), address.max_prefixlen)
        flips = "".join("0" if index < _kept(address) else str(self._flip(address.version, bits[:index])) for index in range(len(bits)))
        return type(address)(int(bits, 2) ^ int(flips, 2))

    def _flip(self, version: int, above: str) -> int:
        """Whether the next bit turns, decided by all bits above it: so two addresses part where they parted before."""
        if (version, above) not in self._bits:
            self._bits[version, above] = int(self._hash("address", "%d:%s" % (version, above))[0], 16) & 1
        return self._bits[version, above]

    def _place(self, match: t.Match[str]) -> str:
        kind = next(kind for kind in _KINDS if match.group(kind))
        try:
            mapped = getattr(self, "_" + kind)(match.group(kind), match.group("length"))
        except ValueError:  # it only looks like one
            return match.group()
        return (mapped if kind == "behind" else self._noted(match.group(kind), mapped)) + match.group()[len(match.group(kind)):]

    def _address(self, text: str, length: str | None) -> str:
        whole, port = (text.rpartition(":")[0], text.rpartition(":")[2]) if _WITH_PORT.search(text) else (text, "")
        return str(self.address(ipaddress.ip_address(whole), int(length) if length else None)) + (":" + port if port else "")

    def _behind(self, text: str, length: str | None) -> str:
        name, port, address = text.split(":", 2)
        return ":".join([name, port, self._noted(address, self._address(address, length))])

    def _mac(self, text: str, length: str | None) -> str:
        """The first byte tells a group from a card, and an administrator's own from a maker's."""
        del length
        numbers = re.split("[:-]", text.lower())
        if len(set(numbers)) == 1:  # of nobody, and of all
            return text
        digest = self._hash("mac", ":".join(numbers))
        return text[2].join([numbers[0], *(digest[index:index + 2] for index in range(0, 10, 2))])

    def _reverse(self, text: str, length: str | None) -> str:
        del length
        parts = text.split(".")
        numbers, zone = parts[:-2][::-1], ".".join(parts[-2:])
        if len(numbers) == 4:
            return ".".join(str(self.address(ipaddress.ip_address(".".join(numbers)))).split(".")[::-1]) + "." + zone
        mapped = self.address(ipaddress.IPv6Address(int("".join(numbers), 16)))
        return ".".join(reversed("%032x" % int(mapped))) + "." + zone

    def _noted(self, real: str, mapped: str) -> str:
        if real != mapped and len(self.told) < _MOST_NAMES:
            self.told[real] = mapped
        return mapped

    def _hash(self, kind: str, text: str) -> str:
        return hmac.new(self._key, ("%s %s" % (kind, text)).encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _kept(address: _Address) -> int:
    if address.version == 4:
        return _KEPT_IPV4.get(int(address) >> 24, _KEPT_IPV4_ELSE)
    local = int(address) >> 121 == 0x7e  # fc00::/7
    return _KEPT_IPV6_LOCAL if local else _KEPT_IPV6_SPECIAL.get(int(address) >> 112, _KEPT_IPV6)


def _is_name(name: str) -> bool:
    return len(name) > 1 and name.split(".")[0] not in _COMMON and bool(re.fullmatch(r"(?![\d.]+$)[\w.-]+", name))

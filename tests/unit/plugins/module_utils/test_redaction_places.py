# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses and names that are mapped: none is left, and what belonged together still does."""
from __future__ import annotations

import ipaddress
import random
import re

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.bundle import FACT, LOG, PUBLIC, Redactor
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.places import Places


def _shared(one: ipaddress.IPv4Address | ipaddress.IPv6Address, other: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    """How many bits two addresses begin with."""
    return one.max_prefixlen - (int(one) ^ int(other)).bit_length()


@pytest.mark.parametrize("version", [ipaddress.IPv4Address, ipaddress.IPv6Address])
def test_addresses_share_what_they_shared_and_stay_private_or_public(version: type) -> None:
    rng, places = random.Random(3), Places("key")
    bits = version(0).max_prefixlen
    bases = [int(version(base)) for base in (("10.1.2.3", "172.16.9.9", "172.200.1.1", "192.168.1.1", "8.8.8.8", "100.64.0.1") if bits == 32
                                             else ("fd77:1::11", "2001:4860::1", "2a00:1450::8"))]
    addresses = list({version(base ^ rng.getrandbits(rng.randint(1, bits - 16))) for base in bases for _round in range(12)})
    mapped = [places.address(address) for address in addresses]
    assert len(set(mapped)) == len(addresses)
    for one, its in zip(addresses, mapped):
        assert its.is_private == one.is_private
        for other, others in zip(addresses, mapped):
            assert _shared(its, others) == _shared(one, other)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::", "169.254.169.254", "fe80::1", "224.0.0.1", "ff02::1",
                                     "255.255.255.255", "00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff"])
def test_addresses_with_a_meaning_of_their_own_stay(address: str) -> None:
    assert Places("key").mapped("to %s now" % address) == "to %s now" % address


def test_networks_hold_their_hosts_and_all_forms_of_an_address_go() -> None:
    places = Places("key")
    text = ("10.77.1.11/24 on net0, 10.77.1.0/24 via 10.77.1.1; [fd77:1::11]:5432 fd77:1::/64 ::ffff:10.77.1.11 "
            "11.1.77.10.in-addr.arpa 52:54:00:12:34:56 --resolve db.example:5432:fd77:1::11 "
            "fd77:1::11: lost, fd77:1::11:19999 fd77:1:: ipv6:%5Bfd77:1::11%5D:4317: 10.77.1.11:5432 version 1.2.3 at 12:30:45")
    mapped = places.mapped(text)
    for real in ("10.77.1", "fd77:1", "77.10.in", "52:54:00:12"):
        assert real not in mapped
    assert mapped.endswith("version 1.2.3 at 12:30:45") and ":5432" in mapped
    hosts = re.findall(r"(?<![\d:.f])10\.\d+\.\d+\.\d+", mapped)
    network = ipaddress.ip_network(hosts[1] + "/24")
    assert hosts[0] == hosts[3] and all(ipaddress.ip_address(host) in network for host in hosts)
    assert "::ffff:" in mapped and ".".join(hosts[0].split(".")[::-1]) + ".in-addr.arpa" in mapped


def test_names_keep_their_hosts_and_domains() -> None:
    places = Places("key", ["web1", "db1.lab.example", "lab.example", "localhost"])
    text = "web1 asked db1.lab.example., then db1 and new.lab.example in .lab.example; web10 my-web1 web1.service localhost db1.c dns.web1"
    mapped = places.mapped(text)
    web1, db1, domain = places.name("web1"), places.name("db1"), places.name("lab.example")
    assert mapped == "%s asked %s.%s., then %s and %s.%s in .%s; web10 my-web1 web1.service localhost db1.c dns.web1" % (
        web1, db1, domain, db1, places.name("new"), domain, domain)
    assert places.told["web1"] == web1 and places.told["db1.lab.example"] == "%s.%s" % (db1, domain)


def test_two_hosts_with_the_same_key_agree_and_another_key_does_not() -> None:
    texts = [Redactor(key, (), Places(key, ["db1.lab.example"])).text("x", "db1.lab.example is 10.77.2.20", LOG) for key in ("a", "a", "b")]
    assert texts[0] == texts[1] != texts[2]


def test_a_version_is_no_address() -> None:
    redactor = Redactor("key", ["k7Qx92LmZp41"], Places("key"))
    assert redactor.text("x", "libx 1.2.3.4 k7Qx92LmZp41", PUBLIC).startswith("libx 1.2.3.4 REDACTED_")
    assert "1.2.3.4" not in redactor.text("x", "libx 1.2.3.4", FACT)


def test_mapping_ends_whatever_the_text() -> None:
    rng, places = random.Random(5), Places("key", ["a.b", "web1"])
    pieces = ["1", "255", ".", ":", "::", "/", "fd77", "web1", "a.b", ".in-addr.arpa", "999", "-", " ", "00:"]
    for _round in range(500):
        assert isinstance(places.mapped("".join(rng.choice(pieces) for _piece in range(rng.randint(0, 80)))), str)
    for line in ("1." * 50000, ":" * 100000, "a." * 50000, "00:" * 30000, "f:" * 50000):
        places.mapped(line[:3000])

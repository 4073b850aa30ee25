# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes as ip(8) tells them; broken ones are tried with the tcp probe, in namespaces."""
from __future__ import annotations

import os
import shutil

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.plugins.module_utils._route import lookup as _route
from ansible_collections.connectivity.doctor.plugins.module_utils._route import table as _route_table

needs_ip = pytest.mark.skipif(not shutil.which("ip", path=_command._ENVIRONMENT["PATH"]), reason="needs ip, of iproute2")


def look(address):
    context = Context(Recorder(), Deadline(5), {"host": "web1", "address": "", "user": "root"})
    _route.observe_route(context, address)
    (seen,) = context.recorder.seal()
    assert seen["check"] == "route.lookup" and seen["target"] == address
    return seen


@needs_ip
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::1%lo"])
def test_the_way_to_oneself(address):
    seen = look(address)
    assert seen["status"] == "ok"
    assert (seen["data"]["type"], seen["data"]["device"], seen["data"]["gateway"]) == ("local", "lo", "")
    assert (seen["data"]["next_hop"], seen["data"]["next_hop_state"]) == ("", "")
    assert seen["reproduce"].startswith("ip route get %s;" % address.partition("%")[0])


@needs_ip
@pytest.mark.parametrize("address", ["no-address", "-h", "1.2.3.4.5", "; true"])
def test_what_is_no_address_is_no_route_and_no_option(address):
    seen = look(address)
    assert (seen["status"], seen["data"]["type"]) == ("warn", "unknown")


def test_without_ip_it_cannot_be_told(monkeypatch):
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
    monkeypatch.setattr(os, "environ", dict(os.environ, PATH="/nonexistent"))
    seen = look("127.0.0.1")
    assert (seen["status"], seen["data"]) == ("cannot_tell", {"reason": "not_found"})


@pytest.mark.parametrize(("errors", "kind"), [
    ("RTNETLINK answers: Network is unreachable\n", "none"), ("RTNETLINK answers: No route to host\n", "unreachable"),
    ("RTNETLINK answers: Permission denied\n", "prohibit"), ("RTNETLINK answers: Invalid argument\n", "blackhole"), ("?", "unknown"),
])
def test_what_ip_says_where_there_is_no_way(errors, kind):
    assert _route._kind_of_error(errors) == kind


@pytest.mark.parametrize("output", ["", "[]", "{}", "null", "5", "[5]", "not json", '[{"dst": '])
def test_output_that_is_none_is_no_route(output):
    assert _route._first(output) == {}


@pytest.mark.parametrize(("own", "bits", "address", "inside"), [
    ("10.99.0.1", 24, "10.99.0.2", True),
    ("10.99.0.1", 24, "10.99.1.2", False),
    ("10.99.0.1", 32, "10.99.0.1", True),
    ("10.99.0.1", 0, "192.0.2.1", True),
    ("10.99.0.1", 33, "10.99.0.2", False),
    ("10.99.0.1", None, "10.99.0.2", False),
    (None, 24, "10.99.0.2", False),
    ("fd00::1", 64, "fd00::2", True),
    ("fd00::1", 64, "fd01::2", False),
    ("fd00::1", 24, "10.99.0.2", False),
])
def test_which_addresses_lie_behind_a_tunnel_that_is_down(own, bits, address, inside):
    assert _route._is_in_a_network_of({"addr_info": [{"local": own, "prefixlen": bits}]}, address) is inside
    assert _route._is_in_a_network_of({"addr_info": [{"local": "203.0.113.9", "address": own, "prefixlen": bits}]}, address) is inside
    assert _route._is_in_a_network_of({}, address) is False


def test_only_a_tunnel_is_one():
    assert _route._tunnel({"linkinfo": {"info_kind": "wireguard"}}) == "wireguard"
    assert [_route._tunnel(link) for link in ({}, {"linkinfo": {"info_kind": "bridge"}}, {"linkinfo": {}}, {"linkinfo": None})] == [""] * 4


# What ``ip -j -d route show match`` gave in the lab, in the order in which it did.
_MATCHING = [
    {"type": "unicast", "dst": "default", "gateway": "10.77.1.1", "dev": "net0", "protocol": "boot", "flags": ["onlink"]},
    {"type": "blackhole", "dst": "10.77.2.20", "protocol": "boot", "scope": "global", "flags": []},
    {"type": "unicast", "dst": "10.77.2.0/24", "gateway": "10.77.1.9", "dev": "net0", "metric": 50, "flags": ["linkdown"]},
    {"type": "unicast", "dst": "10.77.2.0/24", "gateway": "10.77.1.8", "dev": "net0", "protocol": "boot", "metric": 20, "flags": []},
    {"type": "unicast", "dst": "10.0.0.0/8", "flags": [], "nexthops": [{"gateway": "10.77.1.1"}, {"gateway": "10.77.1.2"}]},
]


def test_the_route_that_counts_is_the_first():
    found = _route_table.matching(_MATCHING, "10.77.2.20")
    assert [(route["prefix"], route["type"], route["gateway"]) for route in found] == [
        ("10.77.2.20/32", "blackhole", ""), ("10.77.2.0/24", "unicast", "10.77.1.8"), ("10.77.2.0/24", "unicast", "10.77.1.9"),
        ("0.0.0.0/0", "unicast", "10.77.1.1")]
    assert [route["flags"] for route in found] == [[], [], [], ["onlink"]], "what ip shows of a state is no part of the route"


def test_a_route_that_leads_nowhere_has_no_device():
    shown = {"type": "blackhole", "dst": "fd77:2::20", "dev": "lo", "protocol": "boot", "metric": 1024}
    (route,) = _route_table.matching([shown], "fd77:2::20")
    assert route == {"prefix": "fd77:2::20/128", "type": "blackhole", "gateway": "", "device": "", "protocol": "boot", "metric": 1024,
                     "flags": []}

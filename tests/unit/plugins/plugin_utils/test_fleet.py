# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The other hosts as vantage points: who else reaches an address, what a name is elsewhere, where their agents send, what time it is."""
from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._fleet import Fleet


def observation(check: str, outcome: str = "ok", /, **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": outcome, "target": "x", "vantage": {}, "data": data}


def connect(outcome: str, address: str = "10.0.0.5", port: int = 5432) -> dict[str, t.Any]:
    return observation("tcp.connect", outcome, address=address, port=port)


def name(*addresses: str) -> dict[str, t.Any]:
    return observation("dns.resolve", name="db", literal=False, addresses=list(addresses))


def sends_to(host: str) -> dict[str, t.Any]:
    return observation("agent_config.endpoint", configured={"host": host, "port": 1}, expected={"host": "apm", "port": 1})


def offset(seconds: float) -> dict[str, t.Any]:
    return observation("clock.offset", reference="controller", offset_s=seconds)


def views(seen: dict[str, list[dict[str, t.Any]]], host: str = "web1") -> dict[str, dict[str, t.Any]]:
    return {one["check"]: one for one in Fleet(seen).beside(host, seen[host])}


def test_who_else_reaches_the_same_address_and_port() -> None:
    seen = {"web1": [connect("fail")], "web2": [connect("ok")], "web3": [connect("fail")], "web4": [connect("ok", port=80)]}
    view = views(seen)["fleet.connect"]
    assert view["status"] == "ok"
    assert view["data"] == {"address": "10.0.0.5", "port": 5432, "here": False, "reached_by": ["web2"], "failed_by": ["web3"],
                            "reached": 1, "failed": 1}
    assert view["message"] == "10.0.0.5:5432 is reached by 1 of 2 other hosts"
    assert views({"web1": [connect("fail")], "web2": [connect("fail")]})["fleet.connect"]["status"] == "fail"


def test_one_connection_of_several_that_worked_is_reaching_it() -> None:
    seen = {"web1": [connect("fail")], "web2": [connect("fail"), connect("ok")]}
    assert views(seen)["fleet.connect"]["data"]["reached_by"] == ["web2"]


def hosts_file(*addresses: str) -> dict[str, t.Any]:
    return observation("dns.hosts_file", name="db", addresses=list(addresses))


def test_who_else_has_a_line_of_the_hosts_file_and_what_it_leads_to() -> None:
    dead = [hosts_file("10.0.0.6"), connect("fail", "10.0.0.6")]
    seen = {"web1": [hosts_file()], "web2": [hosts_file("10.0.0.5"), connect("ok")], "web3": dead}
    view = views(seen)["fleet.hosts_file"]
    assert view["data"] == {
        "name": "db", "here": [], "reached": [{"address": "10.0.0.5", "port": 5432}],
        "elsewhere": [{"addresses": ["10.0.0.5"], "count": 1, "hosts": ["web2"]},
                      {"addresses": ["10.0.0.6"], "count": 1, "hosts": ["web3"]}],
    }
    assert view["message"] == "2 of 2 other hosts have db in their hosts file, as 10.0.0.5"
    assert not views({"web1": [hosts_file()], "web2": [hosts_file()]})


def test_a_host_alone_is_compared_with_nobody() -> None:
    assert views({"web1": [connect("fail"), name("10.0.0.5"), offset(3.0)]}) == {}
    assert views({"web1": [connect("fail")], "web2": [connect("ok", port=1)]}) == {}


def test_what_servers_and_members_saw_is_no_vantage() -> None:
    seen = {"web1": [connect("fail")], "web2": [dict(connect("ok"), side="member"), dict(connect("ok"), side="server")]}
    assert views(seen) == {}


@pytest.mark.parametrize(("others", "differs", "alone"), [
    ([("10.0.0.5",), ("10.0.0.5",)], False, False),
    ([("10.0.0.9",), ("10.0.0.9",)], True, True),
    ([("10.0.0.9",), ("10.0.0.8",)], True, False),
    ([("10.0.0.9",), ("10.0.0.5",)], False, False),
    ([("10.0.0.9",)], True, False),
])
def test_what_a_name_is_elsewhere(others: list[tuple[str, ...]], differs: bool, alone: bool) -> None:
    seen = {"web1": [name("10.0.0.5")], **{"other%d" % number: [name(*addresses)] for number, addresses in enumerate(others)}}
    data = views(seen)["fleet.name"]["data"]
    assert (data["differs"], data["alone"]) == (differs, alone)
    assert sum(group["count"] for group in data["elsewhere"]) == len(others)


def test_a_server_that_has_itself_at_its_loopback_address_is_no_other_view_of_its_name() -> None:
    assert views({"web1": [name("10.0.0.5")], "db": [name("127.0.1.1", "::1")]}) == {}
    assert views({"web1": [name("127.0.1.1")], "web2": [name("10.0.0.5")]})["fleet.name"]["data"]["differs"]


def test_the_order_of_addresses_is_no_difference() -> None:
    assert views({"web1": [name("a", "b")], "web2": [name("b", "a")]})["fleet.name"]["data"]["differs"] is False


@pytest.mark.parametrize(("others", "differs", "alone"), [
    (["apm", "apm", "apm"], True, True), (["apm", "apm", "old"], True, False),
    (["old", "old", "apm"], False, False), (["apm"], True, False),
])
def test_where_the_agents_of_others_send(others: list[str], differs: bool, alone: bool) -> None:
    seen = {"web1": [sends_to("old")], **{"other%d" % number: [sends_to(place)] for number, place in enumerate(others)}}
    data = views(seen)["fleet.destination"]["data"]
    assert (data["differs"], data["alone"]) == (differs, alone)


def test_a_controller_whose_clock_is_wrong_is_seen_by_the_median() -> None:
    seen = {"web1": [offset(60.2)], "web2": [offset(60.0)], "web3": [offset(59.9)]}
    data = views(seen)["fleet.clock"]["data"]
    assert (data["median_s"], data["from_median_s"], data["majority"]) == (60.0, 0.2, True)
    assert views({"web1": [offset(60.0)], "web2": [offset(0.0)]})["fleet.clock"]["data"]["majority"] is False


@pytest.mark.parametrize("hostile", [
    observation("tcp.connect", "ok", address={"x": 1}, port=5432), observation("dns.resolve", addresses=7, name="db"),
    observation("dns.resolve", addresses=[{"a": 1}, {"b": 2}], name="db"), observation("agent_config.endpoint", configured=5, expected=5),
    observation("clock.offset", reference="controller"), observation("clock.offset", reference="controller", offset_s="60.0"),
    observation("clock.offset", reference="controller", offset_s=float("nan")),
])
def test_what_a_hostile_host_sent_takes_nothing_from_the_others(hostile: dict[str, t.Any]) -> None:
    seen = {"web1": [connect("fail"), offset(1.0)], "web2": [connect("ok"), offset(1.0)], "bad": [hostile]}
    assert views(seen)["fleet.clock"]["data"]["median_s"] == 1.0
    assert views(seen)["fleet.connect"]["data"]["reached_by"] == ["web2"]


def _compared(hosts: int) -> float:
    """The processor's time (seconds) for so many hosts that all fail."""
    seen = {"web%d" % number: [connect("fail"), name("10.0.0.5"), offset(number / 1000)] for number in range(hosts)}
    began = time.process_time()
    fleet = Fleet(seen)
    assert sum(len(fleet.beside(host, own)) for host, own in seen.items()) == 3 * hosts
    return time.process_time() - began


def test_time_grows_with_the_hosts_and_not_with_their_pairs() -> None:
    few, many = (min(_compared(hosts) for _time in range(3)) for hosts in (250, 2000))
    assert many < 20 * few  # in proportion it is 8, of pairs 64

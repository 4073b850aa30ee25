# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for names, time, routes and limits of the kernel: exactly what was proved to be wrong, or nothing, with the reason."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Observation, concluded
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies import REMEDIES
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Trouble

_DEAD, _GOOD = "192.0.2.1", "192.0.2.2"


def observation(check: str, status: str = "ok", /, side: str = "", **data: t.Any) -> Observation:
    return {**concluded(check, status, "", data, ""), **({"side": side} if side else {})}


def trouble(code: str, *observations: Observation, **culprit: str) -> Trouble:
    """All that was seen is cited."""
    cause = {"code": code, "evidence": list(range(len(observations))), "culprit": culprit, "locus": {"host": "web1"}}
    return Trouble("web1", {"name": "db", "server": "", "observations": list(observations)}, cause)


def planned(action: str, one: Trouble) -> Change:
    return REMEDIES[action].plan(one, "run-0")


def why_not(action: str, one: Trouble) -> str:
    with pytest.raises(NoRemedy) as refused:
        planned(action, one)
    return str(refused.value)


def configuration(**facts: t.Any) -> Observation:
    usual = {"servers": [_DEAD, _GOOD], "search": ["example.com"], "ndots": 1, "options": ["timeout:1"], "owner": "file",
             "file_problem": "", "link": ""}
    return observation("dns.configuration", **{**usual, **facts})


_NAME = observation("dns.resolve", "fail", name="db.example.com")


def answer(server: str, error: str = "") -> Observation:
    return observation("dns.answer", "warn" if error else "ok", server=server, error=error, addresses=[] if error else ["192.0.2.9"])


def first_dead(**facts: t.Any) -> Trouble:
    return trouble("dns.first_resolver_dead", _NAME, configuration(**facts), answer(_DEAD, "TIMEOUT"), answer(_GOOD))


def test_a_dead_name_server_goes_behind_those_that_answer_and_is_not_forgotten() -> None:
    change = planned("fix_resolver", first_dead())
    assert (change.parameters["directives"], change.parameters["lines"]) == ("nameserver", ["nameserver " + _GOOD, "nameserver " + _DEAD])
    assert (change.files, change.units, change.parameters["needs"]) == (("/etc/resolv.conf",), (), [])


def test_network_manager_is_told_all_that_it_writes_and_keeps_what_was_right() -> None:
    change = planned("fix_resolver", first_dead(owner="networkmanager", link="/run/NetworkManager/resolv.conf"))
    asked = change.parameters
    assert (asked["servers"], asked["search"], asked["options"]) == ((_GOOD, _DEAD), ("example.com",), ("timeout:1",))
    assert change.files == ("/etc/NetworkManager/conf.d/zz-connectivity-doctor.conf", "/run/NetworkManager/resolv.conf")
    assert change.units == ("NetworkManager.service",)


@pytest.mark.parametrize(("owner", "told"), [
    ("resolved", "which has no setting for this"),
    ("other", "written by a program that is not known"),
])
def test_a_file_of_others_is_left_to_them(owner: str, told: str) -> None:
    assert told in why_not("fix_resolver", first_dead(owner=owner))


def test_what_an_older_report_does_not_say_is_not_guessed() -> None:
    one = first_dead()
    del one.endpoint["observations"][1]["data"]["owner"]
    assert "owner was not looked at" in why_not("fix_resolver", one)


@pytest.mark.parametrize(("owner", "link", "files"), [
    ("resolvconf", "/run/resolvconf/resolv.conf", ("/etc/resolvconf/resolv.conf.d/head", "/run/resolvconf/resolv.conf")),
    ("openresolv", "", ("/etc/resolvconf.conf", "/etc/resolv.conf")),
])
def test_resolvconf_is_told_what_comes_first(owner: str, link: str, files: tuple[str, ...]) -> None:
    change = planned("fix_resolver", first_dead(owner=owner, link=link))
    assert (change.files, change.parameters["servers"]) == (files, (_GOOD, _DEAD))
    assert change.parameters["owner"] == owner and change.parameters["file"] == files[0] and change.reloads == (("resolvconf", "-u"),)
    assert "can't be taken away" in why_not("fix_resolver", searched("db", owner=owner, link=link))


@pytest.mark.parametrize("code", ["dns.no_resolver", "dns.resolvers_unreachable"])
@pytest.mark.parametrize(("owner", "file"), [
    ("file", "/etc/resolv.conf"), ("resolved", "/etc/systemd/resolved.conf.d/zz-connectivity-doctor.conf"),
    ("networkmanager", "/etc/NetworkManager/conf.d/zz-connectivity-doctor.conf"),
])
def test_where_none_answers_those_must_be_given_that_do(code: str, owner: str, file: str) -> None:
    change = planned("fix_resolver", trouble(code, _NAME, configuration(owner=owner), answer(_DEAD, "TIMEOUT")))
    assert change.parameters["needs"] == ["name_servers"] and change.parameters["name"] == "db.example.com"
    assert change.files[0] == change.parameters["file"] == file


@pytest.mark.parametrize("facts", [{"file_problem": "dangling_link", "servers": []}, {"servers": ["127.0.0.53"]}])
def test_a_resolver_of_the_host_that_does_not_run_is_started(facts: dict[str, t.Any]) -> None:
    stopped = trouble("dns.resolvers_unreachable", _NAME, configuration(owner="resolved", **facts), answer("127.0.0.53", "ECONNREFUSED"))
    change = planned("fix_resolver", stopped)
    assert (change.parameters["owner"], change.files, change.units) == ("resolved_stopped", (), ("systemd-resolved.service",))


def searched(name: str, **facts: t.Any) -> Trouble:
    return trouble("dns.search_domain", _NAME, observation("dns.search", "warn", name=name), configuration(**facts), search="example.com")


@pytest.mark.parametrize(("name", "facts", "directives", "lines"), [
    ("db.example.org", {"ndots": 5, "options": ["ndots:5", "timeout:1"]}, "options", ["options timeout:1 ndots:2"]),
    ("db.org", {"ndots": 2, "options": ["ndots:2"]}, "options", []),
    ("db", {"search": ["example.org", "example.com."]}, "search|domain", ["search example.org"]),
    ("db", {}, "search|domain", []),
    ("db", {"ndots": 3}, "search|domain", []),
])
def test_a_search_domain_goes_only_where_ndots_does_not_do(
    name: str, facts: dict[str, t.Any], directives: str, lines: list[str],
) -> None:
    change = planned("fix_resolver", searched(name, **facts))
    assert (change.parameters["directives"], change.parameters["lines"]) == (directives, lines)


def test_a_search_domain_that_is_not_there_is_not_taken_out() -> None:
    assert "none of the search domains (example.org)" in why_not("fix_resolver", searched("db", search=["example.org"]))


def daemon(**facts: t.Any) -> Observation:
    usual = {"daemon": "chrony", "unit": "chrony.service", "running": True, "synchronized": False, "offset_ms": None,
             "configured": [{"name": "a", "kind": "server", "file": "/etc/chrony.conf", "line": 1}]}
    return observation("clock.synchronization", "fail", **{**usual, **facts})


def source(server: str, error: str = "", address: str = _GOOD) -> Observation:
    return observation("clock.source", "fail" if error else "ok", server=server, error=error, address=address)


@pytest.mark.parametrize(("facts", "told"), [
    ({"unit": ""}, "no time daemon is installed"),
    ({"daemon": "ntpd"}, "the sources of ntpd are not changed"),
    ({"configured": []}, "it is not one file that names a source, but none"),
    ({"configured": [{"name": "a", "file": "/x"}, {"name": "a", "file": "/y"}]}, "it is not one file that names a, a, but /x, /y"),
])
def test_time_daemons_that_are_not_changed(facts: dict[str, t.Any], told: str) -> None:
    assert told in why_not("start_time_daemon", trouble("clock.not_synchronized", daemon(**facts), source("a", "TIMEOUT")))


def test_a_time_daemon_that_is_stopped_is_started_and_its_sources_stay() -> None:
    change = planned("start_time_daemon", trouble("clock.not_synchronized", daemon(running=False)))
    assert (change.files, change.units, change.parameters["file"], change.parameters["needs"]) == ((), ("chrony.service",), "", [])


@pytest.mark.parametrize(("name", "file"), [
    ("chrony", "/etc/chrony.conf"), ("timesyncd", "/etc/systemd/timesyncd.conf.d/zz-connectivity-doctor.conf"),
])
def test_sources_that_do_not_answer_make_room_for_given_ones(name: str, file: str) -> None:
    change = planned("start_time_daemon", trouble("clock.not_synchronized", daemon(daemon=name), source("a", "TIMEOUT")))
    assert (change.files, change.parameters["needs"], change.parameters["wrong"]) == ((file,), ["time_servers"], "a")


def test_a_source_that_is_outvoted_goes_and_nothing_need_be_given_where_others_are_right() -> None:
    configured = [{"name": name, "file": "/etc/chrony.conf"} for name in ("a.b", "good")]
    seen = (daemon(configured=configured), observation("clock.offset", "warn", outliers=[_DEAD]), source("a.b", address=_DEAD))
    alone = planned("fix_time", trouble("clock.wrong_source", *seen, source="a.b"))
    assert (alone.parameters["wrong"], alone.parameters["needs"]) == (r"a\.b", ["time_servers"])
    among = planned("fix_time", trouble("clock.wrong_source", *seen, source("good"), source="a.b"))
    assert (among.parameters["right"], among.parameters["needs"]) == (["good"], [])


@pytest.mark.parametrize(("facts", "step"), [
    ({"synchronized": True, "offset_ms": -90000.0}, ["chronyc", "makestep"]),
    ({"daemon": "timesyncd"}, ["systemctl", "restart", "systemd-timesyncd.service"]),
    ({"running": False}, []),
])
def test_a_clock_that_is_wrong_is_stepped_by_its_daemon(facts: dict[str, t.Any], step: list[str]) -> None:
    assert planned("fix_time", trouble("clock.client_skew", daemon(**facts))).parameters["step"] == step


def test_a_clock_that_its_daemon_takes_for_right_is_not_stepped() -> None:
    assert "takes the clock for right" in why_not("fix_time", trouble("clock.client_skew", daemon(synchronized=True, offset_ms=3.0)))


def route(prefix: str, kind: str = "unicast", gateway: str = "", **others: t.Any) -> dict[str, t.Any]:
    return {"prefix": prefix, "type": kind, "gateway": gateway, "device": "eth0" if gateway else "", "protocol": "boot", "metric": None,
            "flags": [], **others}


_DEFAULT = route("0.0.0.0/0", gateway="10.0.0.1")


def lookup(*routes: dict[str, t.Any], kind: str = "unicast", side: str = "", **facts: t.Any) -> Observation:
    usual = {"type": kind, "gateway": routes[0]["gateway"] if routes else "", "routes": list(routes), "links_down": [],
             "gateways_configured": [], "routes_configured": []}
    return observation("route.lookup", "warn", side=side, **{**usual, **facts})


@pytest.mark.parametrize(("one", "family", "words"), [
    (route("192.0.2.9/32", "blackhole", metric=20), "-4", ["blackhole", "192.0.2.9/32", "proto", "boot", "metric", "20"]),
    (route("2001:db8::/48", "prohibit"), "-6", ["prohibit", "2001:db8::/48", "proto", "boot"]),
])
@pytest.mark.parametrize("side", ["", "server"])
def test_of_routes_that_forbid_the_one_that_counts_goes_and_can_come_back(
    one: dict[str, t.Any], family: str, words: list[str], side: str,
) -> None:
    seen = lookup(one, route("0.0.0.0/0", "blackhole"), kind=one["type"], side=side)
    change = planned("fix_route", trouble("network.blackhole_route", seen))
    assert change.parameters["commands"] == [["ip", family, "route", "del", *words]]
    assert change.commands == (("ip", family, "route", "replace", *words),)
    assert change.files == () and change.parameters["edits"] == []


def test_a_route_that_no_table_shows_is_a_rule_s() -> None:
    assert "ip-rule(8)" in why_not("fix_route", trouble("network.prohibit_route", lookup(_DEFAULT, kind="prohibit")))


def test_a_dead_gateway_is_left_where_another_can_be_taken() -> None:
    dead = route("192.0.2.0/24", gateway="10.0.0.9")
    change = planned("fix_route", trouble("network.gateway_unreachable", lookup(dead, _DEFAULT)))
    assert change.parameters["commands"] == [
        ["ip", "-4", "route", "del", "192.0.2.0/24", "via", "10.0.0.9", "dev", "eth0", "proto", "boot"]]
    for behind in ([], [route("0.0.0.0/0", "blackhole")], [route("0.0.0.0/0", gateway="10.0.0.9")]):
        assert "no other route" in why_not("fix_route", trouble("network.gateway_unreachable", lookup(dead, *behind)))


_CONFIGURED = [{"gateway": "10.0.0.1", "device": "eth0", "file": "/etc/network/interfaces", "line": 7}]
_SET = ["ip", "-4", "route", "replace", "default", "via", "10.0.0.1", "dev", "eth0", "onlink"]


def test_a_default_route_comes_back_where_the_host_s_own_file_has_it() -> None:
    change = planned("fix_route", trouble("network.no_route", lookup(kind="none", gateways_configured=_CONFIGURED)))
    assert change.parameters["commands"] == [_SET]
    assert change.commands == (("ip", "-4", "route", "del", "default", "via", "10.0.0.1", "dev", "eth0"),)
    assert "which one is right is not known" in why_not("fix_route", trouble("network.no_route", lookup(kind="none")))


def test_an_interface_comes_up_with_its_default_route() -> None:
    seen = lookup(kind="none", links_down=["eth0"], gateways_configured=[*_CONFIGURED, {**_CONFIGURED[0], "device": "eth1"}])
    change = planned("fix_route", trouble("network.link_down", seen))
    assert change.parameters["commands"] == [["ip", "link", "set", "dev", "eth0", "up"], _SET]
    assert change.commands == (("ip", "link", "set", "dev", "eth0", "down"),)


_SETTING = {"by": "ifupdown", "file": "/etc/network/interfaces", "line": 4, "device": "eth0", "prefix": "192.0.2.9/32", "type": "blackhole",
            "gateway": "", "edits": [{"head": "iface eth0 inet static", "old": "    up ip route add blackhole 192.0.2.9", "new": ""}]}


def test_what_would_set_the_route_again_goes_with_it_and_nothing_of_other_routes() -> None:
    other = {**_SETTING, "prefix": "0.0.0.0/0", "line": 9}
    seen = lookup(route("192.0.2.9/32", "blackhole"), kind="blackhole", routes_configured=[_SETTING, other])
    change = planned("fix_route", trouble("network.blackhole_route", seen, seen))
    assert change.files == ("/etc/network/interfaces",) and "what sets it again in /etc/network/interfaces" in change.summary
    assert len(change.parameters["edits"]) == 1 and change.reloads == ()
    kept = {**_SETTING, "by": "networkmanager", "file": "/etc/NetworkManager/system-connections/a.nmconnection"}
    change = planned("fix_route", trouble("network.blackhole_route", lookup(
        route("192.0.2.9/32", "blackhole"), kind="blackhole", routes_configured=[kept])))
    assert change.reloads == change.parameters["reloads"] == (("nmcli", "connection", "load", kept["file"]),)


def too_large(carried: str = "1500", found: int = 1500) -> Trouble:
    seen = observation("route.mtu", "fail", path_mtu=found, configured=None)
    return trouble("network.mtu_mismatch", seen, device="eth1", mtu="9000", carried=carried)


def test_the_mtu_is_what_the_link_was_seen_to_carry() -> None:
    change = planned("set_mtu", too_large())
    assert change.parameters["commands"] == [["ip", "link", "set", "dev", "eth1", "mtu", "1500"]]
    assert change.commands == (("ip", "link", "set", "dev", "eth1", "mtu", "9000"),)
    assert "until the next start" in change.summary and change.files == ()
    one = too_large()
    one.endpoint["observations"][0]["data"]["configured"] = {
        "by": "ifupdown", "file": "/etc/network/interfaces", "head": "iface eth1 inet static", "mtu": "    mtu 9000"}
    assert planned("set_mtu", one).files == ("/etc/network/interfaces",)
    del one.endpoint["observations"][0]["data"]["configured"]
    assert "configured was not looked at" in why_not("set_mtu", one)


@pytest.mark.parametrize(("carried", "found", "told"), [("1400", 1500, "not found to the byte"), ("1200", 1200, "less than 1280")])
def test_mtus_that_are_not_set(carried: str, found: int, told: str) -> None:
    assert told in why_not("set_mtu", too_large(carried, found))


def test_a_setting_of_the_kernel_is_kept_in_a_file_of_its_own_and_put_back_by_its_old_value() -> None:
    change = planned("widen_port_range", trouble("host.ephemeral_ports_exhausted", observation("host.ports", low=40000, high=40019)))
    assert change.parameters["sysctl"] == {
        "file": "/etc/sysctl.d/zz-connectivity-doctor-net.ipv4.ip_local_port_range.conf", "name": "net.ipv4.ip_local_port_range",
        "value": "32768 60999"}
    assert change.commands == (("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=40000 40019"),)
    loose = planned("fix_route", trouble("network.rp_filter", observation(
        "route.reverse_path", interfaces=[{"name": "eth0.7", "rp_filter_own": 0}]), device="eth0.7"))
    assert loose.commands == (("sysctl", "-q", "-w", "net/ipv4/conf/eth0.7/rp_filter=0"),)


@pytest.mark.parametrize(("low", "high"), [(32768, 60999), (1024, 65535)])
def test_a_range_as_large_as_the_kernels_own_is_not_widened(low: int, high: int) -> None:
    used_up = trouble("host.ephemeral_ports_exhausted", observation("host.ports", low=low, high=high))
    assert "must keep and share its connections" in why_not("widen_port_range", used_up)


def test_the_table_of_connections_is_doubled_once_it_is_not_huge() -> None:
    def full(limit: int, settable: bool = True) -> Trouble:
        return trouble("host.conntrack_full", observation("host.conntrack", limit=limit, settable=settable))

    assert planned("raise_conntrack_limit", full(65536)).parameters["sysctl"]["value"] == "131072"
    assert "find what opens them" in why_not("raise_conntrack_limit", full(600000))
    assert "machine on which this container runs" in why_not("raise_conntrack_limit", full(65536, settable=False))


@pytest.mark.parametrize(("addresses", "known", "removed"), [
    ([_DEAD, _GOOD], [], [_DEAD]), ([_DEAD], [_GOOD], [_DEAD]), ([_DEAD], [_DEAD], None), ([_DEAD], [], None), ([_GOOD], [_DEAD], None),
])
def test_a_line_of_the_hosts_file_goes_only_where_a_right_address_is_left(
    addresses: list[str], known: list[str], removed: list[str] | None,
) -> None:
    one = trouble(
        "dns.hosts_file_conflict", observation("dns.hosts_file", name="db", lines=[{"address": address} for address in addresses]),
        observation("tcp.connect", "fail", address=_DEAD), observation("dns.answer", addresses=known))
    if removed is None:
        why_not("fix_hosts", one)
    else:
        assert planned("fix_hosts", one).parameters["wrong"] == removed


def test_a_line_that_is_missing_is_written_for_addresses_that_are_tried_before() -> None:
    unknown = observation("dns.hosts_file", name="db", count=0)
    one = trouble("dns.hosts_line_missing", unknown, name="db", addresses="192.0.2.2, 2001:db8::2")
    one = Trouble("web1", {**one.endpoint, "port": 5432}, one.cause)
    change = planned("fix_hosts", one)
    assert (change.parameters["missing"], change.parameters["port"], change.parameters["wrong"]) == (["192.0.2.2", "2001:db8::2"], 5432, [])
    assert change.files == ("/etc/hosts",) and "as 192.0.2.2, 2001:db8::2" in change.summary


def test_a_server_keeps_the_line_with_which_it_names_itself() -> None:
    one = trouble(
        "dns.hosts_file_stale", observation("dns.hosts_file", name="db", lines=[{"address": "127.0.1.1"}]),
        observation("tcp.connect", "fail", address="127.0.1.1"), observation("dns.answer", addresses=[_GOOD]))
    assert planned("fix_hosts", one).parameters["wrong"] == ["127.0.1.1"]
    itself = Trouble("web1", {**one.endpoint, "server": "web1"}, one.cause)
    assert "web1 is the server itself" in why_not("fix_hosts", itself)

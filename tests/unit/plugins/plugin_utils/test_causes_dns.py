# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name that leads to the wrong place: what tells why, on cases that were recorded in the lab, with one fact of them changed."""
from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.tests.support.changed_cases import (
    RECORDED,
    Change,
    being,
    both,
    codes,
    having,
    never,
    proved,
    verdict,
    where,
)

_SAME_PLACE = where("firewall.rule", "server")(having(local_address="10.77.2.40"))
_NOBODY_ELSEWHERE = where("tcp.connect", "elsewhere")(being("fail", error="TIMEOUT", answer="none"))


@pytest.mark.parametrize(("name", "code", "culprit"), [
    ("dns-search-domain", "dns.search_domain", {"file": "/etc/resolv.conf", "search": "wild.lab.example"}),
    ("dns-stale-cache-of-the-host", "dns.stale_cache", {"cache": "nscd", "address": "10.77.2.40, fd77:2::40"}),
    ("dns-stale-cache-of-the-server", "dns.stale_cache", {"cache": "10.77.2.53", "address": "10.77.2.40, fd77:2::40"}),
    ("dns-split-horizon", "dns.split_horizon", {"server": "10.77.2.53", "addresses": "10.77.2.40, fd77:2::40"}),
    ("dns-split-horizon-by-host", "dns.split_horizon", {"server": "10.77.2.53", "addresses": "10.77.2.40, fd77:2::40"}),
    ("dns-resolvers-disagree", "dns.resolvers_disagree", {"server": "10.77.2.53", "name": "db1.lab.example."}),
    ("dns-resolvers-disagree-about-addresses", "dns.resolvers_disagree", {"server": "10.77.2.53", "name": "db1.lab.example."}),
    ("dns-tcp-blocked", "dns.tcp_blocked", {"server": "10.77.2.53", "port": "53/tcp"}),
    ("dns-hosts-line-missing", "dns.hosts_line_missing", {"name": "pool.lab.example", "addresses": "10.77.2.20, fd77:2::20"}),
    ("dns-hosts-line-missing-here-only", "dns.hosts_line_missing", {"name": "pool.lab.example", "addresses": "10.77.2.20"}),
])
def test_the_culprit_is_named(name: str, code: str, culprit: dict[str, str]) -> None:
    (cause,) = verdict(name).causes
    assert cause["code"] == code and "decide_by" not in cause
    assert {key: cause["culprit"].get(key) for key in culprit} == culprit
    assert "unknown" not in cause["summary"]


@pytest.mark.parametrize(("name", "host"), [
    ("dns-stale-cache-of-the-host", "web2"), ("dns-stale-cache-of-the-server", "10.77.2.53"), ("dns-split-horizon", "10.77.2.53"),
])
def test_the_place_is_who_keeps_it(name: str, host: str) -> None:
    (cause,) = verdict(name).causes
    assert cause["locus"]["host"] == host


@pytest.mark.parametrize(("name", "change", "code"), [
    ("dns-search-domain", _NOBODY_ELSEWHERE, "dns.search_domain"),
    ("dns-stale-cache-of-the-host", _NOBODY_ELSEWHERE, "dns.stale_cache"),
    ("dns-stale-cache-of-the-server", _NOBODY_ELSEWHERE, "dns.stale_cache"),
    ("dns-split-horizon", _NOBODY_ELSEWHERE, "dns.split_horizon"),
    ("dns-split-horizon", _SAME_PLACE, "dns.split_horizon"),
    ("dns-split-horizon-by-host", _SAME_PLACE, "dns.split_horizon"),
    ("dns-resolvers-disagree-about-addresses", _NOBODY_ELSEWHERE, "dns.resolvers_disagree"),
])
def test_nothing_is_proved_where_the_other_place_does_not_serve_or_is_not_the_servers(name: str, change: Change, code: str) -> None:
    """A name that differs for good reasons is no fault: whatever is down there is down for another one."""
    assert code not in proved(verdict(name, change))


def test_an_old_copy_and_another_view_are_both_told_where_the_ttl_does_not_tell() -> None:
    told = verdict("dns-split-horizon", where("dns.authority")(having(server_ttl_falls=None)))
    assert {"dns.stale_cache", "dns.split_horizon"} <= set(codes(told))
    assert not {"dns.stale_cache", "dns.split_horizon"} & set(proved(told))
    assert all(cause["decide_by"] for cause in told.causes)


@pytest.mark.parametrize(("name", "falls", "expected"), [
    ("dns-split-horizon", True, ["dns.stale_cache"]), ("dns-stale-cache-of-the-server", False, ["dns.split_horizon"]),
])
def test_only_that_it_grows_older_tells_a_copy_from_a_view(name: str, falls: bool, expected: list[str]) -> None:
    assert codes(verdict(name, where("dns.authority")(having(server_ttl_falls=falls)))) == expected


def test_another_hosts_answer_may_be_the_newer_one_as_long_as_this_ones_grows_older() -> None:
    silent = being("cannot_tell", error="REFUSED", server_ttl_falls=True)
    told = verdict("dns-split-horizon-by-host", where("dns.authority")(silent))
    assert "dns.split_horizon" not in proved(told)


def test_without_a_second_view_the_name_is_not_to_blame() -> None:
    nothing_else: t.Callable[[dict[str, t.Any]], t.Any] = both(where("dns.authority")(never), where("tcp.connect", "elsewhere")(never))
    assert not [code for code in codes(verdict("dns-split-horizon", nothing_else)) if code.startswith("dns.")]


def _asked_by_a_stub(error: str) -> Change:
    """As if the name server were a stub of the host, and some of the answers those of the server that it asks itself."""
    return where("dns.answer", type="AAAA")(lambda one: {
        **one, "check": "dns.upstream", "data": {**one["data"], "error": error, "rcode": "" if error else "SERVFAIL"}})


@pytest.mark.parametrize(("error", "code"), [("TIMEOUT", "dns.resolvers_unreachable"), ("", "dns.servfail")])
def test_what_a_stub_says_of_servers_that_are_silent_is_not_their_word(error: str, code: str) -> None:
    assert codes(verdict("dns-servfail", _asked_by_a_stub(error))) == [code]


_NO_DNS = both(where("dns.answer")(never), where("dns.configuration")(having(asks_dns=False, sources=["files"])))
_KNOWN = where("dns.answer", type="A")(having(rcode="NOERROR", addresses=["10.77.2.20"]))
_SERVED_ELSEWHERE = where("fleet.hosts_file")(having(reached=[{"address": "10.77.2.20", "port": 5432}]))


@pytest.mark.parametrize(("name", "change", "expected"), [
    ("dns-hosts-line-missing", where("tcp.connect", "inventory")(being("fail", error="TIMEOUT", answer="none")), ["dns.nxdomain"]),
    ("dns-hosts-line-missing", _NO_DNS, ["dns.hosts_line_missing"]),
    ("dns-hosts-line-missing", _KNOWN, ["dns.resolvers_disagree"]),
    ("dns-hosts-line-missing", where("dns.answer")(having(rcode="SERVFAIL")), ["dns.servfail"]),
    ("dns-hosts-line-missing", where("dns.hosts_file")(having(count=1)), []),
    ("dns-hosts-line-missing-here-only", _SERVED_ELSEWHERE, ["dns.nxdomain"]),
])
def test_a_line_is_missing_only_where_nobody_else_has_the_name_and_it_would_lead_to_the_endpoint(
    name: str, change: Change, expected: list[str],
) -> None:
    assert proved(verdict(name, change)) == expected


@pytest.mark.parametrize(("server", "expected"), [("web2", True), ("db1", False)])
def test_a_server_that_names_itself_by_an_address_of_its_own_has_no_stale_line(server: str, expected: bool) -> None:
    recorded = json.loads(json.dumps(RECORDED["dns-hosts-file-stale"]).replace("10.77.2.199", "127.0.1.1"))
    described = {**recorded["endpoint"], "name": recorded["endpoint_name"], "server": server}
    told = codes(infer(Case("web2", described, recorded["endpoint"]["observations"])))
    assert ("dns.hosts_file_stale" not in told) is expected

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dns probe on hosts whose resolver is set up well and badly: real glibc, real files, real name servers on port 53."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.tests.support import resolving_host
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

NAME = "db.example.com"
A, AAAA = NAME + ". A", NAME + ". AAAA"
FIRST, SECOND = "127.0.0.1", "127.0.0.2"
GOOD = {A: ["db.example.com. 60 IN A 192.0.2.5"], AAAA: ["db.example.com. 30 IN AAAA 2001:db8::5"], "*": "NXDOMAIN"}


@pytest.fixture(scope="module")
def possible():
    reason = resolving_host.why_not()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def resolve(possible, tmp_path):
    def run(servers, host=NAME, **settings):
        return Seen(resolving_host.resolve(tmp_path, host, servers, **settings))

    return run


class Seen:
    def __init__(self, result):
        self.observations = result["observations"]
        self.passed, self.outputs = result["outcome"]

    def one(self, check):
        (found,) = [one for one in self.observations if one["check"] == check]
        return found

    def answers(self, *facts):
        """These facts of each answer, sorted, as answers come in any order."""
        return sorted(tuple(one["data"][fact] for fact in facts) for one in self.observations if one["check"] == "dns.answer")


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::1%lo"])
def test_an_address_is_not_looked_up(address):
    result = run_probe("dns", {"host": address})
    assert result.checks == ["dns.resolve"]
    assert result.one("dns.resolve")["data"] == {
        "name": address, "addresses": [address], "error": "", "literal": True, "elapsed_ms": 0.0}
    assert result.outcome == (True, {"addresses": [{"address": address}]})


def test_a_name_that_is_well(resolve):
    seen = resolve({FIRST: GOOD})
    data = seen.one("dns.resolve")["data"]
    assert (sorted(data["addresses"]), data["error"], data["literal"]) == (["192.0.2.5", "2001:db8::5"], "", False)
    assert seen.passed and sorted(item["address"] for item in seen.outputs["addresses"]) == ["192.0.2.5", "2001:db8::5"]
    assert seen.answers("server", "type", "rcode", "addresses", "ttl", "error") == [
        (FIRST, "A", "NOERROR", ["192.0.2.5"], 60, ""), (FIRST, "AAAA", "NOERROR", ["2001:db8::5"], 30, "")]
    configuration = seen.one("dns.configuration")
    assert configuration["status"] == "ok"
    assert (configuration["data"]["servers"], configuration["data"]["sources"]) == ([FIRST], ["files", "dns"])
    assert configuration["data"]["asks_dns"] is True
    assert seen.one("dns.hosts_file")["data"]["count"] == 0
    assert {one["status"] for one in seen.observations} == {"ok"}


def test_the_hosts_file_wins_and_the_dns_is_asked_all_the_same(resolve):
    seen = resolve({FIRST: GOOD}, hosts="127.0.0.1 localhost\n10.9.9.9 db.example.com db\n10.9.9.8 db.example.com\n")
    assert seen.one("dns.resolve")["data"]["addresses"] == ["10.9.9.9", "10.9.9.8"]
    hosts = seen.one("dns.hosts_file")["data"]
    assert [(line["line"], line["address"], line["text"]) for line in hosts["lines"]] == [
        (2, "10.9.9.9", "10.9.9.9 db.example.com db"), (3, "10.9.9.8", "10.9.9.8 db.example.com")]
    assert (hosts["count"], hosts["addresses"]) == (2, ["10.9.9.9", "10.9.9.8"])
    assert seen.answers("type", "addresses") == [("A", ["192.0.2.5"]), ("AAAA", ["2001:db8::5"])]


@pytest.mark.parametrize(("said", "error", "rcode"), [
    ("NXDOMAIN", "EAI_NONAME", "NXDOMAIN"), ("SERVFAIL", "EAI_AGAIN", "SERVFAIL"), ("REFUSED", "EAI_AGAIN", "REFUSED"),
    ([], "EAI_NODATA", "NOERROR"),
])
def test_a_server_that_says_no(resolve, said, error, rcode):
    seen = resolve({FIRST: {"*": said}})
    failed = seen.one("dns.resolve")
    assert (failed["status"], failed["data"]["error"], failed["data"]["addresses"]) == ("fail", error, [])
    assert seen.passed is False and seen.outputs == {"addresses": []}
    assert seen.answers("type", "rcode", "addresses", "error") == [("A", rcode, [], ""), ("AAAA", rcode, [], "")]
    wanted = "ok" if rcode in ("NOERROR", "NXDOMAIN") else "warn"
    assert {one["status"] for one in seen.observations if one["check"] == "dns.answer"} == {wanted}


def test_a_server_that_is_silent(resolve):
    seen = resolve({FIRST: {"*": "SILENT"}})
    assert seen.one("dns.resolve")["data"]["error"] == "EAI_AGAIN"
    assert seen.answers("type", "rcode", "error") == [("A", "", "TIMEOUT"), ("AAAA", "", "TIMEOUT")]


def test_a_server_that_is_not_there(resolve):
    seen = resolve({}, resolv_conf="nameserver 127.0.0.9\noptions timeout:1 attempts:1\n")
    assert seen.one("dns.resolve")["data"]["error"] == "EAI_AGAIN"
    assert seen.answers("server", "error") == [("127.0.0.9", "ECONNREFUSED")] * 2


def test_a_server_that_has_no_route(resolve):
    seen = resolve({}, resolv_conf="nameserver 192.0.2.53\noptions timeout:1 attempts:1\n")
    assert seen.answers("server", "error") == [("192.0.2.53", "ENETUNREACH")] * 2


def test_a_server_that_talks_rubbish(resolve):
    seen = resolve({FIRST: {"*": "GARBAGE"}})
    assert seen.answers("error") == [("MALFORMED",)] * 2


def test_a_truncated_answer_is_asked_for_again_over_tcp(resolve):
    zone = {A: {"TRUNCATED": GOOD[A]}, AAAA: []}
    seen = resolve({FIRST: zone})
    assert seen.answers("type", "truncated", "tcp_error", "addresses") == [
        ("A", True, "", ["192.0.2.5"]), ("AAAA", False, "", [])]
    assert seen.one("dns.resolve")["data"]["addresses"] == ["192.0.2.5"]


def test_a_truncated_answer_whose_tcp_is_closed(resolve):
    seen = resolve({FIRST: {A: {"TRUNCATED": GOOD[A]}, AAAA: []}}, without_tcp=[FIRST])
    assert seen.answers("type", "truncated", "tcp_error", "addresses") == [
        ("A", True, "ECONNREFUSED", []), ("AAAA", False, "", [])]
    assert seen.one("dns.resolve")["status"] == "fail"
    (blocked,) = [one for one in seen.observations if one["check"] == "dns.answer" and one["data"]["type"] == "A"]
    assert blocked["status"] == "warn" and "over TCP nothing: ECONNREFUSED" in blocked["message"]


def test_servers_that_contradict_each_other(resolve):
    seen = resolve({FIRST: {"*": "NXDOMAIN"}, SECOND: GOOD})
    assert seen.answers("server", "type", "rcode") == [
        (FIRST, "A", "NXDOMAIN"), (FIRST, "AAAA", "NXDOMAIN"), (SECOND, "A", "NOERROR"), (SECOND, "AAAA", "NOERROR")]
    assert seen.one("dns.resolve")["data"]["error"] == "EAI_NONAME"  # the first that answers is believed


def test_a_first_server_that_is_dead_costs_its_time(resolve):
    seen = resolve({FIRST: {"*": "SILENT"}, SECOND: GOOD})
    data = seen.one("dns.resolve")["data"]
    assert data["error"] == "" and data["elapsed_ms"] >= 1000
    assert set(seen.answers("server", "error")) == {(FIRST, "TIMEOUT"), (SECOND, "")}


def test_without_the_dns_in_nsswitch_it_is_asked_all_the_same(resolve):
    seen = resolve({FIRST: GOOD}, nsswitch="passwd: files\nhosts: files\n")
    assert seen.one("dns.resolve")["data"]["error"] == "EAI_NONAME"
    assert (seen.one("dns.configuration")["data"]["asks_dns"], seen.one("dns.configuration")["data"]["sources_line"]) == (False, 2)
    assert seen.answers("type", "rcode") == [("A", "NOERROR"), ("AAAA", "NOERROR")]


def test_without_any_name_server(resolve):
    seen = resolve({}, resolv_conf="# nobody\n")
    assert seen.one("dns.configuration")["status"] == "warn" and seen.one("dns.configuration")["data"]["servers"] == []
    assert seen.answers("server") == []
    assert seen.one("dns.resolve")["status"] == "fail"


def test_a_short_name_is_searched_as_the_resolver_does(resolve):
    zone = {"db.b.example. A": ["db.b.example. 5 IN A 192.0.2.7"], "db.b.example. AAAA": [], "*": "NXDOMAIN"}
    seen = resolve({FIRST: zone}, host="db", resolv_conf="nameserver 127.0.0.1\nsearch a.example b.example c.example\n")
    assert seen.one("dns.resolve")["data"]["addresses"] == ["192.0.2.7"]
    assert seen.answers("name", "type", "rcode") == [
        ("db.a.example.", "A", "NXDOMAIN"), ("db.a.example.", "AAAA", "NXDOMAIN"),
        ("db.b.example.", "A", "NOERROR"), ("db.b.example.", "AAAA", "NOERROR")]


def test_an_alias_is_told(resolve):
    zone = {A: ["db.example.com. 9 IN CNAME node7.example.net.", "node7.example.net. 60 IN A 192.0.2.9"], AAAA: []}
    seen = resolve({FIRST: zone})
    assert seen.answers("type", "aliases", "ttl")[0] == ("A", ["node7.example.net."], 9)


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example.com", "ü" * 70 + ".example.com"])
def test_a_name_that_cannot_be_one(resolve, name):
    seen = resolve({FIRST: GOOD}, host=name)
    assert seen.one("dns.resolve")["status"] == "fail" and seen.passed is False
    assert {error for (error,) in seen.answers("error")} == {"MALFORMED"}


def test_more_addresses_than_anybody_tries(resolve):
    records = ["db.example.com. 60 IN A 10.1.1.%d" % number for number in range(1, 26)]
    seen = resolve({FIRST: {A: records, AAAA: []}})
    assert len(seen.one("dns.resolve")["data"]["addresses"]) == 16
    assert len(seen.answers("addresses")[1][0]) == 25


AUTHORITY = "127.0.0.3"
DELEGATION = {"example.com. NS": ["example.com. 60 IN NS ns.example.com."], "ns.example.com. A": ["ns.example.com. 60 IN A " + AUTHORITY]}
MOVED = {A: ["db.example.com. 60 IN A 192.0.2.9"], AAAA: [], "*": "NXDOMAIN"}


def resolve_beside_the_authority(resolve, first):
    return resolve({FIRST: {AAAA: [], **DELEGATION, **first, "*": "NXDOMAIN"}, AUTHORITY: MOVED}, authority=True,
                   resolv_conf="nameserver %s\noptions timeout:1 attempts:1\n" % FIRST)


@pytest.mark.parametrize(("records", "falls"), [({"AGES": GOOD[A]}, True), (GOOD[A], False)])
def test_an_old_copy_grows_older_and_data_of_ones_own_does_not(resolve, records, falls):
    seen = resolve_beside_the_authority(resolve, {A: records})
    authority = seen.one("dns.authority")["data"]
    assert (authority["asked"], authority["addresses"], authority["differs_from_servers"]) == (FIRST, ["192.0.2.9"], True)
    assert authority["server_ttl_falls"] is falls
    assert seen.outputs == {"addresses": [{"address": "192.0.2.5"}], "elsewhere": [{"address": "192.0.2.9"}]}


def test_where_all_say_the_same_there_is_no_elsewhere(resolve):
    seen = resolve_beside_the_authority(resolve, {A: MOVED[A]})
    assert seen.one("dns.authority")["status"] == "ok"
    assert seen.outputs == {"addresses": [{"address": "192.0.2.9"}], "elsewhere": []}


def test_what_a_search_domain_hides_is_elsewhere(resolve):
    zone = {A: GOOD[A], AAAA: [], "db.example.com.wild.example. A": ["db.example.com.wild.example. 5 IN A 192.0.2.7"], "*": "NXDOMAIN"}
    seen = resolve({FIRST: zone}, authority=True, resolv_conf="nameserver %s\nsearch wild.example\noptions ndots:5\n" % FIRST)
    assert seen.one("dns.search")["data"]["differs"] is True
    assert seen.outputs == {"addresses": [{"address": "192.0.2.7"}], "elsewhere": [{"address": "192.0.2.5"}]}

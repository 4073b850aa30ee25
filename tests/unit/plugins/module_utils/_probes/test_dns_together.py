# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dns probe makes of several answers together: search domains, disagreement, DNSSEC, caches, authorities, other vantages."""
from __future__ import annotations

import random
import socket
import threading

import dns.edns
import dns.flags
import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command, _resolver
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    authority as _dns_authority,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    cache as _dns_cache,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    compare as _dns_compare,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._dns import (
    wire as _dns_wire,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.tests.support import resolving_host
from ansible_collections.connectivity.doctor.tests.support.name_server import NameServer, reply

NAME = "db.example.com"
FIRST, SECOND, THIRD = "127.0.0.1", "127.0.0.2", "127.0.0.3"


def zone(address="192.0.2.5", name=NAME, **more):
    return {name + ". A": ["%s. 60 IN A %s" % (name, address)], name + ". AAAA": [], "*": "NXDOMAIN", **more}


@pytest.fixture
def resolve(tmp_path):
    reason = resolving_host.why_not()
    if reason:
        pytest.skip(reason)

    def run(servers, host=NAME, **settings):
        observations = resolving_host.resolve(tmp_path, host, servers, **settings)["observations"]
        return lambda check, **facts: [dict(one["data"], status=one["status"]) for one in observations if one["check"] == check and all(
            one["data"].get(key) == value for key, value in facts.items())]

    return run


def resolv_conf(*servers, search="", ndots=1):
    lines = ["nameserver " + server for server in servers]
    return "\n".join([*lines, "search " + search if search else "", "options timeout:1 attempts:1 ndots:%d" % ndots, ""])


# --- search domains

def test_a_name_that_is_looked_up_as_it_is(resolve):
    (data,) = resolve({FIRST: zone()})("dns.search")
    assert (data["used"], data["searched"], data["differs"], data["status"]) == (NAME + ".", False, False, "ok")
    assert data["used_addresses"] == data["absolute_addresses"] == ["192.0.2.5"]


def test_a_wildcard_in_a_search_domain_takes_the_name(resolve):
    """Enough dots asked for, and the search domain comes first: glibc connects to the wrong host."""
    wild = NAME + ".wild.example"
    servers = {FIRST: {**zone(), **zone("192.0.2.66", wild)}}
    seen = resolve(servers, resolv_conf=resolv_conf(FIRST, search="wild.example", ndots=5))
    assert seen("dns.resolve")[0]["addresses"] == ["192.0.2.66"]
    (data,) = seen("dns.search")
    assert (data["used"], data["searched"], data["differs"], data["status"]) == (wild + ".", True, True, "warn")
    assert (data["used_addresses"], data["absolute_addresses"]) == (["192.0.2.66"], ["192.0.2.5"])
    assert [answer["name"] for answer in seen("dns.answer", type="A")] == [wild + "."]


def test_a_short_name_that_needs_its_search_domain_is_well(resolve):
    seen = resolve({FIRST: zone()}, "db", resolv_conf=resolv_conf(FIRST, search="wrong.example example.com"))
    (data,) = seen("dns.search")
    assert [one["name"] for one in data["candidates"]] == ["db.wrong.example.", NAME + "."]
    assert [one["rcode"] for one in data["candidates"]] == ["NXDOMAIN", "NOERROR"]
    assert (data["used"], data["absolute_rcode"], data["differs"], data["status"]) == (NAME + ".", "NXDOMAIN", False, "ok")


def test_no_candidate_exists(resolve):
    (data,) = resolve({FIRST: {"*": "NXDOMAIN"}}, "db", resolv_conf=resolv_conf(FIRST, search="example.com"))("dns.search")
    assert (data["used"], data["used_addresses"]) == ("", [])
    assert [one["name"] for one in data["candidates"]] == [NAME + ".", "db."]


# --- several servers

def test_servers_that_agree(resolve):
    (data,) = resolve({FIRST: zone(), SECOND: zone()})("dns.agreement")
    assert (data["agree"], data["silent"], data["status"]) == (True, [], "ok")
    assert data["groups"] == [{"name": NAME + ".", "rcode": "NOERROR", "addresses": ["192.0.2.5"], "servers": [FIRST, SECOND]}]


def test_one_server_alone_agrees_with_nobody(resolve):
    assert resolve({FIRST: zone()})("dns.agreement") == []


def test_servers_that_know_other_addresses(resolve):
    (data,) = resolve({FIRST: zone(), SECOND: zone("192.0.2.9"), THIRD: zone()})("dns.agreement")
    assert (data["agree"], data["status"]) == (False, "warn")
    assert {tuple(group["servers"]): group["addresses"] for group in data["groups"]} == {
        (FIRST, THIRD): ["192.0.2.5"], (SECOND,): ["192.0.2.9"]}


def test_a_server_that_denies_and_one_that_is_silent(resolve):
    (data,) = resolve({FIRST: zone(), SECOND: {"*": "NXDOMAIN"}, THIRD: {"*": "SILENT"}})("dns.agreement")
    assert {group["rcode"]: group["servers"] for group in data["groups"]} == {"NOERROR": [FIRST], "NXDOMAIN": [SECOND]}
    assert data["silent"] == [THIRD]


# --- DNSSEC

def test_servfail_that_is_gone_without_checking_is_dnssec(resolve):
    bogus = {NAME + ". A": "SERVFAIL", NAME + ". A CD": ["%s. 60 IN A 192.0.2.5" % NAME], "*": "SERVFAIL"}
    seen = resolve({FIRST: bogus})
    (checked,) = seen("dns.answer", type="A")
    (unchecked,) = seen("dns.answer_unchecked", type="A")
    assert (checked["rcode"], checked["checking_disabled"]) == ("SERVFAIL", False)
    assert (unchecked["rcode"], unchecked["checking_disabled"], unchecked["addresses"]) == ("NOERROR", True, ["192.0.2.5"])
    assert seen("dns.answer_unchecked", type="AAAA")[0]["rcode"] == "SERVFAIL"


def test_nothing_is_asked_twice_where_there_is_no_servfail(resolve):
    for zones in (zone(), {"*": "REFUSED"}, {"*": "NXDOMAIN"}):
        assert resolve({FIRST: zones})("dns.answer_unchecked") == []


def test_the_bits_and_the_servers_reason():
    def answer(query, _transport):
        assert bool(query.flags & dns.flags.CD) is not bool(query.flags & dns.flags.AD)
        message = reply(query, "db.example.com. 5 IN A 192.0.2.5")
        message.flags |= dns.flags.AD
        message.use_edns(0, options=[dns.edns.GenericOption(10, b"12345678"), dns.edns.GenericOption(15, b"\x00\x06bogus")])
        return [message.to_wire()]

    with NameServer(answer) as server:
        got = _dns_wire.ask(server.address, NAME, "A", 2.0, port=server.port)
        _dns_wire.ask(server.address, NAME, "A", 2.0, port=server.port, flags=_dns_wire.RECURSION_DESIRED | _dns_wire.CHECKING_DISABLED)
    assert (got.authenticated, got.extended_error, got.addresses) == (True, 6, ("192.0.2.5",))


def test_mutated_reasons():
    query = dns.message.from_wire(_dns_wire.encode_query(NAME, "A", 7))
    message = reply(query, "db.example.com. 5 IN A 192.0.2.5")
    message.use_edns(0, options=[dns.edns.GenericOption(15, b"\x00\x06bogus")])
    wire = message.to_wire()
    head = len(wire) - 22  # what follows the answers is broken at will, and the answers stay
    source = random.Random(20260101)
    reasons = set()
    for _round in range(4000):
        data = bytearray(wire)
        for _change in range(source.randint(0, 4)):
            data[source.randrange(head, len(data))] = source.choice((0, 15, 41, 192, 255, source.getrandbits(8)))
        got = _dns_wire.decode_answer(bytes(data[:source.randint(head, len(data))]), 7)
        assert got.addresses == ("192.0.2.5",)
        reasons.add(got.extended_error)
    assert {None, 6} <= reasons


# --- another vantage

def test_a_split_horizon_is_seen_by_comparison(resolve):
    seen = resolve({FIRST: zone("198.51.100.7"), SECOND: zone("10.0.0.7"), THIRD: zone("198.51.100.7")}, resolv_conf=resolv_conf(FIRST),
                   compare_with=[SECOND, THIRD])
    (inside,), (same,) = seen("dns.compared", server=SECOND), seen("dns.compared", server=THIRD)
    assert (inside["differs"], inside["private"], inside["here_private"], inside["status"]) == (True, True, False, "warn")
    assert (inside["addresses"], inside["here_addresses"]) == (["10.0.0.7"], ["198.51.100.7"])
    assert (same["differs"], same["status"]) == (False, "ok")
    assert {answer["server"] for answer in seen("dns.answer")} == {FIRST}


def test_a_vantage_that_does_not_answer_says_nothing(resolve):
    (data,) = resolve({FIRST: zone(), SECOND: {"*": "SILENT"}}, resolv_conf=resolv_conf(FIRST), compare_with=[SECOND])("dns.compared")
    assert (data["status"], data["reason"], data["error"], data["differs"]) == ("cannot_tell", "no_answer", "TIMEOUT", False)


@pytest.mark.parametrize(("one", "other", "expected"), [
    (["192.0.2.1"], ["192.0.2.1", "192.0.2.2"], False), (["192.0.2.1"], ["192.0.2.2"], True), (["192.0.2.1"], ["2001:db8::1"], False),
    (["192.0.2.1", "2001:db8::1"], ["192.0.2.1", "2001:db8::2"], True), ([], ["192.0.2.1"], False),
])
def test_sets_that_have_nothing_in_common(one, other, expected):
    assert _dns_compare.disagree(one, other) is expected


@pytest.mark.parametrize(("address", "private"), [
    ("10.0.0.1", True), ("172.31.0.1", True), ("172.32.0.1", False), ("100.64.1.1", True), ("fd77::1", True), ("2001:db8::1", False),
    ("x", False),
])
def test_private_addresses(address, private):
    assert _dns_compare.is_private(address) is private


# --- authorities

def authoritative(tmp_address):
    """One server that is resolver and authority at once: with recursion desired it answers from its cache, without from the zone."""
    return {"example.com. NS": ["example.com. 60 IN NS ns.example.com."], "ns.example.com. A": ["ns.example.com. 60 IN A " + tmp_address],
            NAME + ". NS": [], **zone()}


def test_the_authority_agrees_and_tells_its_ttl(resolve):
    (data,) = resolve({FIRST: authoritative(SECOND), SECOND: {NAME + ". A": ["%s. 3600 IN A 192.0.2.5" % NAME], "*": []}},
                      resolv_conf=resolv_conf(FIRST), authority=True)("dns.authority")
    assert (data["zone"], data["server"], data["address"]) == ("example.com.", "ns.example.com.", SECOND)
    assert (data["ttl"], data["server_ttl"], data["differs_from_servers"], data["status"]) == (3600, 60, False, "ok")


def test_a_stale_answer_of_a_resolver(resolve):
    (data,) = resolve({FIRST: authoritative(SECOND), SECOND: {NAME + ". A": ["%s. 3600 IN A 192.0.2.99" % NAME], "*": []}},
                      resolv_conf=resolv_conf(FIRST), authority=True)("dns.authority")
    assert (data["differs_from_servers"], data["addresses"], data["status"]) == (True, ["192.0.2.99"], "warn")


def test_an_authority_out_of_reach_cannot_tell(resolve):
    (data,) = resolve({FIRST: authoritative("127.0.0.9")}, resolv_conf=resolv_conf(FIRST), authority=True)("dns.authority")
    assert (data["status"], data["error"], data["differs_from_servers"]) == ("cannot_tell", "ECONNREFUSED", False)


@pytest.mark.parametrize(("rcode", "error"), [(0, "NOT_AUTHORITATIVE"), (5, "REFUSED"), (2, "SERVFAIL")])
def test_a_lame_delegation_tells_nothing_of_the_zone(rcode, error, monkeypatch):
    """The server that the zone names does not serve it, and answers from its cache or not at all."""
    real = _dns_wire.ask

    def ask(server, name, kind, seconds, port=53, **settings):
        return real(server, name, kind, seconds, port=listening.port, **settings)

    def answer(query, _transport):
        kind = query.question[0].rdtype
        if kind == dns.rdatatype.NS:
            return [reply(query, "db.example.com. 60 IN NS ns.example.com.").to_wire()]
        return [reply(query, "%s 60 IN A 127.0.0.1" % query.question[0].name, rcode=0 if query.flags & dns.flags.RD else rcode).to_wire()]

    monkeypatch.setattr(_dns_wire, "ask", ask)
    with NameServer(answer) as listening:
        (found,) = _dns_authority.ask_authorities(NAME + ".", "A", listening.address, lambda seconds: seconds)
    assert (found.zone, found.server, found.error) == (NAME + ".", "ns.example.com.", error)


def test_a_zone_that_nobody_knows():
    with NameServer(lambda query, _transport: [reply(query, rcode=3).to_wire()]) as server:
        with pytest.raises(_dns_wire.DnsError):
            _dns_authority.find_zone(NAME, server.address, lambda seconds: 0.01)


# --- caches

QUERY = """\
db.example.com: 192.0.2.5                      -- link: eth0
                2001:db8::5                    -- link: eth0
                fe80::1%2                      -- link: eth0
                (canonical.example.com)

-- Information acquired via protocol DNS in 1.9ms.
-- Data is authenticated: no; Data was acquired via local or encrypted transport: no
-- Data from: %s
"""
LINKS = "Global:\nLink 2 (eth0): 10.0.0.2 10.0.0.3\nLink 3 (wlp1s0):\nGlobal: 9.9.9.9\n"


@pytest.mark.parametrize(("told", "expected"), [("cache", True), ("network", False), ("cache network", False)])
def test_what_resolvectl_prints(told, expected):
    addresses, from_cache = _dns_cache.parse_query(QUERY.replace("%s", told))
    assert addresses == ("192.0.2.5", "2001:db8::5", "fe80::1") and from_cache is expected
    assert _dns_cache.parse_query("db.example.com: resolve call failed: 'db.example.com' not found\n") == ((), None)


@pytest.mark.parametrize(("said", "error"), [
    ("db.example.com: resolve call failed: 'db.example.com' not found", "not_found"),
    ("db.example.com: resolve call failed: All attempts to contact name servers or networks failed",
     "db.example.com: resolve call failed: All attempts to contact name servers or networks failed"),
])
def test_what_resolved_denies_and_the_servers_know(tmp_path, monkeypatch, said, error):
    """A program in resolvectl's place: past the cache it finds what the cache denies."""
    program = tmp_path / "resolvectl"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *cache=no*) echo 'db.example.com: 192.0.2.5';; *) echo \"%s\" >&2; exit 1;; esac\n" % said)
    program.chmod(0o755)
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", str(tmp_path))
    monkeypatch.setattr(_command.os, "environ", dict(_command.os.environ, PATH=str(tmp_path)))
    monkeypatch.setattr(_dns_cache, "_accepts", lambda _path: True)
    context = Context(Recorder(), Deadline(5), {"host": "x", "address": "", "user": ""})
    assert _dns_cache.ask_resolved(NAME, context) == ("resolved", (), None, ("192.0.2.5",), None, error)
    program.unlink()
    assert _dns_cache.ask_resolved(NAME, context).error == "no_tool"


def test_links_of_resolved():
    assert _dns_cache.parse_links(LINKS) == [{"link": "eth0", "servers": ["10.0.0.2", "10.0.0.3"]}, {"link": "", "servers": ["9.9.9.9"]}]


def test_mutated_words_of_resolvectl():
    source = random.Random(20260101)
    for _round in range(3000):
        characters = list(source.choice((QUERY, LINKS)))
        for _change in range(source.randint(1, 8)):
            characters[source.randrange(len(characters))] = source.choice("\n :.%-()0aé\0")
        text = "".join(characters)
        for address in _dns_cache.parse_query(text)[0]:
            assert _dns_cache._is_address(address)
        _dns_cache.parse_links(text)


@pytest.mark.parametrize(("text", "seconds"), [
    ("enable-cache hosts yes\npositive-time-to-live hosts 600\n", 600), ("enable-cache  hosts  yes # on\n", 3600),
    ("enable-cache hosts no\n", None), ("enable-cache passwd yes\n", None),
    ("enable-cache hosts yes\npositive-time-to-live hosts x\n", 3600),
])
def test_how_long_nscd_keeps_hosts(tmp_path, text, seconds):
    (tmp_path / "nscd.conf").write_text(text)
    assert _dns_cache.hosts_seconds(str(tmp_path / "nscd.conf")) == seconds


def test_nscd_counts_only_where_it_answers(tmp_path, monkeypatch):
    path = str(tmp_path / "socket")
    monkeypatch.setattr(_dns_cache, "_NSCD_SOCKETS", (path,))
    monkeypatch.setattr(_dns_cache, "hosts_seconds", lambda: 600)
    assert _dns_cache.ask_nscd(["192.0.2.5"]) is None
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        assert _dns_cache.ask_nscd(["192.0.2.5"]) is None  # left behind by one that died
        server.listen(1)

        def accept_and_close() -> None:
            server.accept()[0].close()

        thread = threading.Thread(target=accept_and_close)
        thread.start()
        cached = _dns_cache.ask_nscd(["192.0.2.5"])
        thread.join()
    assert cached == ("nscd", ("192.0.2.5",), None, (), 600, "")


# --- the order of sources and addresses

def test_other_sources_of_nsswitch_are_asked_by_name(resolve):
    host = socket.gethostname()
    seen = resolve({FIRST: zone()}, host, nsswitch="hosts: files myhostname dns\n")
    (data,) = seen("dns.sources")
    assert [one["source"] for one in data["sources"]] == ["myhostname"]
    assert data["first"] == ("myhostname" if data["sources"][0]["addresses"] else "")
    assert resolve({FIRST: zone()})("dns.sources") == []


def test_precedence_of_addresses(tmp_path):
    path = tmp_path / "gai.conf"
    path.write_text("#precedence ::/0 40\n\nprecedence ::ffff:0:0/96  100 # IPv4 first\nlabel ::1/128 0\nprecedence x\n"
                    "precedence ::/0 many\n")
    assert _resolver.read_precedence(str(path)) == [("::ffff:0:0/96", 100, 3)]
    assert _resolver.read_precedence(str(tmp_path / "none")) == []

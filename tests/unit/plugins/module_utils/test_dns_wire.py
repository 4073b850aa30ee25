# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS messages and exchanges: against dnspython, against a scripted name server on loopback, and against hostile bytes."""
from __future__ import annotations

import random
import socket
import struct
import time

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._dns import wire as _dns_wire
from ansible_collections.connectivity.doctor.plugins.module_utils._dns.wire import DnsError, ask, decode_answer, encode_query
from ansible_collections.connectivity.doctor.tests.support.name_server import NameServer, framed, reply

NAME = "db.example.com"


def sends(*records, **settings):
    """A server that answers with these records, over either transport."""

    def answer(query, transport):
        wire = reply(query, *records, **settings).to_wire(max_size=65535)
        return [framed(wire) if transport == "tcp" else wire]

    return answer


def raw(*messages):
    """A server that answers with these bytes, the query's identifier put before each."""
    return lambda query, _transport: [struct.pack("!H", query.id) + message for message in messages]


@pytest.mark.parametrize("kind", ["A", "AAAA", "CNAME"])
@pytest.mark.parametrize("name", ["a.b", "db.example.com.", "x" * 63 + ".example", "bücher.example", "_srv.a-b.c"])
def test_a_query_is_what_dnspython_reads_as_one(name, kind):
    query = dns.message.from_wire(encode_query(name, kind, 4711))
    assert query.id == 4711
    assert query.flags == dns.flags.RD | dns.flags.AD
    assert query.edns == 0 and query.payload == 1232
    (question,) = query.question
    assert question.rdtype == dns.rdatatype.from_text(kind)
    assert question.name.to_text() == name.rstrip(".").encode("idna").decode() + "."


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".example", ".".join(["x" * 63] * 4), "ü" * 70 + ".example", "\ud800.example"])
def test_what_cannot_be_a_domain_name_is_malformed_and_not_a_crash(name):
    with pytest.raises(DnsError, match="MALFORMED"):
        encode_query(name, "A", 1)


def test_addresses_aliases_and_the_smallest_ttl_of_a_chain():
    records = ["db.example.com. 300 IN CNAME pool.example.net.", "pool.example.net. 17 IN CNAME one.example.net.",
               "one.example.net. 60 IN A 192.0.2.7", "one.example.net. 60 IN A 192.0.2.8"]
    with NameServer(sends(*records)) as server:
        answer = ask(server.address, NAME, "A", 2.0, port=server.port)
    assert answer == _dns_wire.Answer("NOERROR", False, ("192.0.2.7", "192.0.2.8"), ("pool.example.net.", "one.example.net."), 17)


def test_ipv6_addresses_from_a_server_on_ipv6():
    with NameServer(sends("db.example.com. 5 IN AAAA 2001:db8::7"), address="::1") as server:
        assert ask("::1", NAME, "AAAA", 2.0, port=server.port).addresses == ("2001:db8::7",)


@pytest.mark.parametrize("rcode", ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"])
def test_each_rcode_by_its_name(rcode):
    with NameServer(sends(rcode=dns.rcode.from_text(rcode))) as server:
        answer = ask(server.address, NAME, "A", 2.0, port=server.port)
    assert (answer.rcode, answer.addresses, answer.ttl) == (rcode, (), None)


def test_an_unnamed_rcode_by_its_number():
    with NameServer(sends(rcode=9)) as server:
        assert ask(server.address, NAME, "A", 2.0, port=server.port).rcode == "RCODE9"


def test_truncation_is_told_and_the_whole_comes_over_tcp():
    records = ["db.example.com. 60 IN A 192.0.2.%d" % last for last in range(1, 30)]

    def answer(query, transport):
        if transport == "udp":
            return [reply(query, truncated=True).to_wire()]
        return [framed(reply(query, *records).to_wire())]

    with NameServer(answer) as server:
        assert ask(server.address, NAME, "A", 2.0, port=server.port).truncated is True
        whole = ask(server.address, NAME, "A", 2.0, tcp=True, port=server.port)
    assert whole.truncated is False and len(whole.addresses) == 29
    assert [transport for _name, _kind, transport in server.asked] == ["udp", "tcp"]


def test_many_records_are_bounded():
    records = ["db.example.com. 60 IN A 10.1.%d.%d" % (i // 200, i % 200 + 1) for i in range(500)]
    with NameServer(sends(*records)) as server:
        assert len(ask(server.address, NAME, "A", 2.0, tcp=True, port=server.port).addresses) == 32


def test_silence_ends_with_its_time():
    began = time.monotonic()
    with NameServer(lambda query, transport: []) as server:
        with pytest.raises(DnsError, match="^TIMEOUT$"):
            ask(server.address, NAME, "A", 0.4, port=server.port)
    assert 0.35 < time.monotonic() - began < 1.5


def test_answers_to_other_queries_are_passed_over():
    def answer(query, _transport):
        right = reply(query, "db.example.com. 60 IN A 192.0.2.1").to_wire()
        return [struct.pack("!H", query.id ^ 1) + right[2:], b"", b"x", right]

    with NameServer(answer) as server:
        assert ask(server.address, NAME, "A", 2.0, port=server.port).addresses == ("192.0.2.1",)


def test_a_server_that_only_sends_wrong_identifiers_is_silent_to_us():
    def answer(query, _transport):
        return [struct.pack("!H", query.id ^ 1) + reply(query).to_wire()[2:]] * 20

    with NameServer(answer) as server:
        with pytest.raises(DnsError, match="^TIMEOUT$"):
            ask(server.address, NAME, "A", 0.4, port=server.port)


def test_a_closed_udp_port_is_refused_by_icmp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(DnsError, match="^ECONNREFUSED$"):
        ask("127.0.0.1", NAME, "A", 2.0, port=port)


def test_a_closed_tcp_port_is_refused():
    with NameServer(sends(), tcp=False) as server:
        with pytest.raises(DnsError, match="^ECONNREFUSED$"):
            ask(server.address, NAME, "A", 2.0, tcp=True, port=server.port)


def test_tcp_closed_before_any_answer():
    with NameServer(lambda query, transport: []) as server:
        with pytest.raises(DnsError, match="^(CLOSED|ECONNRESET)$"):
            ask(server.address, NAME, "A", 2.0, tcp=True, port=server.port)


def test_tcp_answer_cut_off():
    def answer(query, _transport):
        return [framed(reply(query, "db.example.com. 60 IN A 192.0.2.1").to_wire())[:-20]]

    with NameServer(answer) as server:
        with pytest.raises(DnsError, match="^MALFORMED$"):
            ask(server.address, NAME, "A", 2.0, tcp=True, port=server.port)


@pytest.mark.parametrize("server", ["a..b", "localhost", "ü" * 80, "300.1.2.3.4", "::1::2"])
def test_a_server_that_is_no_address_is_not_looked_up(server):
    with pytest.raises(DnsError, match="^EINVAL$"):
        ask(server, NAME, "A", 1.0)


HEADER = struct.pack("!5H", 0x8180, 1, 1, 0, 0)
QUESTION = b"\x02db\x07example\x03com\0" + struct.pack("!HH", 1, 1)


@pytest.mark.parametrize("body", [
    b"",
    HEADER[:6],
    HEADER,
    HEADER + b"\xc0",
    HEADER + b"\xc0\x0c" + struct.pack("!HH", 1, 1),  # the name points at itself
    HEADER + b"\x01a\xc0\x0c" + struct.pack("!HH", 1, 1),  # a label, then back to it
    HEADER + QUESTION + b"\xc0\xff" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x7f\0\0\1",  # points behind the end
    HEADER + QUESTION + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x7f\0",  # an address of two bytes
    HEADER + QUESTION + b"\xc0\x0c" + struct.pack("!HHIH", 5, 1, 60, 2) + b"\xff\xff",
    struct.pack("!5H", 0x0180, 1, 0, 0, 0) + QUESTION,  # a query, not an answer
])
def test_garbage_is_malformed(body):
    with NameServer(raw(body)) as server:
        with pytest.raises(DnsError, match="^MALFORMED$"):
            ask(server.address, NAME, "A", 2.0, port=server.port)


def _maze():
    """Pointers that each lead to the one before, thousands of them, hidden in the labels of a name; and the last one's offset."""
    maze = bytearray()
    previous = None
    while len(maze) < 16000:
        maze.append(62)
        for _pointer in range(31):
            here = 12 + len(maze)
            maze += b"\0\0" if previous is None else struct.pack("!H", 0xC000 | previous)
            previous = here
    return bytes(maze) + b"\0", previous


def test_a_maze_of_pointers_costs_next_to_nothing():
    """64 KiB that claim thousands of questions, or records, each of which would be thousands of steps."""
    maze, last = _maze()
    entrance = struct.pack("!H", 0xC000 | last)
    first = maze + struct.pack("!HH", 1, 1)
    questions = (entrance + struct.pack("!HH", 1, 1)) * 8000
    records = (entrance + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x7f\0\0\1") * 200
    began = time.process_time()
    for message in (
        struct.pack("!6H", 7, 0x8180, 0xFFFF, 0, 0, 0) + first + questions,
        struct.pack("!6H", 7, 0x8180, 1, 200, 0, 0) + first + records,
    ):
        with pytest.raises(DnsError, match="^MALFORMED$"):
            decode_answer(message[:65535], 7)
    assert time.process_time() - began < 0.2


def _random_message(source):
    """A random answer by dnspython: with names that compress, aliases, both families and records that we don't know."""
    name = ".".join(source.choice(["a", "db", "example", "x" * 63, "pool-7"]) for _label in range(source.randint(1, 3))) + ".test."
    query = dns.message.make_query(name, source.choice(["A", "AAAA"]))
    records, ttl, addresses, aliases, owner = [], [], [], [], name
    for _record in range(source.randint(0, 6)):
        seconds = source.randint(0, 2**31 - 1)
        kind = source.choice(["A", "AAAA", "CNAME", "TXT", "MX"])
        if kind == "A":
            data = "10.%d.%d.%d" % tuple(source.randrange(256) for _byte in range(3))
            addresses.append(data)
        elif kind == "AAAA":
            data = "2001:db8::%x" % source.randint(1, 65535)
            addresses.append(data)
        elif kind == "CNAME":
            data = source.choice(["alias", "db"]) + "." + name
            aliases.append(data)
        else:
            data = {"TXT": '"some text"', "MX": "10 mail." + name}[kind]
        records.append("%s %d IN %s %s" % (owner, seconds, kind, data))
        ttl.append(seconds)
    message = reply(query, *records, rcode=source.choice([0, 0, 0, 2, 3, 5]), truncated=source.random() < 0.2)
    return message, tuple(addresses), tuple(aliases), min(ttl) if ttl else None


def test_agrees_with_dnspython_on_random_messages():
    source = random.Random(20260102)
    for _round in range(500):
        message, addresses, aliases, ttl = _random_message(source)
        answer = decode_answer(message.to_wire(max_size=65535), message.id)
        assert answer == _dns_wire.Answer(
            dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.TC), addresses, aliases, ttl)


def test_mutated_answers_decode_or_are_malformed_and_nothing_else():
    source = random.Random(20260103)
    samples = [message.to_wire(max_size=65535) for message, *_facts in (_random_message(source) for _sample in range(30))]
    outcomes = {"decoded": 0, "malformed": 0}
    for _round in range(6000):
        data = bytearray(source.choice(samples))
        for _change in range(source.randint(1, 5)):
            at = source.randrange(len(data) + 1)
            data[at:at + source.choice((0, 1, 4))] = source.choice((
                b"", bytes([source.choice((0, 0x3F, 0xC0, 0xFF))]), source.getrandbits(24).to_bytes(3, "big")))
        data = data[:source.randint(0, len(data))] if source.random() < 0.2 else data
        try:
            answer = decode_answer(bytes(data), struct.unpack("!H", bytes(data[:2]).ljust(2, b"\0"))[0])
        except DnsError as problem:
            assert str(problem) == "MALFORMED"
            outcomes["malformed"] += 1
        else:
            assert len(answer.addresses) <= 32 and len(answer.aliases) <= 8
            outcomes["decoded"] += 1
    assert min(outcomes.values()) > 500, outcomes  # both ways were really taken

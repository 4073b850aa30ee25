# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes of a peer, mutated some thousand times from true ones with a fixed seed: a reader answers or raises ValueError, no more."""
from __future__ import annotations

import random
import ssl
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    answer as _http_answer,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    proxy as _http_proxy,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._http import (
    request as _http_request,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import http
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    certificate as _tls_certificate,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    channel as _tls_channel,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    hello as _tls_hello,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    plaintext as _tls_plaintext,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._tls import (
    wire as _tls_wire,
)
from ansible_collections.connectivity.doctor.tests.support import tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

ROUNDS = 3000


def mutations(samples: t.Sequence[bytes], rounds: int = ROUNDS) -> t.Iterator[bytes]:
    """Samples with bytes changed, cut out, doubled or put in; the first ones are unchanged."""
    source = random.Random(20260101)
    yield from samples
    for _round in range(rounds):
        data = bytearray(source.choice(samples))
        for _change in range(source.randint(1, 6)):
            at = source.randrange(len(data) + 1)
            size = source.randint(1, 8)
            data[at:at + source.choice((0, size))] = source.choice((
                b"", source.getrandbits(8 * size).to_bytes(size, "big"), bytes([source.choice((0, 0x7F, 0x80, 0xFF))]) * size, data[:size]))
        yield bytes(data[:source.randint(0, len(data))] if source.random() < 0.2 else data)


class FedChannel:
    """A peer that sends these bytes, some at a time, and closes."""

    def __init__(self, data: bytes, seed: int = 0) -> None:
        self._data = data
        self._source = random.Random(seed)
        self.written = b""

    def read(self, _remaining: _tls_channel.Remaining) -> bytes:
        size = self._source.choice((1, 7, 100, 16384))
        chunk, self._data = self._data[:size], self._data[size:]
        return chunk

    def write(self, data: bytes, _remaining: _tls_channel.Remaining) -> None:
        self.written += data


def reply_of_openssl(paths: tuple[str, str], hello: bytes, **settings: t.Any) -> bytes:
    """What a real server says to this ClientHello, without a network."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls_server.context(*paths, **settings).wrap_bio(incoming, outgoing, server_side=True)
    incoming.write(hello)
    try:
        server.do_handshake()
    except ssl.SSLError:
        pass
    return outgoing.read()


@pytest.fixture(scope="module")
def identity():
    root = mint("Test Root", authority=True)
    return mint("db.example.com", ["db.example.com", "*.example.com", "127.0.0.1", "::1"], root)


@pytest.fixture(scope="module")
def flights(identity, tmp_path_factory):
    """What real servers send first, by version; the one of TLS 1.2 asks for a client certificate."""
    directory = tmp_path_factory.mktemp("flights")
    paths = identity.write(directory, "server")
    names = _tls_hello.cipher_names()
    hellos = {version: _tls_hello.client_hello(version, names, "db.example.com") for version in _tls_hello.VERSIONS}
    return {version: reply_of_openssl(paths, hello, clients=paths[0]) for version, hello in hellos.items()}


def ask(data: bytes, seed: int = 0) -> _tls_hello.Reply:
    channel = t.cast(_tls_channel.SocketChannel, FedChannel(data, seed))
    return _tls_hello.ask(channel, b"hello", _flow.monotonic_budget(5))


def test_the_choice_of_real_servers_is_read(flights):
    for version, flight in flights.items():
        reply = ask(flight)
        assert (reply.answer, reply.version) == ("server_hello", version)
        assert _tls_hello.cipher_names()[reply.cipher].startswith("TLS_" if version == 0x0304 else "ECDHE-ECDSA-")
        assert _tls_wire.group_name(reply.group) == "x25519"


def test_the_request_for_a_client_certificate_and_the_chain_are_read(flights, identity):
    flight = _tls_wire.Flight()
    flight.feed(flights[0x0303])
    assert flight.message(_tls_wire.CERTIFICATE_REQUEST) is not None
    assert _tls_wire.certificate_chain(flight.message(_tls_wire.CERTIFICATE) or b"", 0x0303)[0] == identity.der


def test_mutated_flights_of_servers(flights):
    samples = [*flights.values(), b"\x15\x03\x03\x00\x02\x02\x28"]
    answers = {ask(data, seed).answer for seed, data in enumerate(mutations(samples))}
    assert answers == {"server_hello", "alert", "closed", "not_tls"}


def test_openssl_on_mutated_flights_of_servers(flights):
    errors = set()
    for seed, data in enumerate(mutations([flights[0x0303]], 300)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        channel = t.cast(_tls_channel.SocketChannel, FedChannel(data, seed))
        shaken = _tls_channel.handshake(channel, context, "db.example.com", _flow.monotonic_budget(5))
        assert shaken.channel is None
        errors.add(shaken.error)
    assert {"verify", "closed", "not_tls", "protocol_error"} <= errors


def readable(reader: t.Callable[[bytes], object], data: bytes) -> bool:
    try:
        reader(data)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("reader", [
    _tls_wire.server_hello, _tls_wire.client_hello, _tls_wire.key_exchange_group,
    lambda body: _tls_wire.certificate_chain(body, 0x0303), lambda body: _tls_wire.certificate_chain(body, 0x0304),
])
def test_mutated_messages(flights, reader):
    bodies = [_tls_hello.client_hello(version, _tls_hello.cipher_names(), "a.example.com")[9:] for version in _tls_hello.VERSIONS]
    for flight in flights.values():
        seen = _tls_wire.Flight()
        seen.feed(flight)
        bodies += [body for _kind, body in seen.messages]
    outcomes = {readable(reader, data) for data in mutations(bodies)}
    assert True in outcomes


def test_mutated_certificates(identity):
    assert _tls_certificate.parse(identity.der).names == ["db.example.com", "*.example.com", "127.0.0.1", "::1"]
    outcomes = {readable(_tls_certificate.parse, data) for data in mutations([identity.der, mint("a").der])}
    assert outcomes == {True, False}


def test_dates_of_both_encodings_and_centuries(identity):
    for days in (-20000, -8000, 9000, 40000):
        certificate = mint("a", begins_in_days=days - 1, ends_in_days=days)
        parsed = _tls_certificate.parse(certificate.der)
        assert parsed.not_after - parsed.not_before == 86400
        expected = certificate.certificate.not_valid_after_utc if hasattr(certificate.certificate, "not_valid_after_utc") else None
        assert expected is None or parsed.not_after == int(expected.timestamp())


HTTP_ANSWERS = [
    b"HTTP/1.1 200 OK\r\nDate: Tue, 20 Nov 2026 09:00:00 GMT\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 407 No\r\nProxy-Authenticate: Basic realm=\"a\\\"b\"\r\nVia: 1.1 x (squid)\r\n\r\nbody",
    b"HTTP/1.1 200 OK\nTransfer-Encoding: gzip, chunked\n\n5;x=y\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: t\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
]


def test_mutated_http_answers():
    errors = set()
    for seed, data in enumerate(mutations(HTTP_ANSWERS)):
        channel = t.cast(_tls_channel.SocketChannel, FedChannel(data, seed))
        answer = _http_answer.read_answer(channel, "GET", 12, _flow.monotonic_budget(5))
        assert len(answer.body) <= 12
        assert answer.received <= len(data)
        if answer.head is not None:
            _http_proxy.Seen(_http_proxy.Proxy("a", 1, "http://a:1"), "", None, "", answer.head).data(str)
        errors.add(answer.error)
    assert errors == {"", "closed", "incomplete", "not_http"}


def test_mutated_dates():
    samples = [b"Tue, 20 Nov 2026 09:00:00 GMT", b"Sunday, 06-Nov-94 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994", b"20 Nov 2026 09:00 +0000"]
    found = {http.date_seconds(data.decode("latin-1")) is None for data in mutations(samples)}
    assert found == {True, False}


def test_mutated_greetings_are_given_a_name():
    samples = [
        b"HTTP/1.1 400 Bad\r\n", b"SSH-2.0-x", b"220 a.example.com ESMTP", b"220 ftp", b"\x4a\x00\x00\x00\x0a8.0.36",
        b"E\x00\x00\x00\x40SFATAL",
    ]
    names = {_tls_plaintext.looks_like(data) for data in mutations(samples)}
    assert names == {"http", "ssh", "smtp", "ftp", "mysql", "postgresql", "unknown"}


def test_what_a_user_gives_becomes_a_request_or_a_refusal():
    for data in mutations([b"GET", b"X-Header", b"value with words", b"/path?query=1#part", b"\r\nInjected: 1"], 1000):
        text = data.decode("latin-1")
        try:
            request = _http_request.request_bytes(text, _http_request.quoted_path(text), [(text, text), ("X-Fixed", text)])
        except ValueError:
            continue
        assert request.count(b"\r\n") == 4
        assert request.count(b"\n") == 4

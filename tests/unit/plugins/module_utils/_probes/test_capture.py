# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures: real ones of loopback, made ones of every kind, and thousands of broken ones."""
from __future__ import annotations

import random
import shutil
import socket
import struct
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _pcap, _tcpdump
from ansible_collections.connectivity.doctor.plugins.module_utils._capture_summary import summary
from ansible_collections.connectivity.doctor.tests.support import network_namespace as net
from ansible_collections.connectivity.doctor.tests.support.network_namespace import Network
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

US, PEER, PORT = "192.0.2.2", "198.51.100.2", 5432
SYN, SYN_ACK, ACK, RST, FIN_ACK = 2, 18, 16, 4, 17


def ip(source: str, destination: str, protocol: int, body: bytes, ttl: int = 64) -> bytes:
    if ":" in source:
        return struct.pack("!IHBB", 6 << 28, len(body), protocol, ttl) + b"".join(
            socket.inet_pton(socket.AF_INET6, one) for one in (source, destination)) + body
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, ttl, protocol, 0) + socket.inet_aton(source) + socket.inet_aton(
        destination) + body


def tcp(source_port: int, port: int, flags: int, sequence: int = 0, payload: bytes = b"", window: int = 1000) -> bytes:
    return struct.pack("!HHIIBBHHH", source_port, port, sequence, 0, 5 << 4, flags, window, 0, 0) + payload


def out(flags: int, sequence: int = 0, payload: bytes = b"", port: int = 40000, **more: t.Any) -> bytes:
    return ip(US, PEER, 6, tcp(port, PORT, flags, sequence, payload, **more))


def back(flags: int, sequence: int = 0, payload: bytes = b"", port: int = 40000, ttl: int = 63, **more: t.Any) -> bytes:
    return ip(PEER, US, 6, tcp(PORT, port, flags, sequence, payload, **more), ttl)


def pcap(packets: t.Sequence[bytes], link: int = 101, order: str = "<") -> bytes:
    magic = 0xA1B2C3D4
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 262144, link)
    for number, packet in enumerate(packets):
        data += struct.pack(order + "IIII", 1_700_000_000 + number, 500_000, len(packet), len(packet)) + packet
    return data


def seen(*packets: bytes) -> dict[str, t.Any]:
    capture = _pcap.read(pcap(packets), 1000)
    return summary([one for one in (_pcap.parse(capture.link, record) for record in capture.records) if one], PEER, PORT)


def test_a_conversation_without_trouble():
    data = seen(out(SYN, 9), back(SYN_ACK, 99), out(ACK, 10), out(ACK, 10, b"ab"), back(ACK, 100, b"xyz"), out(ACK, 12), out(FIN_ACK, 12),
                back(FIN_ACK, 103), out(ACK, 13))
    assert data["bytes"] == {US: 2, PEER: 3}
    assert data["packets"] == {US: 6, PEER: 3}
    assert data["connections"] == 1
    for key in ("syn_without_answer", "syns_sent_again", "resets", "retransmissions", "zero_windows", "tls_alerts"):
        assert not data[key]
    assert (data["first_at"], data["last_at"]) == ("2023-11-14T22:13:20.500Z", "2023-11-14T22:13:28.500Z")


def test_silence_and_resets():
    assert seen(out(SYN, 9), out(SYN, 9), out(SYN, 9))["syn_without_answer"] == [{"client": US, "client_port": 40000, "syns": 3}]
    refused = seen(out(SYN, 9), back(RST | ACK))
    assert refused["resets"] == [{"sender": PEER, "answers": "syn", "ttl": 63, "other_ttl": None, "count": 1}]
    assert refused["syn_without_answer"] == []
    forged = seen(out(SYN, 9), back(SYN_ACK, 99), out(ACK, 10, b"GET"), back(RST, 100, ttl=250))
    assert forged["resets"] == [{"sender": PEER, "answers": "data", "ttl": 250, "other_ttl": 63, "count": 1}]


def test_what_is_sent_again_and_what_is_no_retransmission():
    hello = (out(SYN, 9), back(SYN_ACK, 99), out(ACK, 10))
    assert seen(*hello, out(ACK, 10, b"abc"), out(ACK, 10, b"abc"))["retransmissions"] == {US: 1}
    assert seen(*hello, out(ACK, 10, b"abc"), out(ACK, 12, b"cd"))["retransmissions"] == {US: 1}  # a part of it
    assert seen(*hello, back(SYN_ACK, 99))["retransmissions"] == {PEER: 1}
    assert seen(*hello, out(ACK, 10, b"abc"), out(ACK, 12, b"c"), out(ACK, 13))["retransmissions"] == {}  # a keepalive
    end = 2**32 - 2
    assert seen(out(SYN, end - 1), back(SYN_ACK), out(ACK, end), out(ACK, end, b"abcd"), out(ACK, 2, b"ef"))["retransmissions"] == {}


def test_windows_alerts_and_icmp():
    assert seen(out(SYN, 9), back(SYN_ACK, 99), back(ACK, 100, window=0))["zero_windows"] == {PEER: 1}
    alert = b"\x15\x03\x03\x00\x02\x02\x30"
    assert seen(out(SYN), back(SYN_ACK), back(ACK, 1, alert))["tls_alerts"] == [
        {"sender": PEER, "level": "fatal", "description": "unknown_ca"}]
    assert seen(out(SYN), back(SYN_ACK), back(ACK, 1, b"\x15\x03\x03\x00\x1a" + bytes(26)))["tls_alerts"] == []
    quoted = out(SYN, 9)
    error = ip("192.0.2.1", US, 1, b"\x03\x0d" + bytes(6) + quoted[:28])
    assert seen(out(SYN, 9), error)["icmp_errors"] == [{"sender": "192.0.2.1", "name": "admin_prohibited", "about": "peer", "count": 1}]
    other = ip("192.0.2.1", US, 1, b"\x03\x0d" + bytes(6) + ip(US, "203.0.113.9", 6, tcp(1, PORT, SYN))[:28])
    assert seen(out(SYN, 9), other)["icmp_errors"] == []


LINKS = {1: bytes(12) + b"\x08\x00", 101: b"", 113: bytes(14) + b"\x08\x00", 276: b"\x08\x00" + bytes(18)}


@pytest.mark.parametrize("link", sorted(LINKS))
@pytest.mark.parametrize("order", ["<", ">"])
def test_every_link_type_and_byte_order(link, order):
    packet = LINKS[link] + out(ACK, 7, b"secret")
    data = pcap([packet], link, order)
    capture = _pcap.read(data, 10)
    parsed = _pcap.parse(capture.link, capture.records[0])
    assert parsed is not None
    assert (parsed.source, parsed.destination, parsed.source_port, parsed.destination_port) == (US, PEER, 40000, PORT)
    assert (parsed.payload, parsed.payload_bytes, parsed.sequence) == (b"secret", 6, 7)
    kept = _pcap.without_payload(capture, data, 0)
    again = _pcap.read(kept, 10).records[0]
    assert (again.wire_bytes, again.data) == (len(packet), packet[:-6])
    assert _pcap.read(_pcap.without_payload(capture, data, 3), 10).records[0].data == packet[:-3]


def test_ipv6_with_extension_headers_and_vlan():
    body = bytes([6, 0]) + bytes(6) + tcp(1234, PORT, ACK, 5, b"hi")
    frame = bytes(12) + b"\x81\x00\x00\x05\x86\xdd" + ip("2001:db8::1", "2001:db8::2", 0, body)
    capture = _pcap.read(pcap([frame], 1), 10)
    parsed = _pcap.parse(1, capture.records[0])
    assert parsed is not None
    assert (parsed.source, parsed.protocol, parsed.destination_port, parsed.payload) == ("2001:db8::1", "tcp", PORT, b"hi")


def test_broken_captures_never_break_the_reader_nor_let_payload_through():
    """Thousands, seeded: of true captures, bytes changed, cut out and put in."""
    source = random.Random(20260101)
    quoted = out(ACK, 9, b"SESAME" * 4)
    samples = [
        pcap([LINKS[link] + packet for packet in (
            out(SYN), back(SYN_ACK), out(ACK, 1, b"SESAME" * 9), back(ACK, 1, b"\x15\x03\x03\x00\x02\x02\x30"),
            ip("192.0.2.1", US, 1, b"\x03\x04" + bytes(6) + quoted))], link, order)
        for link in LINKS for order in "<>"
    ]
    began = time.monotonic()
    for _round in range(6000):
        data = bytearray(source.choice(samples))
        for _change in range(source.randint(0, 5)):
            at = source.randrange(len(data) + 1)
            data[at:at + source.choice((0, 1, 4))] = source.getrandbits(8 * 4).to_bytes(4, "big")[:source.choice((0, 1, 4))]
        data = data[:source.randint(0, len(data))] if source.random() < 0.2 else data
        try:
            capture = _pcap.read(bytes(data), 100)
        except _pcap.CaptureError:
            continue
        packets = [one for one in (_pcap.parse(capture.link, record) for record in capture.records) if one]
        assert isinstance(summary(packets, PEER, PORT)["packets"], dict)
        longest = max((len(record.data) for record in capture.records), default=0)
        for packet in packets:
            assert 0 <= packet.payload_bytes <= 0xFFFF + 40
            assert len(packet.payload) <= longest
        assert len(_pcap.without_payload(capture, bytes(data), 0)) <= len(data)
    for data in samples:
        assert b"SESAME" not in _pcap.without_payload(_pcap.read(data, 100), data, 0)
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("data", [b"", b"tcpdump: nonsense", b"\x0a\x0d\x0d\x0a" + bytes(40), bytes(24)])
def test_what_is_no_capture_is_refused(data):
    with pytest.raises(_pcap.CaptureError):
        _pcap.read(data, 10)


def test_a_name_that_is_no_interface_is_not_given_to_tcpdump():
    for name in ("-z/bin/sh", "eth0;id", "a" * 20, ""):
        data = capture(interface=name).one("capture.summary")["data"]
        assert data["reason"] == "bad_interface"


def capture(**parameters: t.Any):
    defaults = {"host": "db", "address": "127.0.0.1", "port": 1, "interface": "lo", "seconds": 2.0, "packets": 100, "capture_bytes": 100000,
                "payload_bytes": 0, "connect": True}
    return run_probe("capture", dict(defaults, **parameters))


def test_a_host_without_tcpdump_is_told(monkeypatch, tmp_path):
    timeout = shutil.which("timeout")
    assert timeout
    (tmp_path / "timeout").symlink_to(timeout)
    monkeypatch.setitem(_tcpdump._ENVIRONMENT, "PATH", str(tmp_path))
    data = capture().one("capture.summary")["data"]
    assert data["reason"] == "not_found"


@pytest.fixture(scope="module")
def network():
    reason = net.why_not() or ("" if shutil.which("tcpdump") else "needs tcpdump")
    if reason:
        pytest.skip(reason)
    with Network() as made:
        made.serve(7000)
        yield made


@pytest.mark.parametrize("address", [net.SERVER, net.SERVER6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize("interface", ["any", "eth0"])
def test_a_real_capture_of_a_connection(network, address, interface):
    observations = network.observe({"probe": "capture", "parameters": {
        "host": "db", "address": address, "port": 7000, "interface": interface, "connect": True, "seconds": 3.0}})
    data = observations[0]["data"]
    assert (data["stopped_by"], data["connect_error"], data["connections"], data["dropped_by_kernel"]) == ("connection", "", 1, 0)
    assert data["packets"][address] >= 1
    assert data["syn_without_answer"] == []


def test_a_capture_ends_at_its_packets(network):
    observations = network.observe({"probe": "capture", "parameters": {
        "host": "db", "address": net.SERVER, "port": 7000, "packets": 2, "seconds": 5.0, "connect": True}})
    assert (observations[0]["data"]["stopped_by"], observations[0]["data"]["captured"]) == ("packets", 2)

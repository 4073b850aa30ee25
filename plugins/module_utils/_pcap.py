# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads and writes capture files: pcap's records, and of each packet its addresses, ports, flags and where its payload begins.

Everything in a capture is a stranger's bytes: every length is checked, and what is cut short or unknown is left out.

Sources: draft-ietf-opsawg-pcap, the link types of tcpdump.org; RFC 791, 8200, 9293, 768, 792, 4443.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import socket
import struct
import typing as t

GLOBAL_HEADER_BYTES, RECORD_HEADER_BYTES = 24, 16
# First bytes: byte order, and the fraction of a second that timestamps count in.
_MAGIC = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6), b"\xa1\xb2\xc3\xd4": (">", 1e-6), b"\x4d\x3c\xb2\xa1": ("<", 1e-9), b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
# Link type: bytes before the IP header, and where in them the protocol stands (None: the IP version tells).
_LINKS: dict[int, tuple[int, int | None]] = {1: (14, 12), 12: (0, None), 101: (0, None), 113: (16, 14), 276: (20, 0)}
_VLAN = (0x8100, 0x88A8)
_IPV4, _IPV6 = 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
# IPv6 headers that stand before the transport's: hop-by-hop, routing, destination options.
_EXTENSIONS = (0, 43, 60)
_MOST_EXTENSIONS = 8

FIN, SYN, RST, ACK = 1, 2, 4, 16


class CaptureError(ValueError):
    """These bytes are no capture file of a known kind."""


class Record(t.NamedTuple):
    """``at``: seconds since the epoch. ``wire_bytes``: the packet's length on the wire; ``data`` may have less of it."""

    at: float
    wire_bytes: int
    data: bytes


class Packet(t.NamedTuple):
    """``protocol``: ``tcp``, ``udp``, ``icmp``, ``icmp6`` or a number as text. ``headers_bytes``: from the record's start to the payload.

    ``payload_bytes``: on the wire; ``payload``: what was captured of it. ``quoted``: of the packet that an ICMP error is about, as
    (source, port, destination, port).
    """

    at: float
    source: str
    destination: str
    protocol: str
    hops_left: int
    source_port: int
    destination_port: int
    flags: int
    sequence: int
    window: int
    payload_bytes: int
    payload: bytes
    headers_bytes: int
    icmp_type: int
    icmp_code: int
    quoted: tuple[str, int, str, int] | None


class CaptureFile(t.NamedTuple):
    """``header``: the file's own, as it came. ``order``: of its bytes, as struct(3) has it."""

    header: bytes
    order: str
    link: int
    records: list[Record]


def read(data: bytes, most_records: int) -> CaptureFile:
    """:param data: a capture file, or as much of it as there is. :raises CaptureError: it is none."""
    if len(data) < GLOBAL_HEADER_BYTES or data[:4] not in _MAGIC:
        raise CaptureError("no capture file")
    order, fraction = _MAGIC[data[:4]]
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    records = []
    at = GLOBAL_HEADER_BYTES
    while at + RECORD_HEADER_BYTES <= len(data) and len(records) < most_records:
        seconds, part, captured, wire = struct.unpack_from(order + "IIII", data, at)
        at += RECORD_HEADER_BYTES
        if at + captured > len(data):
            break
        records.append(Record(seconds + part * fraction, wire, data[at:at + captured]))
        at += captured
    return CaptureFile(data[:GLOBAL_HEADER_BYTES], order, link, records)


def without_payload(capture: CaptureFile, data: bytes, kept_bytes: int) -> bytes:
    """The same file with each packet cut after ``kept_bytes`` of its payload, and without packets that could not be read.

    :param data: what ``capture`` was read from.
    """
    result = bytearray(capture.header)
    at = GLOBAL_HEADER_BYTES
    for record in capture.records:
        header = data[at:at + RECORD_HEADER_BYTES]
        at += RECORD_HEADER_BYTES + len(record.data)
        packet = parse(capture.link, record)
        if packet is None:
            continue
        kept = record.data[:packet.headers_bytes + kept_bytes]
        result += header[:8] + struct.pack(capture.order + "I", len(kept)) + header[12:] + kept
    return bytes(result)


def parse(link: int, record: Record) -> Packet | None:
    """None for what is no IP, is a later fragment, or is cut short before its ports."""
    start = _ip_start(link, record.data)
    if start is None:
        return None
    try:
        return _parse_ip(record, start)
    except (struct.error, IndexError, ValueError, OSError):
        return None


def _ip_start(link: int, data: bytes) -> int | None:
    if link not in _LINKS:
        return None
    size, where = _LINKS[link]
    if where is None:
        return 0
    if len(data) < size:
        return None
    kind = struct.unpack_from("!H", data, where)[0]
    while kind in _VLAN and len(data) >= size + 4 and size < 64:
        kind = struct.unpack_from("!H", data, size + 2)[0]
        size += 4
    return size if kind in (_IPV4, _IPV6) else None


class _Ip(t.NamedTuple):
    source: str
    destination: str
    protocol: int
    hops_left: int
    start: int
    end: int


def _ip_header(data: bytes, at: int) -> _Ip:
    """``start`` and ``end`` are those of what it carries; ``end`` by the header's own length, whatever was captured."""
    version = data[at] >> 4
    if version == 4:
        size = (data[at] & 15) * 4
        total, fragment = struct.unpack_from("!H", data, at + 2)[0], struct.unpack_from("!H", data, at + 6)[0] & 0x1FFF
        if size < 20 or fragment or len(data) < at + size:
            raise ValueError("no first fragment of IPv4")
        return _Ip(socket.inet_ntop(socket.AF_INET, data[at + 12:at + 16]), socket.inet_ntop(socket.AF_INET, data[at + 16:at + 20]),
                   data[at + 9], data[at + 8], at + size, at + max(total, size))
    if version != 6 or len(data) < at + 40:
        raise ValueError("no IP")
    kind, start, end = data[at + 6], at + 40, at + 40 + struct.unpack_from("!H", data, at + 4)[0]
    for _extension in range(_MOST_EXTENSIONS):
        if kind not in _EXTENSIONS:
            break
        kind, start = data[start], start + 8 + data[start + 1] * 8
    return _Ip(socket.inet_ntop(socket.AF_INET6, data[at + 8:at + 24]), socket.inet_ntop(socket.AF_INET6, data[at + 24:at + 40]),
               kind, data[at + 7], start, max(end, start))


def _parse_ip(record: Record, at: int) -> Packet:
    data = record.data
    ip = _ip_header(data, at)
    source_port = destination_port = flags = sequence = window = icmp_type = icmp_code = 0
    quoted = None
    body = ip.start
    if ip.protocol == _TCP:
        source_port, destination_port, sequence, _ack, offset, flags, window = struct.unpack_from("!HHIIBBH", data, ip.start)
        body = ip.start + max(20, (offset >> 4) * 4)
    elif ip.protocol == _UDP:
        source_port, destination_port = struct.unpack_from("!HH", data, ip.start)
        body = ip.start + 8
    elif ip.protocol in (_ICMP, _ICMP6):
        icmp_type, icmp_code = data[ip.start], data[ip.start + 1]
        body = ip.start + 8
        if icmp_type in ((3, 11, 12) if ip.protocol == _ICMP else (1, 2, 3, 4)):
            quoted, body = _quoted(data, body)
    names = {_TCP: "tcp", _UDP: "udp", _ICMP: "icmp", _ICMP6: "icmp6"}
    end = max(body, ip.end)
    protocol = names.get(ip.protocol, str(ip.protocol))
    return Packet(record.at, ip.source, ip.destination, protocol, ip.hops_left, source_port, destination_port, flags, sequence, window,
                  end - body, data[body:end], body, icmp_type, icmp_code, quoted)


def _quoted(data: bytes, at: int) -> tuple[tuple[str, int, str, int] | None, int]:
    """What an ICMP error is about, and where the headers in it end: what lies beyond is someone's payload."""
    try:
        inner = _ip_header(data, at)
        source_port, destination_port = struct.unpack_from("!HH", data, inner.start) if inner.protocol in (_TCP, _UDP) else (0, 0)
    except (struct.error, IndexError, ValueError):
        return None, at
    return (inner.source, source_port, inner.destination, destination_port), inner.start + 8

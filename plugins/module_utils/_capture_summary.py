# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a capture of one TCP flow shows: who did not answer, who reset, what was sent again, who let nobody send, what TLS complained of.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._error_queue import icmp_name
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._pcap import ACK, FIN, RST, SYN, Packet

# One list is never longer, whatever was captured: what Ansible carries stays small.
_MOST_ROWS = 50
_ALERT_RECORD, _ALERT_BYTES = 21, 7
_ALERT_LEVELS = {1: "warning", 2: "fatal"}
# RFC 8446 6, RFC 5246 7.2
_ALERTS = {
    0: "close_notify", 10: "unexpected_message", 20: "bad_record_mac", 22: "record_overflow", 40: "handshake_failure",
    42: "bad_certificate", 43: "unsupported_certificate",
    44: "certificate_revoked", 45: "certificate_expired", 46: "certificate_unknown", 47: "illegal_parameter",
    48: "unknown_ca", 49: "access_denied", 50: "decode_error", 51: "decrypt_error", 70: "protocol_version", 71: "insufficient_security",
    80: "internal_error", 86: "inappropriate_fallback", 90: "user_canceled", 109: "missing_extension", 110: "unsupported_extension",
    112: "unrecognized_name", 113: "bad_certificate_status_response", 115: "unknown_psk_identity", 116: "certificate_required",
    120: "no_application_protocol",
}

_Flow = t.Tuple[str, int, str, int]


class _Side:
    """One direction of one connection: what it sent."""

    def __init__(self) -> None:
        self.syns = 0
        self.next_sequence: int | None = None
        self.fin_seen = False


def summary(packets: t.Iterable[Packet], address: str, port: int) -> dict[str, t.Any]:
    """:param packets: in the order captured, between the peer ``address`` and this host, ``port`` being of either; others are passed over.

    :returns: ``packets`` and ``bytes`` (of payload) by sender; ``connections``, ``syn_without_answer`` (connections of which no SYN was
        answered, with ``client``, ``client_port``, ``syns``); ``syns_sent_again``; ``resets`` (``sender``, ``count``, ``answers``: ``syn``
        or ``data``, ``ttl``, and ``other_ttl`` of the sender's other packets: where they differ, someone on the way sent the reset);
        ``retransmissions``, ``zero_windows`` (by sender); ``tls_alerts`` (``sender``, ``level``, ``description``); ``icmp_errors``
        (``sender``, ``name``, ``count``, ``about``: ``peer`` if the packet that it quotes was going there, else ``us``);
        ``first_at``, ``last_at``.
    """
    sides: dict[_Flow, _Side] = {}
    answered: set[_Flow] = set()
    sent: dict[str, dict[str, int]] = {}
    resets: dict[tuple[str, str, int], int] = {}
    other_ttls: dict[str, int] = {}
    icmp: dict[tuple[str, str, str], int] = {}
    again: dict[str, int] = {}
    zero: dict[str, int] = {}
    alerts: list[dict[str, str]] = []
    times: list[float] = []
    for packet in packets:
        if packet.quoted:
            if _is_of_flow(*packet.quoted, address, port):
                version = 6 if packet.protocol == "icmp6" else 4
                about = "peer" if packet.quoted[2] == address else "us"
                _count(icmp, (packet.source, icmp_name(version, packet.icmp_type, packet.icmp_code), about))
                times.append(packet.at)
            continue
        ends = (packet.source, packet.source_port), (packet.destination, packet.destination_port)
        if packet.protocol != "tcp" or not _is_of_flow(*ends[0], *ends[1], address, port):
            continue
        times.append(packet.at)
        here, there = (*ends[0], *ends[1]), (*ends[1], *ends[0])
        side = sides.setdefault(here, _Side())
        mine = sent.setdefault(packet.source, {"packets": 0, "bytes": 0})
        mine["packets"] += 1
        mine["bytes"] += packet.payload_bytes
        if packet.flags & SYN and not packet.flags & ACK:
            side.syns += 1
        elif there in sides:
            answered.add(there)
        if packet.flags & RST:
            # A SYN's answer: nothing but SYNs has come from the other side.
            answers = "syn" if there in sides and sides[there].syns and sides[there].next_sequence is None else "data"
            _count(resets, (packet.source, answers, packet.hops_left))
            continue
        other_ttls[packet.source] = packet.hops_left
        if _sent_again(side, packet):
            _count(again, packet.source)
        if packet.window == 0 and not packet.flags & SYN:
            _count(zero, packet.source)
        alerts += _alerts(packet)
    silent = [flow for flow, side in sides.items() if side.syns and flow not in answered]
    return {
        "packets": {sender: counts["packets"] for sender, counts in sent.items()},
        "bytes": {sender: counts["bytes"] for sender, counts in sent.items()},
        "connections": sum(side.syns > 0 for side in sides.values()),
        "syn_without_answer": [
            {"client": flow[0], "client_port": flow[1], "syns": sides[flow].syns} for flow in silent[:_MOST_ROWS]
        ],
        "syns_sent_again": sum(max(0, side.syns - 1) for side in sides.values()),
        "resets": [
            {"sender": sender, "answers": answers, "ttl": ttl, "other_ttl": other_ttls.get(sender), "count": count}
            for (sender, answers, ttl), count in sorted(resets.items())[:_MOST_ROWS]
        ],
        "retransmissions": again,
        "zero_windows": zero,
        "tls_alerts": alerts[:_MOST_ROWS],
        "icmp_errors": [
            {"sender": sender, "name": name, "about": about, "count": count}
            for (sender, name, about), count in sorted(icmp.items())[:_MOST_ROWS]
        ],
        "first_at": timestamp(min(times)) if times else "",
        "last_at": timestamp(max(times)) if times else "",
    }


def _is_of_flow(source: str, source_port: int, destination: str, destination_port: int, address: str, port: int) -> bool:
    return address in (source, destination) and port in (source_port, destination_port)


def _count(counts: dict[t.Any, int], key: t.Any) -> None:
    counts[key] = counts.get(key, 0) + 1


def _sent_again(side: _Side, packet: Packet) -> bool:
    """Whether these bytes, or a part of them, were sent before. SYNs are counted apart; a keepalive repeats one byte and is none."""
    length = packet.payload_bytes + bool(packet.flags & FIN)
    if packet.flags & SYN:
        if packet.flags & ACK:
            repeated, side.next_sequence = side.next_sequence is not None, (packet.sequence + 1) & 0xFFFFFFFF
            return repeated
        return False
    if not length:
        if side.next_sequence is None:
            side.next_sequence = packet.sequence
        return False
    end = (packet.sequence + length) & 0xFFFFFFFF
    if side.next_sequence is None or _ahead(end, side.next_sequence) > 0:
        repeated = side.next_sequence is not None and _ahead(packet.sequence, side.next_sequence) < 0
        side.next_sequence = end
        return repeated
    keepalive = packet.payload_bytes <= 1 and _ahead(packet.sequence, side.next_sequence) == -1 and not packet.flags & FIN
    return not keepalive


def _ahead(one: int, other: int) -> int:
    """How far a sequence number is beyond another, modulo 2^32 (RFC 9293, 3.4)."""
    return (one - other + 0x80000000) % 0x100000000 - 0x80000000


def _alerts(packet: Packet) -> list[dict[str, str]]:
    """A TLS alert in clear, at the start of a segment. Once keys are agreed on (in TLS 1.3 early), alerts can't be told from data."""
    payload = packet.payload
    if len(payload) < _ALERT_BYTES or payload[0] != _ALERT_RECORD or payload[1] != 3 or payload[3:5] != b"\x00\x02":
        return []
    if payload[5] not in _ALERT_LEVELS:
        return []  # encrypted
    return [{"sender": packet.source, "level": _ALERT_LEVELS[payload[5]], "description": _ALERTS.get(payload[6], "alert %d" % payload[6])}]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that ask for an answer, many at once: ICMP echo where this user may, UDP to unused ports where not.

ICMP goes by a ping socket (net.ipv4.ping_group_range, icmp(7)), else by a raw one. Whichever it is, errors come by the socket's
error queue, with who sent them. An answer is matched by its sequence number, never by its time.

Sources: RFC 792, RFC 4443, icmp(7), raw(7), udp(7); UDP ports as traceroute(8) takes them.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import errno
import os
import select
import socket
import struct
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._error_queue import IcmpError, next_error, want_errors
from ansible_collections.connectivity.doctor.plugins.module_utils._flow import errno_name

_HEADER = struct.Struct("!BBHHH")
_NONCE_BYTES = 8
_ECHO = {socket.AF_INET: (8, 0, socket.IPPROTO_ICMP), socket.AF_INET6: (128, 129, socket.IPPROTO_ICMPV6)}
_FIRST_UDP_PORT = 33434
_LARGEST_READ = 65536
_MOST_AT_ONCE = 4096  # a flood must not keep us from looking at the time
_AGAIN = (errno.ENOBUFS, errno.EAGAIN)

# linux/in.h and linux/in6.h; Python's socket module names none of them. PROBE: set DF, and send what the interface lets through.
_IP_MTU_DISCOVER, _IPV6_MTU_DISCOVER, _IPV6_DONTFRAG, _PROBE = 10, 23, 62, 3

SMALLEST_BYTES = {socket.AF_INET: 20 + 8 + _NONCE_BYTES, socket.AF_INET6: 40 + 8 + _NONCE_BYTES}


class Question(t.NamedTuple):
    """``size``: of the whole IP packet in bytes, 0 for the smallest. ``hops``: its TTL, 0 for the system's default."""

    sequence: int
    address: str
    size: int = 0
    hops: int = 0


class Answer(t.NamedTuple):
    """``kind``: ``reply``, ``icmp`` (with ``mtu``, in bytes, where it says one), ``local`` (this host did not send: ``error``)."""

    kind: str
    sender: str
    rtt_ms: float
    icmp: IcmpError | None = None
    mtu: int = 0
    error: str = ""

    def is_port_unreachable_of(self, address: str) -> bool:
        """Whether the host at the address itself says that nobody listens: the answer that UDP to an unused port looks for."""
        return self.icmp is not None and self.icmp.name == "port_unreachable" and self.sender == address.partition("%")[0]


class EchoSocket:
    """A context manager. ``method`` is ``icmp`` or ``udp``: UDP's only answer is an error, of which hosts send but a few a second."""

    def __init__(self, family: int, allow_icmp: bool = True) -> None:
        self._family = family
        self._nonce = os.urandom(_NONCE_BYTES)
        self._id = int.from_bytes(os.urandom(2), "big")
        self._raw = False
        self._sock = (self._icmp_socket() if allow_icmp else None) or socket.socket(family, socket.SOCK_DGRAM)
        self.method = "udp" if self._sock.proto in (0, socket.IPPROTO_UDP) else "icmp"
        self._sock.setblocking(False)
        want_errors(self._sock)
        if family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PROBE)
            self._sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_DONTFRAG, 1)
        else:
            self._sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PROBE)

    def _icmp_socket(self) -> socket.socket | None:
        protocol = _ECHO[self._family][2]
        for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                sock = socket.socket(self._family, kind, protocol)
            except OSError:
                continue
            self._raw = kind == socket.SOCK_RAW
            return sock
        return None

    def __enter__(self) -> EchoSocket:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._sock.close()

    def ask(self, questions: t.Sequence[Question], wait_s: float, spacing_s: float = 0.0) -> dict[int, Answer]:
        """Send all, and take what comes until all have an answer or the time is over.

        :param questions: with sequence numbers from 0 to 32000, each used once in the life of the socket.
        :param wait_s: seconds to wait after the last was sent. :param spacing_s: seconds between one and the next.
        :returns: answers by sequence; what had none is missing.
        """
        answers: dict[int, Answer] = {}
        sent: dict[int, float] = {}
        for question in questions:
            error = self._send(question, answers, sent)
            if error:
                answers[question.sequence] = Answer("local", "", 0.0, error=error)
            self._take(answers, sent, time.monotonic() + spacing_s, len(questions) if not spacing_s else 0)
        self._take(answers, sent, time.monotonic() + wait_s, len(questions))
        return answers

    def _send(self, question: Question, answers: dict[int, Answer], sent: dict[int, float]) -> str:
        """One packet. An earlier packet's error makes a send fail too; so what still fails after that is the packet's own error."""
        error = ""
        for _attempt in range(4):
            sent[question.sequence] = time.monotonic()
            try:
                self._set_hops(question.hops)
                self._sock.sendto(self._packet(question), self._where(question))
                return ""
            except OSError as problem:
                error = errno_name(problem.errno)
                if problem.errno in (errno.EMSGSIZE, errno.EPERM):
                    break
                if problem.errno in _AGAIN:
                    time.sleep(0.005)
                self._drain(answers, sent)
        return error

    def _set_hops(self, hops: int) -> None:
        if self._family == socket.AF_INET6:
            self._sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, hops or -1)
        else:
            self._sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hops or -1)

    def _where(self, question: Question) -> t.Any:
        port = _FIRST_UDP_PORT + question.sequence if self.method == "udp" else 0
        return socket.getaddrinfo(question.address, port, self._family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)[0][4]

    def _packet(self, question: Question) -> bytes:
        size = max(question.size, SMALLEST_BYTES[self._family])
        payload = self._nonce + bytes(size - SMALLEST_BYTES[self._family])
        if self.method == "udp":
            return payload
        kind = _ECHO[self._family][0]
        packet = _HEADER.pack(kind, 0, 0, self._id, question.sequence) + payload
        if self._family == socket.AF_INET6:
            return packet  # the kernel adds the checksum
        return _HEADER.pack(kind, 0, checksum(packet), self._id, question.sequence) + payload

    def _take(self, answers: dict[int, Answer], sent: dict[int, float], end: float, enough: int) -> None:
        """Answers until ``end``, or until there are enough (0: never); always at least what has already come."""
        poller = select.poll()
        poller.register(self._sock, select.POLLIN)
        self._drain(answers, sent)
        while not (enough and len(answers) >= enough):
            left = end - time.monotonic()
            if left <= 0:
                return
            if poller.poll(left * 1000):
                self._drain(answers, sent)

    def _drain(self, answers: dict[int, Answer], sent: dict[int, float]) -> None:
        for queued in iter(lambda: next_error(self._sock), None):
            sequence = queued.port - _FIRST_UDP_PORT if self.method == "udp" else self._sequence(queued.quoted, _ECHO[self._family][0])
            self._note(answers, sent, sequence, Answer("icmp", queued.icmp.sender, 0.0, queued.icmp, queued.mtu))
        for _packet in range(_MOST_AT_ONCE):
            try:
                data, where = self._sock.recvfrom(_LARGEST_READ)
            except BlockingIOError:
                return
            except OSError:
                continue  # the pending error of a packet whose message was read above
            sequence = where[1] - _FIRST_UDP_PORT if self.method == "udp" else self._reply_sequence(data)
            self._note(answers, sent, sequence, Answer("reply", where[0].partition("%")[0], 0.0))

    def _reply_sequence(self, data: bytes) -> int | None:
        """A raw socket sees every echo reply of the host: ours carries our nonce."""
        if self._raw and self._family == socket.AF_INET:
            data = data[(data[0] & 15) * 4:] if data else b""
        if data[_HEADER.size:_HEADER.size + _NONCE_BYTES] != self._nonce:
            return None
        return self._sequence(data, _ECHO[self._family][1])

    def _sequence(self, data: bytes, kind: int) -> int | None:
        """:param data: an ICMP message from its header on. The kernel chooses the identifier of a ping socket, and checks it."""
        if len(data) < _HEADER.size:
            return None
        found, _code, _checksum, identifier, sequence = _HEADER.unpack_from(data)
        return sequence if found == kind and (not self._raw or identifier == self._id) else None

    @staticmethod
    def _note(answers: dict[int, Answer], sent: dict[int, float], sequence: int | None, answer: Answer) -> None:
        if sequence in sent and sequence not in answers:
            answers[sequence] = answer._replace(rtt_ms=round((time.monotonic() - sent[sequence]) * 1000, 3))


def icmp_allowed(family: int) -> bool:
    """Whether this user may send ICMP echo."""
    with EchoSocket(family) as sock:
        return sock.method == "icmp"


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF

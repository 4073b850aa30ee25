# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DNS server for tests on loopback, over UDP and TCP on one port, that answers as a function says; made with dnspython."""
from __future__ import annotations

import socket
import struct
import threading
import typing as t

import dns.message
import dns.rrset

# The query and the transport ("udp", "tcp") to the bytes to send: none to be silent, several for several datagrams.
Answer = t.Callable[[dns.message.Message, str], t.Sequence[bytes]]


class NameServer:
    """A context manager. ``asked``: name, type and transport of each query, in order.

    :param tcp: whether TCP is served too. :param port: 0 lets the kernel choose.
    """

    def __init__(self, answer: Answer, address: str = "127.0.0.1", tcp: bool = True, port: int = 0) -> None:
        self.address = address
        self.asked: list[tuple[str, str, str]] = []
        self._answer = answer
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._stream = socket.socket(family, socket.SOCK_STREAM)
        self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._stream.bind((address, port))
        self.port: int = self._stream.getsockname()[1]
        if tcp:
            self._stream.listen(5)
        self._datagram = socket.socket(family, socket.SOCK_DGRAM)
        self._datagram.bind((address, self.port))
        self._datagram.settimeout(0.1)
        self._stream.settimeout(0.1)
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._serve_udp, daemon=True)]
        if tcp:
            self._threads.append(threading.Thread(target=self._serve_tcp, daemon=True))

    def __enter__(self) -> NameServer:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        self._datagram.close()
        self._stream.close()

    def _answers(self, data: bytes, transport: str) -> t.Sequence[bytes]:
        query = dns.message.from_wire(data)
        question = query.question[0]
        self.asked.append((question.name.to_text(), dns.rdatatype.to_text(question.rdtype), transport))
        return self._answer(query, transport)

    def _serve_udp(self) -> None:
        while not self._ended.is_set():
            try:
                data, client = self._datagram.recvfrom(65535)
            except socket.timeout:
                continue
            for answer in self._answers(data, "udp"):
                self._datagram.sendto(answer, client)

    def _serve_tcp(self) -> None:
        while not self._ended.is_set():
            try:
                connection = self._stream.accept()[0]
            except socket.timeout:
                continue
            with connection:
                connection.settimeout(0.3)
                try:
                    self._serve_connection(connection)
                except OSError:
                    pass  # the client went away, or waits for more than there is

    def _serve_connection(self, connection: socket.socket) -> None:
        """Query after query, as resolvers send A and AAAA on one connection; one without an answer ends it."""
        while True:
            size = connection.recv(2)
            answers = self._answers(connection.recv(struct.unpack("!H", size)[0]), "tcp") if size else ()
            for answer in answers:
                connection.sendall(answer)
            if not answers:
                return


def reply(query: dns.message.Message, *records: str, rcode: int = 0, truncated: bool = False) -> dns.message.Message:
    """:param records: each in the form of a zone file: ``www.example.com. 60 IN A 192.0.2.1``."""
    message = dns.message.make_response(query, recursion_available=True)  # without it, glibc takes an empty answer for a referral
    message.set_rcode(rcode)
    if truncated:
        message.flags |= dns.flags.TC
    for record in records:
        name, ttl, kind, rtype, data = record.split(None, 4)
        message.answer.append(dns.rrset.from_text(name, int(ttl), kind, rtype, data))
    return message


def framed(data: bytes) -> bytes:
    """With its length before it, as over TCP (RFC 1035, section 4.2.2)."""
    return struct.pack("!H", len(data)) + data

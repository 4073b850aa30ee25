# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two network namespaces with a cable between them, in which real connections meet real packet filters.

``host`` is the one whose filter is tried, ``peer`` has none. Sockets are made in either by the calling thread.
"""
from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

HOST = {4: ("192.0.2.1", "192.0.2.129"), 6: ("2001:db8::1", "2001:db8::81")}
PEER = {4: ("192.0.2.2", "192.0.2.3", "192.0.2.130"), 6: ("2001:db8::2", "2001:db8::3", "2001:db8::82")}
PORTS = (7000, 7001, 7002, 7003, 7004)
INTERFACE = "eth0"

_NEW_NETWORK = 0x40000000
_OUTGOING = 4  # linux/if_packet.h
_SILENCE_S = 0.025
# A packet that was lost comes again after a second, and would be counted twice.
_TOO_LONG_S = 0.9

# RFC 792, RFC 1812 and RFC 4443, by version, type and code.
_ICMP_NAMES = {
    (4, 3, 0): "net_unreachable", (4, 3, 1): "host_unreachable", (4, 3, 2): "protocol_unreachable", (4, 3, 3): "port_unreachable",
    (4, 3, 9): "net_prohibited", (4, 3, 10): "host_prohibited", (4, 3, 13): "admin_prohibited",
    (6, 1, 0): "no_route", (6, 1, 1): "admin_prohibited", (6, 1, 3): "address_unreachable", (6, 1, 4): "port_unreachable",
    (6, 1, 5): "source_policy_failed", (6, 1, 6): "reject_route",
}

_libc = ctypes.CDLL(None, use_errno=True)


class Attempt(NamedTuple):
    """One connection to be tried."""

    direction: str
    protocol: str
    source: str
    source_port: int
    destination: str
    port: int
    uid: int


class Outcome(NamedTuple):
    """``answer``: connected, none, or the kind of the rejection. ``arrived``: the ports (from, to) under which the peer saw
    the first packet of an outbound attempt."""

    answer: str
    arrived: bool


class World:
    """A context manager. ``load`` and ``read`` run a program on the host; ``attempt`` tries connections."""

    def __enter__(self) -> World:
        self._holders = [subprocess.Popen(["unshare", "--net", "sh", "-c", "echo ready; exec cat"], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE) for _name in ("host", "peer")]
        for holder in self._holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == b"ready\n"
        self._own = os.open("/proc/self/ns/net", os.O_RDONLY)
        self._host, self._peer = (os.open("/proc/%d/ns/net" % holder.pid, os.O_RDONLY) for holder in self._holders)
        with self.inside("peer"):
            _shell("ip link add %s type veth peer name %s netns %d" % (INTERFACE, INTERFACE, self._holders[0].pid))
        self._prepare("host", HOST)
        self._prepare("peer", PEER)
        with self.inside("peer"):
            self._sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            self._sniffer.bind((INTERFACE, 3))
        self._sniffer.setblocking(False)
        self._listeners: list[socket.socket] = []
        self._datagrams: list[socket.socket] = []
        for side, addresses in (("host", HOST), ("peer", PEER)):
            with self.inside(side):
                self._listen([address for versions in addresses.values() for address in versions])
        return self

    def __exit__(self, *_exception: object) -> None:
        for sock in (*self._listeners, *self._datagrams, self._sniffer):
            sock.close()
        for descriptor in (self._own, self._host, self._peer):
            os.close(descriptor)
        for holder in self._holders:
            for stream in (holder.stdin, holder.stdout):
                if stream:
                    stream.close()
            holder.wait()

    @contextmanager
    def inside(self, side: str) -> Iterator[None]:
        """What this thread makes, and starts, is in that namespace."""
        _enter(self._host if side == "host" else self._peer)
        try:
            yield
        finally:
            _enter(self._own)

    def _prepare(self, side: str, addresses: dict[int, tuple[str, ...]]) -> None:
        with self.inside(side):
            _shell("; ".join([
                "ip link set lo up", "ip link set %s up" % INTERFACE,
                *("ip address add %s/24 dev %s" % (address, INTERFACE) for address in addresses[4]),
                *("ip -6 address add %s/64 dev %s nodad" % (address, INTERFACE) for address in addresses[6]),
                # What was answered and lost must not come again while another ruleset is tried.
                "echo 0 >/proc/sys/net/ipv4/tcp_synack_retries",
                # Every rejection is to be seen, however many there are.
                "echo 0 >/proc/sys/net/ipv4/icmp_ratemask", "echo 0 >/proc/sys/net/ipv4/icmp_ratelimit",
                "echo 0 >/proc/sys/net/ipv6/icmp/ratelimit", "echo >/proc/sys/net/ipv6/icmp/ratemask",
            ]))

    def _listen(self, addresses: list[str]) -> None:
        for port in PORTS:
            listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512)
            listener.setblocking(False)
            self._listeners.append(listener)
            for address in addresses:
                sock = socket.socket(_family(address), socket.SOCK_DGRAM)
                sock.setblocking(False)
                sock.bind((address, port))
                self._datagrams.append(sock)

    def load(self, *commands: tuple[list[str], str]) -> str:
        """Run programs on the host, each with a text on its standard input. :returns: what the first that failed said, else nothing."""
        with self.inside("host"):
            for argv, text in commands:
                ended = subprocess.run(argv, input=text, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
                if ended.returncode:
                    return ended.stderr or "exit code %d" % ended.returncode
        return ""

    def read(self, argv: list[str]) -> str:
        with self.inside("host"):
            return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True).stdout

    def attempt(self, attempts: list[Attempt]) -> list[Outcome] | None:
        """Try all at once. :returns: None where the machine was so slow that packets came twice."""
        began = time.monotonic()
        self._forget()
        sockets = [self._open(attempt) for attempt in attempts]
        answers = self._answers(attempts, sockets)
        arrived = self._arrived()
        self._opened = sockets
        if time.monotonic() - began > _TOO_LONG_S:
            return None
        return [Outcome(answer, (attempt.protocol, attempt.source_port) in arrived) for attempt, answer in zip(attempts, answers)]

    def close(self) -> None:
        """End what the last attempts opened. It sends packets: read the counters before."""
        for sock in self._opened:
            sock.close()
        self._forget()

    def _open(self, attempt: Attempt) -> socket.socket:
        with self.inside("host" if attempt.direction == "outbound" else "peer"):
            _libc.setfsuid(attempt.uid)  # of this thread only: who owns the socket
            try:
                sock = socket.socket(_family(attempt.source), socket.SOCK_STREAM if attempt.protocol == "tcp" else socket.SOCK_DGRAM)
            finally:
                _libc.setfsuid(0)
        sock.setblocking(False)
        if attempt.protocol == "tcp":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        level, option = (socket.IPPROTO_IPV6, 25) if sock.family == socket.AF_INET6 else (socket.IPPROTO_IP, 11)
        sock.setsockopt(level, option, 1)
        sock.bind((attempt.source, attempt.source_port))
        sock.connect_ex((attempt.destination, attempt.port))
        if attempt.protocol == "udp":
            try:
                sock.send(b"?")
            except OSError:
                pass  # what the filter said is in the error queue, or it said nothing
        return sock

    def _answers(self, attempts: list[Attempt], sockets: list[socket.socket]) -> list[str]:
        answers: list[str] = ["" for _attempt in attempts]
        end = time.monotonic() + _SILENCE_S
        while True:
            self._serve_datagrams()
            for index, (attempt, sock) in enumerate(zip(attempts, sockets)):
                answers[index] = answers[index] or _answer(attempt, sock)
            left = end - time.monotonic()
            if all(answers) or left <= 0:
                return [answer or "none" for answer in answers]
            select.select([*self._datagrams, *(sock for sock, answer in zip(sockets, answers) if not answer)], [], [], min(left, 0.005))

    def _serve_datagrams(self) -> None:
        for sock in select.select(self._datagrams, [], [], 0)[0]:
            try:
                data, sender = sock.recvfrom(16)
                sock.sendto(data, sender)
            except OSError:
                pass  # the filter forbids the answer, or an earlier one was rejected

    def _arrived(self) -> set[tuple[str, int]]:
        """(protocol, source port) of all first packets that the peer saw come in."""
        seen = set()
        while True:
            try:
                packet, sender = self._sniffer.recvfrom(256)
            except BlockingIOError:
                return seen
            if sender[2] == _OUTGOING or len(packet) < 28:
                continue
            protocol, header = (packet[9], (packet[0] & 15) * 4) if packet[0] >> 4 == 4 else (packet[6], 40)
            if protocol == 17 or (protocol == 6 and packet[header + 13] & 0x17 == 0x02):
                seen.add(("udp" if protocol == 17 else "tcp", struct.unpack_from("!H", packet, header)[0]))

    def _forget(self) -> None:
        self._arrived()
        for listener in self._listeners:
            try:
                while True:
                    listener.accept()[0].close()
            except OSError:
                pass
        for sock in self._datagrams:
            try:
                while True:
                    sock.recv(16)
            except BlockingIOError:
                pass
            except OSError:
                pass


def _answer(attempt: Attempt, sock: socket.socket) -> str:
    rejected = _icmp_error(sock)
    if rejected:
        return rejected
    if attempt.protocol == "udp":
        try:
            return "connected" if sock.recv(16) else ""
        except OSError:
            return ""
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        return "tcp_reset" if error == errno.ECONNREFUSED else os.strerror(error)
    try:
        sock.getpeername()
    except OSError:
        return ""
    return "connected"


def _icmp_error(sock: socket.socket) -> str:
    """Which ICMP error lies in the socket's error queue: ip(7), struct sock_extended_err."""
    try:
        control = sock.recvmsg(64, 512, socket.MSG_ERRQUEUE)[1]
    except OSError:
        return ""
    for _level, _kind, data in control:
        origin, kind, code = data[4], data[5], data[6]
        if origin in (2, 3):
            return _ICMP_NAMES.get((4 if origin == 2 else 6, kind, code), "type %d code %d" % (kind, code))
    return ""


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _NEW_NETWORK):
        raise OSError(ctypes.get_errno(), "setns")


def _shell(commands: str) -> None:
    ended = subprocess.run(["sh", "-ec", commands], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
    if ended.returncode:
        raise RuntimeError("%s\n%s" % (commands, ended.stdout))

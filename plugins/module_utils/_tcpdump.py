# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs tcpdump(1) within bounds of time, packets and bytes, and keeps what it captures in memory only: no file is made.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import os
import select
import signal
import subprocess
import time
import typing as t

_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_START_S = 5.0
_END_S = 2.0
# What tcpdump may do by itself, should we be killed: coreutils' timeout ends it.
_MARGIN_S = 10
_LISTENING = b"listening on"
_MESSAGE_BYTES = 4096


class Captured(t.NamedTuple):
    """``problem``: why there is no capture: ``not_found``, ``not_permitted``, ``no_start``; empty if there is one.

    ``stopped_by``: ``seconds``, ``packets``, ``bytes`` or ``connection``. ``messages``: what tcpdump said.
    """

    data: bytes
    problem: str
    stopped_by: str
    messages: str


class Limits(t.NamedTuple):
    """``snap_bytes``: of each packet; ``linger_s``: seconds to go on after the connection that is made meanwhile has ended."""

    seconds: float
    packets: int
    capture_bytes: int
    snap_bytes: int
    linger_s: float


def filter_expression(address: str, port: int) -> str:
    """The flow with a peer, and ICMP errors of anyone: pcap-filter(7). Which flow they quote is looked at when they are read."""
    plain = address.partition("%")[0]
    errors = ("icmp6 and ip6[40] >= 1 and ip6[40] <= 4" if ":" in address else "icmp[icmptype] == 3 or icmp[icmptype] == 11")
    return "(host %s and tcp port %d) or (%s)" % (plain, port, errors)


def capture(interface: str, expression: str, limits: Limits, meanwhile: t.Callable[[], None] | None) -> Captured:
    """:param meanwhile: called once tcpdump listens; the capture ends ``linger_s`` after it has returned."""
    argv = [
        "timeout", "-k", "1", str(int(limits.seconds + _START_S + _MARGIN_S)), "tcpdump", "-i", interface, "-n", "-p", "-U",
        "--immediate-mode", "-s", str(limits.snap_bytes), "-c", str(limits.packets), "-w", "-", expression,
    ]
    try:
        process = subprocess.Popen(  # pylint: disable=ansible-bad-function  # this runs where there is no AnsibleModule
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ, **_ENVIRONMENT))
    except OSError:
        return Captured(b"", "not_found", "", "")
    try:
        return _Reader(process, limits).run(meanwhile)
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """timeout(1) passes SIGTERM on, and leads a process group of its own, so that both are gone after this."""
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class _Reader:
    def __init__(self, process: subprocess.Popen[bytes], limits: Limits) -> None:
        self._process, self._limits = process, limits
        self._output, self._errors = (stream.fileno() for stream in (process.stdout, process.stderr) if stream)
        self._data, self._said = bytearray(), bytearray()
        self._poller = select.poll()
        for descriptor in (self._output, self._errors):
            self._poller.register(descriptor, select.POLLIN)
        self._open = {self._output, self._errors}

    def run(self, meanwhile: t.Callable[[], None] | None) -> Captured:
        self._read_until(time.monotonic() + _START_S, lambda: _LISTENING in self._said)
        if _LISTENING not in self._said:
            return Captured(b"", self._why(), "", self._messages())
        end = time.monotonic() + self._limits.seconds
        stopped_by = "seconds"
        if meanwhile:
            meanwhile()
            if time.monotonic() + self._limits.linger_s < end:
                end, stopped_by = time.monotonic() + self._limits.linger_s, "connection"
        self._read_until(end, lambda: False)
        if self._is_full():
            stopped_by = "bytes"
        elif not self._open:
            stopped_by = "packets"
        else:
            self._process.terminate()  # it writes what it still holds, and says what it dropped
            self._read_until(time.monotonic() + _END_S, lambda: False)
        return Captured(bytes(self._data[:self._limits.capture_bytes]), "", stopped_by, self._messages())

    def _read_until(self, end: float, enough: t.Callable[[], bool]) -> None:
        while self._open and not enough() and not self._is_full():
            left = end - time.monotonic()
            if left <= 0:
                return
            for descriptor, _event in self._poller.poll(left * 1000):
                chunk = os.read(descriptor, 65536)
                if not chunk:
                    self._poller.unregister(descriptor)
                    self._open.discard(descriptor)
                elif descriptor == self._output:
                    self._data += chunk
                elif len(self._said) < _MESSAGE_BYTES:
                    self._said += chunk

    def _is_full(self) -> bool:
        return len(self._data) >= self._limits.capture_bytes

    def _messages(self) -> str:
        return bytes(self._said[:_MESSAGE_BYTES]).decode("utf-8", "backslashreplace").strip()

    def _why(self) -> str:
        said = self._messages()
        if "permi" in said:  # "You don't have permission", "Operation not permitted"
            return "not_permitted"
        return "not_found" if "No such file" in said and "tcpdump" in said else "no_start"

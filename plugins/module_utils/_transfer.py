# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transfer over one TCP connection, bounded in bytes and in time: a download over HTTP, or bytes as they are.

Sources: RFC 9112 (HTTP/1.1 requests and status lines).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import socket
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tcp_info import tcp_info

_CHUNK_BYTES = 65536
_HEAD_BYTES = 65536
_STEP_S = 0.001
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
# What would end the request line, or begin another header, is no path.
_PATH = re.compile(r"/[!-~]*\Z")


class Transfer(t.NamedTuple):
    """``error``: an errno name, ``TIMEOUT``, ``bad_path``, ``no_http``, ``http_status``; empty if bytes went over.

    ``limited_by``: ``bytes``, ``seconds`` or ``peer`` (it ended). ``steps``: (seconds since the first byte, bytes until then).
    ``http_status`` is None where no HTTP was spoken; ``retransmits``, ``rwnd_limited_us`` and ``busy_us`` of what this host sent.
    """

    error: str
    bytes: int
    seconds: float
    limited_by: str
    connect_ms: float
    first_byte_ms: float | None
    steps: list[tuple[float, int]]
    http_status: int | None
    retransmits: int | None
    rwnd_limited_us: int | None
    busy_us: int | None


class Job(t.NamedTuple):
    """``path``: to fetch over HTTP; None to take what the server sends, or with ``upload`` to send zeros."""

    address: str
    port: int
    host: str
    path: str | None
    upload: bool
    most_bytes: int
    seconds: float


def failed(error: str, connect_ms: float = 0.0, http_status: int | None = None) -> Transfer:
    """A transfer of nothing."""
    return Transfer(error, 0, 0.0, "", connect_ms, None, [], http_status, None, None, None)


def transfer(job: Job) -> Transfer:
    """Never raises for what the peer or the network does."""
    if job.path is not None and not _PATH.match(job.path):
        return failed("bad_path")
    remaining = _flow.monotonic_budget(job.seconds)
    attempt = _flow.connect(job.address, job.port, job.seconds)
    if attempt.sock is None:
        return failed(attempt.error, attempt.elapsed_ms)
    with attempt.sock as sock:
        try:
            if job.upload:
                return _upload(sock, job, attempt.elapsed_ms, remaining)
            return _download(sock, job, attempt.elapsed_ms, remaining)
        except socket.timeout:
            return failed("TIMEOUT", attempt.elapsed_ms)
        except OSError as problem:
            return failed(_flow.errno_name(problem.errno), attempt.elapsed_ms)


def _request(job: Job) -> bytes:
    host = "[%s]" % job.host if ":" in job.host else job.host
    return ("GET %s HTTP/1.1\r\nHost: %s:%d\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n" % (job.path, host, job.port)).encode(
        "ascii", "replace")


def _download(sock: socket.socket, job: Job, connect_ms: float, remaining: t.Callable[[], float]) -> Transfer:
    began = time.monotonic()
    status, received = None, 0
    if job.path is not None:
        sock.settimeout(max(0.001, remaining()))
        sock.sendall(_request(job))
        status, received = _head(sock, remaining)
        if status is None:
            return failed("no_http", connect_ms)
        if status >= 300:
            return failed("http_status", connect_ms, status)
    steps: list[tuple[float, int]] = []
    first = None
    limited_by = "bytes"
    while received < job.most_bytes:
        left = remaining()
        sock.settimeout(max(0.001, left))
        try:
            chunk = sock.recv(min(_CHUNK_BYTES, job.most_bytes - received)) if left > 0 else None
        except socket.timeout:
            chunk = None
        if chunk is None:
            limited_by = "seconds"
            break
        if not chunk:
            limited_by = "peer"
            break
        first = time.monotonic() if first is None else first
        received += len(chunk)
        _note(steps, time.monotonic() - first, received)
    if first is None:
        return failed("TIMEOUT" if limited_by == "seconds" else "empty", connect_ms, status)
    return _done(sock, received, steps, limited_by, connect_ms, round((first - began) * 1000, 1), status)


def _note(steps: list[tuple[float, int]], seconds: float, size: int) -> None:
    """One step a millisecond: a peer that sends byte by byte must not fill the memory."""
    if len(steps) > 1 and seconds - steps[-2][0] < _STEP_S:
        steps.pop()
    steps.append((seconds, size))


def _head(sock: socket.socket, remaining: t.Callable[[], float]) -> tuple[int | None, int]:
    """The status, and how much of the body came with the head; (None, 0) if it is no HTTP."""
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_BYTES:
        left = remaining()
        if left <= 0:
            raise socket.timeout("timed out")
        sock.settimeout(left)
        chunk = sock.recv(4096)
        if not chunk:
            break
        head += chunk
    found = _STATUS.match(head)
    if not found or b"\r\n\r\n" not in head:
        return None, 0
    return int(found.group(1)), len(head) - head.index(b"\r\n\r\n") - 4


def _upload(sock: socket.socket, job: Job, connect_ms: float, remaining: t.Callable[[], float]) -> Transfer:
    """What counts is what the peer's kernel has acknowledged, not what lies in this host's buffer."""
    zeros = bytes(_CHUNK_BYTES)
    began = time.monotonic()
    steps: list[tuple[float, int]] = []
    sent = 0
    limited_by = "bytes"
    while sent < job.most_bytes:
        left = remaining()
        if left <= 0:
            limited_by = "seconds"
            break
        sock.settimeout(left)
        try:
            sent += sock.send(zeros[:job.most_bytes - sent])
        except socket.timeout:
            limited_by = "seconds"
            break
        except OSError:
            limited_by = "peer"
            break
        _note(steps, time.monotonic() - began, max(0, sent - (tcp_info(sock).unsent_bytes or 0)))
    while limited_by == "bytes" and remaining() > 0 and tcp_info(sock).unsent_bytes:
        time.sleep(0.005)
    acknowledged = sent - (tcp_info(sock).unsent_bytes or 0)
    steps.append((time.monotonic() - began, acknowledged))
    if acknowledged <= 0:
        return failed("TIMEOUT" if limited_by == "seconds" else "empty", connect_ms)
    return _done(sock, acknowledged, steps, limited_by, connect_ms, None, None)


def _done(
    sock: socket.socket, size: int, steps: list[tuple[float, int]], limited_by: str, connect_ms: float, first_byte_ms: float | None,
    status: int | None,
) -> Transfer:
    info = tcp_info(sock)
    return Transfer("", size, round(steps[-1][0], 4), limited_by, connect_ms, first_byte_ms, steps, status, info.total_retrans,
                    info.rwnd_limited_us, info.busy_us)


def rates(steps: list[tuple[float, int]]) -> tuple[int | None, int | None]:
    """Bits per second, of the whole and of about the second half of the time, when slow start and a shaper's burst are over.

    None where it went too fast to measure (less than a millisecond).
    """
    if not steps or steps[-1][0] - steps[0][0] < 0.001:
        return None, None
    (start, before), (end, after) = steps[0], steps[-1]
    whole = int((after - before) * 8 / (end - start))
    # The last step before the middle, not the first after it: a lost segment holds up what came behind it, which then comes at once.
    middle, before = next(step for step in reversed(steps) if step[0] <= (start + end) / 2)
    return whole, int((after - before) * 8 / (end - middle))

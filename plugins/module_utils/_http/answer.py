# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads one HTTP/1.x answer from a channel, bounded in time and in bytes, and tells how it ended if it did not end well.

``http.client`` bounds the time of each read and not of the answer, and knows no bound on interim (1xx) answers.
Source: RFC 9112 (message syntax: 4 status line, 5 fields, 6.3 body length, 7.1 chunked).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import ssl
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import (
    FIRST_BYTES,
    Remaining,
    SocketChannel,
    TlsChannel,
    io_error,
)

MAXIMUM_HEAD = 65536
_MAXIMUM_INTERIM = 20
_MAXIMUM_CHUNK_LINE = 4096
# What chunk lines may cost beside the body; a peer that sends one byte a chunk is cut, not waited for.
_MAXIMUM_OVERHEAD = 262144
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? +([1-9]\d\d)(?: +(.*))?")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):(.*)")


class Head(t.NamedTuple):
    """``fields`` are (name in lower case, value) in their order."""

    status: int
    reason: str
    fields: list[tuple[str, str]]

    def get(self, name: str) -> str:
        """The first field of this name, or ""."""
        return next((value for found, value in self.fields if found == name), "")

    def all(self, name: str) -> list[str]:
        return [value for found, value in self.fields if found == name]


class Answer(t.NamedTuple):
    """``error``: empty; nothing came: ``no_response`` (silence), ``closed``, ``reset``, ``tls_failed``, or an errno name; what
    came is no HTTP: ``not_http``; it stopped too early: ``incomplete``, then ``ended_by`` is ``timeout``, ``closed``, ``reset``,
    ``limit`` (a head without end), ``malformed`` or ``tls_failed``.

    ``truncated``: the body is longer than was wanted and was read no further, which is no error.
    """

    error: str
    ended_by: str
    head: Head | None
    body: bytes
    truncated: bool
    received: int
    first_bytes: bytes
    first_byte_at: float | None


class _Ended(Exception):
    """The answer stopped; ``how`` is a value of ``ended_by``."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


def parse_head(data: bytes) -> Head:
    """:param data: status line and fields, without the empty line. :raises ValueError: it is none."""
    lines = re.split(rb"\r?\n", data)
    status = _STATUS_LINE.fullmatch(lines[0])
    if not status:
        raise ValueError("no status line")
    fields = []
    for line in lines[1:]:
        field = _FIELD.fullmatch(line)
        if field:  # others (folded lines, garbage) are not what anything here decides on
            fields.append((field.group(1).decode("ascii").lower(), field.group(2).strip(b" \t").decode("utf-8", "backslashreplace")))
    return Head(int(status.group(1)), (status.group(2) or b"").decode("utf-8", "backslashreplace"), fields)


class _Source:
    def __init__(self, channel: SocketChannel | TlsChannel, remaining: Remaining) -> None:
        self._channel = channel
        self._remaining = remaining
        self.buffer = b""
        self.received = 0
        self.first_bytes = b""
        self.first_byte_at: float | None = None

    def more(self) -> None:
        """:raises _Ended: there is no more."""
        try:
            data = self._channel.read(self._remaining)
        except ssl.SSLError as problem:
            raise _Ended("tls_failed") from problem
        except OSError as problem:
            raise _Ended(io_error(problem)) from problem
        if not data:
            raise _Ended("closed")
        if self.first_byte_at is None:
            self.first_byte_at = time.monotonic()
        self.received += len(data)
        self.first_bytes = (self.first_bytes + data)[:FIRST_BYTES] if len(self.first_bytes) < FIRST_BYTES else self.first_bytes
        self.buffer += data

    def until(self, end: t.Pattern[bytes], limit: int) -> bytes:
        """What precedes ``end``, which is dropped. :raises _Ended: it ends before, or is longer than ``limit`` bytes."""
        searched = 0
        while True:
            found = end.search(self.buffer, searched)
            if found:
                data, self.buffer = self.buffer[:found.start()], self.buffer[found.end():]
                return data
            if len(self.buffer) > limit:
                raise _Ended("limit")
            searched = max(0, len(self.buffer) - 3)
            self.more()

    def take(self, size: int) -> bytes:
        """At least one and at most ``size`` bytes."""
        if not self.buffer:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_END_OF_LINE = re.compile(rb"\r?\n")


def read_answer(channel: SocketChannel | TlsChannel, method: str, body_limit: int, remaining: Remaining) -> Answer:
    """:param method: of the request: HEAD has no body, nor has the success of a CONNECT. :param body_limit: bytes of body kept."""
    source = _Source(channel, remaining)
    head: Head | None = None
    body = bytearray()
    error, ended_by, truncated = "", "", False
    try:
        head = _read_head(source)
        truncated = _read_body(source, head, method, body, body_limit)
    except _Ended as ending:
        ended_by = ending.how
        if source.received:
            error = "incomplete"
        else:
            error, ended_by = ("no_response" if ended_by == "timeout" else ended_by), ""
    except ValueError:
        error = "not_http"
    return Answer(error, ended_by, head, bytes(body), truncated, source.received, source.first_bytes, source.first_byte_at)


def _read_head(source: _Source) -> Head:
    """The final head; interim ones (1xx) are skipped. :raises ValueError: it is none."""
    for _interim in range(_MAXIMUM_INTERIM):
        while len(source.buffer) < 5:
            if not b"HTTP/".startswith(source.buffer):
                raise ValueError("not HTTP")
            source.more()
        if not source.buffer.startswith(b"HTTP/"):
            raise ValueError("not HTTP")
        head = parse_head(source.until(_END_OF_HEAD, MAXIMUM_HEAD))
        if head.status >= 200 or head.status == 101:
            return head
    raise _Ended("limit")


def _read_body(source: _Source, head: Head, method: str, body: bytearray, limit: int) -> bool:
    """:returns: whether there was more than ``limit``. What was read before an :class:`_Ended` stays in ``body``."""
    if method == "HEAD" or head.status in (101, 204, 304) or (method == "CONNECT" and head.status < 300):
        return False
    if "chunked" in head.get("transfer-encoding").lower():
        return _read_chunks(source, body, limit)
    if head.get("content-length"):
        lengths = set(head.all("content-length"))
        length = lengths.pop() if len(lengths) == 1 else ""
        if not re.fullmatch(r"[0-9]{1,18}", length):
            raise _Ended("malformed")
        _read_bytes(source, body, min(int(length), limit))
        return int(length) > limit
    try:
        _read_bytes(source, body, limit + 1)
    except _Ended as ending:
        if ending.how != "closed":
            raise
        return False  # without a length, the close is the end
    del body[limit:]
    return True


def _read_bytes(source: _Source, body: bytearray, size: int) -> None:
    wanted = len(body) + size
    while len(body) < wanted:
        body.extend(source.take(wanted - len(body)))


def _read_chunks(source: _Source, body: bytearray, limit: int) -> bool:
    while True:
        line = source.until(_END_OF_LINE, _MAXIMUM_CHUNK_LINE)
        size = line.split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,15}", size):
            raise _Ended("malformed")
        if not int(size, 16):
            return False
        room = limit - len(body)
        _read_bytes(source, body, min(int(size, 16), room))
        if int(size, 16) > room or source.received > limit + _MAXIMUM_OVERHEAD:
            return True
        if source.until(_END_OF_LINE, _MAXIMUM_CHUNK_LINE):
            raise _Ended("malformed")

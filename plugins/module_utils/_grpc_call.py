# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of gRPC with an empty message, over a channel: a connection of HTTP/2 with one stream, bounded in time and in bytes.

What it answers is told as an answer of HTTP: the status of gRPC as the status of HTTP that means the same, its message as the body.

Sources: RFC 9113 (3.4 preface, 4.1 frames, 6 their types), gRPC's "gRPC over HTTP2" (requests, trailers, messages), its "HTTP to gRPC
Status Code Mapping", and google/rpc/code.proto.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ssl
import struct
import time
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.module_utils import _hpack
from ansible_collections.connectivity.doctor.plugins.module_utils._http.answer import Answer, Head
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import (
    FIRST_BYTES,
    Remaining,
    SocketChannel,
    TlsChannel,
    io_error,
)

ALPN = ("h2",)
# A message without fields: not compressed, of no length.
EMPTY_MESSAGE = b"\x00\x00\x00\x00\x00"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY, _CONTINUATION = 0, 1, 3, 4, 7, 9
_ACK = _END_STREAM = 0x1
_END_HEADERS, _PADDED, _PRIORITY = 0x4, 0x8, 0x20
_HEADER_TABLE_SIZE, _ENABLE_PUSH = 1, 2
_HEAD_OF_FRAME, _LONGEST_FRAME, _MOST_BYTES = 9, 16384, 262144
_STREAM = 1
# By number of gRPC: its name, and the status of HTTP that means the same.
STATUSES = {
    0: ("OK", 200), 1: ("CANCELLED", 499), 2: ("UNKNOWN", 500), 3: ("INVALID_ARGUMENT", 400), 4: ("DEADLINE_EXCEEDED", 504),
    5: ("NOT_FOUND", 404), 6: ("ALREADY_EXISTS", 409), 7: ("PERMISSION_DENIED", 403), 8: ("RESOURCE_EXHAUSTED", 429),
    9: ("FAILED_PRECONDITION", 400), 10: ("ABORTED", 409), 11: ("OUT_OF_RANGE", 400), 12: ("UNIMPLEMENTED", 404), 13: ("INTERNAL", 500),
    14: ("UNAVAILABLE", 503), 15: ("DATA_LOSS", 500), 16: ("UNAUTHENTICATED", 401),
}


class _Ended(Exception):
    """The answer stopped; ``how`` is a value of ``Answer.ended_by``."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


def request_bytes(scheme: str, authority: str, path: str, fields: t.Iterable[tuple[str, str]], secret: t.Container[str]) -> bytes:
    """:param fields: further metadata, the names in lower case. :param secret: the names of those that nobody may keep."""
    head = [(":method", "POST"), (":scheme", scheme), (":path", path), (":authority", authority), ("te", "trailers"),
            ("content-type", "application/grpc"), *fields]
    # The answer is read without a table; nothing is to be pushed.
    settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _ENABLE_PUSH, 0)
    return (_PREFACE + _frame(_SETTINGS, 0, 0, settings)
            + _frame(_HEADERS, _END_HEADERS, _STREAM, _hpack.encoded(head, secret)) + _frame(_DATA, _END_STREAM, _STREAM, EMPTY_MESSAGE))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def read_answer(channel: SocketChannel | TlsChannel, remaining: Remaining) -> Answer:
    """What the call met, as :func:`_http.answer.read_answer` tells it."""
    connection = _Connection(channel, remaining)
    fields: _hpack.Fields = []
    error, ended_by = "", ""
    try:
        connection.read_stream(fields)
    except _Ended as ending:
        # What else came is the connection's, and no answer of who is called.
        if fields or ending.how in ("limit", "malformed"):
            error, ended_by = "incomplete", ending.how
        else:
            error = "no_response" if ending.how == "timeout" else ending.how
    except _NotHttp2:
        error = "not_http"
    head = _as_http(fields) if not error else None
    if head is None and not error:
        error, ended_by = "incomplete", "malformed"
    return Answer(error, ended_by, head, _message(fields).encode("utf-8"), False, connection.received, connection.first_bytes,
                  connection.first_byte_at)


def _as_http(fields: _hpack.Fields) -> Head | None:
    """None where neither gRPC nor HTTP tells a status. What is no 200 is no server of gRPC, and its own status counts."""
    told = dict(fields)
    status, code = told.get(":status", ""), told.get("grpc-status", "")
    if status.isdigit() and status != "200":
        return Head(int(status), "", fields)
    if not code.isdigit() or int(code) not in STATUSES:
        return None
    name, meaning = STATUSES[int(code)]
    return Head(meaning, name, fields)


def _message(fields: _hpack.Fields) -> str:
    return urllib.parse.unquote(dict(fields).get("grpc-message", ""), errors="backslashreplace")


class _NotHttp2(Exception):
    """The first that came is no frame of settings."""


class _Connection:
    def __init__(self, channel: SocketChannel | TlsChannel, remaining: Remaining) -> None:
        self._channel, self._remaining, self._buffer = channel, remaining, b""
        self.received = 0
        self.first_bytes = b""
        self.first_byte_at: float | None = None

    def read_stream(self, fields: _hpack.Fields) -> None:
        """All header fields and trailers, up to the stream's end. :raises _Ended, _NotHttp2: it does not come to that."""
        block, is_last = b"", False
        settled = False
        while True:
            kind, flags, stream, payload = self._next_frame(settled)
            settled = True
            if kind == _SETTINGS and not flags & _ACK:
                self._acknowledge()
            elif kind == _RST_STREAM and stream == _STREAM:
                raise _Ended("reset")
            elif kind == _GOAWAY:
                raise _Ended("closed")
            elif stream == _STREAM and kind in (_HEADERS, _CONTINUATION):
                block += _unpadded(kind, flags, payload)
                is_last = is_last or bool(kind == _HEADERS and flags & _END_STREAM)
                if flags & _END_HEADERS:
                    self._add(fields, block)
                    block = b""
                    if is_last:
                        return
            elif stream == _STREAM and kind == _DATA and flags & _END_STREAM:
                return

    @staticmethod
    def _add(fields: _hpack.Fields, block: bytes) -> None:
        try:
            fields.extend(_hpack.decoded(block))
        except _hpack.Malformed as problem:
            raise _Ended("malformed") from problem

    def _acknowledge(self) -> None:
        try:
            self._channel.write(_frame(_SETTINGS, _ACK, 0, b""), self._remaining)
        except OSError:
            pass  # what it said before it stopped to listen may still be read

    def _next_frame(self, settled: bool) -> tuple[int, int, int, bytes]:
        self._fill(_HEAD_OF_FRAME, settled)
        size = int.from_bytes(self._buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self._buffer[3:_HEAD_OF_FRAME])
        if not settled and kind != _SETTINGS:
            raise _NotHttp2
        if size > _LONGEST_FRAME or self.received > _MOST_BYTES:
            raise _Ended("limit")
        self._fill(_HEAD_OF_FRAME + size, settled)
        payload, self._buffer = self._buffer[_HEAD_OF_FRAME:_HEAD_OF_FRAME + size], self._buffer[_HEAD_OF_FRAME + size:]
        return kind, flags, stream & 0x7FFFFFFF, payload

    def _fill(self, size: int, settled: bool) -> None:
        while len(self._buffer) < size:
            # A frame of settings begins with its length, which is short; letters are another protocol's.
            if not settled and self._buffer[:1].strip(b"\0"):
                raise _NotHttp2
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
            self.first_bytes = (self.first_bytes + data)[:FIRST_BYTES]
            self._buffer += data


def _unpadded(kind: int, flags: int, payload: bytes) -> bytes:
    """The block of a frame of header fields, without padding and priority."""
    if kind != _HEADERS:
        return payload
    padding = payload[0] if flags & _PADDED and payload else 0
    begins = (1 if flags & _PADDED else 0) + (5 if flags & _PRIORITY else 0)
    return payload[begins:len(payload) - padding]

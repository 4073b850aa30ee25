# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL's frontend/backend protocol, as far as the server's first answer: no password is ever sent from here.

What the server says before and instead of asking for a password carries untranslated fields (SQLSTATE, routine), which
client libraries do not hand out for a connection that failed. Limits on length and number keep a hostile peer harmless.

Source: PostgreSQL documentation, "Frontend/Backend Protocol" (message flow, message formats, error and notice fields).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import select
import socket
import ssl
import struct
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow

SSL_REQUEST = struct.pack("!II", 8, 80877103)
TERMINATE = b"X\x00\x00\x00\x04"
_PROTOCOL_3_0 = 196608

# libpq's own bound on a message of the connection phase; no honest server comes near the others.
_LONGEST_MESSAGE = 30000
_MOST_MESSAGES = 200
_KNOWN_KINDS = b"RESNKZvA"
# What is kept of an answer that is not PostgreSQL's, enough to recognise a protocol by.
_FIRST_BYTES = 32
_FIRST_BYTES_WAIT_S = 0.2
_LEAVING_WAIT_S = 0.5

_AUTHENTICATION_METHODS = {
    0: "trust", 2: "kerberos5", 3: "cleartext", 5: "md5", 6: "scm", 7: "gss", 8: "gss", 9: "sspi", 10: "sasl",
}

_ERROR_FIELDS = {
    "C": "sqlstate", "R": "routine", "M": "server_message", "D": "server_detail", "H": "server_hint",
    "F": "server_file", "L": "server_line",
}

# First bytes by which other services on the port give themselves away.
_GREETINGS = (
    (b"HTTP/", "http"), (b"<", "http"), (b"SSH-", "ssh"), (b"220", "smtp_or_ftp"), (b"+OK", "pop3"), (b"* OK", "imap"),
    (b"-ERR", "redis"), (b"-NOAUTH", "redis"), (b"-DENIED", "redis"), (b"\x15\x03", "tls"), (b"\x16\x03", "tls"), (b"RFB ", "vnc"),
)


class WireProblem(Exception):
    """The peer did not say anything that PostgreSQL says.

    ``result``: ``closed``, ``reset``, ``timeout`` or ``not_postgresql``; ``first_bytes``: what came, where something did.
    """

    def __init__(self, result: str, first_bytes: bytes = b"") -> None:
        super().__init__(result)
        self.result = result
        self.first_bytes = first_bytes


class StartupReply(t.NamedTuple):
    """``result``: ``authentication_requested``, ``ready`` or ``error`` (then ``fields`` has the server's reasons)."""

    result: str
    authentication_method: str = ""
    mechanisms: t.Sequence[str] = ()
    fields: t.Mapping[str, bytes] = {}
    parameter_status: t.Mapping[str, str] = {}


def startup_message(user: str, database: str, options: t.Mapping[str, str]) -> bytes:
    """:param options: further run-time parameters of the session, such as ``application_name``. A NUL would end a value: it is left out."""
    pairs = dict({"user": user, "database": database}, **options)
    body = b"".join(
        text.replace("\0", "").encode("utf-8") + b"\0" for pair in pairs.items() for text in pair
    )
    return struct.pack("!II", len(body) + 9, _PROTOCOL_3_0) + body + b"\0"


def looks_like(first_bytes: bytes) -> str:
    """The protocol that first bytes belong to, or ``unknown``."""
    for greeting, name in _GREETINGS:
        if first_bytes.startswith(greeting):
            return name
    if len(first_bytes) > 4 and first_bytes[3] == 0 and first_bytes[4] in (0x0A, 0xFF):
        return "mysql"  # three bytes of length, sequence number 0, then protocol version 10 or an error
    if len(first_bytes) > 8 and first_bytes[3:9] == b"\x04\x00\x00\x00\x00\x00":
        return "http2"  # a SETTINGS frame
    return "unknown"


def parse_error_fields(payload: bytes) -> dict[str, bytes]:
    """The fields of an ErrorResponse by their letters. Whatever bytes come, no exception: a field without an end is dropped."""
    fields: dict[str, bytes] = {}
    for field in payload.split(b"\0")[:-1]:
        if not field:
            break
        fields.setdefault(chr(field[0]), field[1:])
    return fields


def error_data(fields: t.Mapping[str, bytes], clean: t.Callable[[bytes], str]) -> dict[str, t.Any]:
    """An ErrorResponse as an observation's data.

    ``from_pooler`` is a guess from evidence: PostgreSQL always names the routine that raised an error, poolers
    (pgbouncer and its kind) have none to name for the errors that are their own.
    """
    data: dict[str, t.Any] = {name: clean(fields[letter]) for letter, name in _ERROR_FIELDS.items() if letter in fields}
    data["severity"] = clean(fields.get("V", fields.get("S", b"")))  # V is never translated, S is
    data.setdefault("sqlstate", "")
    data.setdefault("routine", "")
    data.setdefault("server_message", "")
    data["from_pooler"] = not data["routine"] and "F" not in fields
    return data


def request_tls(sock: socket.socket, remaining: t.Callable[[], float]) -> tuple[str, dict[str, bytes], bytes]:
    """Ask for TLS. One byte is read for the answer, so nothing that follows it in plain text can be mistaken for encrypted.

    :returns: ``S``, ``N``, ``error`` with its fields, or ``other`` with the first bytes. :raises WireProblem: nothing came.
    """
    _send(sock, SSL_REQUEST, remaining)
    answer = _read(sock, 1, remaining)
    if answer in (b"S", b"N"):
        # PostgreSQL waits for us now. Another service's greeting may begin with the same letter: SSH's does.
        received = _more(sock, answer, remaining) if _has_more(sock) else answer
        return (answer.decode(), {}, b"") if received == answer else ("other", {}, received)
    if answer == b"E":
        try:
            _kind, payload = _read_message(sock, remaining, first=answer)
        except WireProblem as problem:
            if problem.result != "not_postgresql":
                raise
            return "other", {}, problem.first_bytes
        fields = parse_error_fields(payload)
        if "C" in fields or "M" in fields:
            return "error", fields, b""
        return "other", {}, (answer + struct.pack("!I", len(payload) + 4) + payload)[:_FIRST_BYTES]
    return "other", {}, _more(sock, answer, remaining)


def start_session(sock: socket.socket, message: bytes, remaining: t.Callable[[], float]) -> StartupReply:
    """Send a startup message and read until the server asks for a credential, lets us in, or refuses. Answers nothing it is asked.

    :raises WireProblem: what came is no such answer.
    """
    _send(sock, message, remaining)
    method = ""
    parameters: dict[str, str] = {}
    for _count in range(_MOST_MESSAGES):
        kind, payload = _read_message(sock, remaining)
        if kind == b"E":
            return StartupReply("error", method, (), parse_error_fields(payload), parameters)
        if kind == b"R":
            if len(payload) < 4:
                raise WireProblem("not_postgresql", kind + payload)
            method, mechanisms = _authentication(payload)
            if method != "trust":
                _leave(sock, remaining)
                return StartupReply("authentication_requested", method, mechanisms)
        elif kind == b"S":
            name, _separator, value = payload.partition(b"\0")
            parameters[name.decode("utf-8", "backslashreplace")] = value.rstrip(b"\0").decode("utf-8", "backslashreplace")
        elif kind == b"Z":
            _send(sock, TERMINATE, remaining)
            _leave(sock, remaining)
            return StartupReply("ready", method, (), {}, parameters)
    raise WireProblem("not_postgresql")


def _authentication(payload: bytes) -> tuple[str, list[str]]:
    code = struct.unpack("!I", payload[:4])[0]
    method = _AUTHENTICATION_METHODS.get(code, "unknown_%d" % code)
    if method != "sasl":
        return method, []
    return method, [name.decode("ascii", "backslashreplace") for name in payload[4:].split(b"\0") if name][:8]


def _read_message(sock: socket.socket, remaining: t.Callable[[], float], first: bytes = b"") -> tuple[bytes, bytes]:
    header = first + _read(sock, 5 - len(first), remaining)
    length = struct.unpack("!I", header[1:5])[0] if len(header) == 5 else 0
    if header[:1] not in _KNOWN_KINDS or not 4 <= length <= _LONGEST_MESSAGE:
        raise WireProblem("not_postgresql", _more(sock, header, remaining))
    payload = _read(sock, length - 4, remaining) if length > 4 else b""
    if len(payload) < length - 4:
        raise WireProblem("closed", header + payload[:_FIRST_BYTES])
    return header[:1], payload


def _send(sock: socket.socket, message: bytes, remaining: t.Callable[[], float]) -> None:
    try:
        sock.settimeout(max(0.001, remaining()))
        sock.sendall(message)
    except socket.timeout:
        raise WireProblem("timeout") from None
    except OSError as problem:
        raise WireProblem(_ending(problem)) from None


def _leave(sock: socket.socket, remaining: t.Callable[[], float]) -> None:
    """Wait until the server has let us go: until then we hold one of its connection slots, which may be the last one."""
    end = _flow.monotonic_budget(min(_LEAVING_WAIT_S, remaining()))
    try:
        sock.shutdown(socket.SHUT_WR)
        while end():
            sock.settimeout(max(0.001, end()))
            if not sock.recv(4096):
                return
    except OSError:
        return


def _read(sock: socket.socket, size: int, remaining: t.Callable[[], float]) -> bytes:
    """Up to ``size`` bytes, fewer only when the peer closed after at least one."""
    try:
        received = _flow.read_exactly(sock, size, remaining)
    except socket.timeout:
        raise WireProblem("timeout") from None
    except OSError as problem:
        raise WireProblem(_ending(problem)) from None
    if not received:
        raise WireProblem("closed")
    return received


def _ending(problem: OSError) -> str:
    if isinstance(problem, ssl.SSLError):
        return "closed"
    return "reset" if isinstance(problem, (ConnectionResetError, BrokenPipeError)) else "closed"


def _has_more(sock: socket.socket) -> bool:
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def _more(sock: socket.socket, received: bytes, remaining: t.Callable[[], float]) -> bytes:
    """What has been received, and what else of it is there already."""
    try:
        sock.settimeout(max(0.001, min(_FIRST_BYTES_WAIT_S, remaining())))
        return received + sock.recv(max(1, _FIRST_BYTES - len(received)))
    except OSError:
        return received

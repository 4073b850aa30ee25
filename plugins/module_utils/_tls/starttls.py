# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The words with which each protocol is asked for TLS on a connection that began in plain text.

Sources: PostgreSQL documentation, "Message Flow" (SSLRequest); MySQL documentation, Protocol::HandshakeV10 and
Protocol::SSLRequest; RFC 3207 (SMTP); RFC 9051, 6.2.1 (IMAP); RFC 4511, 4.14 (LDAP).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import socket
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils import _flow
from ansible_collections.connectivity.doctor.plugins.module_utils._tls.channel import FIRST_BYTES, Remaining, SocketChannel, io_error

SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
# ``openssl s_client -starttls`` has these names for them.
S_CLIENT_NAMES = {"postgresql": "postgres", "mysql": "mysql", "smtp": "smtp", "imap": "imap", "ldap": "ldap"}

_LONGEST_ANSWER = 8192
_MOST_LINES = 100
_MYSQL_CLIENT_SSL = 0x0800
# CLIENT_PROTOCOL_41, CLIENT_SSL, CLIENT_SECURE_CONNECTION, CLIENT_PLUGIN_AUTH; 16 MiB packets; utf8; then 23 zeros.
_MYSQL_CAPABILITIES = 0x0200 | _MYSQL_CLIENT_SSL | 0x8000 | 0x80000
_MYSQL_SSL_REQUEST = _MYSQL_CAPABILITIES.to_bytes(4, "little") + (1 << 24).to_bytes(4, "little") + b"\x21" + bytes(23)
_LDAP_STARTTLS = b"1.3.6.1.4.1.1466.20037"
_LDAP_REQUEST = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + _LDAP_STARTTLS


class _Refused(Exception):
    """The server speaks the protocol, and says that it has no TLS. The text is what it said."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said


class _Unexpected(Exception):
    """It said what the protocol does not know."""

    def __init__(self, said: bytes) -> None:
        super().__init__()
        self.said = said


class _Talk:
    """Reads no byte beyond what it was asked for, so that nothing sent in plain text is taken for TLS later."""

    def __init__(self, sock: socket.socket, remaining: Remaining) -> None:
        self._sock = sock
        self._channel = SocketChannel(sock)
        self._remaining = remaining
        self.heard = b""

    def say(self, data: bytes) -> None:
        self._channel.write(data, self._remaining)

    def take(self, size: int) -> bytes:
        """:raises _Unexpected: the peer closed before, or has said too much."""
        if len(self.heard) + size > _LONGEST_ANSWER:
            raise _Unexpected(self.heard)
        data = _flow.read_exactly(self._sock, size, self._remaining)
        self.heard += data
        if len(data) < size:
            raise _Unexpected(self.heard)
        return data

    def line(self) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            line += self.take(1)
        return line.rstrip(b"\r\n")

    def more(self) -> bytes:
        """What else is there already: a few bytes more tell which protocol it is."""
        try:
            return self.heard + self._channel.read(_flow.monotonic_budget(min(0.5, self._remaining())))
        except OSError:
            return self.heard


def ask(protocol: str, sock: socket.socket, remaining: Remaining) -> tuple[str, bytes]:
    """Ask for TLS. :param protocol: a key of :data:`S_CLIENT_NAMES`.

    :returns: "" where the server waits for a ClientHello now; else ``starttls_refused``, ``starttls_unexpected``, ``closed``, ``reset``
        or ``timeout``, with the bytes that were heard.
    """
    talk = _Talk(sock, remaining)
    try:
        _DIALOGUES[protocol](talk)
    except _Refused as refusal:
        return "starttls_refused", refusal.said[:FIRST_BYTES]
    except _Unexpected as problem:
        return ("starttls_unexpected", talk.more()[:FIRST_BYTES]) if problem.said else ("closed", b"")
    except OSError as problem:
        # What it said before is no greeting of this protocol, or it would have said more.
        return io_error(problem), talk.heard[:FIRST_BYTES]
    return "", b""


def _postgresql(talk: _Talk) -> None:
    talk.say(SSL_REQUEST)
    answer = talk.take(1)
    if answer == b"N":
        raise _Refused(answer)
    if answer != b"S":
        raise _Unexpected(answer)


def _mysql(talk: _Talk) -> None:
    header = talk.take(4)
    length = int.from_bytes(header[:3], "little")
    if header[3] or not 20 <= length <= 1024:
        raise _Unexpected(header)
    greeting = talk.take(length)
    version, _nul, rest = greeting[1:].partition(b"\0")
    # thread id (4), first part of the challenge (8), a zero, then the lower half of the capabilities
    if greeting[0] != 10 or not re.fullmatch(rb"[\x20-\x7e]{1,200}", version) or len(rest) < 15:
        raise _Unexpected(talk.heard)
    if not int.from_bytes(rest[13:15], "little") & _MYSQL_CLIENT_SSL:
        raise _Refused(talk.heard)
    talk.say(len(_MYSQL_SSL_REQUEST).to_bytes(3, "little") + b"\x01" + _MYSQL_SSL_REQUEST)


def _smtp(talk: _Talk) -> None:
    _smtp_reply(talk, b"220")
    talk.say(b"EHLO connectivity.doctor\r\n")
    offered = [line[4:].split(b" ")[0].upper() for line in _smtp_reply(talk, b"250")]
    if b"STARTTLS" not in offered:
        raise _Refused(b"no STARTTLS")
    talk.say(b"STARTTLS\r\n")
    _smtp_reply(talk, b"220", refusal=rb"[45]\d\d")


def _smtp_reply(talk: _Talk, code: bytes, refusal: bytes = rb"(?!)") -> list[bytes]:
    lines: list[bytes] = []
    while not lines or lines[-1][3:4] == b"-":
        line = talk.line()
        lines.append(line)
        if re.match(refusal, line):
            raise _Refused(line)
        if not line.startswith(code) or line[3:4] not in (b"", b" ", b"-") or len(lines) > _MOST_LINES:
            raise _Unexpected(talk.heard)
    return lines


def _imap(talk: _Talk) -> None:
    if not talk.line().upper().startswith(b"* OK"):
        raise _Unexpected(talk.heard)
    talk.say(b"a1 STARTTLS\r\n")
    for _number in range(_MOST_LINES):
        line = talk.line()
        if line.upper().startswith(b"A1 OK"):
            return
        if re.match(rb"A1 (?:NO|BAD)\b", line, re.IGNORECASE):
            raise _Refused(line)
        if not line.startswith(b"* "):
            break
    raise _Unexpected(talk.heard)


def _ldap(talk: _Talk) -> None:
    talk.say(_LDAP_REQUEST)
    if talk.take(1) != b"\x30":
        raise _Unexpected(talk.heard)
    message = talk.take(_ber_length(talk))
    # the message's number, then ExtendedResponse, of which the first element is the result code
    found = re.match(rb"\x02\x01\x01\x78(?:[\x00-\x7f]|\x81.|\x82..|\x84....)\x0a\x01(.)", message, re.DOTALL)
    if not found:
        raise _Unexpected(talk.heard)
    if found.group(1) != b"\0":
        raise _Refused(talk.heard)


def _ber_length(talk: _Talk) -> int:
    first = talk.take(1)[0]
    if first < 0x80:
        return first
    if first not in (0x81, 0x82, 0x84):  # what servers write
        raise _Unexpected(talk.heard)
    return int.from_bytes(talk.take(first & 0x7F), "big")


_DIALOGUES: dict[str, t.Callable[[_Talk], None]] = {
    "postgresql": _postgresql, "mysql": _mysql, "smtp": _smtp, "imap": _imap, "ldap": _ldap,
}

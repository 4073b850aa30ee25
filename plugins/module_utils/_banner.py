# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service says before it is asked: its banner, or silence.

Many protocols let the server speak first (SSH, SMTP, FTP, IMAP, POP3, MySQL); others wait for the client (HTTP, TLS, PostgreSQL).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import select
import socket
import typing as t

MOST_BYTES = 256

# What the first bytes look like, compiled where it is asked: most runs do not ask.
# Sources: RFC 4253, 5321, 959, 3501, 1939, 9112, 8446, 6143; MySQL's Protocol::HandshakeV10.
_LOOKS = (
    (rb"SSH-\d", "ssh"),
    (rb"HTTP/\d", "http"),
    (rb"220[ -][^\r\n]*(E?SMTP|[Mm]ail)", "smtp"),
    (rb"220[ -]", "ftp"),
    (rb"\* (OK|PREAUTH|BYE)", "imap"),
    (rb"\+OK", "pop3"),
    (rb"RFB \d{3}\.\d{3}", "vnc"),
    (rb"-(DENIED|ERR|NOAUTH)", "redis"),
    (rb"[\s\S]{3}\x00\x0a\d+\.\d+", "mysql"),
    (rb"[\s\S]{3}\x00\xff", "mysql"),
    (rb"\x15\x03[\x00-\x04]", "tls_alert"),
    (rb"\xff[\xfb-\xfe]", "telnet"),
)


class Banner(t.NamedTuple):
    """``ended``: ``closed`` or ``reset`` by the peer, empty while it is open."""

    data: bytes
    ended: str


def read_banner(sock: socket.socket, seconds: float) -> Banner:
    """What comes first, at most :data:`MOST_BYTES`, without sending anything. :param seconds: to wait for it."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    if not poller.poll(seconds * 1000):
        return Banner(b"", "")
    try:
        data = sock.recv(MOST_BYTES)
    except OSError:
        return Banner(b"", "reset")
    return Banner(data, "" if data else "closed")


def looks_like(data: bytes) -> str:
    """The protocol that begins so; ``unknown`` for others; empty for nothing."""
    return next((name for pattern, name in _LOOKS if re.match(pattern, data)), "unknown" if data else "")

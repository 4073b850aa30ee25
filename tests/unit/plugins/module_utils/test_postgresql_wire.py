# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reader of PostgreSQL's messages: whatever bytes come, an answer of its few kinds, in bounded time."""
from __future__ import annotations

import random
import socket
import struct
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import wire


def message(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


AN_ERROR = b"SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed\0Fauth.c\0L334\0Rauth_failed\0\0"
A_SESSION = (
    message(b"R", b"\0\0\0\0") + message(b"S", b"in_hot_standby\0off\0") + message(b"K", b"\0\0\4\xd2\0\0\x16\x2f") + message(b"Z", b"I")
)
HONEST = (message(b"E", AN_ERROR), A_SESSION, message(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0"), b"S", b"N", b"SSH-2.0-x\r\n")


def converse(answer: bytes, question: t.Callable[..., t.Any], *arguments: t.Any) -> t.Any:
    """Ask a peer that has these bytes to say and then closes; no time is spent on waiting."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        return question(ours, *arguments, lambda: 1.0)


def start(answer: bytes) -> wire.StartupReply:
    return converse(answer, wire.start_session, wire.startup_message("u", "d", {}))


def test_the_startup_message_is_as_the_protocol_has_it() -> None:
    sent = wire.startup_message("me", "db\0user\0root", {"application_name": "x"})
    assert struct.unpack("!II", sent[:8]) == (len(sent), 3 << 16)
    assert sent[8:] == b"user\0me\0database\0dbuserroot\0application_name\0x\0\0"


def test_an_honest_session() -> None:
    reply = start(A_SESSION)
    assert (reply.result, reply.authentication_method, reply.parameter_status) == ("ready", "trust", {"in_hot_standby": "off"})


def test_sasl_and_its_mechanisms() -> None:
    reply = start(message(b"R", b"\0\0\0\x0aSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"))
    assert (reply.authentication_method, reply.mechanisms) == ("sasl", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"])


def test_an_error_after_notices_and_other_versions() -> None:
    reply = start(message(b"N", b"SNOTICE\0Mhello\0\0") + message(b"v", b"\0\0\0\0\0\0\0\0") + message(b"E", AN_ERROR))
    data = wire.error_data(reply.fields, lambda text: text.decode())
    assert data == {
        "severity": "FATAL", "sqlstate": "28P01", "routine": "auth_failed", "server_message": "password authentication failed",
        "server_file": "auth.c", "server_line": "334", "from_pooler": False,
    }


def test_an_error_without_a_routine_is_a_poolers() -> None:
    data = wire.error_data(wire.parse_error_fields(b"SFATAL\0C08P01\0Mno such database: x\0\0"), lambda text: text.decode())
    assert (data["from_pooler"], data["severity"], data["sqlstate"]) == (True, "FATAL", "08P01")


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (b"", "closed"),
        (b"E", "not_postgresql"),
        (message(b"E", b"SFATAL\0\0")[:-3], "closed"),
        (b"E\x80\x00\x00\x00", "not_postgresql"),
        (b"E\x00\x00\x00\x03", "not_postgresql"),
        (message(b"R", b"\0\0"), "not_postgresql"),
        (message(b"D", b"\0\0"), "not_postgresql"),
        (message(b"N", b"\0") * 300, "not_postgresql"),
    ],
)
def test_what_is_not_postgresql(answer: bytes, result: str) -> None:
    with pytest.raises(wire.WireProblem) as problem:
        start(answer)
    assert problem.value.result == result


def damaged(chance: random.Random) -> bytes:
    """Honest answers with a few bytes put in, taken out or replaced."""
    answer = bytearray(chance.choice(HONEST) * chance.randint(1, 3))
    for _change in range(chance.randint(0, 6)):
        where = chance.randrange(len(answer) + 1)
        answer[where:where + chance.randint(0, 4)] = bytes(chance.choice(b"\0\xff\x7fERSNZ4 ") for _byte in range(chance.randint(0, 4)))
    return bytes(answer)


@pytest.mark.parametrize("seed", range(8))
def test_any_bytes_give_an_answer_of_a_known_kind(seed: int) -> None:
    chance = random.Random(seed)
    seen = set()
    for _case in range(400):
        answer = damaged(chance)
        try:
            seen.add(converse(answer, wire.request_tls)[0])
            seen.add(start(answer).result)
        except wire.WireProblem as problem:
            seen.add(problem.result)
            assert len(problem.first_bytes) <= 30010
            wire.looks_like(problem.first_bytes)
    assert seen <= {
        "authentication_requested", "ready", "error", "closed", "reset", "timeout", "not_postgresql", "S", "N", "other",
    }
    assert {"error", "closed", "not_postgresql", "other"} <= seen


def test_any_bytes_are_error_fields() -> None:
    chance = random.Random(3)
    for _case in range(3000):
        payload = bytes(chance.choice(b"\0\0SCMR\xff\x80 a") for _byte in range(chance.randint(0, 60)))
        data = wire.error_data(wire.parse_error_fields(payload), lambda text: text.decode("utf-8", "backslashreplace"))
        assert isinstance(data["sqlstate"], str)
        assert isinstance(data["from_pooler"], bool)


@pytest.mark.parametrize(
    ("first_bytes", "protocol"),
    [
        (b"HTTP/1.1 400", "http"), (b"<html>", "http"), (b"SSH-2.0-x", "ssh"), (b"\x4a\0\0\0\x0a8.0.36", "mysql"), (b"\x15\x03\x01", "tls"),
        (b"-ERR unknown", "redis"), (b"\0\0\x06\x04\0\0\0\0\0\0\5", "http2"), (b"", "unknown"), (b"\0\0\0", "unknown"),
    ],
)
def test_other_protocols_are_recognised(first_bytes: bytes, protocol: str) -> None:
    assert wire.looks_like(first_bytes) == protocol

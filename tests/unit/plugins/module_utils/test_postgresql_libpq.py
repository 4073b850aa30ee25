# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts of libpq: real ones, word for word, of libpq 15 and 18."""
from __future__ import annotations

import random

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import libpq

PREFIX = 'connection to server at "127.0.0.1", port 5544 failed: '


def test_every_attempt_and_its_labels() -> None:
    text = (
        PREFIX + 'FATAL:  28000: no pg_hba.conf entry for host "127.0.0.1", user "u", database "d", SSL encryption\n'
        "LOCATION:  ClientAuthentication, auth.c:543\n"
        + PREFIX + 'FATAL:  42501: permission denied for database "d"\n'
        "DETAIL:  User does not have CONNECT privilege.\nLOCATION:  CheckMyDatabase, postinit.c:362\n"
    )
    first, second = libpq.parse_server_errors(text)
    assert (first["sqlstate"], first["routine"]) == ("28000", "ClientAuthentication")
    assert (second["sqlstate"], second["server_detail"]) == ("42501", "User does not have CONNECT privilege.")
    assert libpq.furthest([first, second]) is second


def test_a_translated_message_keeps_its_sqlstate() -> None:
    text = PREFIX + "FATAL:  28P01: Passwort-Authentifizierung für Benutzer »u« fehlgeschlagen\nLOCATION:  auth_failed, auth.c:334\n"
    assert [error["sqlstate"] for error in libpq.parse_server_errors(text)] == ["28P01"]


def test_a_message_of_several_lines_is_one_message() -> None:
    text = PREFIX + "FATAL:  XX000: first line\nsecond line\nHINT:  none\nLOCATION:  f, x.c:1\n"
    (error,) = libpq.parse_server_errors(text)
    assert (error["server_message"], error["server_hint"], error["routine"]) == ("first line\nsecond line", "none", "f")


@pytest.mark.parametrize(
    ("message", "sqlstate", "routine"),
    [
        ('no pg_hba.conf entry for host "127.0.0.1", user "u_nohba", database "postgres", no encryption', "28000", "ClientAuthentication"),
        ('password authentication failed for user "u_pw"', "28P01", "auth_failed"),
        ('role "nobody_x" does not exist', "28000", "InitializeSessionUserId"),
        ('role "u_nologin" is not permitted to log in', "28000", "InitializeSessionUserId"),
        ('database "nodb" does not exist', "3D000", "InitPostgres"),
        ('permission denied for database "dbpriv"', "42501", "CheckMyDatabase"),
        ('database "dbnoconn" is not currently accepting connections', "55000", "CheckMyDatabase"),
        ('too many connections for role "u_lim"', "53300", "InitializeSessionUserId"),
        ('too many connections for database "dblim"', "53300", "CheckMyDatabase"),
        ("sorry, too many clients already", "53300", "InitProcess"),
        ("remaining connection slots are reserved for non-replication superuser connections", "53300", "InitPostgres"),
        ("the database system is starting up", "57P03", "ProcessStartupPacket"),
    ],
)
def test_texts_without_sqlstate_are_recognised(message: str, sqlstate: str, routine: str) -> None:
    (error,) = libpq.recognise_server_texts(PREFIX + "FATAL:  " + message + "\n")
    assert (error["sqlstate"], error["routine"]) == (sqlstate, routine)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("server does not support SSL, but SSL was required", "tls_not_supported"),
        ("SSL error: certificate verify failed", "tls_verify"),
        ("SSL error: provider signature failure", "tls_verify"),
        ('server certificate for "srv.test" (and 1 other name) does not match host name "other.srv.test"', "tls_verify"),
        ('root certificate file "/root/.postgresql/root.crt" does not exist', "root_certificate_missing"),
        ("SSL error: tlsv1 alert protocol version", "tls_failed"),
        ('private key file "k" has group or world access; file must have permissions u=rw', "client_key_permissions"),
        ('certificate present, but not private key file "k"', "client_certificate_unusable"),
        ("server closed the connection unexpectedly\n\tThis probably means the server terminated abnormally", "closed"),
        ("received invalid response to SSL negotiation: H", "not_postgresql"),
        ("expected authentication request from server, but received H", "not_postgresql"),
        ("session is read-only", "session_attrs"),
        ("server is not in hot standby mode", "session_attrs"),
        ("fe_sendauth: no password supplied", "no_password"),
        ("Connection refused\n\tIs the server running on that host and accepting TCP/IP connections?", "refused"),
        ("timeout expired", "timeout"),
        ("channel binding required, but SSL not in use", "auth_not_supported"),
        ("authentication method 10 not supported", "auth_not_supported"),
        ('invalid sslmode value: "maybe"', "bad_parameter"),
        ("something that nobody has seen", "other"),
    ],
)
def test_what_libpq_complains_of(text: str, kind: str) -> None:
    assert libpq.client_error_kind(PREFIX + text) == kind


def test_any_text_is_read_quickly() -> None:
    chance = random.Random(5)
    parts = ("FATAL:  28P01: ", "\n", "DETAIL:  ", "LOCATION:  f, x.c:1", PREFIX, "x", "A" * 40, ":  ", "é")
    for _case in range(2000):
        text = "".join(chance.choice(parts) for _part in range(chance.randint(0, 30)))
        for error in libpq.parse_server_errors(text) + libpq.recognise_server_texts(text):
            assert len(error["sqlstate"]) == 5
        libpq.client_error_kind(text)
    assert libpq.parse_server_errors("FATAL:  28P01: " + "a\n" * 20000)[0]["sqlstate"] == "28P01"

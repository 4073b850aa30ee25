# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PostgreSQL probe against a real PostgreSQL (and pgbouncer), for every answer that it must tell apart."""
from __future__ import annotations

import contextlib
import signal
import socket
import struct
import sys
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.tests.support.certificates import Identity, mint
from ansible_collections.connectivity.doctor.tests.support.postgresql import (
    NotFound,
    PgbouncerServer,
    PostgresqlServer,
    built_with_tls,
    find_pgbouncer,
)
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import (
    Behaviour,
    ScriptedServer,
    answers,
    closes_after_reading,
    resets,
    says,
    silent,
)

try:
    TLS = built_with_tls()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

try:
    from psycopg import pq
except ImportError:
    pq = None  # type: ignore[assignment]

needs_psycopg = pytest.mark.skipif(pq is None, reason="this Python has no psycopg 3, which the login needs")
needs_tls = pytest.mark.skipif(not TLS, reason="this machine's PostgreSQL was built without TLS")
PASSWORD = "correct horse"  # the space must survive quoting

HBA = (
    "host    all  rejected  127.0.0.1/32  reject",
    "hostssl all  tls_only  127.0.0.1/32  scram-sha-256",
    "hostnossl all plain_only 127.0.0.1/32 scram-sha-256",
    "host    all  trusted,no_such_role  127.0.0.1/32  trust",
    "host    all  clear     127.0.0.1/32  password",
    "host    all  old       127.0.0.1/32  md5",
    "host    all  app,limited,nologin,missing,expired,timed  127.0.0.1/32  scram-sha-256",
)
ROLES = (
    ["CREATE ROLE %s LOGIN PASSWORD '%s'" % (name, PASSWORD) for name in ("app", "tls_only", "plain_only", "trusted", "clear", "timed")]
    + [
        "SET password_encryption = md5", "CREATE ROLE old LOGIN PASSWORD '%s'" % PASSWORD, "SET password_encryption = 'scram-sha-256'",
        "CREATE ROLE limited LOGIN PASSWORD '%s' CONNECTION LIMIT 0" % PASSWORD,
        "CREATE ROLE nologin NOLOGIN PASSWORD '%s'" % PASSWORD,
        "CREATE ROLE expired LOGIN PASSWORD '%s' VALID UNTIL '2001-01-01'" % PASSWORD,
        "ALTER ROLE timed SET statement_timeout = '700ms'", "ALTER ROLE timed SET default_transaction_read_only = on",
        "CREATE DATABASE closed ALLOW_CONNECTIONS false", "CREATE DATABASE private", "REVOKE CONNECT ON DATABASE private FROM PUBLIC",
        "CREATE DATABASE full_up CONNECTION LIMIT 0",
    ]
)

Observation = t.Dict[str, t.Any]


class Authority(t.NamedTuple):
    identity: Identity
    certificate: str
    directory: t.Any

    def issue(self, name: str) -> tuple[str, str]:
        return mint(name, [name], self.identity).write(self.directory, name)


def new_authority(directory: t.Any) -> Authority:
    identity = mint("test CA", authority=True)
    return Authority(identity, identity.write(directory, "ca")[0], directory)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return new_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> t.Iterator[PostgresqlServer]:
    hba = HBA if TLS else [line for line in HBA if not line.startswith("hostssl")]
    with PostgresqlServer(hba, certificate=authority.issue("localhost") if TLS else None) as running:
        running.sql(*ROLES)
        yield running


def run(
    server: t.Any, user: str = "app", database: str = "postgres", password: str = PASSWORD, seconds: float = 5.0, **parameters: str
) -> Result:
    """The probe, once; the password must be in nothing that it returns."""
    given = {
        "host": "localhost", "address": "127.0.0.1", "port": server.port, "user": user, "database": database,
        "password": password, "parameters": parameters, "timeout": seconds,
    }
    result = run_probe("postgresql", given, deadline=8, secrets=(password,))
    assert not password or password not in repr(result)
    return result


def probe(server: t.Any, *arguments: str, **parameters: t.Any) -> list[Observation]:
    return run(server, *arguments, **parameters).observations


def of(observations: list[Observation], check: str) -> list[Observation]:
    return [seen for seen in observations if seen["check"] == "postgresql." + check]


def only(observations: list[Observation], check: str) -> Observation:
    found = of(observations, check)
    assert len(found) == 1, observations
    return found[0]


# --- before any credential: needs nothing but the standard library ------------------------------------------------------


@pytest.mark.parametrize(("user", "method"), [("app", "sasl"), ("clear", "cleartext"), ("old", "md5")])
def test_startup_names_the_authentication_method(server: PostgresqlServer, user: str, method: str) -> None:
    seen = only(probe(server, user, sslmode="disable"), "startup")
    assert (seen["status"], seen["data"]["result"], seen["data"]["authentication_method"]) == ("ok", "authentication_requested", method)
    assert seen["data"]["mechanisms"] == (["SCRAM-SHA-256"] if method == "sasl" else [])


def test_startup_tells_of_a_session_that_needs_no_credential(server: PostgresqlServer) -> None:
    seen = only(probe(server, "trusted", sslmode="disable"), "startup")["data"]
    assert (seen["result"], seen["authentication_method"]) == ("ready", "trust")
    assert seen["parameter_status"]["in_hot_standby"] == "off"


@pytest.mark.parametrize(
    ("user", "database", "sqlstate", "routine", "text"),
    [
        ("nobody_knows", "postgres", "28000", "ClientAuthentication", "no pg_hba.conf entry"),
        ("rejected", "postgres", "28000", "ClientAuthentication", "pg_hba.conf rejects"),
        ("no_such_role", "postgres", "28000", "InitializeSessionUserId", 'role "no_such_role" does not exist'),
        ("trusted", "nowhere", "3D000", "InitPostgres", 'database "nowhere" does not exist'),
        ("trusted", "closed", "55000", "CheckMyDatabase", "not currently accepting connections"),
        ("trusted", "private", "42501", "CheckMyDatabase", "permission denied for database"),
        ("trusted", "full_up", "53300", "CheckMyDatabase", "too many connections for database"),
    ],
)
def test_startup_tells_refusals_apart(
    server: PostgresqlServer, user: str, database: str, sqlstate: str, routine: str, text: str
) -> None:
    observations = probe(server, user, database, sslmode="disable")
    seen = of(observations, "startup")[0]["data"]
    assert (seen["result"], seen["sqlstate"], seen["routine"], seen["severity"]) == ("error", sqlstate, routine, "FATAL")
    assert text in seen["server_message"]
    assert seen["from_pooler"] is False
    assert only(observations, "login")["status"] == "skipped"


@needs_tls
@pytest.mark.parametrize(
    ("user", "sslmode", "ending"), [("tls_only", "disable", "no encryption"), ("plain_only", "require", "SSL encryption")]
)
def test_a_refusal_for_the_transports_sake_shows_the_other_transport(
    server: PostgresqlServer, user: str, sslmode: str, ending: str
) -> None:
    refused, compared = of(probe(server, user, sslmode=sslmode), "startup")
    assert refused["data"]["server_message"].endswith(ending)
    assert (refused["data"]["purpose"], refused["data"]["result"]) == ("as_libpq", "error")
    assert (compared["data"]["purpose"], compared["data"]["result"]) == ("comparison", "authentication_requested")
    assert refused["data"]["tls"] is not compared["data"]["tls"]


@needs_tls
def test_without_an_entry_the_other_transport_is_refused_too(server: PostgresqlServer) -> None:
    results = [seen["data"]["sqlstate"] for seen in of(probe(server, "nobody_knows", sslmode="disable"), "startup")]
    assert results == ["28000", "28000"]


@needs_tls
def test_prefer_tries_both_transports_in_the_open(server: PostgresqlServer) -> None:
    observations = probe(server, "plain_only", sslmode="prefer")
    assert [(seen["data"]["tls"], seen["status"]) for seen in of(observations, "startup")] == [(True, "fail"), (False, "ok")]


def test_tls_required_of_a_server_without_tls() -> None:
    with PostgresqlServer(["host all all 127.0.0.1/32 trust"]) as plain:
        wanted = probe(plain, "postgres", sslmode="verify-full")
        assert [seen["status"] for seen in wanted] == ["fail", "skipped", "skipped"]
        assert (wanted[0]["data"]["answer"], wanted[0]["data"]["tls_required"]) == ("N", True)
        preferred = probe(plain, "postgres", sslmode="prefer")
        assert only(preferred, "ssl_request")["status"] == "ok"
        assert only(preferred, "startup")["data"]["tls"] is False


def test_a_hung_postmaster_is_silence_after_a_connection(server: PostgresqlServer) -> None:
    server.signal(signal.SIGSTOP)
    try:
        observations = probe(server, seconds=1.0)
    finally:
        server.signal(signal.SIGCONT)
    seen = only(observations, "ssl_request")
    assert (seen["status"], seen["data"]["answer"]) == ("fail", "timeout")
    assert 900 < seen["duration_ms"] < 2000


def test_connection_limits_are_told_apart_by_routine() -> None:
    settings = {"max_connections": "4", "superuser_reserved_connections": "1", "autovacuum": "off"}
    with PostgresqlServer(["host all all 127.0.0.1/32 trust"], settings) as small, contextlib.ExitStack() as held:
        small.sql("CREATE ROLE app LOGIN")
        for _count in range(3):
            hold(held, small, "app")
        reserved = only(probe(small, sslmode="disable"), "startup")["data"]
        assert (reserved["sqlstate"], reserved["routine"]) == ("53300", "InitPostgres")
        hold(held, small, "postgres")
        # PostgreSQL has twice as many processes at the door as connections: the door itself is not what is full.
        full = only(probe(small, sslmode="disable"), "startup")["data"]
        assert (full["sqlstate"], full["routine"]) == ("53300", "InitProcess")


def hold(held: contextlib.ExitStack, server: PostgresqlServer, user: str) -> None:
    """Keep a session open until the stack ends: speaks just enough of the protocol for a server that trusts us."""
    message = b"\x00\x03\x00\x00user\x00" + user.encode() + b"\x00database\x00postgres\x00\x00"
    sock = held.enter_context(socket.create_connection((server.host, server.port), 5))
    sock.sendall((len(message) + 4).to_bytes(4, "big") + message)
    received = b""
    while not received.endswith(b"Z\x00\x00\x00\x05I"):
        chunk = sock.recv(4096)
        assert chunk, received
        received += chunk


def test_standby_without_hot_standby_and_hot_standby(server: PostgresqlServer) -> None:
    primary = PostgresqlServer(["host all all 127.0.0.1/32 trust"], {"wal_level": "replica"})
    try:
        primary.start()
        primary.halt()
        for hot, expected in (("off", "57P03"), ("on", "")):
            settings = {"hot_standby": hot, "wal_level": "replica"}
            with PostgresqlServer(["host all all 127.0.0.1/32 trust"], settings, copy_of=primary, signal_file="standby.signal") as standby:
                observations = probe(standby, "postgres", sslmode="disable")
                assert only(observations, "startup")["data"]["sqlstate"] == expected
                if hot == "on":
                    assert only(observations, "startup")["data"]["parameter_status"]["in_hot_standby"] == "on"
                if hot == "on" and pq is not None:
                    seen = only(observations, "session")
                    assert (seen["status"], seen["data"]["in_hot_standby"]) == ("warn", True)
                    wants_primary = only(probe(standby, "postgres", sslmode="disable", target_session_attrs="read-write"), "login")
                    assert (wants_primary["status"], wants_primary["data"]["error_kind"]) == ("fail", "session_attrs")
    finally:
        primary.stop()


def test_a_server_that_is_starting_up() -> None:
    primary = PostgresqlServer()
    try:
        primary.start()
        primary.halt()
        settings = {"restore_command": "sleep 30"}
        starting = PostgresqlServer(["host all all 127.0.0.1/32 trust"], settings, copy_of=primary, signal_file="recovery.signal")
        try:
            starting.start_only()
            seen = only(probe(starting, "postgres", sslmode="disable"), "startup")["data"]
            assert (seen["sqlstate"], seen["server_message"]) == ("57P03", "the database system is starting up")
        finally:
            starting.stop()
    finally:
        primary.stop()


# --- login, session and connections: by psycopg --------------------------------------------------------------------------


@needs_psycopg
@pytest.mark.parametrize(
    ("user", "database", "password", "sqlstate", "routine"),
    [
        ("app", "postgres", "wrong", "28P01", "auth_failed"),
        ("missing", "postgres", "wrong", "28P01", "auth_failed"),
        ("expired", "postgres", PASSWORD, "28P01", "auth_failed"),
        ("clear", "postgres", "wrong", "28P01", "auth_failed"),
        ("nologin", "postgres", PASSWORD, "28000", "InitializeSessionUserId"),
        ("limited", "postgres", PASSWORD, "53300", "InitializeSessionUserId"),
        ("app", "nowhere", PASSWORD, "3D000", "InitPostgres"),
        ("app", "closed", PASSWORD, "55000", "CheckMyDatabase"),
        ("app", "private", PASSWORD, "42501", "CheckMyDatabase"),
        ("app", "full_up", PASSWORD, "53300", "CheckMyDatabase"),
    ],
)
@pytest.mark.parametrize("sslmode", ["disable", "prefer", pytest.param("require", marks=needs_tls)])
def test_login_failures_carry_sqlstate_and_routine(
    server: PostgresqlServer, user: str, database: str, password: str, sqlstate: str, routine: str, sslmode: str
) -> None:
    observations = probe(server, user, database, password, sslmode=sslmode)
    seen = only(observations, "login")
    assert seen["status"] == "fail"
    assert (seen["data"]["sqlstate"], seen["data"]["routine"], seen["data"]["error_kind"]) == (sqlstate, routine, "server")
    assert seen["data"]["sqlstate_source"] == "libpq"
    assert len(seen["data"]["attempts"]) == (2 if TLS and sslmode == "prefer" and sqlstate == "28P01" else 1)
    assert only(observations, "startup")["status"] == "ok"  # refused only after the credential was asked for


@needs_tls
@needs_psycopg
def test_a_healthy_login_tells_of_its_session_and_server(server: PostgresqlServer, authority: Authority) -> None:
    observations = probe(server, sslmode="verify-full", sslrootcert=authority.certificate)
    assert [(seen["check"], seen["status"]) for seen in observations] == [
        ("postgresql.ssl_request", "ok"), ("postgresql.startup", "ok"), ("postgresql.login", "ok"),
        ("postgresql.session", "ok"), ("postgresql.connections", "ok"), ("postgresql.activity", "ok"), ("postgresql.replication", "ok"),
    ]
    session, connections = observations[3]["data"], observations[4]["data"]
    assert session["server_version_num"] >= 100000
    assert (session["tls"], session["server_tls"], session["tls_version"]) == (True, True, "TLSv1.3")
    assert (session["pooler"], session["is_superuser"], session["in_hot_standby"]) == (False, False, False)
    assert (session["server_address"], session["server_port"]) == (server.host, server.port)
    assert abs(session["server_now_offset_s"]) < 0.5
    assert 0 < session["select_1_ms"] < 1000
    assert connections["max_connections"] == 100
    assert connections["used"] == connections["used_by_user"] == connections["active"] == 1
    assert (connections["limit"], connections["nearest_limit"]) == (97, "server")


@needs_psycopg
def test_a_users_own_settings_and_their_source(server: PostgresqlServer) -> None:
    seen = only(probe(server, "timed"), "session")
    assert (seen["status"], seen["data"]["default_transaction_read_only"]) == ("warn", True)
    settings = {setting["name"]: setting for setting in seen["data"]["settings"]}
    assert (settings["statement_timeout"]["value"], settings["statement_timeout"]["source"]) == ("700", "user")


@needs_psycopg
def test_no_password_is_not_a_failure(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    seen = only(probe(server, "app", "postgres", ""), "login")
    assert (seen["status"], seen["data"]["reason"]) == ("cannot_tell", "no_password")
    assert seen["data"]["needs_password"] is True


@needs_tls
@needs_psycopg
@pytest.mark.parametrize(
    ("sslmode", "root", "kind"),
    [("verify-full", "another", "tls_verify"), ("verify-full", "absent", "root_certificate_missing"), ("nonsense", "own", "bad_parameter")],
)
def test_what_libpq_itself_complains_of(
    server: PostgresqlServer, authority: Authority, tmp_path: t.Any, sslmode: str, root: str, kind: str
) -> None:
    roots = {"own": authority.certificate, "absent": str(tmp_path / "absent.crt"), "another": new_authority(tmp_path).certificate}
    seen = only(probe(server, sslmode=sslmode, sslrootcert=roots[root]), "login")
    assert (seen["status"], seen["data"]["error_kind"]) == ("fail", kind), seen


@needs_tls
@needs_psycopg
def test_a_certificate_for_another_name(authority: Authority) -> None:
    with PostgresqlServer(certificate=authority.issue("other.example")) as misnamed:
        seen = only(probe(misnamed, "postgres", sslmode="verify-full", sslrootcert=authority.certificate), "login")
    assert seen["data"]["error_kind"] == "tls_verify"
    assert "does not match host name" in seen["data"]["detail"]


@needs_psycopg
def test_connections_near_the_limit_warn_and_blockers_are_named() -> None:
    settings = {"max_connections": "8", "superuser_reserved_connections": "1", "autovacuum": "off"}
    with PostgresqlServer(["host all all 127.0.0.1/32 trust"], settings) as small, contextlib.ExitStack() as held:
        small.sql("CREATE TABLE locked ()")
        holder = query(held, small, "BEGIN; LOCK TABLE locked")
        query(held, small, "SELECT * FROM locked", wait=False)
        for _count in range(4):
            hold(held, small, "postgres")
        time.sleep(0.2)
        seen = only(probe(small, "postgres", sslmode="disable"), "connections")
        assert seen["status"] == "ok"
        assert (seen["data"]["used"], seen["data"]["waiting_for_lock"], seen["data"]["idle_in_transaction"]) == (7, 1, 1)
        assert [(blocker["pid"], blocker["blocks"]) for blocker in seen["data"]["blockers"]] == [(holder.backend_pid, 1)]
        hold(held, small, "postgres")
        nearly = only(probe(small, "postgres", sslmode="disable"), "connections")
        assert (nearly["status"], nearly["data"]["used_ratio"], nearly["data"]["nearest_limit"]) == ("warn", 1.0, "server")


@needs_psycopg
def test_other_users_sessions_are_counted_though_their_state_is_hidden(server: PostgresqlServer) -> None:
    with contextlib.ExitStack() as held:
        for _count in range(3):
            hold(held, server, "trusted")
        seen = only(probe(server), "connections")["data"]
    assert (seen["used"], seen["used_by_user"], seen["state_not_visible"]) == (4, 1, 3)
    assert seen["cannot_see"] == ["state and waits of other users' sessions"]


@needs_psycopg
def test_a_statement_timeout_that_strikes_the_probe_itself_is_still_told(server: PostgresqlServer) -> None:
    server.sql("ALTER ROLE trusted SET statement_timeout = '1ms'")
    seen = only(probe(server, "trusted"), "session")["data"]
    server.sql("ALTER ROLE trusted RESET statement_timeout")
    told = {setting["name"]: setting["value"] for setting in seen.get("settings", ())}
    # On a busy machine 1 ms may not even do for SELECT 1.
    assert told.get("statement_timeout") == "1" or seen["sqlstate"] == "57014"


def query(held: contextlib.ExitStack, server: PostgresqlServer, sql: str, wait: bool = True) -> t.Any:
    connection = pq.PGconn.connect(("host=127.0.0.1 port=%d user=postgres dbname=postgres sslmode=disable" % server.port).encode())
    held.callback(connection.finish)
    connection.exec_(sql.encode()) if wait else connection.send_query(sql.encode())
    return connection


def test_without_psycopg_the_login_cannot_be_told(server: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    observations = probe(server)
    seen = only(observations, "login")
    assert (seen["status"], seen["data"]["reason"], seen["data"]["library"]) == ("cannot_tell", "missing_library", "psycopg")
    assert only(observations, "startup")["status"] == "ok"


# --- a pooler in front ----------------------------------------------------------------------------------------------------


@needs_psycopg
@pytest.mark.skipif(not find_pgbouncer(), reason="no pgbouncer on this machine")
def test_a_pooler_and_its_own_errors(server: PostgresqlServer) -> None:
    line = "host=127.0.0.1 port=%d dbname=postgres" % server.port
    databases = {"postgres": line, "dead": "host=127.0.0.1 port=1 dbname=postgres", "nowhere": line.replace("=postgres", "=nowhere")}
    with PgbouncerServer(databases, {"app": PASSWORD}, {"query_wait_timeout": "1"}) as pooler:
        seen = {name: probe(pooler, "app", name, sslmode="disable") for name in ("postgres", "unknown", "nowhere", "dead")}
        wrong = probe(pooler, "app", "postgres", "wrong", sslmode="disable")
    healthy = only(seen["postgres"], "session")
    assert (healthy["status"], healthy["data"]["pooler"]) == ("ok", True)
    for refused, message, text_sqlstate in (
        (seen["unknown"], "no such database: unknown", ""),
        (seen["nowhere"], 'database "nowhere" does not exist', "3D000"),  # the server's, passed on
        (seen["dead"], "query_wait_timeout", ""),
        (wrong, "SASL authentication failed", ""),
    ):
        login = only(refused, "login")["data"]
        assert (login["sqlstate"], login["server_message"], login["text_sqlstate"]) == ("08P01", message, text_sqlstate)
        assert login["from_pooler"] is True


# --- peers that are not what they should be ------------------------------------------------------------------------------


def error(**fields: str) -> bytes:
    body = b"".join(letter.encode() + text.encode() + b"\0" for letter, text in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


@pytest.mark.parametrize(
    ("behaviour", "answer", "looks_like"),
    [
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "other", "http"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", first_read=False), "other", "ssh"),
        (says(b"\x4a\x00\x00\x00\x0a8.0.36\x00"), "other", "mysql"),
        (says(b"E\x00\x00\x00\x0a8.0.36\x00more than that"), "other", "mysql"),
        (says(b"E\x7f\xff\xff\xff" + b"A" * 4000), "other", "unknown"),
        (says(error(S="FATAL", C="53300", M="full")), "error", None),
        (closes_after_reading, "closed", None),
        (resets, "reset", None),
        (silent, "timeout", None),
    ],
)
def test_other_services_and_rude_peers(behaviour: Behaviour, answer: str, looks_like: str | None) -> None:
    with ScriptedServer(behaviour) as rude:
        result = run(rude, seconds=1.0)
    seen = only(result.observations, "ssl_request")
    assert (seen["data"]["answer"], seen["data"].get("looks_like"), seen["status"]) == (answer, looks_like, "fail")
    assert only(result.observations, "login")["status"] == "skipped"
    assert not result.outcome.passed


def without_tls(behaviour: Behaviour) -> Behaviour:
    """A server that has no TLS, and then does this."""

    def answer(sock: socket.socket) -> None:
        if sock.recv(8)[4:] == b"\x04\xd2\x16\x2f":
            sock.sendall(b"N")
        else:
            behaviour(sock)

    return answer


def repeats(text: bytes, first: bytes = b"", seconds: float = 0.0) -> Behaviour:
    def answer(sock: socket.socket) -> None:
        sock.sendall(first)
        while True:
            sock.sendall(text)
            time.sleep(seconds)

    return answer


@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (repeats(b"A", b"E\x7f\xff\xff\xff"), "not_postgresql"),  # an error of 2 GiB
        (repeats(b"N\x00\x00\x00\x06S\x00"), "not_postgresql"),  # notices without end
        (repeats(b"\0" * 29996 + b"N\x00\x00\x75\x30", b"N\x00\x00\x75\x30"), "not_postgresql"),
        (repeats(b"R\x00\x00\x00\x04"), "not_postgresql"),
        (repeats(b"E", seconds=0.3), "not_postgresql"),
        (repeats(b"\0", b"N\x00\x00\x75\x30", seconds=0.4), "timeout"),  # one message, a byte at a time
        (repeats(b"HTTP/1.0 400\r\n"), "not_postgresql"),
        (answers(b"E\x00\x00\x00\x30SFATAL"), "closed"),
    ],
)
def test_startup_is_bounded_against_hostile_peers(behaviour: Behaviour, result: str) -> None:
    with ScriptedServer(without_tls(behaviour)) as hostile:
        began = time.monotonic()
        seen = only(probe(hostile, seconds=2.0, sslmode="disable"), "startup")
        assert time.monotonic() - began < 4
    assert (seen["data"]["result"], seen["status"]) == (result, "fail")


@needs_psycopg
def test_the_login_is_bounded_against_a_peer_that_never_ends() -> None:
    starts = []

    def behaviour(sock: socket.socket) -> None:
        starts.append(sock)
        if len(starts) == 1:  # the probe's own startup: asked for a password, it goes on to the login
            sock.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")
            silent(sock)
        repeats(b"S\x00\x00\x10\x00a\0" + b"b" * 4089 + b"\0", b"R\x00\x00\x00\x08\x00\x00\x00\x00")(sock)

    with ScriptedServer(without_tls(behaviour)) as hostile:
        seen = only(probe(hostile, sslmode="disable"), "login")
    assert (seen["status"], seen["data"]["error_kind"], seen["data"]["detail"]) == ("fail", "other", "too_much")


AUTHENTICATED = b"R\x00\x00\x00\x08\x00\x00\x00\x00"
READY = b"Z\x00\x00\x00\x05I"
ONE_TEXT_COLUMN = b"T\x00\x00\x00\x1a\x00\x01x\x00" + b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x19\xff\xff\xff\xff\xff\xff\x00\x00"
LONG_ROW = b"D\x00\x00\x40\x0a\x00\x01\x00\x00\x40\x00" + b"x" * 16384


def lets_in_then(behaviour: Behaviour) -> Behaviour:
    """A server that lets everybody in, and to the first query does this."""

    def answer(sock: socket.socket) -> None:
        sock.sendall(AUTHENTICATED + READY)
        if sock.recv(65536)[:1] == b"Q":
            behaviour(sock)

    def after_startup(sock: socket.socket) -> None:
        sock.recv(65536)
        answer(sock)

    return without_tls(after_startup)


@needs_psycopg
@pytest.mark.parametrize(
    ("behaviour", "result"),
    [
        (silent, "timeout"),
        (lambda sock: None, "closed"),
        (repeats(LONG_ROW, ONE_TEXT_COLUMN), "too_much"),
        (lambda sock: sock.sendall(error(S="FATAL", C="08P01", M="query_wait_timeout")), "error"),
        (repeats(b"C\x00\x00\x00\x0dSELECT 1\x00" + READY, seconds=0.2), "unexpected"),
    ],
)
def test_a_login_that_is_followed_by_nothing_good(behaviour: Behaviour, result: str) -> None:
    with ScriptedServer(lets_in_then(behaviour)) as hostile:
        began = time.monotonic()
        observations = probe(hostile, seconds=2.0, sslmode="disable")
        assert time.monotonic() - began < 5
    assert only(observations, "login")["status"] == "ok"
    seen = only(observations, "session")
    assert (seen["status"], seen["data"]["result"]) == ("cannot_tell" if result == "unexpected" else "fail", result), seen
    if result == "error":
        assert (seen["data"]["sqlstate"], seen["data"]["from_pooler"]) == ("08P01", True)
    assert only(observations, "connections")["status"] == "skipped"

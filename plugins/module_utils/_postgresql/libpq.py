# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A login by libpq, through psycopg 3 where the managed node has it, and queries on it; both bounded in time and bytes.

psycopg reports a connection that the server refused as text without SQLSTATE. libpq does know it: with error verbosity
``VERBOSE`` its text carries SQLSTATE and routine, untranslated. psycopg has no call for that, libpq has (PQsetErrorVerbosity),
so it is asked of the very libpq that psycopg has loaded. Where that can't be found, English texts are recognised instead.

Sources: PostgreSQL documentation, "libpq - C Library" (database connection control functions, asynchronous command
processing, control functions); psycopg.pq; tcp(7) for TCP_INFO.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ctypes
import locale
import os
import re
import select
import socket
import struct
import typing as t

_OLDEST_PSYCOPG = (3, 1)
# All that honest servers answer to this probe is a few tens of kilobytes.
_MOST_BYTES = 8 * 1024 * 1024
_VERBOSE = 2  # PGVerbosity PQERRORS_VERBOSE
_TCP_INFO_BYTES_RECEIVED = 128  # offset of tcpi_bytes_received in struct tcp_info (linux/tcp.h)

# One error of a server as libpq writes it with VERBOSE: "FATAL:  28P01: text", then labelled lines.
_SERVER_ERROR = re.compile(
    r"(?:^|failed: )(?P<severity>[^\s:]+):  (?P<sqlstate>[0-9A-Z]{5}): "
    r"(?P<message>.*(?:\n(?![A-Z]+(?: [A-Z]+)?:  |connection to server ).+)*)"
    r"(?P<labels>(?:\n(?:DETAIL|HINT|CONTEXT|LOCATION):  .*)*)",
    re.MULTILINE,
)
_LABEL = re.compile(r"^(DETAIL|HINT|LOCATION):  (.*)$", re.MULTILINE)

# libpq's own texts, first match wins. Untranslated, as this process keeps LC_MESSAGES at C.
_CLIENT_ERRORS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"certificate verify failed|does not match host name|host name must be specified for a verified", "tls_verify"),
        # The issuer has the right name and another key, as OpenSSL of different versions puts it.
        (r"SSL error: (?:bad signature|provider signature failure|EVP lib|wrong signature)", "tls_verify"),
        (r"root certificate file .* does not exist|could not (?:read|load) (?:system )?root certificate", "root_certificate_missing"),
        (r"private key file .* has group or world access|private key file .* must be owned", "client_key_permissions"),
        (r"certificate present, but not private key|could not (?:read|load|open) (?:certificate|private key) file",
         "client_certificate_unusable"),
        (r"server does not support SSL", "tls_not_supported"),
        (r"received invalid response to SSL negotiation|expected authentication request", "not_postgresql"),
        (r"authentication method \d+ not supported|SASL authentication mechanisms are supported", "auth_not_supported"),
        (r"SCRAM authentication requires|channel binding required|authentication method requirement", "auth_not_supported"),
        (r"no password supplied", "no_password"),
        (r"session is (?:not )?read-only|server is (?:not )?in hot standby", "session_attrs"),
        (r"server closed the connection unexpectedly|unexpected eof while reading|EOF detected", "closed"),
        (r"Connection refused", "refused"),
        (r"Connection reset", "reset"),
        (r"timeout expired|[Cc]onnection timed out", "timeout"),
        (r"SSL error|SSL SYSCALL error|could not (?:initiate|establish) SSL|SSL context", "tls_failed"),
        (r"invalid .* value|invalid connection option|invalid port|invalid SSL protocol version|weak sslmode", "bad_parameter"),
    )
)

# The server's English texts with the SQLSTATE and routine they come with, for a libpq that can't be asked.
_SERVER_TEXTS = tuple(
    (re.compile(pattern), sqlstate, routine)
    for pattern, sqlstate, routine in (
        (r"no pg_hba\.conf entry for|pg_hba\.conf rejects", "28000", "ClientAuthentication"),
        (r"password authentication failed", "28P01", "auth_failed"),
        (r"authentication failed for user", "28000", "auth_failed"),
        (r"role \".*\" does not exist|is not permitted to log in", "28000", "InitializeSessionUserId"),
        (r"database \".*\" does not exist", "3D000", "InitPostgres"),
        (r"is not currently accepting connections", "55000", "CheckMyDatabase"),
        (r"permission denied for database", "42501", "CheckMyDatabase"),
        (r"too many connections for role", "53300", "InitializeSessionUserId"),
        (r"too many connections for database", "53300", "CheckMyDatabase"),
        (r"sorry, too many clients", "53300", "InitProcess"),
        (r"remaining connection slots are reserved", "53300", "InitPostgres"),
        (r"the database system is ", "57P03", "ProcessStartupPacket"),
    )
)


# libpq adds this to a refused password that it had from a file.
_FROM_PASSWORD_FILE = re.compile(r'^password retrieved from file "(.+)"$', re.MULTILINE)
# What libpq finds out by itself, and secrets.
_NO_OVERRIDES = frozenset((
    "password", "passfile", "sslpassword", "service", "servicefile", "user", "dbname", "fallback_application_name", "sslcertmode",
))


class QueryProblem(Exception):
    """A query had no result. ``result``: ``error`` (then ``fields``), ``timeout``, ``closed``, ``too_much`` or ``unexpected``."""

    def __init__(self, result: str, fields: dict[str, str] | None = None) -> None:
        super().__init__(result)
        self.result = result
        self.fields = fields or {}


class MissingLibrary(Exception):
    """psycopg 3 can't be used by this Python; the text says why."""


class Driver(t.NamedTuple):
    """psycopg's parts that are used here, and its version. ``error``: what its calls raise for a connection that broke."""

    pq: t.Any
    make_conninfo: t.Callable[..., str]
    error: t.Any
    version: str


def load_driver() -> Driver:
    """psycopg, imported only here: a managed node without it loses nothing else. :raises MissingLibrary: it can't be used."""
    try:
        import psycopg  # pylint: disable=import-outside-toplevel
        from psycopg import conninfo, pq  # pylint: disable=import-outside-toplevel
    except ImportError as problem:
        raise MissingLibrary(str(problem).strip().split("\n", 1)[0]) from None
    version = str(psycopg.__version__)
    found = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
    if found < _OLDEST_PSYCOPG:
        raise MissingLibrary("psycopg %s is older than %d.%d" % ((version,) + _OLDEST_PSYCOPG))
    return Driver(pq, conninfo.make_conninfo, psycopg.Error, version)


def parse_server_errors(text: str) -> list[dict[str, str]]:
    """Every server error in a libpq text, in the order of the attempts; keys as in :func:`_postgresql.wire.error_data`."""
    errors = []
    for found in _SERVER_ERROR.finditer(text):
        labels = dict(_LABEL.findall(found.group("labels")))
        error = {
            "severity": found.group("severity"),
            "sqlstate": found.group("sqlstate"),
            "server_message": found.group("message"),
            "routine": labels.get("LOCATION", "").split(",")[0],
        }
        error.update((name, labels[label]) for label, name in (("DETAIL", "server_detail"), ("HINT", "server_hint")) if label in labels)
        errors.append(error)
    return errors


def recognise_server_texts(text: str) -> list[dict[str, str]]:
    """As :func:`parse_server_errors`, from a text without SQLSTATE."""
    errors = []
    for severity, message in re.findall(r"(?:^|failed: )(FATAL|ERROR):  (.*)$", text, re.MULTILINE):
        for pattern, sqlstate, routine in _SERVER_TEXTS:
            if pattern.search(message):
                errors.append({"severity": severity, "sqlstate": sqlstate, "server_message": message, "routine": routine})
                break
    return errors


def furthest(errors: list[dict[str, str]]) -> dict[str, str]:
    """Of the attempts that libpq made (with TLS, without), the error of the one that came past pg_hba.conf, else the first."""
    for error in errors:
        if error["routine"] != "ClientAuthentication":
            return error
    return errors[0]


def password_file_of(text: str) -> str:
    """The file that libpq had the refused password from, empty where it names none."""
    match = _FROM_PASSWORD_FILE.search(text)
    return match.group(1) if match else ""


def client_error_kind(text: str) -> str:
    """What libpq itself complains of, or ``other``."""
    for pattern, kind in _CLIENT_ERRORS:
        if pattern.search(text):
            return kind
    return "other"


class Connection:
    """One libpq connection. Nothing here blocks longer than ``remaining`` (a function giving seconds left) says."""

    def __init__(self, driver: Driver, conninfo: str) -> None:
        # libpq translates by the process's locale, which Ansible sets to the user's; its English texts are matched below.
        locale.setlocale(locale.LC_MESSAGES, "C")
        self._pq, self._error = driver.pq, driver.error
        self._conn = driver.pq.PGconn.connect_start(conninfo.encode())
        self.verbose = _ask_for_sqlstates(self._conn)

    def establish(self, remaining: t.Callable[[], float]) -> str:
        """:returns: ``ok``, ``failed`` (see :meth:`error_text`), ``timeout`` or ``too_much`` (a peer that never ends)."""
        polling = self._pq.PollingStatus
        wanted = polling.WRITING
        while self._conn.status != self._pq.ConnStatus.BAD:
            if not self._wait(wanted == polling.WRITING, remaining):
                return "timeout"
            wanted = self._conn.connect_poll()
            if wanted == polling.OK:
                self._conn.nonblocking = 1
                return "ok"
            if wanted == polling.FAILED:
                break
            if self._received() > _MOST_BYTES:
                return "too_much"
        return "failed"

    def error_text(self) -> str:
        return bytes(self._conn.error_message).decode("utf-8", "backslashreplace")

    @property
    def needs_password(self) -> bool:
        """The server asked for a password and libpq had none, nor found one in a password file."""
        return bool(self._conn.needs_password)

    @property
    def used_password(self) -> bool:
        return bool(self._conn.used_password)

    @property
    def tls(self) -> bool:
        return bool(self._conn.ssl_in_use)

    @property
    def backend_pid(self) -> int:
        """As told at login: a pooler tells a number of its own."""
        return int(self._conn.backend_pid)

    def effective(self, keywords: t.Sequence[str]) -> dict[str, str]:
        """What libpq made of parameters, environment and service file, for these (not secret) keywords."""
        found = {bytes(option.keyword).decode(): option.val for option in self._conn.info}
        return {word: bytes(found[word]).decode("utf-8", "backslashreplace") for word in keywords if found.get(word)}

    def overrides(self, given: t.Container[str]) -> list[dict[str, str]]:
        """Settings that are neither in the connection string nor libpq's defaults: ``keyword``, ``value``, and ``source``, which is the
        name of an environment variable, or ``service`` for a service file.

        :param given: the connection string's own keywords.
        """
        options = {bytes(option.keyword).decode(): option for option in self._conn.info}
        has_service = "service" in given or bool(os.environ.get("PGSERVICE"))
        found = []
        for keyword, option in options.items():
            if keyword in given or keyword in _NO_OVERRIDES or not option.val or option.val == option.compiled:
                continue
            variable = bytes(option.envvar or b"").decode()
            from_environment = bool(variable) and os.environb.get(variable.encode()) == bytes(option.val)
            if from_environment or has_service:
                value = bytes(option.val).decode("utf-8", "backslashreplace")
                found.append({"keyword": keyword, "value": value, "source": variable if from_environment else "service"})
        return found

    def query(self, sql: str, remaining: t.Callable[[], float]) -> list[list[dict[str, str | None]]]:
        """Run one or more statements. :returns: the rows of each statement that has rows. :raises QueryProblem:"""
        return self._ask(lambda: self._conn.send_query(sql.encode()), remaining)

    def prepare(self, name: str, sql: str, remaining: t.Callable[[], float]) -> None:
        """Make a prepared statement by the extended protocol, as drivers do. :raises QueryProblem:"""
        self._ask(lambda: self._conn.send_prepare(name.encode(), sql.encode()), remaining)

    def execute_prepared(self, name: str, remaining: t.Callable[[], float]) -> list[list[dict[str, str | None]]]:
        """Run a prepared statement that has no parameters. :raises QueryProblem:"""
        return self._ask(lambda: self._conn.send_query_prepared(name.encode(), None), remaining)

    def _ask(self, send: t.Callable[[], None], remaining: t.Callable[[], float]) -> list[list[dict[str, str | None]]]:
        try:
            send()
            while self._conn.flush():
                if not self._wait(True, remaining):
                    raise QueryProblem("timeout")
            return self._results(remaining)
        except (self._error, OSError) as problem:
            raise QueryProblem("closed", {"server_message": str(problem)}) from None

    def _results(self, remaining: t.Callable[[], float]) -> list[list[dict[str, str | None]]]:
        tables = []
        failure: dict[str, str] = {}
        while True:
            self._receive(remaining)
            result = self._conn.get_result()
            if result is None:
                break
            if result.status == self._pq.ExecStatus.TUPLES_OK:
                tables.append(_rows(result))
            elif result.status == self._pq.ExecStatus.FATAL_ERROR:
                failure = failure or self._failure(result)
        if failure:
            raise QueryProblem("closed" if not failure["sqlstate"] else "error", failure)
        return tables

    def _receive(self, remaining: t.Callable[[], float]) -> None:
        while self._conn.is_busy():
            if not self._wait(False, remaining):
                raise QueryProblem("timeout")
            try:
                self._conn.consume_input()
            except self._error:
                return  # closed; what the server said before that is still to be had
            if self._received() > _MOST_BYTES:
                raise QueryProblem("too_much")

    def _failure(self, result: t.Any) -> dict[str, str]:
        field = self._pq.DiagnosticField
        wanted = (("sqlstate", field.SQLSTATE), ("routine", field.SOURCE_FUNCTION), ("severity", field.SEVERITY_NONLOCALIZED),
                  ("server_message", field.MESSAGE_PRIMARY), ("server_detail", field.MESSAGE_DETAIL))
        found = {name: bytes(result.error_field(code) or b"").decode("utf-8", "backslashreplace") for name, code in wanted}
        if not found["server_message"]:
            found["server_message"] = bytes(result.error_message).decode("utf-8", "backslashreplace")
        return found

    def source(self) -> str:
        """The address that the connection comes from, empty when it is closed."""
        return self._ask_socket(lambda sock: sock.getsockname()[0], "")

    def descriptor(self) -> int:
        """Of the connection's socket, to wait on; libpq's own."""
        return int(self._conn.socket)

    def duplicate_descriptor(self) -> int:
        """A copy of it, the caller's to close."""
        return os.dup(self._conn.socket)

    def close(self) -> None:
        self._conn.finish()

    def _wait(self, to_write: bool, remaining: t.Callable[[], float]) -> bool:
        left = remaining()
        if left <= 0.001:
            return False
        poller = select.poll()
        poller.register(self._conn.socket, select.POLLOUT if to_write else select.POLLIN)
        return bool(poller.poll(left * 1000))

    def _received(self) -> int:
        """Bytes received on the connection so far, 0 where the kernel does not tell."""
        size = _TCP_INFO_BYTES_RECEIVED + 8
        info = self._ask_socket(lambda sock: sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, size), b"")
        return struct.unpack_from("=Q", info, _TCP_INFO_BYTES_RECEIVED)[0] if len(info) == size else 0

    def _ask_socket(self, question: t.Callable[[socket.socket], t.Any], otherwise: t.Any) -> t.Any:
        try:
            with socket.socket(fileno=os.dup(self._conn.socket)) as sock:
                return question(sock)
        except (self._error, OSError):  # libpq has closed the socket, which the caller sees by itself
            return otherwise


def _rows(result: t.Any) -> list[dict[str, str | None]]:
    names = [bytes(result.fname(column) or b"").decode() for column in range(result.nfields)]
    rows = []
    for row in range(result.ntuples):
        values = (result.get_value(row, column) for column in range(result.nfields))
        rows.append(dict(zip(names, (None if value is None else bytes(value).decode("utf-8", "backslashreplace") for value in values))))
    return rows


def _ask_for_sqlstates(conn: t.Any) -> bool:
    """Set libpq's error verbosity for a connection. :returns: whether it could be set."""
    paths = set()
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
            for line in maps:
                path = line.rstrip("\n").partition("/")
                if re.match(r"libpq[.-].*so", os.path.basename(path[2])):
                    paths.add("/" + path[2])
        if len(paths) != 1:
            return False  # none (linked statically), or several: it can't be known which one owns the connection
        set_verbosity = ctypes.CDLL(paths.pop()).PQsetErrorVerbosity
    except (OSError, AttributeError):
        return False
    set_verbosity.argtypes, set_verbosity.restype = (ctypes.c_void_p, ctypes.c_int), ctypes.c_int
    set_verbosity(conn.pgconn_ptr, _VERBOSE)
    return True

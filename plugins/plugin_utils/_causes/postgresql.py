# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes that PostgreSQL names itself. SQLSTATE and routine are not translated; the text is, so it only tells apart what they can't.

Sources: PostgreSQL documentation, appendix A (error codes), protocol error fields; the routines are those of its sources.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Observation,
    Pattern,
    above,
    containing,
    empty,
    every,
    given,
    seen,
    server_saw,
    unseen,
)

_LET_IN = seen("postgresql.login", "ok")
# What libpq would try itself; a comparison only shows whether the other transport would be let in.
_STARTED = seen("postgresql.startup", "ok", purpose="as_libpq")
_LOGIN = "postgresql.login"
_NO_ENTRY = containing("no pg_hba.conf entry")
_REJECTED = containing("rejects", "reject")
_OVER_TLS = seen("postgresql.startup", "ok", tls=True, purpose="comparison")
_LATER = seen(_LOGIN, "fail") | seen("postgresql.startup", "fail")
_ASK_SERVER_LOG = "the DETAIL line that the server logged for this attempt"
_NOT_AUTHENTICATED = "28P01"


def _of_known_role(text: t.Any) -> bool:
    return "does not exist" not in (text or "")


def _refused(**facts: t.Any) -> Pattern:
    """The server refused with these facts what libpq would try, before authentication or after it, and let the client in by no other way.

    A pooler gives what it passes on a SQLSTATE of its own; there the one that the text stands for counts.
    """
    before = seen("postgresql.startup", "fail", purpose="as_libpq", **facts) & unseen(_STARTED)
    after = seen(_LOGIN, "fail", **facts) & unseen(_LET_IN)
    if "sqlstate" not in facts:
        return before | after
    through_pooler = {key: value for key, value in facts.items() if key not in ("sqlstate", "routine")}
    through_pooler["text_sqlstate"] = facts["sqlstate"]
    return before | after | (seen(_LOGIN, "fail", from_pooler=True, **through_pooler) & unseen(_LET_IN))


def _refused_otherwise(*sqlstates: str) -> Pattern:
    """The server refused, and gave another reason than these."""
    return _refused(sqlstate=lambda sqlstate: bool(sqlstate) and sqlstate not in sqlstates)


# Ways to authenticate that need more than libpq and a password.
_BEYOND_PASSWORDS = ("kerberos5", "scm", "gss", "sspi")
# Those that end what an application does, in milliseconds. A short lock_timeout is a way to work, and no fault.
_TIMEOUTS = ("statement_timeout", "transaction_timeout", "idle_in_transaction_session_timeout", "idle_session_timeout")
_QUERY_CANCELED = "57014"
_IDLE_ENDED = ("57P05", "25P03")


def _each(check: str, facts_of: t.Callable[[Case, Observation], t.Mapping[str, t.Any] | None]) -> Pattern:
    """Every observation of a check in which a function finds something is evidence; the first one's facts are told."""

    def match(case: Case) -> Match | None:
        found = [(number, facts) for number, observation in case.of(check, "client") if (facts := facts_of(case, observation))]
        return Match(tuple(number for number, _facts in found), found[0][1]) if found else None

    return Joined(match)


def _timeout_below_latency(case: Case, session: Observation) -> dict[str, t.Any] | None:
    """A session's time-out is shorter than what the endpoint may take for an answer."""
    allowed_ms = case.endpoint["thresholds"]["latency_ms"]
    for setting in session["data"].get("settings", ()):
        value = setting["value"] or ""
        if setting["name"] in _TIMEOUTS and setting["unit"] == "ms" and value.isdigit() and 0 < int(value) < allowed_ms:
            where = "%s:%s" % (setting["source_file"], setting["source_line"]) if setting["source_file"] else ""
            told = {"setting": setting["name"], "value": value + " ms", "source": setting["source"], "source_line": where}
            return {**session["data"], **told}
    return None


def _canceled_early(case: Case, session: Observation) -> dict[str, t.Any] | None:
    """The first query was canceled, sooner than the endpoint may take for an answer."""
    early = session["duration_ms"] < case.endpoint["thresholds"]["latency_ms"]
    if session["status"] == "fail" and session["data"].get("sqlstate") == _QUERY_CANCELED and early:
        return {**session["data"], "setting": "statement_timeout", "value": "%d ms" % session["duration_ms"]}
    return None


def _idle_ended(_case: Case, idle: Observation) -> dict[str, t.Any] | None:
    """The server itself ended a connection for being idle."""
    if idle["status"] == "fail" and idle["data"]["sqlstate"] in _IDLE_ENDED:
        return {**idle["data"], "setting": "idle_session_timeout", "value": "%s s" % idle["data"]["died_after_s"]}
    return None


def _own_logins(case: Case, *keys: str) -> set[tuple[t.Any, ...]]:
    """As whom, and from where, this host came to the server."""
    return {
        tuple({**started["data"], "address": started["vantage"]["address"]}[key] for key in keys)
        for _number, started in case.of("postgresql.startup", "client")
    }


def _server_told(check: str, status: str, *keys: str, **facts: t.Any) -> Pattern:
    """The server's own side has such facts about a login that equals one of this host's in these keys."""

    def match(case: Case) -> Match | None:
        own = _own_logins(case, *keys)
        found = [(number, told["data"]) for number, told in case.of(check, "server")
                 if told["status"] == status and tuple(told["data"][key] for key in keys) in own
                 and all(told["data"].get(key) in wanted for key, wanted in facts.items())]
        return Match(tuple(number for number, _data in found), found[0][1]) if found else None

    return Joined(match)


def _refused_for(*reasons: str) -> Pattern:
    """Why the server refused this user's password: what holds for the user holds for all hosts from which it comes."""
    return _server_told("postgresql_server.refusal", "fail", "user", reason=reasons)


def _line_of_hba(status: str, **facts: t.Any) -> Pattern:
    return _server_told("postgresql_server.hba", status, "user", "database", "address", "tls", **facts)


def _and_where_set(proof: Pattern, name: str) -> Pattern:
    """The proof, and where the server's own configuration has a setting that it is about, if the server was asked."""

    def configured(case: Case) -> Match | None:
        for number, instance in case.of("postgresql_server.instance", "server"):
            setting = instance["data"].get("settings", {}).get(name)
            if setting:
                return Match((number,), {"server_setting": "%s = %s" % (name, setting["value"]),
                                         "set_at": "%s:%s" % (setting["file"], setting["line"])})
        return None

    return proof | (proof & Joined(configured))


def _logged(*reasons: str) -> Pattern:
    """The server refused the password, and has logged one of these reasons."""
    return _refused(sqlstate=_NOT_AUTHENTICATED) & _refused_for(*reasons)


_NO_ENTRY_SEEN = _refused(sqlstate="28000", routine="ClientAuthentication", server_message=_NO_ENTRY) & unseen(_OVER_TLS)
_REJECTION_SEEN = _refused(sqlstate="28000", routine="ClientAuthentication", server_message=_REJECTED)

# Shorter waits are how a database works.
_LONG_WAIT_S = 5.0
_LOCK_NOT_AVAILABLE = "55P03"
# Let in as far as the login, and then left waiting; or not even asked for a password, whose form is in a table that may be locked.
_HUNG = (
    seen(_LOGIN, "fail", error_kind="timeout") | seen("postgresql.startup", "fail", result="timeout")
    | seen("postgresql.session", "fail", result="timeout")
)


def _own_session_waits(case: Case) -> Match | None:
    """On the server, a session that comes from this host as this user waits for a lock."""
    own = _own_logins(case, "user", "address")
    holders = {wait["pid"]: wait["holders"] for _number, told in case.of("postgresql_server.log", "server")
               for wait in told["data"]["lock_waits"]}
    for number, told in case.of("postgresql_server.sessions", "server"):
        for waiting in told["data"]["waiting"]:
            if (waiting["user"], waiting["address"]) in own:
                idle = ["%d (%s@%s)" % (one["pid"], one["user"], one["database"]) for one in told["data"]["idle_in_transaction"]]
                return Match((number,), {"waiting": waiting["pid"], "doing": waiting["activity"], "lock": "",
                                         "blocked_by": holders.get(waiting["pid"]) or "", "idle_in_transaction": idle})
    return None


def _application_waits(case: Case) -> Match | None:
    """A session of the application's on this host, of the same user, has waited for a lock for long."""
    own = _own_logins(case, "user", "address")
    found = []
    for number, activity in case.of("postgresql.activity", "client"):
        for wait in activity["data"].get("waits", ()):
            if (wait.get("user"), wait.get("client_address")) in own and (wait["query_age_s"] or 0.0) >= _LONG_WAIT_S:
                blocker = "%s (%s%s)" % (", ".join(map(str, wait["blocked_by"])), wait["blocker_user"] or "unknown user",
                                         ", " + wait["blocker_state"] if wait["blocker_state"] else "")
                lock = "%s on %s" % (wait["mode"], wait["relation"] or wait["lock_type"])
                found.append((number, {"waiting": wait["pid"], "doing": "a query", "lock": lock, "blocked_by": blocker,
                                       "idle_in_transaction": ""}))
    return Match(tuple(number for number, _facts in found), found[0][1]) if found else None


# What goes wrong when one of libpq's settings is not what the endpoint has: kinds of errors of the login, and SQLSTATEs. Where several
# may be it, the first here is the nearest.
_TLS_TRUST = ("tls_verify", "root_certificate_missing")
_TLS_IDENTITY = ("client_key_permissions", "client_certificate_unusable", "28000")
_HARM: t.Mapping[str, tuple[str, ...]] = {
    "sslrootcert": _TLS_TRUST, "sslcrl": _TLS_TRUST, "sslcrldir": _TLS_TRUST,
    "sslcert": _TLS_IDENTITY, "sslkey": _TLS_IDENTITY,
    "ssl_min_protocol_version": ("tls_failed",), "ssl_max_protocol_version": ("tls_failed",), "sslnegotiation": ("tls_failed", "closed"),
    "gssencmode": ("other",), "require_auth": ("auth_not_supported",), "channel_binding": ("auth_not_supported",),
    "target_session_attrs": ("session_attrs",), "options": ("22023", "42704", "42601"), "client_encoding": ("22023",),
    "sslmode": (*_TLS_TRUST, "tls_not_supported", "tls_failed", "28000"),
}


def _harmful_override(_case: Case, login: Observation) -> dict[str, t.Any] | None:
    """The login failed by a setting that the endpoint does not have, and that this host adds."""
    data = login["data"]
    added = {override["keyword"]: override for override in data.get("overrides", ()) if login["status"] == "fail"}
    for keyword, harm in _HARM.items():
        if keyword in added and {data["error_kind"], data["sqlstate"]} & set(harm):
            where = "the service file" if added[keyword]["source"] == "service" else added[keyword]["source"]
            return {**data, "setting": keyword, "value": added[keyword]["value"], "from": where}
    return None


def _from_password_file(_case: Case, login: Observation) -> dict[str, t.Any] | None:
    """The password that the server refused came from a file of libpq's on this host."""
    file = login["data"].get("password_file")
    refused = login["status"] == "fail" and login["data"]["sqlstate"] == _NOT_AUTHENTICATED
    return {**login["data"], "setting": "password", "value": "of " + login["data"]["user"], "from": file} if file and refused else None


def _unit_led_elsewhere(case: Case) -> Match | None:
    """The environment of the program that should use this endpoint leads libpq to another server, database or user."""
    if case.endpoint["scheme"] != "postgresql":
        return None
    addresses = {connect["data"]["address"] for _number, connect in case.of("tcp.connect", "client")}
    right = {"PGHOSTADDR": addresses, "PGPORT": {str(case.endpoint["port"])}, "PGDATABASE": {case.endpoint["database"]},
             "PGUSER": {case.endpoint["user"]}}
    for number, environment in case.of("service.environment", "client"):
        libpq = environment["data"].get("libpq", {})
        facts = {**environment["data"], "from": "the environment of %s" % environment["data"]["unit"]}
        for name, allowed in right.items():
            if libpq.get(name) and allowed - {""} and libpq[name] not in allowed:
                return Match((number,), {**facts, "setting": name, "value": libpq[name]})
        for other, resolved in case.of("dns.resolve", "libpq"):
            led_to = set(resolved["data"]["addresses"])
            if resolved["data"]["name"] == libpq.get("PGHOST") and addresses and not led_to & addresses and "PGHOSTADDR" not in libpq:
                return Match((number, other), {**facts, "setting": "PGHOST", "value": libpq["PGHOST"]})
    return None


# Who has no room for the next segment of the write-ahead log stops altogether.
_WITHOUT_ROOM = server_saw("postgresql_server.space", "fail") & (
    server_saw("postgresql_server.log", no_space=above(0))
    | (server_saw("postgresql_server.instance", "fail") & unseen(server_saw("postgresql_server.log", last_state="stopped")))
)
_DISK_FULL = "53100"
# Shutting down, crashed, starting up, no space, an error of input or output.
_FAILING = ("57P01", "57P02", "57P03", _DISK_FULL, "58030")
_BROKEN_OFF = ("closed", "reset", "timeout")
# The server is gone, or says itself that it can't go on: what it refuses for a reason of its own has nothing to do with its disk.
_UNSERVED = (
    seen("tcp.connect", "fail", error="ECONNREFUSED") | seen("postgresql.ssl_request", "fail", answer=_BROKEN_OFF)
    | seen("postgresql.startup", "fail", result=_BROKEN_OFF) | seen("postgresql.startup", "fail", sqlstate=_FAILING)
    | seen(_LOGIN, "fail", error_kind=_BROKEN_OFF) | seen(_LOGIN, "fail", sqlstate=_FAILING)
    | seen("postgresql.session", "fail", sqlstate=_FAILING)
)

CAUSES = (
    Cause(
        code="postgresql.starting_up",
        meaning="The server is starting, shutting down or recovering, and does not take connections yet.",
        summary="{name}:{port} does not take connections yet: {server_message}",
        proof=_refused(sqlstate="57P03"),
        remediation=Remediation("wait", AUTOMATIC),
        advice="Wait, and look again; if it stays, look at the server's log.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"sqlstate": "{sqlstate}", "message": "{server_message}"},
    ),
    Cause(
        code="postgresql.tls_required",
        meaning="The server lets this client in over TLS only, and the client comes without.",
        summary="{name}:{port} lets {user} in over TLS only, and sslmode is {sslmode}",
        proof=seen("postgresql.startup", "fail", sqlstate="28000", tls=False, purpose="as_libpq")
        & _OVER_TLS & unseen(_LET_IN) & unseen(_STARTED),
        ruled_out=every("postgresql.startup", "fail"),
        look_alikes=("postgresql.no_hba_entry",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Set sslmode=require, or better verify-full.",
        component="PostgreSQL",
        explains=_LATER,
        culprit={"sslmode": "{sslmode}"},
    ),
    Cause(
        code="postgresql.no_hba_entry",
        meaning="No line of the server's pg_hba.conf allows this client, user and database.",
        summary="no pg_hba.conf line of {name} allows user {user} from {host}",
        # Where the file has a line by now, the server has not read it yet.
        proof=_NO_ENTRY_SEEN | (_NO_ENTRY_SEEN & _line_of_hba("fail", matched=(False,)))
        | (_NO_ENTRY_SEEN & _line_of_hba("ok", matched=(True,))),
        ruled_out=_STARTED | _OVER_TLS | _refused_otherwise("28000") | _refused(server_message=_REJECTED),
        look_alikes=("postgresql.tls_required", "postgresql.hba_reject"),
        remediation=Remediation("add_hba_line", GUARDED),
        advice="Add the exact line for this host, user and database to pg_hba.conf, and reload.",
        component="pg_hba.conf",
        place="server",
        explains=_LATER,
        culprit={"message": "{server_message}", "file": "{file}", "missing_line": "{missing_line}", "line_not_loaded": "{line}: {text}"},
    ),
    Cause(
        code="postgresql.hba_reject",
        meaning="A line of the server's pg_hba.conf rejects this client; that may be policy.",
        summary="a pg_hba.conf line of {name} rejects user {user} from {host}",
        proof=_REJECTION_SEEN | (_REJECTION_SEEN & _line_of_hba("fail", method=("reject",))),
        ruled_out=_STARTED | _refused_otherwise("28000") | _refused(server_message=_NO_ENTRY),
        look_alikes=("postgresql.no_hba_entry", "postgresql.tls_required"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the database whether the rejection is meant.",
        component="pg_hba.conf",
        place="server",
        explains=_LATER,
        culprit={"message": "{server_message}", "file": "{file}", "line": "{line}: {text}"},
    ),
    Cause(
        code="postgresql.tls_unsupported",
        meaning="The client demands TLS, and the server does not speak it.",
        summary="{name}:{port} does not speak TLS, and sslmode is {sslmode}",
        proof=_and_where_set(seen("postgresql.ssl_request", "fail", answer="N"), "ssl"),
        ruled_out=seen("postgresql.ssl_request", answer="S"),
        look_alikes=("tls.plaintext_mismatch",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have TLS switched on at the server.",
        component="PostgreSQL",
        place="server",
        explains=_LATER | seen("tls.handshake", "fail"),
        culprit={"sslmode": "{sslmode}", "server_setting": "{server_setting}", "set_at": "{set_at}"},
    ),
    Cause(
        code="postgresql.password_rejected",
        meaning="The server does not accept the password for this user.",
        summary="{name}:{port} refuses the password of {user}",
        proof=_refused(sqlstate="28P01", server_detail=containing("password does not match")) | _logged("password_mismatch", "no_password"),
        suspicion=_refused(sqlstate="28P01"),
        ruled_out=_LET_IN | _refused_otherwise("28P01") | _refused_for("role_missing", "password_expired", "unusable_secret"),
        look_alikes=("postgresql.role_missing", "postgresql.password_expired"),
        decide_by=_ASK_SERVER_LOG,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Deploy the password from the vault again.",
        component="credential",
        explains=_LATER,
        culprit={"user": "{user}", "server_says": "{reason}", "hba_line": "{hba_line}: {hba_text}"},
    ),
    Cause(
        code="postgresql.role_missing",
        meaning="The user does not exist on the server.",
        summary="user {user} does not exist on {name}:{port}",
        proof=_refused(sqlstate="28000", routine="InitializeSessionUserId", server_message=containing("does not exist"))
        | _logged("role_missing"),
        suspicion=_refused(sqlstate="28P01"),
        ruled_out=_LET_IN | _refused_otherwise("28P01", "28000") | _refused(sqlstate="28000", server_message=_of_known_role)
        | _refused_for("password_mismatch", "no_password", "password_expired", "unusable_secret"),
        look_alikes=("postgresql.password_rejected", "postgresql.password_expired"),
        decide_by=_ASK_SERVER_LOG,
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the user created.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"user": "{user}"},
    ),
    Cause(
        code="postgresql.password_expired",
        meaning="The user's password is past its VALID UNTIL.",
        summary="the password of {user} on {name}:{port} has expired",
        proof=_refused(sqlstate="28P01", server_detail=containing("expired password")) | _logged("password_expired"),
        suspicion=_refused(sqlstate="28P01"),
        ruled_out=_LET_IN | _refused_otherwise("28P01")
        | _refused_for("password_mismatch", "no_password", "role_missing", "unusable_secret"),
        look_alikes=("postgresql.password_rejected", "postgresql.role_missing"),
        decide_by=_ASK_SERVER_LOG,
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the password rotated.",
        component="credential",
        place="server",
        explains=_LATER,
        culprit={"user": "{user}"},
    ),
    Cause(
        code="postgresql.login_not_permitted",
        meaning="The user exists, but may not log in (NOLOGIN).",
        summary="user {user} may not log in to {name}:{port}",
        proof=_refused(
            sqlstate="28000", routine="InitializeSessionUserId", server_message=_of_known_role),
        ruled_out=_LET_IN | _refused_otherwise("28000") | _refused(server_message=containing("does not exist")),
        look_alikes=("postgresql.role_missing",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have LOGIN granted to the user.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"user": "{user}"},
    ),
    Cause(
        code="postgresql.database_missing",
        meaning="The database does not exist on the server.",
        summary="database {database} does not exist on {name}:{port}",
        proof=_refused(sqlstate="3D000"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Correct the database's name in the endpoint, or have it created.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"database": "{database}"},
    ),
    Cause(
        code="postgresql.connect_not_permitted",
        meaning="The database takes no connections, or not from this user.",
        summary="database {database} of {name}:{port} does not take {user}'s connection: {server_message}",
        proof=_refused(sqlstate=("42501", "55000")),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have CONNECT granted to the user, or connections to the database allowed.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"sqlstate": "{sqlstate}", "message": "{server_message}"},
    ),
    Cause(
        code="postgresql.too_many_connections",
        meaning="All connections of the server are taken.",
        summary="all connections of {name}:{port} are taken",
        proof=_and_where_set(
            _refused(sqlstate="53300", routine="InitProcess") | _refused(sqlstate="53300", routine="ProcessStartupPacket"),
            "max_connections"),
        ruled_out=_refused(sqlstate="53300", routine=("InitPostgres", "CheckMyDatabase", "InitializeSessionUserId")),
        look_alikes=("postgresql.reserved_slots_only", "postgresql.role_or_database_limit"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Find who holds the connections; end those that are leaked, use a pooler, or raise max_connections.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"sqlstate": "53300", "routine": "{routine}", "server_setting": "{server_setting}", "set_at": "{set_at}"},
    ),
    Cause(
        code="postgresql.reserved_slots_only",
        meaning="Only the connections that are reserved for superusers are left.",
        summary="only reserved connections are left on {name}:{port}",
        proof=_and_where_set(_refused(sqlstate="53300", routine="InitPostgres"), "max_connections"),
        ruled_out=_refused(sqlstate="53300", routine=("InitProcess", "CheckMyDatabase", "InitializeSessionUserId")),
        look_alikes=("postgresql.too_many_connections", "postgresql.role_or_database_limit"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Find who holds the connections; end those that are leaked, use a pooler, or raise max_connections.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"sqlstate": "53300", "routine": "{routine}", "server_setting": "{server_setting}", "set_at": "{set_at}"},
    ),
    Cause(
        code="postgresql.role_or_database_limit",
        meaning="The user, or the database, has used up the connections that it may have.",
        summary="the connection limit of {user} or {database} on {name}:{port} is reached",
        proof=_refused(sqlstate="53300", routine=("CheckMyDatabase", "InitializeSessionUserId")),
        ruled_out=_refused(sqlstate="53300", routine=("InitProcess", "InitPostgres")),
        look_alikes=("postgresql.too_many_connections", "postgresql.reserved_slots_only"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Raise the connection limit of the role or database, or use fewer connections.",
        component="PostgreSQL",
        place="server",
        explains=_LATER,
        culprit={"sqlstate": "53300", "routine": "{routine}"},
    ),
    Cause(
        code="postgresql.read_only_standby",
        meaning="The server is a hot standby: it can be read, and not written.",
        summary="{name}:{port} is a read-only standby",
        proof=seen("postgresql.session", in_hot_standby=True),
        ruled_out=seen("postgresql.session", in_hot_standby=False),
        look_alikes=("postgresql.default_read_only",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Point the endpoint at the primary, or use target_session_attrs=read-write with all servers named.",
        component="PostgreSQL",
        place="server",
        culprit={"in_hot_standby": "on"},
    ),
    Cause(
        code="postgresql.default_read_only",
        meaning="The server is a primary, but sessions of this user or database are read-only by default.",
        summary="sessions of {user} on {name}:{port} are read-only by default",
        proof=seen("postgresql.session", in_hot_standby=False, default_transaction_read_only=True),
        ruled_out=seen("postgresql.session", default_transaction_read_only=False),
        look_alikes=("postgresql.read_only_standby",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Find out why default_transaction_read_only is on (the role, the database or the server), and whether it is meant.",
        component="PostgreSQL",
        place="server",
        culprit={"default_transaction_read_only": "on"},
    ),
    Cause(
        code="postgresql.near_connection_limit",
        meaning="Connections still work, and hardly any are left.",
        summary="hardly any of the {limit} connections that the {nearest_limit} of {name}:{port} allows are left",
        proof=seen("postgresql.connections", "warn", used=given),
        remediation=Remediation("escalate", ESCALATE),
        advice="Find who holds the connections, before they run out.",
        component="PostgreSQL",
        place="server",
        culprit={"used": "{used}", "maximum": "{limit}", "limit_of": "{nearest_limit}", "used_ratio": "{used_ratio}"},
    ),
    Cause(
        code="postgresql.auth_method_unsupported",
        meaning="The server asks for a way to authenticate that the client's driver, or its settings, cannot give.",
        summary="the driver on {host} cannot authenticate to {name}:{port} in the way that the server asks for ({authentication_method})",
        proof=_STARTED & seen(_LOGIN, "fail", error_kind="auth_not_supported")
        | (seen("postgresql.startup", "ok", authentication_method=_BEYOND_PASSWORDS, purpose="as_libpq")
           & seen(_LOGIN, "fail", error_kind="other"))
        | (seen("postgresql.startup", "ok", authentication_method="sasl", purpose="as_libpq")
           & seen("logs.family", "warn", family="auth_method", recovered=False))
        # The stored form of the password does not serve the method, so that no driver can.
        | (_STARTED & _logged("unusable_secret")),
        ruled_out=_LET_IN | _refused_otherwise("28000"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Upgrade the driver (SCRAM needs one of libpq 10 or later), or have the pg_hba.conf line changed to a method that it knows.",
        component="driver",
        explains=_LATER,
        culprit={"authentication_method": "{authentication_method}", "libpq": "{libpq_version}", "message": "{detail}"},
    ),
    Cause(
        code="postgresql.timeout_too_low",
        meaning="A time-out of the server's sessions ends what the application does before it can be done.",
        summary="{setting} of {user}'s sessions on {name}:{port} is too low: {value}",
        proof=_each("postgresql.session", _timeout_below_latency) | _each("postgresql.session", _canceled_early)
        | _each("pool.idle", _idle_ended),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have {setting} raised where it is set (a role, a database, the server's configuration, or options in the URL), or ask "
               "whether it is meant.",
        component="PostgreSQL",
        place="server",
        culprit={"setting": "{setting}", "value": "{value}", "set_for": "{source}", "line": "{source_line}"},
    ),
    Cause(
        code="postgresql.lock_wait",
        meaning="What the client does waits for a lock that another session holds.",
        summary="{user} on {host} waits for a lock on {name}:{port}: process {waiting} of the server, at {doing}",
        proof=(_HUNG & Joined(_own_session_waits)) | Joined(_application_waits) | _refused(sqlstate=_LOCK_NOT_AVAILABLE)
        | seen("postgresql.session", "fail", sqlstate=_LOCK_NOT_AVAILABLE),
        suspicion=_STARTED & seen(_LOGIN, "fail", error_kind="timeout"),
        ruled_out=seen("postgresql.session", "ok") | seen("postgresql.pooler", kind="pgbouncer")
        | server_saw("postgresql_server.sessions", waiting=empty),
        look_alikes=("pooler.backend_down", "pooler.exhausted"),
        decide_by="which of the server's sessions wait for a lock (the titles of its processes, or pg_locks)",
        remediation=Remediation("escalate", ESCALATE),
        advice="Find out what the session that is waited for does; let it commit, or end it (pg_terminate_backend) if it is the "
               "application's own and forgotten.",
        component="PostgreSQL",
        place="server",
        explains=_HUNG,
        culprit={"waiting": "{waiting}", "lock": "{lock}", "blocked_by": "{blocked_by}", "idle_in_transaction": "{idle_in_transaction}"},
    ),
    Cause(
        code="postgresql.disk_full",
        meaning="The server has no space left for its data or its write-ahead log, so it refuses to work, or has stopped.",
        summary="the database server {name}:{port} has no disk space left",
        proof=_refused(sqlstate=_DISK_FULL) | seen("postgresql.session", "fail", sqlstate=_DISK_FULL) | (_UNSERVED & _WITHOUT_ROOM),
        ruled_out=server_saw("postgresql_server.space", full=False),
        remediation=Remediation("escalate", ESCALATE),
        advice="Make room where the server writes (never by deleting files of pg_wal), find out what filled it, and start the server.",
        component="PostgreSQL",
        place="server",
        explains=_UNSERVED | server_saw("sockets.listener", "fail") | server_saw("postgresql_server.instance", "fail"),
        culprit={"mount": "{mount}", "free_bytes": "{free_bytes}", "holds": "{holds}", "log": "{no_space_sample}"},
    ),
    Cause(
        code="postgresql.client_settings_override",
        meaning="A password file, a service file or the environment on the client says something else than the endpoint.",
        summary="libpq on {host} takes {setting} ({value}) from {from}, which is wrong for {name}:{port}",
        proof=_each(_LOGIN, _harmful_override) | (_each(_LOGIN, _from_password_file) & _logged("password_mismatch"))
        | Joined(_unit_led_elsewhere),
        suspicion=_each(_LOGIN, _from_password_file),
        ruled_out=seen(_LOGIN, "ok") | _refused_for("role_missing", "password_expired", "no_password", "unusable_secret"),
        decide_by=_ASK_SERVER_LOG,
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Correct it where it is set ({from}), or say in the endpoint's own connection string what it shall be.",
        component="libpq",
        explains=_LATER | server_saw("postgresql_server.refusal", "fail"),
        culprit={"setting": "{setting}", "value": "{value}", "from": "{from}"},
    ),
)

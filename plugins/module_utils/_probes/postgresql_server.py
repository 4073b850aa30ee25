# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a PostgreSQL server's own host knows of it, and tells no client: why logins were refused, who waits for whom, what space is left.

It logs in nowhere and runs nothing of the server's: it reads its files, its log and the titles of its processes.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import os
import time
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._host import file_systems as _host_file_systems
from ansible_collections.connectivity.doctor.plugins.module_utils._log.journal import Journal
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    backends as _postgresql_backends,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    cluster as _postgresql_cluster,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    hba as _postgresql_hba,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    port_users as _postgresql_port_users,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql import (
    server_log as _postgresql_server_log,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.cluster import Cluster
from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.server_log import Entry
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact

ARGUMENTS: dict[str, t.Any] = {
    "port": {"type": "int", "default": 5432},
    "minutes": {"type": "int", "default": 15},
    "logins": {"type": "list", "elements": "dict", "default": [], "options": {
        "user": {"type": "str", "required": True},
        "database": {"type": "str", "default": ""},
        "address": {"type": "str", "default": ""},
        "tls": {"type": "bool", "default": True},
    }},
}

# What a server needs at once to go on writing: one segment of its write-ahead log, in the size that nearly all have.
_SEGMENT_BYTES = 16 * 1024 * 1024
_STATVFS_S = 2.0
_MOST_LOGINS = 16
_MOST_SHOWN = 10
_MOST_TABLESPACES = 20
# Of the configuration, what decides who gets in, and how many.
_SETTINGS = ("listen_addresses", "port", "ssl", "max_connections", "superuser_reserved_connections", "log_lock_waits", "lc_messages")


def run(parameters: dict[str, t.Any], context: Context) -> Outcome:
    """Find the server of a port, and read what its host has of it. Passes if the server runs.

    ``postgresql_server.instance`` (ok; fail: it does not run; cannot_tell with ``reason`` ``not_found`` or ``not_permitted``,
    ``elsewhere``: the ports of servers that run here, and ``configured_for``: the configuration of a pooler or balancer in which this
    port stands, empty if in none, null if not permitted): ``port``,
    ``pid``, ``state`` (``starting``, ``ready``, ``standby``, ``stopping``, empty where it does not run), ``version``, ``data_directory``,
    ``configuration``, ``hba_file``, ``log``, ``log_kind`` (``file``, ``journal``, ``unknown``),
    ``log_format`` (``plain``, ``csv``, ``json``), ``settings`` (name to ``value``, ``file``,
    ``line``; as configured, which need not be as loaded).

    All others have ``port``, too.

    ``postgresql_server.space``, once for each file system of its data, its write-ahead log and its tablespaces (fail: no room for one
    segment of the log, or no inode): ``holds`` (``data``, ``wal``, ``tablespace``), ``path``, ``mount``, ``size_bytes``, ``free_bytes``,
    ``inodes_free``, ``full``.

    ``postgresql_server.log`` (warn: it could not write; cannot_tell with ``reason`` ``unknown_place``, ``missing``, ``not_permitted``):
    ``log``, ``entries`` (of the last ``minutes``), ``last_state`` (``ready``, ``stopped``, ``crashed``, ``recovering``, empty),
    ``no_space`` (how many), ``no_space_sample``, ``no_space_at``, ``lock_waits`` (``pid``, ``mode``, ``lock``, ``holders``).

    ``postgresql_server.sessions`` (warn: somebody waits for a lock): ``sessions``, ``idle_in_transaction`` and ``waiting``: lists of
    ``pid``, ``user``, ``database``, ``address``, ``activity``, ``age_s`` (of the session).

    For each of ``logins`` (``user``, ``database``, ``address``, ``tls``, repeated in the data):
    ``postgresql_server.hba`` (ok, fail: none matches, or it rejects; cannot_tell): ``matched`` (null: only the server knows), ``file``,
    ``line``, ``text``, ``method`` (of the line that decides, or that leaves it open), ``missing_line`` (what would let it in).
    ``postgresql_server.refusal`` (fail: its password was refused; ok: no such entry; cannot_tell with the log's ``reason``): ``reason``
    (see :class:`._postgresql.server_log.Refusal`, and ``none``), ``at``, ``age_s``, ``method``, ``hba_file``, ``hba_line``, ``hba_text``,
    ``detail``, ``of_address``.
    """
    port = parameters["port"]
    started = time.time()
    try:
        cluster = _postgresql_cluster.find(port)
    except _postgresql_cluster.NotFound as problem:
        message = "no PostgreSQL server of port %d was found here" % port
        context.observe("postgresql_server.instance", "cannot_tell", "port %d" % port, message,
                        data={"port": port, "reason": problem.reason, "elsewhere": problem.elsewhere,
                              "configured_for": _postgresql_port_users.configured_for(port)},
                        started=started, reproduce="ps -C postgres -f")
        return Outcome(False)
    look = _Look(cluster, parameters, context)
    look.instance(started)
    look.space()
    entries, reason = look.log()
    if cluster.pid is not None:
        look.sessions(cluster.pid)
    for login in parameters["logins"][:_MOST_LOGINS]:
        who = _postgresql_hba.Login(login["user"], login.get("database") or login["user"], login.get("address", ""), login.get("tls", True))
        look.hba(who)
        look.refusal(who, entries, reason)
    return Outcome(cluster.pid is not None)


class _Look:
    def __init__(self, cluster: Cluster, parameters: dict[str, t.Any], context: Context) -> None:
        self._cluster = cluster
        self._context = context
        self._minutes = parameters["minutes"]

    def _observe(self, check: str, status: str, message: str, data: dict[str, t.Any], started: float, reproduce: str) -> None:
        self._context.observe(check, status, "port %d" % self._cluster.port, message,
                              data=dict(data, port=self._cluster.port), started=started, reproduce=reproduce)

    def instance(self, started: float) -> None:
        cluster = self._cluster
        settings = {name: cluster.settings[name]._asdict() for name in _SETTINGS if name in cluster.settings}
        data = {
            "pid": cluster.pid, "state": cluster.state, "version": cluster.version, "data_directory": cluster.data_directory,
            "configuration": cluster.configuration, "hba_file": cluster.hba_file, "log": cluster.log, "log_kind": cluster.log_kind,
            "log_format": cluster.log_format,
            "settings": {name: dict(setting, value=self._context.text(setting["value"], 200)) for name, setting in settings.items()},
        }
        message = "PostgreSQL %s of %s " % (cluster.version, cluster.data_directory)
        message += "runs as process %d and is %s" % (cluster.pid, cluster.state) if cluster.pid is not None else "does not run"
        self._observe("postgresql_server.instance", "ok" if cluster.pid is not None else "fail", message, data, started,
                      "cat %s/postmaster.pid" % cluster.data_directory)

    def space(self) -> None:
        mounts = _host_file_systems.read_mounts()
        seen = set()
        places = [("data", self._cluster.data_directory), ("wal", os.path.join(self._cluster.data_directory, "pg_wal"))]
        tablespaces = glob.glob(os.path.join(self._cluster.data_directory, "pg_tblspc", "*"))
        places += [("tablespace", path) for path in tablespaces[:_MOST_TABLESPACES]]
        for holds, path in places:
            started = time.time()
            real = os.path.realpath(path)
            mount = _host_file_systems.mount_of(real, mounts)
            left = _host_file_systems.space(real, self._context.deadline.allow(_STATVFS_S))
            if left is None or (mount and mount.mount) in seen:
                continue
            seen.add(mount and mount.mount)
            full = left.free_bytes < _SEGMENT_BYTES or (left.inodes > 0 and left.inodes_free == 0)
            data = {"holds": holds, "path": real, "mount": mount.mount if mount else "", "size_bytes": left.size_bytes,
                    "free_bytes": left.free_bytes, "inodes_free": left.inodes_free if left.inodes else None, "full": full}
            message = "%s has %d MiB left for the server's %s" % (data["mount"], left.free_bytes // 1024 ** 2, holds)
            self._observe("postgresql_server.space", "fail" if full else "ok", message, data, started, "df -h %s; df -i %s" % (real, real))

    def log(self) -> tuple[list[Entry], str]:
        """:returns: its entries, and the reason where there are none to be had."""
        started = time.time()
        entries, reason = self._entries(started)
        unwritten = _postgresql_server_log.no_space(entries)
        waits = _postgresql_server_log.lock_waits(entries)[-_MOST_SHOWN:]
        data: dict[str, t.Any] = {
            "log": self._cluster.log, "entries": len(entries), "last_state": _postgresql_server_log.last_state(entries),
            "no_space": len(unwritten), "no_space_sample": self._shown(unwritten[-1].text) if unwritten else "",
            "no_space_at": _time(unwritten[-1].at) if unwritten else "",
            "lock_waits": [{"pid": wait.pid, "mode": wait.mode, "lock": self._shown(wait.lock), "holders": wait.holders} for wait in waits],
        }
        status, message = "warn" if unwritten else "ok", "the log has %d entries of the last %d minutes" % (len(entries), self._minutes)
        if reason:
            status, message, data["reason"] = "cannot_tell", "the server's log was not read: " + reason.replace("_", " "), reason
        elif unwritten:
            message = "the server could not write: %s" % data["no_space_sample"]
        self._observe("postgresql_server.log", status, message, data, started, self._how_to_read_the_log())
        return entries, reason

    def _entries(self, now: float) -> tuple[list[Entry], str]:
        since = now - self._minutes * 60
        if self._cluster.log_kind == "journal":
            journal = Journal(self._cluster.log, since, self._context)
            lines = [line.text for line in journal]
            reason = "missing" if journal.error == "no_journal" else journal.error
            return _postgresql_server_log.entries_of(reversed(lines), since, now), reason
        if self._cluster.log_kind == "unknown":
            return [], "unknown_place"
        try:
            lines = _postgresql_server_log.read_tail(self._cluster.log)
            if self._cluster.log_format != "plain":
                return _postgresql_server_log.records_of(lines, self._cluster.log_format, since, now), ""
            return _postgresql_server_log.entries_of(lines, since, now), ""
        except FileNotFoundError:
            return [], "missing"
        except OSError:
            return [], "not_permitted"

    def _how_to_read_the_log(self) -> str:
        if self._cluster.log_kind == "journal":
            return "journalctl -u '%s' --since=-%dmin" % (self._cluster.log, self._minutes)
        return "tail -n 100 %s" % self._cluster.log if self._cluster.log else ""

    def _shown(self, text: str) -> str:
        return self._context.text(redact(text))

    def sessions(self, postmaster: int) -> None:
        started = time.time()
        sessions = _postgresql_backends.sessions_of(postmaster)
        waiting = [session for session in sessions if session.waiting]
        idle = sorted((session for session in sessions if session.idle_in_transaction), key=lambda session: -session.age_s)
        data = {"sessions": len(sessions), "waiting": self._described(waiting), "idle_in_transaction": self._described(idle)}
        message = "%d sessions: %d wait for a lock, %d are idle in a transaction" % (len(sessions), len(waiting), len(idle))
        self._observe("postgresql_server.sessions", "warn" if waiting else "ok", message, data, started, "ps -C postgres -o pid,etime,args")

    def _described(self, sessions: t.Sequence[_postgresql_backends.Session]) -> list[dict[str, t.Any]]:
        return [
            {"pid": session.pid, "user": self._context.text(session.user, 64), "database": self._context.text(session.database, 64),
             "address": session.address, "activity": self._context.text(session.activity, 60), "age_s": session.age_s}
            for session in sessions[:_MOST_SHOWN]
        ]

    def hba(self, login: _postgresql_hba.Login) -> None:
        started = time.time()
        data: dict[str, t.Any] = {
            **login._asdict(), "matched": None, "file": self._cluster.hba_file, "line": None, "text": "", "method": "", "missing_line": "",
        }
        try:
            decision = _postgresql_hba.decide(_postgresql_hba.read_rules(self._cluster.hba_file), login)
        except OSError:
            data["reason"], decision = "not_permitted", _postgresql_hba.Decision(None, None)
        data["matched"] = decision.matched
        come = "with TLS" if login.tls else "without TLS"
        who = "%s@%s from %s, %s" % (login.user, login.database, login.address or "an unknown address", come)
        status, message = "ok", "a line of pg_hba.conf lets %s try to log in" % who
        if decision.rule is not None:
            rule = decision.rule
            data.update(file=rule.file, line=rule.line, text=self._shown(" ".join(rule.text.split())), method=rule.method)
        if decision.matched is None:
            data.setdefault("reason", "server_decides")
            status, message = "cannot_tell", "which line of pg_hba.conf decides about %s can't be told from the file" % who
        elif decision.rule is None:
            data["missing_line"] = _missing_line(login)
            status, message = "fail", "no line of pg_hba.conf is about %s" % who
        elif decision.rule.method == "reject":
            status, message = "fail", "line %d of pg_hba.conf rejects %s" % (decision.rule.line, who)
        self._observe("postgresql_server.hba", status, message, data, started, "grep -n . %s" % self._cluster.hba_file)

    def refusal(self, login: _postgresql_hba.Login, entries: t.Sequence[Entry], unread: str) -> None:
        started = time.time()
        found = _postgresql_server_log.refusal(entries, login.user, login.address)
        data: dict[str, t.Any] = {**login._asdict(), "reason": "none"}
        status, message = "ok", "the log has no refused password of %s" % login.user
        if unread:
            data["reason"] = unread
            status, message = "cannot_tell", "why %s was refused is in the server's log, which was not read" % login.user
        elif found is not None:
            data.update(found._asdict(), at=_time(found.at), age_s=round(max(0.0, started - found.at), 1) if found.at is not None else None,
                        hba_text=self._shown(found.hba_text), detail=self._shown(found.detail))
            status, message = "fail", "the password of %s was refused: %s" % (login.user, found.reason.replace("_", " "))
        self._observe("postgresql_server.refusal", status, message, data, started, self._how_to_read_the_log())


def _time(at: float | None) -> str:
    return "" if at is None else timestamp(at)


def _missing_line(login: _postgresql_hba.Login) -> str:
    try:
        return _postgresql_hba.line_for(login)
    except ValueError:
        return ""  # nobody knows from where it comes

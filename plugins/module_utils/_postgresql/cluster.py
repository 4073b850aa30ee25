# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds the PostgreSQL server of a port on its own host, running or not: its data, its configuration and its log.

Sources: PostgreSQL documentation, "Database File Layout" (postmaster.pid, current_logfiles); postgresql-common's pg_ctlcluster(1).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import glob
import os
import re
import stat
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._postgresql.configuration import Setting, read_settings
from ansible_collections.connectivity.doctor.plugins.module_utils._process import process_ids, read_process

_NAMES = ("postgres", "postmaster")
_DEFAULT_PORT = "5432"
_SMALL_FILE = 65536
# In current_logfiles, and the forms that these are.
_COLLECTED = {"jsonlog": "json", "csvlog": "csv", "stderr": "plain"}
# Where packages keep the configuration, or data with the configuration in it, of a server that does not run.
_CONFIGURATIONS = (
    "/etc/postgresql/*/*/postgresql.conf", "/var/lib/pgsql/data/postgresql.conf", "/var/lib/pgsql/*/data/postgresql.conf",
    "/var/lib/postgres/data/postgresql.conf", "/var/lib/postgresql/*/data/postgresql.conf", "/usr/local/pgsql/data/postgresql.conf",
)
_DEBIAN = re.compile(r"^/etc/postgresql/([^/]+)/([^/]+)/postgresql\.conf$")


class Cluster(t.NamedTuple):
    """``pid`` is None where it does not run; ``state``: of postmaster.pid (``starting``, ``ready``, ``standby``, ``stopping``).

    ``log_kind``: ``file``, ``journal`` (then ``log`` is a unit), or ``unknown``. ``log_format``: ``plain``, ``csv`` or ``json``.
    """

    port: int
    pid: int | None
    state: str
    version: str
    data_directory: str
    configuration: str
    hba_file: str
    log: str
    log_kind: str
    log_format: str
    settings: dict[str, Setting]


class NotFound(Exception):
    """No server of that port; ``reason``: ``not_found`` or ``not_permitted`` (there may be one that this user may not look at).

    ``elsewhere``: the ports of the servers that run here.
    """

    def __init__(self, reason: str, elsewhere: t.Sequence[int]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.elsewhere = list(elsewhere)


def find(port: int) -> Cluster:
    """:raises NotFound:"""
    blocked = False
    elsewhere = []
    for pid in _postmasters():
        if pid is None:
            blocked = True
            continue
        try:
            cluster = _running(pid)
        except (OSError, ValueError, IndexError):
            blocked = True
            continue
        if cluster.port == port:
            return cluster
        elsewhere.append(cluster.port)
    for configuration in (path for pattern in _CONFIGURATIONS for path in sorted(glob.glob(pattern), reverse=True)):
        try:
            stopped = _stopped(configuration)
        except OSError:
            blocked = True
            continue
        if stopped is not None and stopped.port == port:
            return stopped
    raise NotFound("not_permitted" if blocked else "not_found", elsewhere)


def _postmasters() -> t.Iterator[int | None]:
    """The processes that are named in the postmaster.pid of the directory in which they run. None: one that may not be looked at."""
    seen = set()
    for pid in process_ids():
        process = read_process(pid)
        if process is None or process.command not in _NAMES:
            continue
        try:
            directory = os.readlink("/proc/%d/cwd" % pid)
            if directory not in seen:
                seen.add(directory)
                yield int(_lines(os.path.join(directory, "postmaster.pid"))[0])
        except PermissionError:
            yield None
        except (OSError, ValueError, IndexError):
            continue


def _running(pid: int) -> Cluster:
    directory = os.readlink("/proc/%d/cwd" % pid)
    lines = _lines(os.path.join(directory, "postmaster.pid"))
    with open("/proc/%d/cmdline" % pid, "rb") as file:
        arguments = file.read(_SMALL_FILE).decode("utf-8", "backslashreplace").split("\0")
    told = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    configuration = told.get("config_file") or told.get("--config-file") or told.get("--config_file") \
        or os.path.join(directory, "postgresql.conf")
    settings = read_settings(configuration, directory)
    state = lines[7].strip() if len(lines) > 7 else ""
    return _cluster(int(lines[3]), pid, state, directory, configuration, settings, _log_of_process(pid, directory))


def _stopped(configuration: str) -> Cluster | None:
    settings = read_settings(configuration, "")
    directory = settings["data_directory"].value if "data_directory" in settings else os.path.dirname(configuration)
    settings = read_settings(configuration, directory)
    port = settings["port"].value if "port" in settings else _DEFAULT_PORT
    if not port.isdigit() or not os.path.isfile(os.path.join(directory, "PG_VERSION")):
        return None
    return _cluster(int(port), None, "", directory, configuration, settings, _log_of_stopped(configuration, directory))


def _cluster(
    port: int, pid: int | None, state: str, directory: str, configuration: str, settings: dict[str, Setting], log: tuple[str, str, str],
) -> Cluster:
    hba = settings["hba_file"].value if "hba_file" in settings else "pg_hba.conf"
    version = "".join(_lines(os.path.join(directory, "PG_VERSION"))[:1])
    return Cluster(port, pid, state, version, directory, configuration, os.path.join(directory, hba), *log, settings)


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        return file.read(_SMALL_FILE).splitlines()


def _log_of_process(pid: int, directory: str) -> tuple[str, str, str]:
    """Its collector's file, else where its standard error goes: a file, or the journal of its unit."""
    collected = _collected(directory)
    if collected:
        return collected[0], "file", collected[1]
    try:
        target = os.readlink("/proc/%d/fd/2" % pid)
        if stat.S_ISREG(os.stat("/proc/%d/fd/2" % pid).st_mode):
            return target, "file", "plain"
    except OSError:
        return "", "unknown", "plain"
    process = read_process(pid)
    by_unit = bool(process and process.unit and target.startswith("socket:"))
    return (process.unit, "journal", "plain") if process and by_unit else ("", "unknown", "plain")


def _collected(directory: str) -> tuple[str, str] | None:
    """Of the files that the collector writes, each of which has everything, the one that is read most safely, and its format."""
    try:
        files = dict(line.partition(" ")[::2] for line in _lines(os.path.join(directory, "current_logfiles")))
    except OSError:
        return None
    return next(((os.path.join(directory, files[kind]), form) for kind, form in _COLLECTED.items() if kind in files), None)


def _log_of_stopped(configuration: str, directory: str) -> tuple[str, str, str]:
    debian = _DEBIAN.match(configuration)
    candidates = ["/var/log/postgresql/postgresql-%s-%s.log" % debian.groups()] if debian else []
    candidates += [path for pattern in ("log/*", "pg_log/*") for path in glob.glob(os.path.join(directory, pattern))]
    written = [path for path in candidates if os.path.isfile(path)]
    if not written:
        return "postgresql*", "journal", "plain"
    latest = max(written, key=os.path.getmtime)
    return latest, "file", {".csv": "csv", ".json": "json"}.get(os.path.splitext(latest)[1], "plain")

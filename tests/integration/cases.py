# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each module is tried on: something that is well, and something that is not. All of it on loopback."""
from __future__ import annotations

import datetime
import http.server
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ansible_collections.connectivity.doctor.tests.support import certificates, postgresql, tls_server
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer
from ansible_collections.connectivity.doctor.tests.support.time_server import TimeServer, answer


class Case(NamedTuple):
    """A module's healthy and broken parameters, and the observation that tells them apart.

    :ivar check: the name of the deciding observation. :ivar status: its status on the broken parameters.
    :ivar types: the keys that its ``data`` must have, with their types. :ivar isolated: run it where no network is.
    :ivar well_status: the status on the healthy parameters, or those among which the machine that runs the tests decides.
    """

    well: dict[str, Any]
    broken: dict[str, Any]
    check: str
    types: dict[str, type]
    status: str = "fail"
    isolated: bool = False
    well_status: str | tuple[str, ...] = "ok"


@contextmanager
def listener() -> Iterator[int]:
    """A port on loopback that accepts connections, and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def closed_port() -> Iterator[int]:
    """A port on loopback that refuses: it stays bound, so that nobody else gets it, and nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


@contextmanager
def _agent_config() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "agent.ini")
        file.write_text(f"[stream]\ndestination = localhost:19999\napi key = {secrets.token_hex(16)}\n")
        files = [{"path": str(file), "format": "ini", "endpoint": ["stream.destination"], "credential": ["stream.api key"]}]
        parameters = {"files": files, "host": "localhost"}
        yield Case({**parameters, "port": 19999}, {**parameters, "port": 19998}, "agent_config.endpoint",
                   {"configured": dict, "expected": dict, "differs": list, "comparable": bool, "source": str, "others": list})


@contextmanager
def _logs() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        spoken, silent = Path(folder, "spoken.log"), Path(folder, "silent.log")
        spoken.write_text(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} all is well\n")
        silent.touch()
        yield Case({"files": [str(spoken)]}, {"files": [str(silent)]}, "logs.source",
                   {"source": str, "kind": str, "lines": int, "silent": bool, "truncated": bool, "files": list}, status="warn")


@contextmanager
def _dns() -> Iterator[Case]:
    # A name is asked of the machine's own name servers, and what tests send stays on this machine.
    yield Case({"host": "localhost"}, {"host": "nowhere.invalid"}, "dns.resolve",
               {"name": str, "addresses": list, "error": str, "elapsed_ms": float}, isolated=True)


@contextmanager
def _clock() -> Iterator[Case]:
    with TimeServer(lambda query: [answer(query)]) as right, TimeServer(lambda query: [answer(query, 3600.0)]) as wrong:
        yield Case({"servers": ["127.0.0.1"], "port": right.port}, {"servers": ["127.0.0.1"], "port": wrong.port}, "clock.offset",
                   {"reference": str, "offset_s": float, "uncertainty_s": float, "limit_s": float, "outliers": list}, "warn")


@contextmanager
def _tcp() -> Iterator[Case]:
    with listener() as port, closed_port() as closed:
        yield Case({"host": "127.0.0.1", "port": port}, {"host": "127.0.0.1", "port": closed}, "tcp.connect",
                   {"address": str, "port": int, "family": str, "error": str, "answer": str, "elapsed_ms": float})


@contextmanager
def _tls() -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        root = certificates.mint("Test root", authority=True)
        authority = Path(folder, "root.pem")
        authority.write_bytes(root.pem)
        server = tls_server.context(*certificates.mint("localhost", ["127.0.0.1"], root).write(Path(folder), "server"))
        with ScriptedServer(tls_server.speaks_tls(server)) as listening:
            parameters = {"host": "127.0.0.1", "port": listening.port}
            yield Case({**parameters, "ca_file": str(authority)}, parameters, "tls.verify",
                       {"mode": str, "name": str, "verify_code": int, "verify_message": str, "fingerprint_sha256": str, "error": str})


@contextmanager
def _postgresql() -> Iterator[Case]:
    password = secrets.token_hex(8)
    with postgresql.PostgresqlServer() as server:
        server.sql(f"ALTER ROLE postgres PASSWORD '{password}'")
        parameters = {"host": server.host, "port": server.port, "user": "postgres", "database": "postgres"}
        yield Case({**parameters, "password": password}, {**parameters, "password": password[::-1] + "!"}, "postgresql.login",
                   {"error_kind": str, "needs_password": bool, "used_password": bool, "library_version": str})


@contextmanager
def _pool() -> Iterator[Case]:
    password = secrets.token_hex(8)
    with postgresql.PostgresqlServer() as server:
        server.sql(f"ALTER ROLE postgres PASSWORD '{password}'")
        parameters = {"host": server.host, "port": server.port, "user": "postgres", "database": "postgres", "password": password,
                      "duration": 0.3}
        yield Case({**parameters, "size": 2, "max_overflow": 2}, {**parameters, "size": 90, "max_overflow": 90}, "pool.capacity",
                   {"asked_for": int, "free": int, "limit": int, "cap": int, "exceeds_server": bool}, "warn")


@contextmanager
def _postgresql_server() -> Iterator[Case]:
    with postgresql.PostgresqlServer() as server, closed_port() as closed:
        yield Case({"port": server.port}, {"port": closed}, "postgresql_server.instance", {"port": int}, "cannot_tell")


@contextmanager
def _agents() -> Iterator[Case]:
    own = Path("/proc/self/comm").read_text().strip()
    has_systemd = subprocess.run(["systemctl", "show", "--", "nowhere"], capture_output=True, check=False).returncode == 0
    yield Case({"known": {"this": {"process": own}}}, {"known": {"that": {"units": ["nowhere.service"], "process": "nowhere"}}},
               "agents.present", {"found": list, "looked_for": int}, "warn" if has_systemd else "cannot_tell")


@contextmanager
def _service() -> Iterator[Case]:
    units = subprocess.run(["systemctl", "list-units", "--type=service", "--state=running", "--plain", "--no-legend"],
                           capture_output=True, text=True, check=False).stdout.split()
    if units:
        yield Case({"name": units[0]}, {"name": "nowhere.service"}, "service.unit",
                   {"unit": str, "load_state": str, "active_state": str, "sandbox": dict, "drop_ins": list, "restarts": int})
    else:  # without systemd, the probe must say that it can't tell
        yield Case({"name": "nowhere.service"}, {"name": "nowhere.service"}, "service.unit", {"reason": str}, "cannot_tell",
                   well_status="cannot_tell")


@contextmanager
def _sockets() -> Iterator[Case]:
    with listener() as port, closed_port() as closed:
        yield Case({"port": port}, {"port": closed}, "sockets.listener", {"port": int, "scope": str, "families": list, "listeners": list},
                   well_status="warn")  # it listens, but on loopback only


class _Answers(http.server.BaseHTTPRequestHandler):
    """200 for one path, 503 for any other."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthy" else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing of it belongs in the tests' output."""


@contextmanager
def _route() -> Iterator[Case]:
    # The broadcast address is one that the kernel itself refuses, so that nothing is sent.
    yield Case({"host": "127.0.0.1"}, {"host": "255.255.255.255"}, "route.ping",
               {"method": str, "sent": int, "received": int, "loss_low": float, "power": float, "rtt_ms": dict, "by_hop": list})


@contextmanager
def _firewall() -> Iterator[Case]:
    # What a rule decides is tried in the lab: here is no route, so that it is the same on every machine, and for every user.
    flow = {"host": "192.0.2.1", "port": 9}
    yield Case(flow, {**flow, "user": "nobody-of-this-name"}, "firewall.rule",
               {"direction": str, "phase": str, "protocol": str, "port": int, "address": str, "reason": str, "detail": str},
               "cannot_tell", isolated=True, well_status="cannot_tell")


@contextmanager
def _host() -> Iterator[Case]:
    with BlackHole() as hole:  # its queue is full, and clients that come again and again count
        arriving = subprocess.Popen([sys.executable, "-c", _KNOCK, str(hole.port)])
        try:
            # Of the whole machine's kernel: its log may tell of a flood that another test made within the hour.
            yield Case({}, {"interval": 2.0}, "host.counters", {"totals": dict, "interval_s": float, "somaxconn": int}, "warn",
                       well_status=("ok", "warn"))
        finally:
            arriving.kill()
            arriving.wait()


_KNOCK = """
import socket, sys, time
while True:
    with socket.socket() as sock:
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", int(sys.argv[1])))
        time.sleep(0.1)
"""


@contextmanager
def _throughput() -> Iterator[Case]:
    def sends(connection: socket.socket) -> None:
        connection.sendall(bytes(3_000_000))

    with ScriptedServer(sends) as server, closed_port() as closed:
        parameters = {"host": "127.0.0.1", "method": "tcp", "seconds": 2}
        yield Case({**parameters, "port": server.port}, {**parameters, "port": closed}, "throughput.transfer",
                   {"bytes": int, "seconds": float, "error": str, "limited_by": str, "rtt_idle_ms": dict, "rtt_loaded_ms": dict})


@contextmanager
def _http() -> Iterator[Case]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        parameters = {"host": "127.0.0.1", "port": server.server_address[1], "scheme": "http"}
        yield Case({**parameters, "path": "/healthy"}, {**parameters, "path": "/ill"}, "http.response",
                   {"address": str, "port": int, "scheme": str, "error": str, "status": int, "body_bytes": int, "phases": dict})
        server.shutdown()


@contextmanager
def _proxy() -> Iterator[Case]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server, closed_port() as closed:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        parameters = {"host": "127.0.0.1", "port": server.server_address[1], "scheme": "http", "path": "/healthy"}
        yield Case(parameters, {**parameters, "proxy": f"http://127.0.0.1:{closed}"}, "proxy.comparison",
                   {"proxy": str, "direct_works": bool, "direct_status": int, "proxy_error": str, "scheme_tried": str}, "warn")
        server.shutdown()


CASES: dict[str, Callable[[], AbstractContextManager[Case]]] = {
    "probe_agent_config": _agent_config,
    "probe_agents": _agents,
    "probe_clock": _clock,
    "probe_dns": _dns,
    "probe_firewall": _firewall,
    "probe_host": _host,
    "probe_http": _http,
    "probe_logs": _logs,
    "probe_pool": _pool,
    "probe_postgresql": _postgresql,
    "probe_postgresql_server": _postgresql_server,
    "probe_route": _route,
    "probe_proxy": _proxy,
    "probe_service": _service,
    "probe_sockets": _sockets,
    "probe_tcp": _tcp,
    "probe_throughput": _throughput,
    "probe_tls": _tls,
}

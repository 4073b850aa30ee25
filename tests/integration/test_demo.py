# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The demonstration: each of its ills is told for what it is, and nothing of it is left running."""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import typing as t
import urllib.parse

import pytest
import yaml

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.tests.support.postgresql import NotFound, built_with_tls

try:
    TLS = built_with_tls()
except NotFound as reason:
    pytest.skip(str(reason), allow_module_level=True)

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = [sys.executable, "-m", "ansible_collections.connectivity.doctor.tests.demo"]
ILLS = {
    "archive": "postgresql.database_missing",
    "payroll": "postgresql.password_rejected",
    "leavers": "postgresql.login_not_permitted",
    "audit": "postgresql.hba_reject",
    "import": "postgresql.tls_required",
    "shop": "tls.certificate_expired",
    "billing": "tls.hostname_mismatch",
    "metrics": "tls.plaintext_mismatch",
    "orders": "server.unhealthy",
    "reports": "server.hung",
    "cache": "server.not_running",
}
# Whether a name exists only a name server can tell, and there may be none where the tests run.
NEEDS_A_NAME_SERVER = "search"


ENDS_SLOWLY = """
import pathlib, sys, time
try:
    pathlib.Path(sys.argv[1]).touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.5)
    sys.exit(99)
"""


def environment() -> dict[str, str]:
    collections = str(ROOT / ".collections")
    bin_directory = os.path.dirname(sys.executable)
    return dict(
        os.environ, PYTHONPATH=collections, ANSIBLE_COLLECTIONS_PATH=collections, ANSIBLE_LOCALHOST_WARNING="False",
        PATH=bin_directory + os.pathsep + os.environ["PATH"],
    )


@contextlib.contextmanager
def started(argv: list[str], **options: t.Any) -> t.Iterator[subprocess.Popen[str]]:
    """A process that ends with the test, also when the test fails."""
    with subprocess.Popen(argv, env=environment(), text=True, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def test_each_ill_is_told_for_what_it_is(tmp_path: pathlib.Path) -> None:
    report_dir = tmp_path / "report"
    command = ["ansible-playbook", "connectivity.doctor.diagnose", "-e", "connectivity_report_dir=%s" % report_dir]
    done = subprocess.run(
        [*DEMO, "--", *command], cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "down on purpose" in done.stderr
    endpoints = json.loads((report_dir / "report.json").read_text())["hosts"]["localhost"]["endpoints"]
    assert {name for name, endpoint in endpoints.items() if endpoint["state"] == "healthy"} == {"warehouse", "portal"}
    expected = {name: code for name, code in ILLS.items() if TLS or name != "import"}
    told = {name: endpoint["causes"][0]["code"] for name, endpoint in endpoints.items() if endpoint["causes"]}
    del told[NEEDS_A_NAME_SERVER]
    assert told == expected


def test_interrupted_it_leaves_nothing_behind(tmp_path: pathlib.Path) -> None:
    with started([*DEMO, str(tmp_path)], stderr=subprocess.PIPE) as demo:
        assert demo.stderr is not None
        said = [demo.stderr.readline() for _line in range(3)]
        assert "Ctrl-C" in said[-1], said
        inventory = tmp_path / "inventory.yml"
        assert inventory.stat().st_mode & 0o077 == 0  # it holds passwords
        variables = yaml.safe_load(inventory.read_text())["all"]["hosts"]["localhost"]
        endpoints = parse_endpoints(variables["connectivity_endpoints"], "localhost")
        assert len(endpoints) == len(ILLS) + 3 - (not TLS)
        for variable, password in variables.items():
            assert not variable.endswith("_password") or urllib.parse.quote(password) not in repr(variables["connectivity_endpoints"])
        ports = {endpoint.port for endpoint in endpoints if endpoint.name not in ("cache", "search")}
        assert all(listens(port) for port in ports)
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 0
    assert not [port for port in ports if listens(port)]


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def test_an_interrupted_command_is_waited_for(tmp_path: pathlib.Path) -> None:
    told = tmp_path / "told"
    command = [sys.executable, "-c", ENDS_SLOWLY, str(told)]
    with started([*DEMO, "--", *command], start_new_session=True) as demo:
        end = time.monotonic() + 30
        while not told.exists() and time.monotonic() < end:
            time.sleep(0.05)
        os.killpg(demo.pid, signal.SIGINT)  # as a terminal does
        assert demo.wait(20) == 99


@pytest.mark.parametrize(
    ("status", "writes_a_report", "expected"), [(0, False, 0), (2, True, 0), (2, False, 2), (4, True, 4)]
)
def test_the_commands_status(tmp_path: pathlib.Path, status: int, writes_a_report: bool, expected: int) -> None:
    script = "import pathlib, sys; p = pathlib.Path('connectivity-report'); p.mkdir(); %s; sys.exit(%d)"
    write = "(p / 'report.json').touch()" if writes_a_report else "pass"
    command: list[t.Any] = [sys.executable, "-c", script % (write, status)]
    done = subprocess.run([*DEMO, "--", *command], cwd=tmp_path, env=environment(), capture_output=True, timeout=60, check=False)
    assert done.returncode == expected

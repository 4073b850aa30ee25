# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The monitor's one file, run as its service runs it, on the oldest and the newest Python of this machine."""
from __future__ import annotations

import io
import json
import os
import pathlib
import socket
import subprocess
import typing as t
import zipfile

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor_program import program
from ansible_collections.connectivity.doctor.tests.support import interpreters

_CANARY = "s3cr3t-canary"
_USABLE = {version: path for version, path in interpreters.found().items() if version >= (3, 8)}
_SETTINGS = {
    "host": "web1", "interval_s": 30.0, "timeout_s": 8.0, "retries": 0, "windows": ["5m"], "textfile_dir": "",
}


@pytest.fixture
def listener() -> t.Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _endpoint(name: str, port: int, **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "scheme": "tcp", "host": "127.0.0.1", "port": port, **more}


@pytest.mark.parametrize("version", sorted({min(_USABLE), max(_USABLE)}))
def test_it_looks_tells_the_cause_and_remembers(tmp_path: pathlib.Path, version: tuple[int, int], listener: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    database = _endpoint("db", nobody, scheme="postgresql", user="me", database="x", parameters={"sslmode": "disable"})
    for folder in ("etc", "var"):
        (tmp_path / folder).mkdir()
    (tmp_path / "monitor.pyz").write_bytes(program())
    (tmp_path / "etc" / "endpoints.json").write_text(json.dumps({**_SETTINGS, "endpoints": [_endpoint("there", listener), database]}))
    (tmp_path / "etc" / "secrets.json").write_text(json.dumps({"db": {"password": _CANARY}}))
    ended = subprocess.run([_USABLE[version], "-I", "monitor.pyz", "etc", "var"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                           check=False, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
    assert ended.returncode == 0, ended.stderr
    state = json.loads((tmp_path / "var" / "state.json").read_text())
    assert (state["endpoints"]["there"]["state"], state["endpoints"]["db"]["state"]) == ("healthy", "down")
    assert "server.not_running" in [cause["code"] for cause in state["endpoints"]["db"]["causes"]]
    assert state["failures"][0]["row"]["observations"]
    written = "".join(path.read_text() for path in (tmp_path / "var").rglob("*") if path.is_file())
    assert 'endpoint_state{host="web1",endpoint="there",state="healthy"} 1' in written
    assert _CANARY not in written + ended.stdout + ended.stderr
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "var" / "state.json", tmp_path / "var/metrics/connectivity.prom")] == [
        0o640, 0o644]


def test_it_is_the_same_whenever_it_is_made_and_needs_no_yaml_and_no_ansible() -> None:
    first = program()
    program.cache_clear()
    assert program() == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist()}
    assert not [name for name, text in sources.items() if "\nimport yaml" in text or "from ansible.module_utils" in text]


@pytest.mark.skipif(not any(version < (3, 8) for version in interpreters.found()), reason="this machine has no Python older than 3.8")
def test_a_python_that_is_too_old_is_told(tmp_path: pathlib.Path) -> None:
    old = next(path for version, path in interpreters.found().items() if version < (3, 8))
    (tmp_path / "monitor.pyz").write_bytes(program())
    ended = subprocess.run([old, str(tmp_path / "monitor.pyz"), "etc", "var"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and "is too old for the monitor; 3.8 or newer is needed" in ended.stderr

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The streamed program, as a connection runs it: the real command in a real shell, with each Python that this machine has."""
from __future__ import annotations

import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _program
from ansible_collections.connectivity.doctor.plugins.plugin_utils._program import ProgramError, StreamBlocked, read_result
from ansible_collections.connectivity.doctor.tests.support import interpreters
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole

CANARY = "s3cr3t-canary"
PYTHONS = interpreters.found()
USABLE = {version: path for version, path in PYTHONS.items() if version >= (3, 8)}
TOO_OLD = {version: path for version, path in PYTHONS.items() if version < (3, 8)}


def ids(version: tuple[int, int]) -> str:
    return "%d.%d" % version


def plan(*steps: dict[str, t.Any], deadline: float = 10.0) -> dict[str, t.Any]:
    return {"host": "web1", "deadline_s": deadline, "secrets": {"e.password": CANARY}, "steps": list(steps)}


def connect(port: int, address: str = "127.0.0.1", seconds: float = 5.0) -> dict[str, t.Any]:
    step = {"probe": "tcp", "endpoint": "e", "each": "addresses", "parameters": {"host": address, "port": port, "connect_timeout": seconds}}
    return {"probe": "dns", "endpoint": "e", "parameters": {"host": address}, "then": [step]}


def environment(folder: pathlib.Path, **more: str) -> dict[str, str]:
    """As after a login: no Python setting of whoever runs the tests."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST", "COVERAGE"))}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder), **more}


def stream(
    command: str, plan_: dict[str, t.Any], folder: pathlib.Path, before: str = "", after: str = "", **more: str
) -> tuple[int, str, str]:
    """Exit code, output and errors of the command in a shell, whose home, working directory and temporary folder is ``folder``."""
    ended = subprocess.run(["/bin/sh", "-c", before + "(" + command + ")" + after], input=_program.standard_input(plan_),
                           capture_output=True, cwd=folder, env=environment(folder, **more), timeout=60, check=False)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


@pytest.fixture
def listening() -> t.Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("version", sorted(USABLE), ids=ids)
def test_every_usable_python_observes_and_writes_nothing(version: tuple[int, int], tmp_path: pathlib.Path, listening: int) -> None:
    tmp_path.chmod(0o500)
    answer = stream(_program.command(USABLE[version]), plan(connect(listening)), tmp_path)
    result = read_result(*answer)
    assert result["facts"]["python"].startswith("%d.%d." % version)
    assert [(observation["check"], observation["status"]) for observation in result["observations"]] == [
        ("dns.resolve", "ok"), ("tcp.connect", "ok")]
    assert answer[2] == ""
    tmp_path.chmod(0o700)
    assert list(tmp_path.iterdir()) == []


def test_all_probes_can_be_loaded_from_memory(tmp_path: pathlib.Path) -> None:
    """Each is imported; without parameters most crash, and none for want of a source."""
    names = sorted(path.stem for path in (_program._FOLDER / "_probes").glob("[a-z]*.py"))
    result = read_result(*stream(_program.command(sys.executable), plan(*({"probe": name, "parameters": {}} for name in names)), tmp_path))
    crashes = {observation["check"]: observation["data"]["exception"] for observation in result["observations"]
               if observation["data"].get("reason") == "probe_crashed"}
    assert {name for name in names if crashes.get(name + ".run") == "KeyError"} >= {"dns", "tls", "http", "postgresql", "service"}
    assert set(crashes.values()) == {"KeyError"}


def test_the_first_python_that_is_found_is_taken(tmp_path: pathlib.Path, listening: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program, "_INTERPRETERS", ("no-such-python", sys.executable, "also-no-such-python"))
    result = read_result(*stream(_program.command(None), plan(connect(listening)), tmp_path))
    assert result["facts"]["python"] == "%d.%d.%d" % sys.version_info[:3]


def test_no_python_is_told(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_program, "_INTERPRETERS", ("no-such-python", "/nonexistent/python3"))
    answer = stream(_program.command(None), plan(), tmp_path)
    with pytest.raises(ProgramError, match=r"^no Python on this host; install Python 3\.8 or newer, or set ansible_python_interpreter$"):
        read_result(*answer)


def test_a_python_that_the_user_named_and_that_is_not_there_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ProgramError, match="^the Python that ansible_python_interpreter names is not on this host; correct it, or install"):
        read_result(*stream(_program.command("/nonexistent/python3"), plan(), tmp_path))


def _old_pythons(folder: pathlib.Path) -> dict[tuple[int, int], str]:
    """The real ones; where this machine has none, this Python, told that it is 3.6."""
    if TOO_OLD:
        return TOO_OLD
    fake = folder / "old-python3"
    code = "import sys; code = sys.argv[2]; sys.version_info = (3, 6, 0); exec(code)"
    fake.write_text("#!/bin/sh\nexec %s -c %s \"$@\"\n" % (shlex.quote(sys.executable), shlex.quote(code)))
    fake.chmod(0o755)
    return {(3, 6): str(fake)}


def test_a_python_that_is_too_old_is_told(tmp_path: pathlib.Path) -> None:
    for (major, minor), path in sorted(_old_pythons(tmp_path).items()):
        with pytest.raises(ProgramError) as raised:
            read_result(*stream(_program.command(path), plan(), tmp_path))
        assert str(raised.value) == (
            "Python %d.%d on this host is too old; 3.8 or newer is needed (ansible_python_interpreter chooses it)" % (major, minor))
        assert not isinstance(raised.value, StreamBlocked)  # the module would be no better


def test_what_login_scripts_say_is_passed_over(tmp_path: pathlib.Path, listening: int) -> None:
    before = "echo 'Welcome! {\"observations\": []}'; printf 'no newline at the end'; echo to stderr >&2; "
    answer = stream(_program.command(sys.executable), plan(connect(listening)), tmp_path, before, "; echo bye; printf more")
    assert answer[1].startswith("Welcome!") and answer[1].endswith("more")
    assert len(read_result(*answer)["observations"]) == 2


def test_no_secret_is_in_the_arguments_or_the_environment(tmp_path: pathlib.Path) -> None:
    with BlackHole() as hole:
        step = connect(hole.port, seconds=3.0)
        step["then"][0]["parameters"]["password"] = {"secret": "e.password"}
        process = subprocess.Popen(["/bin/sh", "-c", _program.command(sys.executable) + "; true"], stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, cwd=tmp_path, env=environment(tmp_path))
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(_program.standard_input(plan(step)))
        process.stdin.close()
        seen: dict[int, bytes] = {}
        while process.poll() is None and len(seen) < 2:
            time.sleep(0.05)
            seen = {pid: _arguments_and_environment(pid) for pid in _family(process.pid)}
        output = process.stdout.read().decode()
        process.stdout.close()
        process.wait()
    assert len(seen) == 2 and all(seen.values())  # the shell and the Python were both looked at
    assert all(CANARY.encode() not in text for text in seen.values())
    assert [observation["data"].get("error") for observation in read_result(0, output, "")["observations"]] == ["", "TIMEOUT", None]


def _family(parent: int) -> list[int]:
    pids = [parent]
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            if int(stat.rpartition(")")[2].split()[1]) == parent:
                pids.append(int(entry))
    return pids


def _arguments_and_environment(pid: int) -> bytes:
    try:
        return pathlib.Path("/proc", str(pid), "cmdline").read_bytes() + pathlib.Path("/proc", str(pid), "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("version", sorted(USABLE), ids=ids)
def test_nothing_is_imported_from_the_working_directory(version: tuple[int, int], tmp_path: pathlib.Path, listening: int) -> None:
    """A user's home is where sudo leaves us: what the user put there must not run as root."""
    for name in ("json", "zlib", "socket", "getpass", "ansible_collections", "random", "usercustomize"):
        (tmp_path / (name + ".py")).write_text("open(%r, 'w').close()\n" % str(tmp_path / "was-run"))
    result = read_result(*stream(_program.command(USABLE[version]), plan(connect(listening)), tmp_path))
    assert len(result["observations"]) == 2
    assert not (tmp_path / "was-run").exists()


def test_a_probe_that_hangs_does_not_hold_the_program(tmp_path: pathlib.Path) -> None:
    began = time.monotonic()
    with BlackHole() as hole:
        result = read_result(*stream(_program.command(sys.executable), plan(connect(hole.port, seconds=30), deadline=1.0), tmp_path))
    assert time.monotonic() - began < 4
    assert result["observations"][-1]["check"] == "route.lookup" and result["observations"][1]["data"]["error"] == "TIMEOUT"


_FIT = {"check": "tcp.connect", "status": "ok", "target": "", "vantage": {"host": "", "address": "", "user": ""}, "data": {}, "message": "",
        "reproduce": "", "started_at": "", "duration_ms": 0}


def _answer(tmp_path: pathlib.Path) -> str:
    return stream(_program.command(sys.executable), plan(connect(1)), tmp_path)[1]


def test_an_answer_that_was_cut_off_is_told(tmp_path: pathlib.Path) -> None:
    whole = _answer(tmp_path)
    for length in (len(whole) - 2, len(whole) // 2, whole.index("{") + 1, whole.index("{")):
        with pytest.raises(ProgramError, match="^the managed node's answer was cut off$"):
            read_result(0, whole[:length], "")
    with pytest.raises(StreamBlocked):
        read_result(0, whole[:10], "")


@pytest.mark.parametrize("text", [
    "5", "null", "[]", "{}", '{"observations": 1, "facts": {}}', '{"observations": []}', '{"observations": [5], "facts": {}}',
    '{"observations": [{"check": "x"}], "facts": {}}',
    *('{"observations": [%s], "facts": {}}' % json.dumps({**_FIT, **wrong}) for wrong in (
        {"duration_ms": float("nan")}, {"duration_ms": float("inf")}, {"duration_ms": -1}, {"duration_ms": 10**400}, {"duration_ms": "1"},
        {"status": "maybe"}, {"status": []}, {"vantage": {"host": "web1"}}, {"vantage": {"host": 1, "address": "", "user": ""}})),
])
def test_an_answer_of_another_shape_is_told(text: str) -> None:
    with pytest.raises(ProgramError, match="^the managed node's answer is none of this program$"):
        read_result(0, _program._MARK + text, "")


def test_an_answer_of_this_shape_is_taken() -> None:
    answer = {"observations": [_FIT], "facts": {}}
    assert read_result(0, _program._MARK + json.dumps(answer), "") == answer


def test_an_answer_that_is_far_too_long_is_not_read() -> None:
    with pytest.raises(ProgramError, match="answered with 33554433 bytes"):
        read_result(0, "x" * (_program._LARGEST_RESULT + 1), "")


@pytest.mark.parametrize(("exit_code", "output", "errors", "told"), [
    (126, "", "sh: not executable\n", "the probes did not run (exit code 126): sh: not executable"),
    (1, "only a banner\n", "", "the probes did not run (exit code 1): only a banner"),
    (0, "", "", "the probes did not run (exit code 0): no output"),
])
def test_no_answer_tells_what_came_instead(exit_code: int, output: str, errors: str, told: str) -> None:
    with pytest.raises(StreamBlocked) as raised:
        read_result(exit_code, output, errors)
    assert str(raised.value) == told

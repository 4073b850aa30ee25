# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One check: a command that ends well or not, or a pytest run whose tests are counted."""
from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from ansible_collections.connectivity.doctor.tests.tools.checkout import ROOT

_INTERRUPT_S = 30.0  # what a stopped command may take to clean up after itself
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

_running: set[subprocess.Popen[bytes]] = set()
_running_lock = threading.Lock()
_interrupted = threading.Event()


class Result(NamedTuple):
    """What a check gave. A check that isn't a pytest run counts as one test.

    :ivar shown: what a reader wants to see of its output even when all is well.
    """

    name: str
    passed: int
    failed: int
    skipped: int
    output: str
    seconds: float = 0.0
    shown: str = ""

    @property
    def tail(self) -> str:
        """The last line that says something."""
        lines = [line.strip(" =") for line in self.output.splitlines() if line.strip(" =")]
        return lines[-1][:200] if lines else ""

    @property
    def failures(self) -> list[str]:
        """What pytest's summary names of what failed, or the last line of what isn't pytest."""
        named = [line[:300] for line in self.output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return named or [self.tail]


def outcome(name: str, problems: Sequence[str], found: str, seconds: float = 0.0) -> Result:
    """The result of a check made in Python. :param found: what to say when there are no problems."""
    return Result(name, 0 if problems else 1, 1 if problems else 0, 0, "\n".join(problems) or found, seconds)


def environ(bin_folder: Path | None = None, **extra: str) -> dict[str, str]:
    """The environment for a command: this checkout's collection, and the programs of one virtual environment first."""
    values = dict(os.environ, PYTHONPATH=str(ROOT / ".collections"), ANSIBLE_COLLECTIONS_PATH=str(ROOT / ".collections"), NO_COLOR="1",
                  PYTHONDONTWRITEBYTECODE="1")
    if bin_folder is not None:
        values.update(PATH=f"{bin_folder}{os.pathsep}{os.environ['PATH']}", VIRTUAL_ENV=str(bin_folder.parent))
    values.update(extra)
    return values


def command(name: str, argv: Sequence[str | Path], env: dict[str, str], *, cwd: Path = ROOT, seconds: float = 600.0) -> Result:
    """Run a command to its end, or to the end of its time (seconds). Its exit status decides."""
    began = time.monotonic()
    status, output = _execute(argv, env, cwd, seconds)
    return Result(name, int(status == 0), int(status != 0), 0, output, time.monotonic() - began)


def pytest(name: str, python: Path, arguments: Sequence[str | Path], env: dict[str, str], *, seconds: float = 600.0,
           runner: Sequence[str | Path] = ()) -> Result:
    """Run pytest and count its tests. A run that broke off, or in which no test ran (none found, all skipped), is a failure.

    :param runner: a command that runs another command.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="doctor-test-") as folder:
        report = Path(folder, "junit.xml")
        argv = [*runner, python, "-m", "pytest", "-q", f"--junitxml={report}", "-p", "no:cacheprovider", *arguments]
        status, output = _execute(argv, env, ROOT, seconds)
        passed, failed, skipped = _counts(report)
    if (status or not passed) and not failed:
        failed = 1
    return Result(name, passed, failed, skipped, output, time.monotonic() - began)


def _counts(report: Path) -> tuple[int, int, int]:
    if not report.exists():
        return 0, 0, 0
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))
    tests, failures, errors, skipped = (
        sum(int(suite.get(key, "0")) for suite in suites) for key in ("tests", "failures", "errors", "skipped")
    )
    return tests - failures - errors - skipped, failures + errors, skipped


def _execute(argv: Sequence[str | Path], env: dict[str, str], cwd: Path, seconds: float) -> tuple[int, str]:
    with tempfile.TemporaryFile() as output:
        with _running_lock:
            if _interrupted.is_set():
                return 130, "not started, as the run was interrupted"
            # A session of its own, so that all that a command started can be ended with it.
            process = subprocess.Popen(
                argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )
            _running.add(process)
        note = ""
        try:
            status = process.wait(seconds)
        except subprocess.TimeoutExpired:
            _stop(process)
            status, note = 124, f"\nstopped: it took longer than {seconds:.0f} s"
        finally:
            with _running_lock:
                _running.discard(process)
        output.seek(0)
        text = output.read().decode("utf-8", "backslashreplace")
    return status, _COLOURS.sub("", text) + note


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and all of its session."""
    with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
        # pytest takes an interrupt as the wish to clean up and end; of SIGTERM it dies at once, leaving what it started.
        os.killpg(process.pid, signal.SIGINT)
        process.wait(_INTERRUPT_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop_all() -> None:
    """End every command that still runs, and start no other: for an interrupted run."""
    _interrupted.set()
    with _running_lock:
        left = list(_running)
    for process in left:
        print(f"stopping {Path(str(process.args[0])).name}", file=sys.stderr)
        _stop(process)

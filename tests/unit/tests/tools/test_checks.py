# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test runner must not call good what isn't: no tests, a crash, a hang, a stage that can't start."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.__main__ import _conclude
from ansible_collections.connectivity.doctor.tests.tools.stages import LANES, STAGES, Runner, Stage

PYTHON = Path(sys.executable)


def run_pytest(folder: Path, content: str) -> checks.Result:
    (folder / "test_it.py").write_text(content)
    return checks.pytest("it", PYTHON, ["-c", os.devnull, "--rootdir", folder, folder], checks.environ(), seconds=60)


def test_counts_what_passed_failed_and_was_skipped(tmp_path: Path) -> None:
    result = run_pytest(tmp_path, "import pytest\ndef test_a(): pass\ndef test_b(): assert 0\n@pytest.mark.skip\ndef test_c(): pass\n")
    assert (result.passed, result.failed, result.skipped) == (1, 1, 1)
    assert "assert 0" in result.output


@pytest.mark.parametrize("content", [
    "",
    "import pytest\npytestmark = pytest.mark.skip\ndef test_a(): pass\n",
    "import nothing_of_that_name\n",
    "import os\ndef test_a(): os._exit(0)\n",
])
def test_no_test_run_a_broken_import_and_a_vanished_run_are_failures(tmp_path: Path, content: str) -> None:
    assert run_pytest(tmp_path, content).failed == 1


def test_a_command_is_ended_when_its_time_is_over_with_all_it_started(tmp_path: Path) -> None:
    began = time.monotonic()
    result = checks.command("hang", ["sh", "-c", "sleep 60 & echo $! > child; wait"], checks.environ(), cwd=tmp_path, seconds=1)
    assert result.failed == 1
    assert "took longer than 1 s" in result.output
    assert time.monotonic() - began < 50
    assert _ends(int((tmp_path / "child").read_text()))


def _ends(process: int, seconds: float = 5.0) -> bool:
    """Whether a process of nobody's is gone, or dead and not collected yet, within some seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        if state in "ZX":
            return True
        time.sleep(0.05)
    return False


def test_a_stage_that_crashes_or_checks_nothing_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    def crash() -> Iterator[checks.Result]:
        yield checks.Result("first", 3, 0, 0, "")
        raise RuntimeError("no disk")

    runner = Runner()
    runner.run([Stage("crash", "reading", crash), Stage("empty", "running", lambda: iter(()))])
    assert {report.stage.name: (report.failed, report.counts) for report in runner.reports} == {
        "crash": (True, (3, 1, 0)), "empty": (True, (0, 0, 0))}
    assert "RuntimeError: no disk" in capsys.readouterr().out


def test_the_last_line_counts_and_the_status_tells(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    good = Stage("good", "reading", lambda: iter([checks.Result("a", 5, 0, 1, ""), checks.Result("b", 2, 0, 0, "")]))
    output = "E  why\nFAILED tests/a.py::one - why\nERROR tests/a.py::two\n1 passed, 1 failed, 1 error"
    bad = Stage("bad", "running", lambda: iter([checks.Result("a", 1, 2, 0, output)]))
    root = Stage("fleet", "probing", lambda: iter(()), needs_root=True)
    monkeypatch.setattr("ansible_collections.connectivity.doctor.tests.tools.__main__.STAGES", (good, bad, root))
    runner = Runner()
    runner.run([good])
    assert _conclude(runner.reports, [root]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "7 passed, 0 failed, 1 skipped"
    assert "Left out, as they need root: fleet. To run them: sudo ./doctor test fleet" in told
    runner.run([bad])
    assert _conclude(runner.reports, []) == 1
    told = capsys.readouterr().out.splitlines()
    assert told[-1] == "8 passed, 2 failed, 1 skipped"
    assert told[-4:-2] == ["bad, a: FAILED tests/a.py::one - why", "bad, a: ERROR tests/a.py::two"]


def test_every_stage_is_in_a_lane_that_is_run() -> None:
    assert sorted({stage.lane for stage in STAGES}) == sorted(LANES)


def test_an_interrupted_run_stops_what_runs_and_starts_nothing_more(tmp_path: Path) -> None:
    script = tmp_path / "run.py"
    script.write_text(f"""
import signal
from ansible_collections.connectivity.doctor.tests.tools import checks
from ansible_collections.connectivity.doctor.tests.tools.stages import Runner, Stage
signal.signal(signal.SIGTERM, signal.default_int_handler)
def stage(name):
    return Stage(name, "reading", lambda: iter([checks.command(name, ["sleep", "60"], checks.environ(), cwd={str(tmp_path)!r})]))
Runner().run([stage("first"), stage("second")])
""")
    process = subprocess.Popen([PYTHON, script], env=checks.environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    assert "first" in process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=60)[0]
    assert process.returncode != 0
    assert "second" not in output

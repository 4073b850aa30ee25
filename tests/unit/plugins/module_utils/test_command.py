# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that end, fail, flood, hang, or leave children behind: each is bounded, and none is left running."""
from __future__ import annotations

import os
import subprocess
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._command import CommandResult, run_bounded


def test_what_a_command_says_and_how_it_ends():
    assert run_bounded(["sh", "-c", "echo out; echo err >&2; exit 3"], 5, 1000) == CommandResult(3, "out\n", "err\n", "")


def test_a_program_that_is_not_there():
    assert run_bounded(["no-such-program-at-all"], 5, 1000) == CommandResult(None, "", "", "not_found")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_program_that_may_not_be_run(tmp_path, kind):
    path = tmp_path / "program"
    if kind == "file":
        path.write_text("echo")
        path.chmod(0o644)
    else:
        path.mkdir()
    assert run_bounded([str(path)], 5, 1000).problem == "not_permitted"


def test_a_file_that_is_no_program(tmp_path):
    path = tmp_path / "program"
    path.write_bytes(b"\x7fELF rubbish")
    path.chmod(0o755)
    assert run_bounded([str(path)], 5, 1000) == CommandResult(None, "", "", "not_permitted")


def test_time_is_bounded_and_what_was_said_before_is_kept():
    began = time.monotonic()
    result = run_bounded(["sh", "-c", "echo early; exec sleep 30"], 0.5, 1000)
    assert result == CommandResult(None, "early\n", "", "timed_out")
    assert time.monotonic() - began < 2


def test_a_command_that_closes_its_output_and_goes_on_is_bounded_too():
    began = time.monotonic()
    assert run_bounded(["sh", "-c", "exec >&- 2>&-; exec sleep 30"], 0.5, 1000).problem == "timed_out"
    assert time.monotonic() - began < 2


def test_a_child_that_holds_the_output_is_killed_with_its_parent(tmp_path):
    """The shell ends at once, its child keeps the pipe: neither may hold us, nor live on."""
    began = time.monotonic()
    result = run_bounded(["sh", "-c", "sleep 31.415 & echo $! >%s" % (tmp_path / "pid")], 0.5, 1000)
    assert time.monotonic() - began < 2
    assert result.problem == "timed_out"
    pid = int((tmp_path / "pid").read_text())
    end = time.monotonic() + 2
    while _alive(pid) and time.monotonic() < end:
        time.sleep(0.02)
    assert not _alive(pid)


def _alive(pid):
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_output_is_bounded_and_the_command_still_ends_by_itself():
    result = run_bounded(["sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x; echo y | head -c 200000 >&2; exit 4"], 20, 1000)
    assert (result.exit_code, len(result.output), result.problem) == (4, 1000, "")


def test_an_endless_flood_is_bounded_in_time_and_size():
    result = run_bounded(["yes"], 0.5, 5000)
    assert (result.problem, len(result.output)) == ("timed_out", 5000)


def test_bytes_that_are_no_text_are_kept_readable():
    assert run_bounded(["printf", "a\\377b"], 5, 1000).output == "a\\xffb"


def test_the_command_reads_nothing_and_speaks_english():
    assert run_bounded(["cat"], 5, 1000) == CommandResult(0, "", "", "")
    said = run_bounded(["sh", "-c", "echo $LC_ALL $LANGUAGE; command -v ip || echo $PATH"], 5, 1000).output
    assert said.startswith("C C\n")


def test_nothing_is_left_open():
    before = len(os.listdir("/proc/self/fd"))
    for _round in range(10):
        run_bounded(["true"], 5, 10)
        run_bounded(["sleep", "5"], 0.02, 10)
    assert len(os.listdir("/proc/self/fd")) == before
    children = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "comm="], stdout=subprocess.PIPE, check=False).stdout.decode()
    assert "sleep" not in children

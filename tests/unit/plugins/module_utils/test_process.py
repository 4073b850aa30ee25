# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes read from /proc: real ones, started, stopped and ended by the tests."""
from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._process import descriptors, process_ids, read_process


@pytest.fixture
def start():
    started = []

    def begin(*argv, **settings):
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, **settings)
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.wait()


def until(condition):
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_running_process(start):
    before = time.time()
    pid = start("sleep", "60").pid
    until(lambda: read_process(pid)[1:3] == ("sleep", "S"))
    process = read_process(pid)
    assert (process.pid, process.state) == (pid, "S")
    assert before - 1 < process.started < time.time() + 1
    assert pid in process_ids() and os.getpid() in process_ids()
    assert process_ids() == sorted(process_ids())


def test_a_stopped_process(start):
    child = start("sleep", "60")
    child.send_signal(signal.SIGSTOP)
    until(lambda: read_process(child.pid).state == "T")
    child.send_signal(signal.SIGCONT)
    until(lambda: read_process(child.pid).state == "S")


def test_a_process_that_ended_and_one_that_was_never_there(start):
    child = start("true")
    until(lambda: read_process(child.pid).state == "Z")
    child.wait()
    assert read_process(child.pid) is None
    assert read_process(2**30) is None
    assert descriptors(2**30) == (None, None)


@pytest.mark.parametrize("name", ["with ) paren", "a (b) c", "tab\tname", "fifteen-chars-x", "ünï"])
def test_a_process_may_be_named_anything(start, tmp_path, name):
    path = tmp_path / name
    shutil.copy(shutil.which("sleep"), str(path))
    pid = start(str(path), "60").pid
    kept = name.encode()[:15].decode("utf-8", "backslashreplace")
    until(lambda: read_process(pid)[1:3] == (kept, "S"))


def test_descriptors_used_and_allowed(start):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))

    child = start(sys.executable, "-c", "import sys, time; kept = [open('/dev/null') for _ in range(40)]; print('ready', flush=True);"
                                        "time.sleep(60)", stdout=subprocess.PIPE, preexec_fn=limit)
    assert child.stdout.readline() == b"ready\n"
    used, allowed = descriptors(child.pid)
    assert allowed == 64 and 43 <= used <= 46
    child.stdout.close()


def test_the_unit_is_that_of_the_control_group():
    with open("/proc/self/cgroup", encoding="utf-8") as file:
        in_unit = ".service" in file.read()
    assert bool(read_process(os.getpid()).unit) == in_unit

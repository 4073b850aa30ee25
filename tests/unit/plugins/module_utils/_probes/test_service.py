# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service probe: what real systemctl outputs say, and what real processes are like.

The outputs were captured from Debian 12 (systemd 252) hosts; systemd itself is tried in the lab.
"""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command, _process
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import service

RUNNING = """\
MainPID=16913
Result=success
NRestarts=0
ExecMainPID=16913
ExecMainCode=0
ExecMainStatus=0
ExecStart={ path=/bin/sh ; argv[]=/bin/sh -D ; ignore_errors=no ; start_time=[Fri 2026-11-20 10:18:22 UTC] ; stop_time=[n/a] ; pid=16913 ; \
code=(null) ; status=0/0 }
IPAddressAllow=
IPAddressDeny=
User=netdata
PrivateNetwork=no
RestrictAddressFamilies=~
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/lib/systemd/system/netdata.service
DropInPaths=
UnitFileState=enabled
NeedDaemonReload=no
"""
NOT_FOUND = """\
MainPID=0
Result=success
NRestarts=0
ExecMainPID=0
ExecMainCode=0
ExecMainStatus=0
IPAddressAllow=
IPAddressDeny=
User=
PrivateNetwork=no
RestrictAddressFamilies=~
LoadState=not-found
ActiveState=inactive
SubState=dead
FragmentPath=
DropInPaths=
UnitFileState=
NeedDaemonReload=no
"""


def changed(text=RUNNING, **properties):
    """That output, with some of its lines as systemd has them in another state."""
    lines = [line.partition("=") for line in text.splitlines()]
    assert set(properties) <= {name for name, _equals, _value in lines} | {"ExecStart"}
    return {name: properties.get(name, value) for name, _equals, value in lines}


@pytest.fixture
def context():
    return Context(Recorder(), Deadline(10), {"host": "web1", "address": "", "user": "root"})


def unit(context, properties):
    service._observe_unit(context, "agent", properties, time.time())
    (seen,) = context.recorder.seal()
    return seen


@pytest.mark.parametrize(("properties", "status", "facts", "message"), [
    (changed(), "ok", {"load_state": "loaded", "active_state": "active", "sub_state": "running", "unit_file_state": "enabled",
                       "result": "success", "exit_code": 0, "exit_signal": None, "restarts": 0, "program": "/bin/sh",
                       "program_exists": True, "user": "netdata", "sandbox": {}, "drop_ins": [], "needs_daemon_reload": False},
     "unit agent is active (running), enabled"),
    (changed(NOT_FOUND), "fail", {"load_state": "not-found", "program": "", "program_exists": None}, "unit agent is not found"),
    (changed(NOT_FOUND, LoadState="masked", UnitFileState="masked"), "fail", {"load_state": "masked"}, "unit agent is masked"),
    (changed(ActiveState="inactive", SubState="dead", MainPID="0", ExecMainCode="1"), "fail",
     {"active_state": "inactive", "result": "success", "exit_code": 0, "exit_signal": None},
     "unit agent is inactive (dead), enabled, last result success, exit code 0"),
    (changed(ActiveState="failed", SubState="failed", Result="exit-code", ExecMainCode="1", ExecMainStatus="1", NRestarts="5"), "fail",
     {"result": "exit-code", "exit_code": 1, "exit_signal": None, "restarts": 5},
     "unit agent is failed (failed), enabled, last result exit-code, exit code 1, restarted 5 times"),
    (changed(ActiveState="activating", SubState="auto-restart", Result="exit-code", ExecMainCode="1", ExecMainStatus="203"), "fail",
     {"active_state": "activating", "exit_code": 203},
     "unit agent is activating (auto-restart), enabled, last result exit-code, exit code 203"),
    (changed(ActiveState="failed", SubState="failed", Result="signal", ExecMainCode="2", ExecMainStatus="9"), "fail",
     {"result": "signal", "exit_code": None, "exit_signal": 9}, "unit agent is failed (failed), enabled, last result signal, signal 9"),
    (changed(ActiveState="failed", SubState="failed", Result="core-dump", ExecMainCode="3", ExecMainStatus="11"), "fail",
     {"result": "core-dump", "exit_code": None, "exit_signal": 11},
     "unit agent is failed (failed), enabled, last result core-dump, signal 11"),
    (changed(ActiveState="failed", SubState="failed", Result="oom-kill", ExecMainCode="2", ExecMainStatus="9"), "fail",
     {"result": "oom-kill", "exit_signal": 9}, "unit agent is failed (failed), enabled, last result oom-kill, signal 9"),
    (changed(ActiveState="reloading", SubState="reload", UnitFileState=""), "ok", {"active_state": "reloading", "unit_file_state": ""},
     "unit agent is reloading (reload), static"),
    (changed(ExecStart="{ path=/opt/gone/agent ; argv[]=/opt/gone/agent --x=path=/y ; ignore_errors=no }"), "ok",
     {"program": "/opt/gone/agent", "program_exists": False}, "unit agent is active (running), enabled"),
    (changed(DropInPaths="/etc/systemd/system/a.d/x.conf /run/systemd/system/a.d/y.conf", NeedDaemonReload="yes"), "ok",
     {"drop_ins": ["/etc/systemd/system/a.d/x.conf", "/run/systemd/system/a.d/y.conf"], "needs_daemon_reload": True},
     "unit agent is active (running), enabled"),
])
def test_what_systemctl_says_of_a_unit(context, properties, status, facts, message):
    seen = unit(context, properties)
    assert (seen["check"], seen["status"], seen["message"]) == ("service.unit", status, message)
    assert {key: seen["data"][key] for key in facts} == facts


@pytest.mark.parametrize(("settings", "sandbox"), [
    ({}, {}),
    ({"PrivateNetwork": "yes"}, {"PrivateNetwork": "yes"}),
    ({"IPAddressDeny": "0.0.0.0/0 ::/0"}, {"IPAddressDeny": "0.0.0.0/0 ::/0", "IPAddressAllow": ""}),
    ({"IPAddressDeny": "::/0 0.0.0.0/0", "IPAddressAllow": "127.0.0.0/8 ::1/128"},
     {"IPAddressDeny": "::/0 0.0.0.0/0", "IPAddressAllow": "127.0.0.0/8 ::1/128"}),
    ({"IPAddressAllow": "127.0.0.0/8"}, {}),
    ({"RestrictAddressFamilies": "AF_INET AF_INET6 AF_NETLINK AF_UNIX"}, {}),
    ({"RestrictAddressFamilies": "AF_UNIX"}, {"RestrictAddressFamilies": "AF_UNIX"}),
    ({"RestrictAddressFamilies": "AF_INET AF_UNIX"}, {"RestrictAddressFamilies": "AF_INET AF_UNIX"}),
    ({"RestrictAddressFamilies": "~AF_PACKET"}, {}),
    ({"RestrictAddressFamilies": "~"}, {}),
])
def test_only_settings_that_take_the_network_away_are_a_sandbox(settings, sandbox):
    assert service._sandbox(changed(**settings)) == sandbox


@pytest.fixture
def start(tmp_path):
    """Starts copies of a program under a name of this test's own."""
    program = tmp_path / "doctor-agent"
    shutil.copy(shutil.which("sleep"), str(program))
    started = []

    def begin():
        child = subprocess.Popen([str(program), "60"], stdin=subprocess.DEVNULL)
        started.append(child)
        end = time.monotonic() + 5
        while _process.read_process(child.pid)[1:3] != ("doctor-agent", "S"):
            assert time.monotonic() < end
            time.sleep(0.01)
        return child

    yield begin
    for child in started:
        child.kill()
        child.wait()


def look(context, child, command=""):
    service._observe_process(context, "agent", _process.read_process(child.pid), command)
    (seen,) = context.recorder.seal()
    return seen


def test_a_process_that_runs(context, start):
    child = start()
    seen = look(context, child)
    assert (seen["check"], seen["status"]) == ("service.process", "ok")
    data = seen["data"]
    assert (data["pid"], data["command"], data["state"], data["others"]) == (child.pid, "doctor-agent", "S", [])
    assert data["descriptors_used"] == 3 and data["descriptors_limit"] > 3 and data["descriptors_near_limit"] is False


def test_a_process_that_was_stopped(context, start):
    child = start()
    child.send_signal(signal.SIGSTOP)
    end = time.monotonic() + 5
    while _process.read_process(child.pid).state != "T":
        assert time.monotonic() < end
        time.sleep(0.01)
    seen = look(context, child)
    assert (seen["status"], seen["data"]["state"]) == ("fail", "T")
    assert seen["message"] == "process %d (doctor-agent) of agent is stopped by a signal" % child.pid


def test_a_second_copy_outside_of_the_unit(context, start):
    """The copies run in this test's control group; the one that the unit is said to have is in a unit's."""
    main, copy, other = start(), start(), start()
    process = _process.read_process(main.pid)._replace(unit="agent.service")
    service._observe_process(context, "agent", process, "doctor-agent")
    (seen,) = context.recorder.seal()
    assert seen["status"] == "warn" and seen["data"]["others"] == sorted([copy.pid, other.pid])


def test_children_of_the_same_unit_are_no_second_copy(context, start):
    main, _child = start(), start()
    seen = look(context, main, "doctor-agent")
    assert seen["data"]["others"] == [] and seen["status"] == "ok"


def test_descriptors_near_their_limit(context):
    code = ("import os, resource, time; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))\n"
            "while len(os.listdir('/proc/self/fd')) < 40: os.dup(0)\n"
            "print('ready', flush=True); time.sleep(60)")
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert child.stdout.readline() == b"ready\n"
        seen = look(context, child)
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    assert seen["status"] == "warn" and seen["data"]["descriptors_near_limit"] is True
    assert seen["data"]["descriptors_limit"] == 40 and seen["data"]["descriptors_used"] >= 38


def test_configuration_files_older_newer_and_missing(context, start, tmp_path):
    old, new, missing = tmp_path / "old.conf", tmp_path / "new.conf", tmp_path / "missing.conf"
    for path in (old, new):
        path.write_text("x")
        path.chmod(0o640)
    process = _process.read_process(start().pid)
    os.utime(str(old), (process.started - 100, process.started - 100))
    os.utime(str(new), (process.started + 100, process.started + 100))
    service._observe_configuration(context, "agent", process, [str(old), str(new), str(missing), str(new / "under a file")])
    (seen,) = context.recorder.seal()
    assert (seen["check"], seen["status"]) == ("service.configuration", "warn")
    assert seen["data"]["newer_than_process"] == [str(new)] and seen["data"]["missing"] == [str(missing)]
    assert [(one["path"], one["mode"], one["uid"]) for one in seen["data"]["files"]] == [
        (str(path), "0640", os.getuid()) for path in (old, new)]


def test_a_file_written_at_the_start_is_the_one_that_was_read(context, start, tmp_path):
    path = tmp_path / "agent.conf"
    path.write_text("x")
    process = _process.read_process(start().pid)
    os.utime(str(path), (process.started + 1, process.started + 1))
    service._observe_configuration(context, "agent", process, [str(path)])
    assert context.recorder.seal()[0]["status"] == "ok"


def test_no_files_to_look_at_is_no_observation(context, start):
    service._observe_configuration(context, "agent", _process.read_process(start().pid), [])
    assert context.recorder.seal() == []


def test_a_process_is_found_by_its_command_where_no_systemd_is(context, start):
    child = start()
    assert service._by_command("doctor-agent") == child.pid
    assert service._by_command("doctor-agent-nowhere") == 0


def without_systemctl(monkeypatch):
    """A search path that does not lead to it makes this a host without systemd."""
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
    monkeypatch.setattr(os, "environ", dict(os.environ, PATH="/nonexistent"))


def test_without_systemd_the_process_is_still_seen(context, start, monkeypatch):
    without_systemctl(monkeypatch)
    child = start()
    outcome = service.run({"name": "agent.service", "process": "doctor-agent"}, context)
    cannot, process, *_more = context.recorder.seal()
    assert (cannot["check"], cannot["status"], cannot["data"]) == ("service.unit", "cannot_tell", {"reason": "no_systemd"})
    assert process["data"]["pid"] == child.pid and outcome.passed is True


def test_without_systemd_and_process_nothing_passes(context, monkeypatch):
    without_systemctl(monkeypatch)
    assert service.run({"name": "nowhere.service"}, context).passed is False
    assert [one["check"] for one in context.recorder.seal()] == ["service.unit"]

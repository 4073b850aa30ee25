# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service probe tells beside the unit: control group, environment, limits, PID file, package, copies without systemd."""
from __future__ import annotations

import calendar
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _cgroup, _command, _package
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import service
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

SALT = "0123456789abcdef"


@pytest.fixture
def without_systemd(monkeypatch):
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
    monkeypatch.setattr(os, "environ", dict(os.environ, PATH="/nonexistent"))


@pytest.fixture
def start():
    """Starts processes that have this name, each with an environment of its own."""
    children = []

    def begin(name, **environment):
        code = ("import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (77, 99))\n"
                "open('/proc/self/comm', 'w').write(sys.argv[1]); print(flush=True); input()")
        child = subprocess.Popen([sys.executable, "-c", code, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 env=dict(os.environ, **environment))
        child.stdout.readline()
        children.append(child)
        return child

    yield begin
    for child in children:
        child.communicate(b"\n")


def test_a_process_without_systemd_and_what_surrounds_it(start, without_systemd, tmp_path):
    name = "svc%d" % os.getpid()
    child = start(name, HTTPS_PROXY="http://user:hunter2@proxy:3128", AGENT_TOKEN="hunter2", PLAIN="hunter3")
    copy = start(name)
    (tmp_path / "pid").write_text("%d\n" % copy.pid)
    result = run_probe("service", {"name": name, "process": name, "pid_file": str(tmp_path / "pid"), "salt": SALT})
    assert result.one("service.pid_file")["data"] == {
        "unit": name, "path": str(tmp_path / "pid"), "pid": copy.pid, "alive": True, "command": name, "stale": False}
    process = result.one("service.process")["data"]
    assert process["pid"] == copy.pid  # the file says which of them it is
    assert process["pids"] == sorted([child.pid, copy.pid])
    assert process["limits"]["open_files"] == 77
    assert process["user"]
    (tmp_path / "pid").unlink()
    result = run_probe("service", {"name": name, "process": name, "pid_file": str(tmp_path / "pid"), "salt": SALT})
    assert (result.one("service.pid_file")["status"], result.one("service.pid_file")["data"]["reason"]) == ("warn", "missing")
    environment = result.one("service.environment")["data"]
    assert environment["pid"] == child.pid
    assert environment["proxies"]["HTTPS_PROXY"] == "http://********@proxy:3128"
    assert {"AGENT_TOKEN", "PLAIN"} <= set(environment["names"])
    assert environment["fingerprints"]["AGENT_TOKEN"] == hashlib.sha256((SALT + "hunter2").encode()).hexdigest()[:12]
    assert "PLAIN" not in environment["fingerprints"]
    assert "hunter" not in json.dumps(result.observations)


def test_a_salt_is_needed_for_fingerprints(start, without_systemd):
    name = "svc%d" % os.getpid()
    start(name, AGENT_TOKEN="hunter2")
    assert run_probe("service", {"name": name}).one("service.environment")["data"]["fingerprints"] == {}


@pytest.mark.parametrize("content", ["", "x", "0", "99999999999999", str(2**22 + 1), "-1"])
def test_a_stale_pid_file(tmp_path, without_systemd, content):
    (tmp_path / "pid").write_text(content)
    observation = run_probe("service", {"name": "nowhere", "pid_file": str(tmp_path / "pid")}).one("service.pid_file")
    assert (observation["status"], observation["data"]["stale"], observation["data"]["alive"]) == ("warn", True, False)


def test_a_pid_file_that_names_another_program(tmp_path, without_systemd):
    (tmp_path / "pid").write_text(str(os.getpid()))
    result = run_probe("service", {"name": "nowhere", "process": "nowhere", "pid_file": str(tmp_path / "pid")})
    data = result.one("service.pid_file")["data"]
    assert (data["alive"], data["stale"]) == (True, True)


def test_since_when_counts_from_the_boot():
    assert service._moment(None) == service._moment("0") == service._moment("x") == ""
    told = service._moment(str(int((time.monotonic() - 10) * 1e6)))
    assert abs(time.time() - 10 - calendar.timegm(time.strptime(told[:19], "%Y-%m-%dT%H:%M:%S"))) < 2


@pytest.mark.parametrize(("properties", "gave_up"), [
    # Debian 12 (systemd 252), Restart=always with a program that fails at once: the result stays that of the program.
    ({"ActiveState": "failed", "Result": "exit-code", "Restart": "always", "NRestarts": "3", "StartLimitBurst": "3"}, True),
    ({"ActiveState": "failed", "Result": "start-limit-hit", "Restart": "no"}, True),
    ({"ActiveState": "activating", "Result": "exit-code", "Restart": "always", "NRestarts": "9", "StartLimitBurst": "3"}, False),
    ({"ActiveState": "failed", "Result": "exit-code", "Restart": "on-abnormal", "NRestarts": "3", "StartLimitBurst": "3"}, False),
    ({"ActiveState": "failed", "Result": "exit-code", "Restart": "no", "NRestarts": "0", "StartLimitBurst": "5"}, False),
    ({"ActiveState": "active", "Result": "success"}, False),
])
def test_whether_systemd_gave_up(properties, gave_up):
    assert service._gave_up(properties) is gave_up


def write(folder, **files):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)


def test_control_groups_of_both_versions(tmp_path):
    two, one = tmp_path / "two", tmp_path / "one"
    write(two / "system.slice/a.service", cgroup__procs="12\n11\n", memory__events="low 0\noom 3\noom_kill 2\n", memory__current="4096\n",
          memory__max="max\n", pids__current="2\n", pids__max="7\n", pids__events="max 5\n")
    write(two / "system.slice/a.service/below", cgroup__procs="13\n")
    assert _cgroup.read_group("/system.slice/a.service", str(two)) == (2, 2, 4096, None, 2, 7, 5)
    assert _cgroup.members("/system.slice/a.service", 10, str(two)) == [11, 12, 13]
    write(one / "memory/system.slice/a.service", memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
          memory__usage_in_bytes="8192", memory__limit_in_bytes="9223372036854771712")
    write(one / "pids/system.slice/a.service", cgroup__procs="5\n", pids__current="1", pids__max="max", pids__events="max 0")
    assert _cgroup.read_group("/system.slice/a.service", str(one)) == (1, 4, 8192, None, 1, None, 0)
    assert _cgroup.members("/system.slice/a.service", 10, str(one)) == [5]
    write(two / "bare", cgroup__procs="")
    assert _cgroup.read_group("/bare", str(two)) == (2, None, None, None, None, None, None)
    assert _cgroup.read_group("/none", str(two)) is None


def test_no_text_breaks_the_reading_of_a_group(tmp_path):
    rng = random.Random(6)
    folder = tmp_path / "g"
    for _round in range(300):
        folder.mkdir(exist_ok=True)
        for name in ("cgroup.procs", "memory.events", "memory.max", "pids.events"):
            (folder / name).write_bytes(bytes(rng.choice(b"oom_kill max 0129\n\xff\0") for _byte in range(rng.randrange(30))))
        group = _cgroup.read_group("/g", str(tmp_path))
        assert all(number is None or isinstance(number, int) for number in group)
        assert all(isinstance(pid, int) for pid in _cgroup.members("/g", 10, str(tmp_path)))


VERIFIED = """\
missing     /usr/sbin/netdata
missing   c /etc/netdata/netdata.conf
??5??????   /usr/lib/netdata/plugin
??5?????? c /etc/netdata/stream.conf
S.5....T.  c /etc/agent.conf
.......T.    /usr/bin/agent
missing     /usr/share/doc/netdata
missing     /usr/share/man/man1/netdata.1.gz
Unsatisfied dependencies for x:
"""


def test_what_verification_says():
    assert _package.parse_verification(VERIFIED) == (
        ["/usr/sbin/netdata"], ["/usr/lib/netdata/plugin", "/usr/bin/agent"],
        ["/etc/netdata/netdata.conf", "/etc/netdata/stream.conf", "/etc/agent.conf"])
    rng = random.Random(1)
    for _round in range(2000):
        text = list(VERIFIED)
        for _change in range(10):
            text[rng.randrange(len(text))] = rng.choice("\n \0/c?.ä")
        assert len(_package.parse_verification("".join(text))) == 3


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no dpkg here")
def test_packages_of_this_machine():
    package = run_probe("service", {"name": "nowhere", "package": "dpkg"}).one("service.package")["data"]
    assert (package["manager"], package["state"], package["verified"]) == ("dpkg", "installed", True)
    version = subprocess.run(["dpkg-query", "-W", "-f=${Version}", "dpkg"], capture_output=True, text=True, check=True).stdout
    assert package["version"] == version
    missing = run_probe("service", {"name": "nowhere", "package": "no-such-package"}).one("service.package")
    assert (missing["status"], missing["data"]["state"]) == ("fail", "not_installed")


def test_no_package_manager_is_told(without_systemd):
    observation = run_probe("service", {"name": "nowhere", "package": "x"}).one("service.package")
    assert (observation["status"], observation["data"]) == ("cannot_tell", {"reason": "no_package_manager"})

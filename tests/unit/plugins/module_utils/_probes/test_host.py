# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host probe on this machine and, as root, in namespaces where something has really run out."""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._probes import host
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

ONCE = ["host.memory", "host.files", "host.conntrack", "host.ports", "host.processes", "host.selinux", "host.counters"]
PARAMETERS = {"paths": [], "units": [], "interval": 0.0}

_RUN = """
import json, sys
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import host
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
print(json.dumps(run_probe("host", json.loads(sys.argv[1])).observations))
"""


def why_not():
    if os.geteuid() != 0:
        return "needs root, for namespaces of its own"
    tried = subprocess.run(["unshare", "--mount", "--net", "mount", "-t", "tmpfs", "none", "/mnt"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return "this machine lets nobody make namespaces" if tried.returncode or not shutil.which("ip") else ""


isolated = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def inside(prepare, **parameters):
    """The probe's observations in namespaces of its own, after these shell commands; ``$1`` is the interpreter."""
    script = prepare + '\nexec "$1" -c "$2" "$3"'
    ended = subprocess.run(["unshare", "--mount", "--net", "sh", "-ec", script, "sh", sys.executable, _RUN,
                            json.dumps({**PARAMETERS, **parameters})], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True,
                           timeout=60, env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    return {observation["check"] + " " + observation["target"]: observation for observation in json.loads(ended.stdout)}


def test_this_machine():
    result = run_probe("host", PARAMETERS)
    for check in ONCE:
        assert result.one(check)["status"] in ("ok", "warn", "fail", "cannot_tell")
    disks = [one for one in result.observations if one["check"] == "host.disk"]
    assert disks and disks[0]["data"]["mount"] == "/"
    assert len(disks) == len([one for one in result.observations if one["check"] == "host.mount"])


def test_numbers_are_the_machines_own():
    result = run_probe("host", PARAMETERS)
    free = os.statvfs("/")
    root = next(one["data"] for one in result.observations if one["check"] == "host.disk" and one["data"]["mount"] == "/")
    assert root["size_bytes"] == free.f_blocks * free.f_frsize
    df = subprocess.run(["df", "--output=pcent", "/"], stdout=subprocess.PIPE, check=True).stdout.decode().split()[1]
    assert abs(root["fraction"] * 100 - int(df.rstrip("%"))) <= 1.5
    with open("/proc/meminfo", encoding="ascii") as file:
        assert result.one("host.memory")["data"]["total_bytes"] == int(file.readline().split()[1]) * 1024
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        assert [result.one("host.ports")["data"][key] for key in ("low", "high")] == [int(word) for word in file.read().split()]
    with open("/proc/sys/fs/file-nr", encoding="ascii") as file:
        assert result.one("host.files")["data"]["limit"] == int(file.read().split()[2])


def test_counters_without_an_interval_have_no_rises():
    data = run_probe("host", PARAMETERS).one("host.counters")["data"]
    assert data["rises"] is None and data["interval_s"] == 0.0
    assert run_probe("host", {**PARAMETERS, "interval": 0.1}).one("host.counters")["data"]["rises"].keys() == data["totals"].keys()


def test_a_check_that_crashes_is_told_and_the_others_go_on(monkeypatch):
    def crash(_gathered, _context):
        raise ZeroDivisionError("x")

    monkeypatch.setattr(host, "_CHECKS", (crash, *host._CHECKS))
    result = run_probe("host", PARAMETERS)
    crashed = result.one("host.run")
    assert crashed["status"] == "cannot_tell"
    assert (crashed["data"]["reason"], crashed["data"]["exception"]) == ("probe_crashed", "ZeroDivisionError")
    assert set(ONCE) <= set(result.checks)


@isolated
def test_a_full_file_system():
    found = inside("mount -t tmpfs -o size=1m none /mnt; head -c 2000000 /dev/zero > /mnt/x || true", paths=["/mnt/x"])
    disk = found["host.disk /mnt"]
    assert disk["status"] == "fail"
    assert (disk["data"]["fraction"], disk["data"]["free_bytes"], disk["data"]["type"]) == (1.0, 0, "tmpfs")
    assert found["host.mount /mnt"]["status"] == "ok"
    assert disk["data"]["holds"] == found["host.mount /mnt"]["data"]["holds"] == ["/mnt/x"]
    assert found["host.disk /"]["data"]["holds"] == []
    assert found["host.disk /"]["data"]["mount"] == "/"


@isolated
def test_a_given_path_need_not_exist():
    found = inside("mount -t tmpfs -o size=1m none /mnt", paths=["/mnt/not/there/yet"])
    assert (found["host.disk /mnt"]["status"], found["host.disk /mnt"]["data"]["holds"]) == ("ok", ["/mnt/not/there/yet"])


@isolated
def test_no_inodes_are_left():
    fill = "for name in 1 2 3 4 5; do touch /mnt/$name 2>/dev/null || true; done"
    found = inside("mount -t tmpfs -o size=1m,nr_inodes=5 none /mnt; " + fill, paths=["/mnt"])
    data = found["host.disk /mnt"]["data"]
    assert found["host.disk /mnt"]["status"] == "fail"
    assert (data["inodes"], data["inodes_free"], data["inodes_fraction"]) == (5, 0, 1.0)
    assert data["fraction"] < 0.1


@isolated
@pytest.mark.parametrize(("expected", "status"), [("", "warn"), ("rw", "fail"), ("ro", "ok")])
def test_a_read_only_mount(expected, status):
    fstab = "mount -t tmpfs none /etc; echo 'none /mnt tmpfs %s 0 0' > /etc/fstab" % expected if expected else ":"
    found = inside("mount -t tmpfs none /mnt; mount -o remount,ro /mnt; %s" % fstab, paths=["/mnt"])
    mount = found["host.mount /mnt"]
    assert (mount["data"]["read_only"], mount["data"]["expected"], mount["status"]) == (True, expected, status)


_USE_UP = """
ip link set lo up
echo 40000 40009 > /proc/sys/net/ipv4/ip_local_port_range
"$1" -c '
import errno, os, socket, sys
server = socket.create_server(("127.0.0.1", 5432), backlog=50)
held = []
try:
    while True:
        held.append(socket.create_connection(("127.0.0.1", 5432)))
except OSError as problem:
    assert problem.errno == errno.EADDRNOTAVAIL, problem
os.environ["HELD"] = str(len(held))
for one in [server, *held]:
    os.set_inheritable(one.fileno(), True)
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[2]])
' "$2" "$3"
exit
"""


@isolated
def test_ephemeral_ports_are_used_up():
    """Exactly when the kernel says EADDRNOTAVAIL."""
    found = inside(_USE_UP)
    ports = found["host.ports ports"]
    assert ports["status"] == "fail"
    assert (ports["data"]["size"], ports["data"]["fraction"]) == (10, 1.0)
    assert ports["data"]["busiest"][0] == {"source": "127.0.0.1", "address": "127.0.0.1", "port": 5432, "in_use": 10, "time_wait": 0}


@isolated
def test_time_wait_is_told_apart():
    found = inside("""
        ip link set lo up
        "$1" -c '
import socket
server = socket.create_server(("127.0.0.1", 5432))
for _again in range(7):
    client = socket.create_connection(("127.0.0.1", 5432)); peer = server.accept()[0]
    client.close(); peer.recv(1); peer.close()
'""")
    (busiest,) = found["host.ports ports"]["data"]["busiest"]
    assert (busiest["port"], busiest["in_use"], busiest["time_wait"]) == (5432, 7, 7)
    assert found["host.ports ports"]["data"]["time_wait"] == 7


@isolated
def test_an_empty_network_namespace_tracks_and_uses_nothing():
    found = inside(":")
    assert found["host.ports ports"]["data"]["busiest"] == []
    assert found["host.ports ports"]["data"]["fraction"] == 0.0
    assert found["host.conntrack conntrack"]["data"]["used"] in (None, 0)

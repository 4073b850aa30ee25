# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the host probe on what kernels, logs and tables really say, and on what they never should."""
from __future__ import annotations

import os
import random
import re
import socket
import struct

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command, _sock_diag
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    file_systems as _host_file_systems,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    log as _host_log,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    numbers as _host_numbers,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    ports as _host_ports,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host import (
    selinux as _host_selinux,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._host.ports import Flow


def mutated(samples, rounds=2000, alphabet="\n \t0379:,.-=()[]{}/\\²٣\0x"):
    source = random.Random(20260101)
    for _round in range(rounds):
        characters = list(source.choice(samples))
        for _change in range(source.randint(1, 8)):
            characters[source.randrange(len(characters))] = source.choice(alphabet)
        yield "".join(characters[:source.randint(1, len(characters))])


# --- file systems

MOUNTINFO = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
23 22 8:2 / /var ro,relatime shared:2 - xfs /dev/sda2 ro
24 22 0:5 / /var/with\\040blank rw - tmpfs tmpfs rw,size=1k
25 22 8:3 / /snap/x/1 ro,nodev - squashfs /dev/loop0 ro
26 22 0:6 / /data rw shared:9 master:3 - ext4 /dev/sdb ro,relatime
27 22 0:7 / /data rw - overlay layers rw
"""
FSTAB = "# a comment\nUUID=1 / ext4 defaults 0 1\n/dev/sda2 /var xfs defaults,noatime 0 2\n/dev/sdb /data ext4 ro 0 0\n"


def test_mounts_as_they_are_and_as_they_should_be():
    found = {mount.device: mount for mount in _host_file_systems.parse_mounts(MOUNTINFO, FSTAB)}
    assert [(one.mount, one.type, one.read_only, one.expected) for one in found.values()] == [
        ("/", "ext4", False, "rw"), ("/var", "xfs", True, "rw"), ("/var/with blank", "tmpfs", False, ""),
        ("/snap/x/1", "squashfs", True, "ro"), ("/data", "ext4", True, "ro"), ("/data", "overlay", False, "ro")]


@pytest.mark.parametrize(("path", "device"), [
    ("/", "/dev/sda1"), ("/home", "/dev/sda1"), ("/var", "/dev/sda2"), ("/variable", "/dev/sda1"), ("/data/x", "layers"),
])
def test_a_path_is_on_the_deepest_and_newest_mount(path, device):
    found = _host_file_systems.mount_of(path, _host_file_systems.parse_mounts(MOUNTINFO, FSTAB))
    assert found is not None and found.device == device


def test_mutated_mounts():
    for text in mutated([MOUNTINFO, FSTAB]):
        for mount in _host_file_systems.parse_mounts(text, text):
            assert mount.expected in ("", "ro", "rw")


def test_space_of_what_is_not_there():
    assert _host_file_systems.space("/nowhere", 1.0) is None


# --- numbers

def test_pressure():
    content = "some avg10=12.34 avg60=5.00 avg300=0.10 total=77\nfull avg10=1.00 avg60=0.50 avg300=0.00 total=7\n"
    assert _host_numbers.parse_pressure(content) == {"some_avg10": 12.34, "some_avg60": 5.0, "full_avg10": 1.0, "full_avg60": 0.5}
    assert set(_host_numbers.parse_pressure("").values()) == {None}


def test_conntrack_counters_are_hexadecimal_and_of_all_processors():
    content = ("entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop\n"
               "0000000a 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000003 0000001f 00000002\n"
               "0000000a 00000000 00000000 00000000 00000001 00000000 00000000 00000000 00000000 00000001 00000001 00000000\n")
    assert _host_numbers.parse_conntrack(content) == {"drop": 32, "early_drop": 2, "insert_failed": 4}
    assert _host_numbers.parse_conntrack("") == {"drop": 0, "early_drop": 0, "insert_failed": 0}


def test_tables():
    assert _host_numbers.table("MemTotal:       16384 kB\nlow 0\nmax 7\noom_kill 2\nx max\n") == {
        "MemTotal": 16384, "low": 0, "max": 7, "oom_kill": 2}
    assert _host_numbers.integer("max") is None and _host_numbers.integer("") is None


def test_mutated_tables():
    samples = ["some avg10=12.34 avg60=5.00\n", "MemTotal:  16384 kB\n", "drop early_drop\n0000001f 00000002\n"]
    for text in mutated(samples):
        for parse in (_host_numbers.parse_pressure, _host_numbers.parse_conntrack, _host_numbers.table):
            parse(text)


def test_the_limit_of_this_process_and_the_tasks_of_its_user():
    with open("/proc/self/limits", encoding="ascii") as file:
        written = re.search(r"Max processes +(\S+)", file.read()).group(1)
    tasks, limit = _host_numbers.process_limit(os.getpid())
    assert tasks >= 1
    assert limit == (None if written == "unlimited" or os.geteuid() == 0 else int(written))  # which does not bind root


def test_folders_that_a_process_writes_in(tmp_path):
    (tmp_path / "spool").mkdir()
    (tmp_path / "read").mkdir()
    (tmp_path / "read" / "only").write_text("x")
    with open(tmp_path / "spool" / "queue", "w", encoding="ascii"), open(tmp_path / "read" / "only", encoding="ascii"):
        with open("/dev/null", "w", encoding="ascii"):
            found = _host_file_systems.written_folders(os.getpid())
    assert str(tmp_path / "spool") in found
    assert str(tmp_path / "read") not in found and "/dev" not in found
    assert _host_file_systems.written_folders(2 ** 22 + 1) == []


UNIT_FILES = {
    "sys/pids/system.slice/a.service/pids.current": "5\n", "sys/pids/system.slice/a.service/pids.max": "5\n",
    "sys/pids/system.slice/a.service/pids.events": "max 12\n", "sys/system.slice/a.service/memory.max": "max\n",
    "sys/system.slice/a.service/memory.current": "4096\n", "sys/system.slice/a.service/memory.events": "low 0\noom 1\noom_kill 3\n",
}


def test_limits_of_units_in_both_kinds_of_trees(tmp_path, monkeypatch):
    for name, content in UNIT_FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(_host_numbers, "_CGROUP_TREES", (str(tmp_path / "sys"), str(tmp_path / "sys" / "pids")))

    class Answers:
        """What systemctl says, where no systemd is."""

        @staticmethod
        def command(_argv):
            said = ("MainPID=0\nId=a.service\nControlGroup=/system.slice/a.service\nStateDirectory=a a/spool\nLogsDirectory=a\n\n"
                    "Id=b.service\nControlGroup=\nStateDirectory=\n")
            return _command.CommandResult(0, said, "", "")

        @staticmethod
        def text(value, _limit):
            return value

    first, second = _host_numbers.read_units(["a.service", "b.service"], Answers)
    assert first == ("a.service", None, 5, 5, 12, 4096, None, 3, ("/var/lib/a", "/var/lib/a/spool", "/var/log/a"))
    assert second == ("b.service", None, None, None, None, None, None, None, ())


# --- the kernel's log: lines as kernels write them

LOG = [
    "[    1.000000] Linux version 6.1",
    "[ 3901.052727] nf_conntrack: nf_conntrack: table full, dropping packet",
    "[ 3902.000000] nf_conntrack: table full, dropping packet",
    "[ 4000.500000] Out of memory: Killed process 4711 (netdata) total-vm:123kB, anon-rss:1kB, UID:1000 pgtables:1kB oom_score_adj:0",
    "[ 4001.500000] Memory cgroup out of memory: Killed process 4712 (java) total-vm:123kB",
    "[ 4002.000000] VFS: file-max limit 100 reached",
    "[ 4003.000000] cgroup: fork rejected by pids controller in /system.slice/agent.service",
    "[ 4004.000000] EXT4-fs (sda1): Remounting filesystem read-only",
    "[ 4005.000000] TCP: request_sock_TCP: Possible SYN flooding on port 0.0.0.0:5432. Sending cookies.",
    "[ 4006.000000] neighbour: arp_cache: neighbor table overflow!",
    "[ 4007.000000] TCP: out of memory -- consider tuning tcp_mem",
    "[ 4008.000000] XFS (sda2): Corruption of in-memory data (0x8) detected at x.  Shutting down filesystem.",
    "without a stamp: table full, dropping packet",
]


def test_events_of_the_kernels_log():
    found = _host_log.parse_events(LOG, 5000.0)
    assert [(event.kind, event.age_s, event.process) for event in found] == [
        ("conntrack_full", 1098.9, ""), ("conntrack_full", 1098.0, ""), ("oom_kill", 999.5, "netdata"), ("oom_kill", 998.5, "java"),
        ("files_full", 998.0, ""), ("pids_rejected", 997.0, "/system.slice/agent.service"), ("remounted_read_only", 996.0, ""),
        ("syn_flood", 995.0, "0.0.0.0:5432"), ("neighbours_full", 994.0, ""), ("tcp_memory", 993.0, ""), ("remounted_read_only", 992.0, "")]
    assert _host_log.summary(found, "conntrack_full") == {"logged": 2, "logged_s_ago": 1098.0}
    assert _host_log.summary(found, "avc") == {"logged": 0, "logged_s_ago": None}
    assert _host_log.summary(None, "oom_kill") == {"logged": None, "logged_s_ago": None}


def test_mutated_logs():
    kinds = set()
    for text in mutated(["\n".join(LOG)]):
        kinds.update(event.kind for event in _host_log.parse_events(text.split("\n"), 5000.0))
    assert kinds <= set(_host_log.EVENTS)


# --- ephemeral ports

def test_ports_are_counted_for_each_source_and_destination():
    flows = [Flow("10.0.0.1", port, "10.0.0.9", 5432, "TIME_WAIT" if port < 1105 else "ESTABLISHED") for port in range(1100, 1110)]
    flows += [Flow("10.0.0.1", 1100, "10.0.0.8", 443, "ESTABLISHED"), Flow("10.0.0.2", 1100, "10.0.0.9", 5432, "TIME_WAIT"),
              Flow("10.0.0.1", 22, "10.0.0.7", 50000, "ESTABLISHED")]
    ports = _host_ports.count(flows, 1100, 1119, 2)
    assert ports.busiest[0] == ("10.0.0.1", "10.0.0.9", 5432, 10, 5)
    assert (ports.size, ports.in_use, ports.time_wait, len(ports.busiest)) == (18, 10, 6, 3)


@pytest.mark.parametrize(("content", "reserved"), [
    ("", 0), ("\n", 0), ("1100,1105-1107\n", 4), ("1-65535", 20), ("1110-1200,1112", 10), ("x-y,9-", 0),
])
def test_reserved_ports_of_the_range(content, reserved):
    assert _host_ports.reserved_within(content, 1100, 1119) == reserved


def test_the_kernels_two_ways_to_list_connections_agree():
    """A thousand real sockets on loopback, by sock_diag and by /proc."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server, socket.create_server(("::1", 0), family=socket.AF_INET6) as server6:
        held = []
        for listener in [server] * 100 + [server6] * 20:
            held.append(socket.create_connection(listener.getsockname()[:2]))
            held.append(listener.accept()[0])
        by_netlink = {flow for flow in _host_ports._flows(5.0)[0] if flow.state == "ESTABLISHED"}
        by_proc = {flow for flow in _host_ports._flows_of_proc()[0] if flow.state == "ESTABLISHED"}
        ours = {Flow(*(one.getsockname()[:2]), *(one.getpeername()[:2]), "ESTABLISHED") for one in held}
        for one in held:
            one.close()
    assert len(ours) == 240
    assert ours <= by_netlink and ours <= by_proc


def test_a_mapped_peer_is_an_ipv4_one():
    assert _host_ports.parse_line("0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000200007F:0050 01 rest") in (
        Flow("127.0.0.1", 8080, "127.0.0.2", 80, "ESTABLISHED"), Flow("::ffff:0:7f00:1", 8080, "::ffff:0:7f00:2", 80, "ESTABLISHED"))


def test_mutated_lines_of_proc():
    line = "   0: 0100007F:1F90 0200007F:0050 01 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0"
    outcomes = {_host_ports.parse_line(text) is None for text in mutated([line])}
    assert outcomes == {True, False}


def test_mutated_answers_of_the_kernel():
    with socket.create_server(("127.0.0.1", 0)):
        found, complete = _sock_diag.read_sockets(_sock_diag.TCP, ["LISTEN"], 2.0)
    assert found and complete
    loopback = b"\x7f\0\0\1" + bytes(12)
    body = struct.pack("=BBBB2s2s16s16sI8xIIIII", 2, 10, 0, 0, b"\x15\x38", b"\0\0", loopback, bytes(16), 0, 0, 1, 128, 0, 99)
    message = struct.pack("=IHHII", 16 + len(body) + 8, 20, 2, 1, 0) + body + struct.pack("=HHBxxx", 5, 11, 1)
    sockets = []
    assert _sock_diag.parse_messages(message, _sock_diag.TCP, sockets) is False
    assert sockets == [("ipv4", "LISTEN", "127.0.0.1", 5432, "0.0.0.0", 0, 1, 128, "99", True, None)]
    source = random.Random(20260101)
    for _round in range(4000):
        data = bytearray(message * 2 + struct.pack("=IHHIIi", 20, 3, 2, 1, 0, 0))
        for _change in range(source.randint(1, 6)):
            data[source.randrange(len(data))] = source.choice((0, 1, 3, 20, 255, source.getrandbits(8)))
        found = []
        try:
            _sock_diag.parse_messages(bytes(data[:source.randint(0, len(data))]), source.choice((_sock_diag.TCP, _sock_diag.UDP)), found)
        except OSError:
            pass
        assert len(found) <= 3


# --- SELinux: lines as auditd and the kernel write them

AUDIT = """\
type=AVC msg=audit(1795170000.123:456): avc:  denied  { name_connect } for  pid=99 comm="nginx" dest=8200 \
scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:trivnet1_port_t:s0 tclass=tcp_socket permissive=0
type=SYSCALL msg=audit(1795170000.123:456): arch=c000003e syscall=42 success=no exit=-13
type=AVC msg=audit(1795170009.000:457): avc:  denied  { name_connect } for  pid=99 comm="nginx" dest=8200 \
scontext=system_u:system_r:httpd_t:s0 tcontext=system_u:object_r:trivnet1_port_t:s0 tclass=tcp_socket permissive=0
type=AVC msg=audit(1795170001.000:458): avc:  denied  { read open } for  pid=7 comm="cat" path="/x" scontext=a tcontext=b tclass=file
audit: type=1400 audit(1795170002.5:3): avc:  denied  { name_bind } for  pid=5 comm="sshd" src=2222 scontext=a tcontext=b \
tclass=tcp_socket permissive=1
"""


def test_denials_of_sockets_are_grouped_and_the_newest_is_first():
    first, second = _host_selinux.parse_denials(AUDIT)
    assert (first.permission, first.process, first.port, first.count, first.last, first.blocked) == (
        "name_connect", "nginx", 8200, 2, 1795170009.0, True)
    assert first.target_context == "system_u:object_r:trivnet1_port_t:s0"
    assert (second.permission, second.port, second.blocked) == ("name_bind", 2222, False)


def test_mutated_audit_logs():
    outcomes = {len(_host_selinux.parse_denials(text)) for text in mutated([AUDIT])}
    assert outcomes <= {0, 1, 2, 3} and 2 in outcomes


def test_a_long_line_without_an_end_is_read_quickly():
    assert _host_selinux.parse_denials("audit(1:1): avc: denied { " + "a " * 200000) == []
    assert _host_log.parse_events(["[1.0] " + "cgroup: " * 100000], 1.0) == []

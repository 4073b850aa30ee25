# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential is to be deployed, and the module that writes it fails half-way, in another way on each host: no secret shows anywhere."""
from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import differences, snapshot

_STREAM = "/etc/netdata/stream.conf"
# What is refused there now, as it is no whole key; the run must not show it either.
_OLD_KEY = str(uuid.UUID(int=0x0DDBA11CAFE54ADE8BADF00D0DDBA11C))[:-4]
# By host: what it has instead, each another cause, as of one cause the first that fails keeps the others from being tried.
_KEYS = {"web1": f"s/api key = .*/api key = {_OLD_KEY}/", "web2": "s/api key = .*/api key = <KEY>/", "web3": "/api key/d"}
_HEAL = f"cp -a /root/stream.kept {_STREAM}; rm /root/stream.kept; systemctl restart netdata; rm -rf /var/lib/connectivity-doctor"
# By host: how it is made to fail, how that ends, and what the report says.
_FAILS = {
    "web1": ("""
        mount -t tmpfs -o size=256k,mode=0755 fault /mnt
        cp -a /etc/netdata/. /mnt/
        mount --bind /mnt /etc/netdata
        umount /mnt
        head -c 1000000 /dev/zero > /etc/netdata/full || true""", "umount -l /etc/netdata", "No space left on device"),
    "web2": ("mount --bind /etc/netdata /etc/netdata; mount -o remount,ro,bind /etc/netdata", "umount -l /etc/netdata",
             "Read-only file system"),
    "web3": ("""
        systemd-run --quiet --unit=fault sh -c 'while sleep 0.01; do pkill -KILL -f "^/usr/bin/python3 .*AnsiballZ_agent_setting"; done'""",
             "systemctl stop fault", "Write what the agent should be told"),
}
_LEFT = "grep -rlsF -e %s -e %s /root /home /tmp /var/tmp /run /var/lib/connectivity-doctor --exclude='file.*' --exclude=stream.kept"


@pytest.fixture
def failing(lab: Lab) -> Iterator[Lab]:
    try:
        for host, (fail, _end, _said) in _FAILS.items():
            lab.run(host, f"cp -a {_STREAM} /root/stream.kept; sed -i '{_KEYS[host]}' {_STREAM}; systemctl restart netdata; {fail}")
        yield lab
    finally:
        for host, (_fail, end, _said) in _FAILS.items():
            lab.run(host, f"{end}; {_HEAL}")
        lab.wait_until_healthy(*_FAILS)


def test_a_write_that_fails_leaves_the_host_as_it_was_and_shows_no_secret(failing: Lab, tmp_path: Path) -> None:
    lab = failing
    before = {host: snapshot(lab, host) for host in _FAILS}
    # Without pipelining, modules and what they are given are files on the host for a moment.
    ended = Playbook(lab, tmp_path).run(",".join(_FAILS), [load_endpoints()["apm"]], "--diff", "-vvv", ansible_pipelining=False)
    rows = {row["host"]: row for row in ended.report["remediations"]}
    assert {host: row["result"] for host, row in rows.items()} == dict.fromkeys(_FAILS, "failed"), ended.output
    for host, (_fail, _end, said) in _FAILS.items():
        assert said in rows[host]["detail"]
        assert differences(before[host], snapshot(lab, host)) == []
        assert lab.run(host, f"find /etc/netdata -name '.[ac]*'; sed '{_KEYS[host]}' /root/stream.kept | diff - {_STREAM}").stdout == ""

    secrets = (_OLD_KEY, lab.vars["lab_stream_api_key"])
    shown = {"output": ended.output}
    shown.update({str(file): file.read_text(errors="replace") for file in tmp_path.rglob("report/**/*") if file.is_file()})
    shown.update({f"journal of {host}": lab.run(host, "journalctl -q --no-pager --since -5min").stdout for host in _FAILS})
    assert "agent_setting" in shown["journal of web1"], "the module has left its trace in the journal"
    assert [name for name, text in shown.items() for secret in secrets if secret in text] == []
    assert {host: lab.run(host, _LEFT % secrets, check=False).stdout for host in _FAILS} == dict.fromkeys(_FAILS, "")
    assert "file.0" in lab.run("web1", f"grep -rlF {_OLD_KEY} /var/lib/connectivity-doctor").stdout, "only what would be put back has it"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service over ssh: a real unit in real states, beside systemctl, pgrep, ps, /proc and dpkg on the same fault."""
from __future__ import annotations

import calendar
import time
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT = "web2"
LIMITED = "doctor-test-limit"


def look(lab: Lab, **parameters: Any) -> list[dict[str, Any]]:
    return observe(lab, CLIENT, "probe_service", **{"name": "netdata", "process": "netdata", **parameters})


def said(lab: Lab, command: str) -> str:
    return lab.run(CLIENT, command).stdout.strip()


def seconds(text: str) -> int:
    return calendar.timegm(time.strptime(text[:19], "%Y-%m-%dT%H:%M:%S"))


def test_a_unit_that_runs(lab: Lab) -> None:
    observations = look(lab, salt="salt")
    unit, process = data_of(observations, "service.unit"), data_of(observations, "service.process")
    since = int(said(lab, "date -d \"$(systemctl show -P ActiveEnterTimestamp netdata)\" +%s"))
    assert abs(seconds(unit["active_since"]) - since) <= 1
    assert unit["start_limit"]["starts"] == int(said(lab, "systemctl show -P StartLimitBurst netdata"))
    assert unit["start_limit_hit"] is False
    assert process["pid"] == int(said(lab, "systemctl show -P MainPID netdata"))
    assert set(map(int, said(lab, "pgrep -x netdata").split())) <= set(process["pids"])
    assert process["user"] == said(lab, f"ps -o user= -p {process['pid']}")
    # Not the unit's LimitNOFILE=, which a container may not be allowed to grant.
    assert process["limits"]["open_files"] == int(said(lab, f"awk '/^Max open files/ {{print $4}}' /proc/{process['pid']}/limits"))
    group = data_of(observations, "service.cgroup")
    assert group["path"] == said(lab, "systemctl show -P ControlGroup netdata")
    names = said(lab, f"tr '\\0' '\\n' < /proc/{process['pid']}/environ | cut -d= -f1").split()
    assert data_of(observations, "service.environment")["names"] == sorted(names)


def test_a_unit_that_systemd_gave_up(lab: Lab) -> None:
    path = f"/run/systemd/system/{LIMITED}.service"
    text = "[Unit]\\nStartLimitBurst=3\\nStartLimitIntervalSec=60\\n[Service]\\nRestart=always\\nRestartSec=0\\nExecStart=/bin/false\\n"
    with broken(lab, CLIENT, f"printf '{text}' > {path}; systemctl daemon-reload; systemctl start {LIMITED}; sleep 2",
                f"rm {path}; systemctl reset-failed {LIMITED} || true; systemctl daemon-reload"):
        unit = data_of(look(lab, name=LIMITED, process=""), "service.unit")
        journal = said(lab, f"journalctl --no-pager -o cat -u {LIMITED}")
    assert "Start request repeated too quickly" in journal
    assert (unit["start_limit_hit"], unit["active_state"], unit["restarts"]) == (True, "failed", 3)
    assert unit["start_limit"] == {"starts": 3, "interval": "1min"}


def test_a_package_whose_program_is_gone(lab: Lab) -> None:
    whole = data_of(look(lab, package="netdata-core"), "service.package")
    assert whole["version"] == said(lab, "dpkg-query -W -f='${Version}' netdata-core")
    assert (whole["state"], whole["missing"], whole["configuration_changed"]) == ("installed", [], ["/etc/netdata/netdata.conf"])
    with broken(lab, CLIENT, "mv /usr/sbin/netdata /usr/sbin/netdata.away", "mv /usr/sbin/netdata.away /usr/sbin/netdata"):
        torn = data_of(look(lab, package="netdata-core"), "service.package")
        verified = lab.run(CLIENT, "dpkg -V netdata-core || true").stdout
    assert (torn["status"], torn["missing"]) == ("fail", ["/usr/sbin/netdata"])
    assert "/usr/sbin/netdata\n" in verified
    absent = data_of(look(lab, package="no-such-agent"), "service.package")
    assert (absent["status"], absent["state"]) == ("fail", "not_installed")


def test_a_pid_file_of_a_process_that_is_gone(lab: Lab) -> None:
    with broken(lab, CLIENT, "sh -c 'echo $$ > /run/doctor-test.pid'", "rm /run/doctor-test.pid"):
        number = int(said(lab, "cat /run/doctor-test.pid"))
        assert said(lab, f"kill -0 {number} 2>/dev/null || echo gone") == "gone"
        data = data_of(look(lab, pid_file="/run/doctor-test.pid"), "service.pid_file")
    assert (data["pid"], data["alive"], data["stale"]) == (number, False, True)


def test_what_an_ordinary_user_can_not_see(lab: Lab) -> None:
    observations = look(lab, become=False)
    assert data_of(observations, "service.environment")["reason"] == "not_permitted"
    assert data_of(observations, "service.unit")["status"] == "ok"

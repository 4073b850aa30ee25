# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``remediate`` over ssh where it does not go through: refused, in vain, killed. Where it does, tests/gauntlet shows it."""
from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, described, load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.killing import Background
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import snapshot

_FAULTS = {fault.name: fault for fault in load_faults()}


def endpoints(fault: Fault) -> list[dict[str, Any]]:
    """That of the fault, and another one, which must not suffer."""
    known = load_endpoints()
    return [described(fault), known["gateway" if fault.endpoint != "gateway" else "warehouse"]]


def test_policy_that_says_no_changes_nothing_and_says_so(lab: Lab, playbook: Playbook) -> None:
    fault = _FAULTS["firewall-client-drop"]
    with injected(lab, fault):
        before = snapshot(lab, fault.host)
        refused = playbook.run(fault.host, endpoints(fault), connectivity_allow=["automatic"])
        assert snapshot(lab, fault.host) == before
    assert refused.remediations == [("open_firewall", "refused")]
    assert "connectivity_allow has neither 'guarded' nor 'firewall.client_egress'" in refused.report["remediations"][0]["detail"]


def test_what_does_not_help_is_put_back_and_not_tried_again(lab: Lab, playbook: Playbook) -> None:
    """The agent is stopped; and it would end at once if it were started."""
    host, folder = "web2", "/run/systemd/system/netdata.service.d"
    stop = f"""
        systemctl stop netdata
        mkdir -p {folder}
        printf '[Service]\\nExecStart=\\nExecStart=/bin/true\\n' > {folder}/fault.conf
        systemctl daemon-reload
    """
    with broken(lab, host, stop, f"rm -r {folder}; systemctl daemon-reload; systemctl restart netdata"):
        before = snapshot(lab, host)
        vain = playbook.run(host, [load_endpoints()["apm"]])
        assert vain.remediations == [("restart_agent", "rolled_back")], vain.output
        assert snapshot(lab, host) == before
        again = playbook.run(host, [load_endpoints()["apm"]])
        assert again.remediations == [("restart_agent", "refused")]
        assert "did not help" in again.report["remediations"][0]["detail"]
    lab.wait_until_healthy(host)


def test_who_changes_a_host_keeps_others_off_and_what_a_reboot_leaves_is_put_back_by_the_next_run(lab: Lab, playbook: Playbook) -> None:
    """The reboot takes the timer away; then its time is over, which is told to the transaction here."""
    host, hosts = "web4", "cat /etc/hosts"
    old = lab.run(host, hosts).stdout
    with broken(lab, host, "true", "cat /root/hosts.kept > /etc/hosts; rm /root/hosts.kept; systemctl restart netdata"):
        lab.run(host, "cp /etc/hosts /root/hosts.kept")
        run_module(lab, host, "transaction", state="begun", name="left", about={"summary": "change the hosts file"}, files=["/etc/hosts"],
                   deadline=600)
        lab.run(host, "echo '10.77.2.99 half.done' >> /etc/hosts")
        lab.restart(host)
        lab.wait_until_healthy(host)
        lab.run(host, "systemctl kill --signal=STOP --kill-whom=main netdata")
        kept_off = playbook.run(host, [load_endpoints()["apm"]])
        assert kept_off.remediations == [("restart_agent", "failed")], kept_off.output
        assert "another run is changing this host (change the hosts file)" in kept_off.report["remediations"][0]["detail"]
        assert "half.done" in lab.run(host, hosts).stdout, "that of the other run is left to it"
        manifest = "/var/lib/connectivity-doctor/transactions/left/manifest.json"
        lab.run(host, f"sed -i 's/\"deadline_at\": [0-9.]*/\"deadline_at\": 0/' {manifest}")
        next_run = playbook.run(host, [load_endpoints()["apm"]])
        assert next_run.remediations == [("restart_agent", "verified")], next_run.output
        assert "ended before it was known whether it helped to change the hosts file; it is put back now" in next_run.output
        assert lab.run(host, hosts).stdout == old
        kept = lab.run(host, "cd /var/lib/connectivity-doctor/transactions; stat -c '%a %U' */hung.txt; cat */hung.txt").stdout
        assert kept.startswith("600 root\n") and "State:\tT (stopped)" in kept and "socket:[" in kept, "what the process was doing"


def test_a_server_that_is_starting_is_waited_for_without_access_to_it(lab: Lab, playbook: Playbook, tmp_path: Path) -> None:
    """It recovers until it is promoted, once the play has begun to wait."""
    data, setting, unit = "/var/lib/postgresql/15/main", "/etc/postgresql/15/main/conf.d/zz-fault.conf", "postgresql@15-main"
    recover = f"""
        systemctl stop {unit}
        runuser -u postgres -- touch {data}/standby.signal
        echo 'hot_standby = off' > {setting}
        systemctl start --no-block {unit}
        until [ -e {data}/postmaster.pid ] && grep -q standby {data}/postmaster.pid; do sleep 0.1; done"""
    with broken(lab, "db1", recover, f"rm -f {setting} {data}/standby.signal; systemctl restart {unit} pgbouncer"):
        command = playbook.command("web1", [load_endpoints()["warehouse"]], connectivity_allow=["automatic"])
        run = Background(lab, command, playbook.environment, tmp_path / "output")
        assert run.wait_until_it_says("TASK [connectivity.doctor.remediate : Look again"), run.output
        lab.run("db1", f"runuser -u postgres -- /usr/lib/postgresql/15/bin/pg_ctl promote -D {data}")
        run.wait()
    assert "web1 → warehouse, postgresql.starting_up: verified: wait up to 60 s for db1" in run.output, run.output

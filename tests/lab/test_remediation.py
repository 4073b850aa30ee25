# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``remediate`` over ssh where it does not go through: refused, in vain, killed. Where it does, tests/gauntlet shows it."""
from __future__ import annotations

from typing import Any

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import Fault, load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, run_module
from ansible_collections.connectivity.doctor.tests.lab.remediating import Playbook
from ansible_collections.connectivity.doctor.tests.lab.snapshots import snapshot

_FAULTS = {fault.name: fault for fault in load_faults()}


def endpoints(fault: Fault) -> list[dict[str, Any]]:
    """That of the fault, and another one, which must not suffer."""
    known = load_endpoints()
    return [{**known[fault.endpoint], **fault.change}, known["gateway" if fault.endpoint != "gateway" else "warehouse"]]


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
    with broken(lab, host, "true", "cat /root/hosts.kept > /etc/hosts; rm /root/hosts.kept; systemctl start netdata"):
        lab.run(host, "cp /etc/hosts /root/hosts.kept")
        run_module(lab, host, "transaction", state="begun", name="left", about={"summary": "change the hosts file"}, files=["/etc/hosts"],
                   deadline=600)
        lab.run(host, "echo '10.77.2.99 half.done' >> /etc/hosts")
        lab.restart(host)
        lab.wait_until_healthy(host)
        lab.run(host, "systemctl stop netdata")
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

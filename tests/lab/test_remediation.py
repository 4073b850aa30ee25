# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook ``remediate`` over ssh where it does not go through: refused, in vain, killed. Where it does, tests/gauntlet shows it."""
from __future__ import annotations

import os
import random
import signal
import subprocess
import time
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


def test_killed_at_any_moment_the_host_ends_in_the_old_or_the_new_state(lab: Lab, playbook: Playbook) -> None:
    """The controller is killed; the host puts back by itself what was not confirmed, and the next run is not hindered for long."""
    host, revert_s = "web3", 4
    chance = random.Random(7)
    hosts_line = "echo '10.77.2.99 db1.lab.example' >> /etc/hosts"
    with broken(lab, host, hosts_line, "sed -i '/db1.lab.example/d' /etc/hosts"):
        old = lab.run(host, "cat /etc/hosts").stdout
        new = old.replace("10.77.2.99 db1.lab.example\n", "")
        outcomes = set()
        for _kill in range(2):
            lab.run(host, f"rm -rf /var/lib/connectivity-doctor; cat > /etc/hosts <<'END'\n{old}END")
            command = playbook.command(host, [load_endpoints()["warehouse"]], remediate_revert_s=revert_s)
            run = subprocess.Popen([*lab.controller_prefix, *command], env={**os.environ, **playbook.environment},
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            time.sleep(chance.uniform(6.0, 11.0))
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            time.sleep(revert_s + 2)
            known = run_module(lab, host, "transaction", state="known")["transactions"]
            assert not [one for one in known if one["state"] == "open"], known
            now = lab.run(host, "cat /etc/hosts").stdout
            committed = any(one["state"] == "committed" for one in known)
            assert now == (new if committed else old), known
            outcomes.add(committed)
    assert outcomes

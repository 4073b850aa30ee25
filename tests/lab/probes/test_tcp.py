# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tcp probe over ssh, with many ports and many connections, beside nmap and ss on the same live faults."""
from __future__ import annotations

import re

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import data_of, filtered, observe, tool

CLIENT, DATABASE = "web1", "10.77.2.20"
# What nmap calls each answer.
STATES = {"accepted": "open", "rst": "closed", "none": "filtered", "icmp": "filtered"}


def test_many_ports_as_nmap_sees_them(lab: Lab) -> None:
    ports = [22, 80, 5432, 6432, 5999]
    with filtered(lab, "router", "forward", "tcp dport 6432 drop", "tcp dport 80 reject with icmp type admin-prohibited"):
        seen = observe(lab, CLIENT, "probe_tcp", host=DATABASE, ports=ports, connect_timeout=2, read_banner=True)
        said = tool(CLIENT, "nmap", "-n", "-Pn", "-sT", "-p", ",".join(map(str, ports)), DATABASE)
    theirs = dict(re.findall(r"(\d+)/tcp\s+(\w+)", said))
    ours = {str(one["data"]["port"]): STATES[one["data"]["answer"]] for one in seen if one["check"] == "tcp.connect"}
    assert ours == theirs == {"22": "open", "80": "filtered", "5432": "open", "6432": "filtered", "5999": "closed"}
    assert data_of(seen, "tcp.banner", port=22)["looks_like"] == "ssh"
    assert data_of(seen, "tcp.banner", port=5432)["silent"] is True


def test_a_banner_as_nmap_reads_it(lab: Lab) -> None:
    first = data_of(observe(lab, CLIENT, "probe_tcp", host=DATABASE, port=22, read_banner=True), "tcp.banner")["first_bytes"]
    said = tool(CLIENT, "nmap", "-n", "-Pn", "-sT", "-p", "22", "--script", "banner", DATABASE)
    assert re.search(r"banner: (\S+)", said).group(1) == first.split()[0]


def test_lost_packets_show_as_steps_and_as_the_kernel_counts_them(lab: Lab) -> None:
    counter = "nstat -asz TcpExtTCPSynRetrans | awk '/SynRetrans/ {print $2}'"
    with filtered(lab, "router", "forward", f"oifname net1 ip daddr {DATABASE} tcp dport 5432 numgen random mod 100 < 30 counter drop"):
        before = int(lab.run(CLIENT, counter).stdout)
        burst = data_of(observe(lab, CLIENT, "probe_tcp", host=DATABASE, port=5432, count=60, connect_timeout=8), "tcp.burst")
        counted = int(lab.run(CLIENT, counter).stdout) - before
    assert burst["status"] == "warn"
    assert burst["succeeded"] >= 55
    assert burst["loss_low"] < 0.3 < burst["loss_high"]
    assert burst["needed_again"] >= burst["steps"]["after_1_s"] > 0
    assert burst["retransmits"] <= counted
    healthy = data_of(observe(lab, CLIENT, "probe_tcp", host=DATABASE, port=5432, count=30), "tcp.burst")
    assert (healthy["status"], healthy["success_rate"], healthy["retransmits"]) == ("ok", 1.0, 0)

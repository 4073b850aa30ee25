# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A burst of requests over ssh beside as many of curl's, on a balancer whose health check passes a sick member."""
from __future__ import annotations

from collections import Counter
from typing import Any

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT, BALANCER, PORT = "web3", "lb1", 8080
MEMBERS = "/etc/nginx/conf.d/members.conf"
SICK = (f"cp {MEMBERS} /root/members.conf; sed -i '/second/s/return 200.*/return 500;/; 0,/return 500;/!b' {MEMBERS}; "
        f"sed -i '/listen 8082;/a\\    location = /health {{ return 200; }}' {MEMBERS}; systemctl reload nginx; sleep 1")


def burst(lab: Lab, count: int) -> dict[str, Any]:
    observations = observe(lab, CLIENT, "probe_http", host=lab.hosts[BALANCER].address4, port=PORT, scheme="http", count=count)
    return data_of(observations, "http.burst")


def by_curl(lab: Lab, count: int) -> Counter[str]:
    loop = f"for _ in $(seq {count}); do curl -s -o /dev/null -w '%{{http_code}}\\n' http://{lab.hosts[BALANCER].address4}:{PORT}/; done"
    return Counter(lab.run(CLIENT, loop).stdout.split())


def test_all_members_are_well(lab: Lab) -> None:
    seen = burst(lab, 8)
    assert (seen["status"], seen["statuses"], seen["failures"]) == ("ok", dict(by_curl(lab, 8)), 0)


def test_a_sick_member_that_the_health_check_passes(lab: Lab) -> None:
    with broken(lab, "apm1", SICK, f"cp /root/members.conf {MEMBERS}; systemctl reload nginx"):
        seen = burst(lab, 12)
        hand = by_curl(lab, 12)
    assert (seen["status"], seen["mixed"], seen["requests"]) == ("warn", True, 12)
    assert seen["statuses"] == dict(hand) == {"200": 6, "500": 6}

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What several hosts share is told once, with what sets them apart from the hosts that are well."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._incidents import incidents
from ansible_collections.connectivity.doctor.plugins.plugin_utils._summary import render_summary

GROUPS = {"all": ["web%d" % number for number in range(1, 9)], "ungrouped": [], "dc1": ["web1", "web2", "db1"],
          "dc2": ["web3", "web4"], "web": ["web%d" % number for number in range(1, 9)]}


def cause(code: str = "firewall.path", /, **more: t.Any) -> dict[str, t.Any]:
    return {"code": code, "confidence": 0.99, "culprit": {"flow": "tcp to db"}, "summary": "it is stopped", "evidence": [0], "advice": "",
            "remediation": {"action": "escalate", "class": "escalate", "parameters": {}}, **more}


def fleet(*affected: str, well: t.Sequence[str] = (), told: dict[str, t.Any] | None = None, url: str = "tcp://db:1") -> dict[str, t.Any]:
    seen = {"check": "tcp.connect", "status": "fail", "message": "no answer"}
    down = {"url": url, "state": "down", "reason": "", "causes": [told or cause()], "observations": [seen]}
    healthy = {"url": url, "state": "healthy", "reason": "", "causes": [], "observations": []}
    return {**{host: {"endpoints": {"db": down}} for host in affected}, **{host: {"endpoints": {"db": healthy}} for host in well}}


def test_one_host_is_no_incident() -> None:
    assert incidents(fleet("web1", well=["web2"]), GROUPS) == []


def test_the_smallest_group_that_has_all_of_the_affected_and_none_of_the_well() -> None:
    (incident,) = incidents(fleet("web1", "web2", well=["web3", "web4"]), GROUPS)
    assert incident["hosts"] == ["web1", "web2"]
    assert incident["shared"] == {"every_host": False, "group": "dc1", "culprit": {"flow": "tcp to db"}}
    assert incident["summary"] == "db: 2 of 4 hosts (group dc1): it is stopped"
    assert incident["next"] == "escalate"


def test_no_group_is_named_that_has_a_host_which_is_well() -> None:
    (incident,) = incidents(fleet("web1", "web3", well=["web2", "web4"]), GROUPS)
    assert incident["shared"] == {"every_host": False, "culprit": {"flow": "tcp to db"}}


def test_where_nobody_is_well_it_is_every_host() -> None:
    (incident,) = incidents(fleet("web1", "web2", "web3"), GROUPS)
    assert incident["shared"]["every_host"] is True and "group" not in incident["shared"]
    assert incident["summary"].startswith("db: all 3 hosts: ")


def test_what_differs_from_host_to_host_is_not_shared() -> None:
    hosts = {**fleet("web1", told=cause(culprit={"rule": "a"})), **fleet("web2", told=cause(culprit={"rule": "b"}, confidence=0.8))}
    (incident,) = incidents(hosts, GROUPS)
    assert "culprit" not in incident["shared"] and incident["confidence"] == 0.8


def test_different_endpoints_and_causes_are_different_incidents_the_largest_first() -> None:
    hosts = {**fleet("web1", "web2", url="tcp://a:1"), **fleet("web3", "web4", "web5", url="tcp://b:1"),
             **fleet("web6", "web7", told=cause("agent.stopped", remediation={"class": "automatic"}), url="tcp://a:1")}
    told = [(incident["code"], incident["hosts"][0], incident["next"]) for incident in incidents(hosts, {})]
    assert told == [("firewall.path", "web3", "escalate"), ("agent.stopped", "web6", "remediate"), ("firewall.path", "web1", "escalate")]


@pytest.mark.parametrize(("count", "whole"), [(3, 3), (4, 1), (40, 1)])
def test_many_hosts_with_the_same_trouble_are_a_line_each(count: int, whole: int) -> None:
    hosts = fleet(*("web%d" % number for number in range(count)))
    summary = {"endpoints": count, "hosts": count, "healthy": 0, "degraded": 0, "down": count, "unknown": 0, "unreachable": 0}
    lines = render_summary({"hosts": hosts, "incidents": incidents(hosts, {}), "summary": summary, "duration_s": 1.0})
    assert sum(line.strip() == "seen: no answer" for line in lines) == whole
    assert sum(line.endswith("is DOWN: firewall.path, as above") for line in lines) == count - whole
    assert sum("is DOWN" in line for line in lines) == count
    assert "db: all %d hosts: it is stopped (escalate)" % count in lines

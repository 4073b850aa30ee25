# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agents probe: what a real systemctl says of many units at once, and real processes.

The output was captured on Debian 12 (systemd 252); systemd itself is tried in the lab.
"""
from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command
from ansible_collections.connectivity.doctor.plugins.module_utils._command import CommandResult
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import agents
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

KNOWN = {
    "netdata": {"units": ["netdata"], "process": "netdata"},
    "node_exporter": {"units": ["prometheus-node-exporter", "node_exporter"]},
    "zabbix_agent2": {"units": ["zabbix-agent2"]},
    "named_by_process": {"process": "doctor-agent-of-a-test"},
}
# Of netdata, prometheus-node-exporter, node_exporter, zabbix-agent2.
SAID = """\
LoadState=loaded
ActiveState=active

LoadState=not-found
ActiveState=inactive

LoadState=masked
ActiveState=inactive

LoadState=loaded
ActiveState=inactive
"""


@pytest.fixture
def said(monkeypatch):
    """What systemctl answers, and the commands that it was asked with."""
    asked = []

    def answers(output, exit_code=0):
        def command(_context, argv, **_more):
            asked.append(argv)
            return CommandResult(exit_code, output, "", 0.0)
        monkeypatch.setattr("ansible_collections.connectivity.doctor.plugins.module_utils._context.Context.command", command)
        return asked
    return answers


@pytest.fixture
def without_systemctl(monkeypatch):
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
    monkeypatch.setattr(os, "environ", dict(os.environ, PATH="/nonexistent"))


def test_the_units_of_all_are_asked_for_at_once(said):
    asked = said(SAID)
    result = run_probe("agents", {"known": KNOWN})
    assert len(asked) == 1 and asked[0][-4:] == ["netdata", "prometheus-node-exporter", "node_exporter", "zabbix-agent2"]
    seen = result.one("agents.present")
    assert (seen["status"], result.outcome.passed, seen["data"]["looked_for"]) == ("ok", True, 4)
    assert [(one["agent"], one["unit"], one["load_state"], one["active_state"]) for one in seen["data"]["found"]] == [
        ("netdata", "netdata", "loaded", "active"), ("node_exporter", "node_exporter", "masked", "inactive"),
        ("zabbix_agent2", "zabbix-agent2", "loaded", "inactive")]
    assert seen["message"] == "on this host: netdata (active), node_exporter (inactive), zabbix_agent2 (inactive)"


def test_none_is_here(said):
    said("LoadState=not-found\nActiveState=inactive\n")
    result = run_probe("agents", {"known": {"a": {"units": ["a"]}}})
    assert (result.one("agents.present")["status"], result.one("agents.present")["data"], result.outcome.passed) == (
        "warn", {"found": [], "looked_for": 1}, False)


def test_a_process_stands_for_its_agent_where_there_is_no_unit_to_ask_for(without_systemctl, said):
    program = "open('/proc/self/comm', 'w').write('doctor-agent-of-a-test'); print(flush=True); input()"
    process = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdout.readline()
    try:
        known = {"named_by_process": KNOWN["named_by_process"], "named_by_both": {"units": ["x"], "process": "doctor-agent-of-a-test"}}
        seen = run_probe("agents", {"known": known}).one("agents.present")
        said("LoadState=not-found\nActiveState=inactive\n")
        with_systemd = run_probe("agents", {"known": known}).one("agents.present")
    finally:
        process.communicate(b"\n")
    assert seen["status"] == "ok"
    by_process = {"unit": "", "load_state": "", "active_state": "", "pids": [process.pid]}
    assert seen["data"]["found"] == [dict(by_process, agent="named_by_process"), dict(by_process, agent="named_by_both")]
    assert with_systemd["data"]["found"] == [dict(by_process, agent="named_by_process")]


def test_without_systemd_and_processes_nobody_can_tell(without_systemctl):
    seen = run_probe("agents", {"known": {"a": {"units": ["a"]}, "b": {"process": "doctor-agent-nowhere"}}}).one("agents.present")
    assert (seen["status"], seen["data"]["reason"], seen["data"]["found"]) == ("cannot_tell", "no_systemd", [])


def test_no_answer_of_systemctl_breaks_it(said):
    rng = random.Random(7)
    by_units = {name: {"units": rule["units"]} for name, rule in KNOWN.items() if "units" in rule}
    for _round in range(1000):
        text = list(SAID)
        for _change in range(rng.randint(1, 20)):
            text[rng.randrange(len(text))] = rng.choice("=\n\0aä ")
        said("".join(text), rng.choice((0, 0, 0, 1)))
        assert run_probe("agents", {"known": by_units}).one("agents.present")["status"] in ("ok", "warn", "cannot_tell")


def test_units_of_a_hostile_length_are_bounded(said):
    asked = said("")
    run_probe("agents", {"known": {"a": {"units": ["u%d" % number for number in range(5000)]}}})
    assert len(asked[0]) < agents._MOST_UNITS + 10

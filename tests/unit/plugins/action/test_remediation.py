# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions between plan and record by a real ansible-playbook run: what goes first decides, and so do all witnesses."""
from __future__ import annotations

import json
import pathlib
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _remediation_record, _spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remediation_step import GONE
from ansible_collections.connectivity.doctor.tests.integration.playbooks import run_tasks


def row(name: str, result: str, detail: str = "") -> dict[str, t.Any]:
    return {"name": name, "host": "web1", "endpoint": "apm", "code": "agent.stopped", "action": "restart_agent", "summary": "restart it",
            "result": result, "detail": detail, "request": "Please:\n  %s\n" % _remediation_record.UNENDED}


def step(name: str, runner: str, **needs: str) -> dict[str, t.Any]:
    return {"name": name, "runner": runner, "host": runner, "endpoint": "apm", "code": "agent.stopped", "settles_s": 5.0,
            "needs": needs, "later": ["web9"], "watchers": {runner: {"suffered": ["apm"], "before": {"apm": "down"}}}}


def test_what_needed_another_to_help_goes_or_is_refused_with_what_became_of_that(tmp_path: pathlib.Path) -> None:
    places = {"spool_dir": str(tmp_path / "spool"), "report_dir": str(tmp_path)}
    _remediation_record.start(places["spool_dir"], "web1", [
        row("good", "verified"), row("gone", "refused", GONE), row("bad", "rolled_back", "it is still there")])
    for host, name in (("web2", "after-good"), ("web3", "after-bad"), ("web4", "after-both")):
        _remediation_record.start(places["spool_dir"], host, [{**row(name, "failed"), **_remediation_record.begun()}])
    steps = [step("after-good", "web2", good="web1", gone="web1"), step("after-bad", "web3", bad="web1"),
             step("after-both", "web4", good="web1", bad="web1")]
    ran = run_tasks(tmp_path, [{"connectivity.doctor.release_remediation": {**places, "steps": steps}, "register": "run0"}])
    released = ran.results["run0"]
    assert list(released["running"]) == ["web2"] and released["later"] == ["web9"]
    assert released["watching"] == {"web2": {"name": "after-good", "runner": "web2", "place": "web2", "code": "agent.stopped",
                                             "settles_s": 5.0, "suffered": ["apm"], "before": {"apm": "down"}}}
    for host in ("web3", "web4"):
        (refused,) = _remediation_record.read(places["spool_dir"], host)
        assert (refused["result"], refused["detail"]) == (
            "refused", "what had to help first did not: restart_agent on web1 was rolled back (it is still there)")
        assert refused["request"] == "Please:\n  %s\n" % refused["detail"], "a person is asked, and told why"
    audited = [json.loads(line) for line in (tmp_path / _remediation_record.AUDIT).read_text(encoding="utf-8").splitlines()]
    assert [line["name"] for line in audited] == ["after-bad", "after-both"]


def test_what_is_gone_by_what_was_done_before_in_this_run_is_not_done_any_more(tmp_path: pathlib.Path) -> None:
    places = {"spool_dir": str(tmp_path / "spool"), "report_dir": str(tmp_path)}
    saw = {"name": "run-0", "verified": True, "reason": "", "after": {"apm": {"state": "healthy", "causes": []}}, "earlier": ""}
    seen = {
        "gone": saw, "there": {**saw, "after": {"apm": {"state": "down", "causes": ["agent.stopped"]}}},
        "unproved": {**saw, "verified": False}, "earlier": {**saw, "name": "run2-0"}, "elsewhere": saw,
    }
    steps = []
    for host, told in seen.items():
        _remediation_record.start(places["spool_dir"], host, [{**row("run-%s" % host, "failed"), **_remediation_record.begun()}])
        _remediation_record.testify(places["spool_dir"], host, told)
        steps.append({**step("run-%s" % host, host), "host": "db1" if host == "elsewhere" else host})
    ran = run_tasks(tmp_path, [{"connectivity.doctor.release_remediation": {**places, "steps": steps}, "register": "run0"}])
    assert set(ran.results["run0"]["running"]) == set(seen) - {"gone"}
    (refused,) = _remediation_record.read(places["spool_dir"], "gone")
    assert (refused["result"], refused["detail"], refused["request"]) == ("refused", "what was done before has done away with it", "")


def test_a_change_stays_where_all_witnesses_say_so_and_else_what_was_seen_before_it_holds_again(tmp_path: pathlib.Path) -> None:
    spool = str(tmp_path / "spool")
    for host in ("web1", "web2"):
        _spool.write_text(spool, host, "client", "during it")
        _remediation_record.testify(spool, host, {
            "name": "one", "verified": host == "web1", "reason": "" if host == "web1" else "still there",
            "after": {"apm": {"state": "down", "causes": []}}, "earlier": "before it"})
    ask = {"connectivity.doctor.conclude_remediation": {"name": "one", "witnesses": ["web1"], "spool_dir": spool}}
    late = {"connectivity.doctor.conclude_remediation": {"name": "one", "witnesses": ["web1"], "spool_dir": spool, "put_back": True}}
    both = {"connectivity.doctor.conclude_remediation": {"name": "one", "witnesses": ["web1", "web2"], "spool_dir": spool}}
    other = {"connectivity.doctor.conclude_remediation": {"name": "two", "witnesses": ["web1"], "spool_dir": spool}}
    ran = run_tasks(tmp_path, [{**task, "register": "run%d" % number} for number, task in enumerate((ask, other, both))])
    told = [(ran.results["run%d" % number]["verified"], ran.results["run%d" % number]["reason"]) for number in range(3)]
    assert told == [(True, ""), (False, "it could not look again"), (False, "web2: still there")]
    assert set(ran.results["run2"]["after"]) == {"web1", "web2"}
    assert [_spool.read_text(spool, host, "client") for host in ("web1", "web2")] == ["before it"] * 2
    _spool.write_text(spool, "web1", "client", "during it")
    run_tasks(tmp_path, [{**late, "register": "run0"}])
    assert _spool.read_text(spool, "web1", "client") == "before it", "it helped, and was put back as it was too late to confirm it"


def test_what_an_earlier_run_did_not_end_is_recalled_of_hosts_of_the_play(tmp_path: pathlib.Path) -> None:
    spool = str(tmp_path / "spool")
    unended = {**row("unended", "failed"), **_remediation_record.begun()}
    of_both = [{**unended, "host": host} for host in ("localhost", "elsewhere")]
    _remediation_record.start(spool, "localhost", [row("ended", "verified"), *of_both])
    ran = run_tasks(tmp_path, [{"connectivity.doctor.recall_remediation": {"spool_dir": spool}, "register": "run0"}])
    assert ran.results["run0"]["unended"] == {"localhost": [{"name": "unended", "host": "localhost"}]}

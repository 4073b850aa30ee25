# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is worth telling of what is seen, one file after the other."""
from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._state_changes import Tracker, bounded
from ansible_collections.connectivity.doctor.plugins.plugin_utils._state_files import KINDS, read
from ansible_collections.connectivity.doctor.tests.support import reports
from ansible_collections.connectivity.doctor.tests.support.states import MONITOR, monitored, report, row

_NOW = 2e9
_DOWN = row("down", "firewall.client_egress")


def told(*documents: dict[str, t.Any], **options: t.Any) -> list[dict[str, t.Any]]:
    """The events after these files."""
    tracker = Tracker(**{"repeat_s": 1800, "flaps": 4, "flap_window_s": 900, **options})
    events = []
    for document in documents:
        monitor = document["schema"] == MONITOR
        seen, complaint = read(KINDS["monitors" if monitor else "reports"], json.dumps(document).encode(), document.get("host", ""), _NOW)
        assert not complaint
        events += [event["connectivity"] for one in seen if (event := tracker.tell(one))]
    return events


def kinds(*documents: dict[str, t.Any], **options: t.Any) -> list[str]:
    return [event["kind"] for event in told(*documents, **options)]


def test_a_change_says_from_what_to_what_why_and_since_when() -> None:
    healthy, broke, still, healed = report(0, web1=row()), report(60, web1=_DOWN), report(120, web1=_DOWN), report(180, web1=row())
    first, second = told(healthy, broke, still, healed)
    assert first == {
        "kind": "broke", "host": "web1", "endpoint": "db", "from": "healthy", "to": "down", "causes": ["firewall.client_egress"],
        "candidates": [], "classes": ["guarded"], "summary": "firewall.client_egress it is", "since": "2026-01-01T00:01:00Z",
        "changes": 1, "flapping": False}
    assert (second["kind"], second["from"], second["to"], second["since"]) == ("healed", "down", "healthy", "2026-01-01T00:03:00Z")


def test_what_is_ill_at_first_is_told_and_what_is_well_is_not() -> None:
    assert [(one["host"], one["from"]) for one in told(report(0, web1=row(), web2=_DOWN, web3=row("unknown")))] == [("web2", "")]


def test_a_host_that_a_later_report_does_not_have_has_not_healed() -> None:
    assert kinds(report(0, web1=_DOWN), report(60, web2=row()), report(120, web1=_DOWN)) == ["broke"]


def test_other_causes_count_when_a_second_file_has_them() -> None:
    suspected = row("down", "firewall.path", "firewall.server_ingress", candidate=True)
    proved = row("down", "firewall.path")
    assert kinds(report(0, web1=suspected), report(9, web1=proved), report(60, web1=suspected), report(69, web1=proved)) == ["broke"]
    assert kinds(report(0, web1=suspected), report(9, web1=proved), report(60, web1=proved)) == ["broke", "changed"]


def test_what_stays_ill_is_told_again_but_seldom() -> None:
    assert kinds(*(report(60 * minute, web1=_DOWN) for minute in range(59))) == ["broke", "persists"]


def test_an_older_file_that_comes_late_changes_nothing() -> None:
    assert kinds(report(60, web1=_DOWN), report(0, web1=row()), report(120, web1=_DOWN)) == ["broke"]


def test_what_changes_all_the_time_is_told_once_until_it_calms() -> None:
    restless = [report(60 * minute, web1=row() if minute % 2 else _DOWN) for minute in range(10)]
    calm = [report(60 * minute, web1=row()) for minute in range(10, 40)]
    assert kinds(*restless) == ["broke", "healed", "broke", "healed", "broke", "flapping"]
    assert kinds(*restless, *calm)[-2:] == ["flapping", "calmed"]


def test_a_monitor_that_calls_an_endpoint_flapping_is_believed_and_a_report_does_not_contradict() -> None:
    calm, restless = monitored(0, "web1", row()), monitored(60, "web1", _DOWN, 59, flapping=True)
    assert kinds(calm, restless, report(70, web1=_DOWN), monitored(120, "web1", _DOWN, 59)) == ["flapping", "calmed"]


def test_a_monitor_and_a_diagnosis_that_know_different_causes_do_not_alternate() -> None:
    files = [document for at in range(0, 600, 60) for document in (
        monitored(at, "web1", row("down", "firewall.path", candidate=True)), report(at + 10, web1=_DOWN))]
    assert kinds(*files) == ["broke"]


def test_a_monitor_says_itself_since_when() -> None:
    (event,) = told(monitored(300, "web1", _DOWN, since=120))
    assert event["since"] == "2026-01-01T00:02:00Z"


def test_many_changes_at_once_are_one_event_on_which_nothing_is_done() -> None:
    tracker = Tracker(1800, 4, 900)
    seen = read(KINDS["reports"], json.dumps(report(0, **{f"web{number}": _DOWN for number in range(60)})).encode(), "", _NOW)[0]
    events = [event for one in seen if (event := tracker.tell(one))]
    assert bounded(events, 60) == events
    (one,) = bounded(events, 50)
    assert one["connectivity"]["hosts"] == 60 and one["connectivity"]["kinds"] == {"broke": 60}
    assert one["connectivity"]["causes"] == ["firewall.client_egress"] and "meta" not in one


def test_one_host_cannot_drown_the_others() -> None:
    flood = monitored(0, "web1", _DOWN)
    flood["endpoints"] = {f"db{number}": flood["endpoints"]["db"] for number in range(2000)}
    seen, complaint = read(KINDS["monitors"], json.dumps(flood).encode(), "web1", _NOW)
    assert len(seen) == 500 and "1500 rows are left out" in complaint
    tracker = Tracker(1800, 4, 900)
    events = [event for one in seen if (event := tracker.tell(one))]
    assert bounded(events, 1) == events, "they are of one host"


def test_what_diagnose_writes_is_understood() -> None:
    written = reports.recorded("firewall-client-drop", "agent-disabled")
    causes = {host: endpoint["causes"][0] for host, seen in written["hosts"].items() for endpoint in seen["endpoints"].values()}
    assert [(one["host"], one["causes"], one["classes"], one["summary"]) for one in told(written)] == [
        (host, [cause["code"]], [cause["remediation"]["class"]], cause["summary"]) for host, cause in causes.items()]


@pytest.mark.parametrize("text", ["{{ lookup('pipe', 'id') }}", "{% raw %}", "{# x #}", "{{{{ x }}}}", "a\nb\x1b[2J\u202e"])
def test_no_text_of_an_event_is_a_template_or_speaks_to_a_terminal(text: str) -> None:
    poisoned = {**_DOWN, "causes": [{"code": text, "summary": text * 1000, "remediation": {"class": text}}]}
    (event,) = told({**report(0), "hosts": {"web1": {"endpoints": {text: poisoned}}}})
    for one in (event["endpoint"], event["summary"], *event["causes"], *event["classes"]):
        assert one.isprintable() and len(one) < 500
        assert not any(opening in one for opening in ("{{", "{%", "{#"))

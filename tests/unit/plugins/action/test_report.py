# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action ``report`` by a real ansible-playbook run: what is written beside the report, and what is told of an earlier one."""
from __future__ import annotations

import json
import pathlib
import stat
import typing as t
from xml.etree import ElementTree

import pytest

from ansible_collections.connectivity.doctor.plugins.action.report import hosts_so_far
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers import RENDERERS
from ansible_collections.connectivity.doctor.tests.integration.playbooks import Run, run_tasks
from ansible_collections.connectivity.doctor.tests.support.reports import recorded

_ILL = ("server-loopback-only", "network-ipv6-broken", "healthy-database")
_FILES = {"report.json", *RENDERERS}


def _saved(path: pathlib.Path, *cases: str, text: str | None = None) -> str:
    path.write_text(json.dumps(recorded(*cases)) if text is None else text, encoding="utf-8")
    return str(path)


def _run(folder: pathlib.Path, *tasks: dict[str, t.Any]) -> Run:
    return run_tasks(folder, [
        {"connectivity.doctor.report": {"report_dir": str(folder / "reports"), **arguments}, "register": "run%d" % number,
         "ignore_errors": True}
        for number, arguments in enumerate(tasks)
    ])


@pytest.mark.parametrize(("active", "batch", "had"), [
    ("abcd", "abcd", "abcd"),
    ("abcd", "ab", "ab"),
    ("acd", "a", "ab"),
    ("abc", "abc", "abcd"),
    ("", "", "abcd"),
])
def test_a_host_that_was_given_up_is_told_and_one_whose_turn_is_to_come_is_not(active: str, batch: str, had: str) -> None:
    assert hosts_so_far("abcd", active, batch) == list(had)


def test_all_forms_are_written_and_named(tmp_path: pathlib.Path) -> None:
    ran = _run(tmp_path, {"saved": _saved(tmp_path / "old.json", *_ILL)})
    result, folder = ran.results["run0"], tmp_path / "reports"
    assert {path.name for path in folder.iterdir()} == _FILES
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert result["files"] == {name: str(folder / name) for name in _FILES}
    assert result["report"] == str(folder / "report.json")
    assert result["check"]["status"] == 2
    assert (folder / "nagios.txt").read_text(encoding="utf-8") == result["check"]["line"] + "\n"
    assert result["changes"] == {}
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert len(ElementTree.parse(folder / "junit.xml").findall(".//testcase")) == report["summary"]["endpoints"] == 3
    for name, render in RENDERERS.items():
        assert (folder / name).read_text(encoding="utf-8") == render(report), name


def test_what_changed_is_told_written_and_gone_with_the_next_run(tmp_path: pathlib.Path) -> None:
    earlier = _saved(tmp_path / "earlier.json", "server-loopback-only", "healthy-database")
    saved = _saved(tmp_path / "now.json", *_ILL)
    ran = _run(tmp_path, {"saved": saved, "compare_with": earlier})
    line = "  new: %s on network-ipv6-broken: degraded (network.ipv6_broken)" % next(iter(
        recorded("network-ipv6-broken")["hosts"]["network-ipv6-broken"]["endpoints"]))
    assert ran.results["run0"]["changes"] == {"broke": 0, "healed": 0, "changed": 0, "new": 1, "gone": 0}
    written = tmp_path / "reports" / "changes.txt"
    assert line in ran.output.splitlines() and line in written.read_text(encoding="utf-8").splitlines()
    assert ran.results["run0"]["files"]["changes.txt"] == str(written)
    _run(tmp_path, {"saved": saved})
    assert not written.exists()


@pytest.mark.parametrize(("text", "told"), [
    ("{}", "is no report of schema"), ("not json", "Expecting value"), (None, "No such file"),
])
def test_what_is_no_earlier_report_is_refused_and_nothing_is_written(tmp_path: pathlib.Path, text: str | None, told: str) -> None:
    saved, earlier = _saved(tmp_path / "now.json", *_ILL), tmp_path / "earlier.json"
    if text is not None:
        _saved(earlier, text=text)
    result = _run(tmp_path, {"saved": saved, "compare_with": str(earlier)}).results["run0"]
    assert result["failed"] and result["msg"].startswith("compare_with: %s: " % earlier) and told in result["msg"]
    assert not (tmp_path / "reports").exists()


def test_the_report_that_is_written_now_is_no_earlier_one(tmp_path: pathlib.Path) -> None:
    saved = _saved(tmp_path / "now.json", *_ILL)
    ran = _run(tmp_path, {"saved": saved}, {"saved": saved, "compare_with": str(tmp_path / "reports" / "report.json")})
    assert "keep a copy of the earlier one" in ran.results["run1"]["msg"]

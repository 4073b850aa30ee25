# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Nagios line: one line, one status, and performance data that its readers can split."""
from __future__ import annotations

import pathlib
import re
import subprocess

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _report
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._nagios import nagios_check, render_nagios
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, of_hosts, poisoned, recorded

_PAGE = pathlib.Path(_report.__file__).parents[2] / "docs" / "reports.md"
# Monitoring Plugins Development Guidelines, "Performance data".
_PERFORMANCE = re.compile(r"(?P<label>[^'= ]+)=(?P<value>-?[\d.]+)(?P<unit>s|)(;[\d.]*){0,4}")


@pytest.mark.parametrize(("cases", "status", "word"), [
    (("healthy-database",), 0, "OK"),
    (("healthy-database", "network-ipv6-broken"), 1, "WARNING"),
    (("network-ipv6-broken", "server-loopback-only"), 2, "CRITICAL"),
])
def test_the_worst_state_decides(cases: tuple[str, ...], status: int, word: str) -> None:
    check = nagios_check(recorded(*cases))
    assert check.status == status
    assert check.line.startswith("CONNECTIVITY %s - %d endpoints on %d hosts: " % (word, len(cases), len(cases)))


def test_nothing_known_is_unknown() -> None:
    report = recorded("server-loopback-only")
    (endpoint,) = report["hosts"]["server-loopback-only"]["endpoints"].values()
    endpoint.update(state="unknown", causes=[])
    assert nagios_check(of_hosts(report["hosts"])).status == 3
    assert nagios_check(of_hosts({})) == (3, (
        "CONNECTIVITY UNKNOWN - 0 endpoints on 0 hosts: nothing to look at|"
        "down=0;;;0;0 degraded=0;;;0;0 unknown=0;;;0;0 healthy=0;;;0;0 hosts=0 unreachable=0 time=12.5s"))


def test_what_is_down_is_named_and_the_rest_counted() -> None:
    report = fleet(200)
    line = nagios_check(report).line
    ill = report["summary"]["endpoints"] - report["summary"]["healthy"]
    assert line.count(" to ") == 5 and "; and %d more|" % (ill - 5) in line
    assert len(line) < 1024


@pytest.mark.parametrize("text", ["", *HOSTILE.values()], ids=["benign", *HOSTILE])
def test_performance_data_can_be_split_off(text: str) -> None:
    said = render_nagios(poisoned(recorded("server-loopback-only"), text))
    assert said.count("\n") == 1 and said.count("|") == 1 and len(said) < 1024
    words = said.strip().split("|")[1].split(" ")
    figures = {match["label"]: float(match["value"]) for word in words if (match := _PERFORMANCE.fullmatch(word))}
    assert figures == {"down": 1, "degraded": 0, "unknown": 0, "healthy": 0, "hosts": 1, "unreachable": 0, "time": 12.5}


@pytest.mark.parametrize(("case", "status"), [("healthy-database", 0), ("network-ipv6-broken", 1), ("server-loopback-only", 2)])
def test_the_documented_command_ends_with_the_status(tmp_path: pathlib.Path, case: str, status: int) -> None:
    found = re.search(r"```sh\n(.*?nagios\.txt.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    written = tmp_path / "connectivity-report" / "nagios.txt"
    written.parent.mkdir()
    written.write_text(render_nagios(recorded(case)), encoding="utf-8")
    ended = subprocess.run(["sh", "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (status, written.read_text(encoding="utf-8"))
    written.unlink()
    assert subprocess.run(["sh", "-c", found[1]], cwd=tmp_path, capture_output=True, text=True, check=False).returncode == 3

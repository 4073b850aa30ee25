# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that makes planned changes of packet filters, on real files: predicted, exact, and none where anything differs."""
from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.connectivity.doctor.plugins.modules import change_firewall

SAVED = "*filter\n-A OUTPUT -j LOG\n-A OUTPUT -j DROP\nCOMMIT"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "rules.v4"
    path.write_text(SAVED)
    path.chmod(0o640)
    return path


def opening(file: Path, text: str, line: int = 3, **others: Any) -> dict[str, Any]:
    """The command leaves a trace beside the file."""
    checksum = hashlib.sha256(SAVED.encode()).hexdigest()
    return {
        "where": "iptables filter OUTPUT", "adds": f"+ {text}", "commands": [["touch", str(file.with_name(text))]],
        "insertion": {"path": str(file), "sha256": checksum, "line": line, "text": text, "check": ["grep", "-q", text, str(file)]},
        **others,
    }


def run(capsys: pytest.CaptureFixture[str], *openings: dict[str, Any], check_mode: bool = False) -> dict[str, Any]:
    given = {"openings": list(openings), "_ansible_check_mode": check_mode, "_ansible_diff": True}
    with patch_module_args(given), pytest.raises(SystemExit):
        change_firewall.main()
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


def test_it_predicts_what_it_then_does(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    wanted = opening(file, "one"), opening(file, "two"), opening(file, "above", line=2)
    predicted = run(capsys, *wanted, check_mode=True)
    assert (file.read_text(), list(file.parent.iterdir())) == (SAVED, [file])
    done = run(capsys, *wanted)
    assert file.read_text() == "*filter\nabove\n-A OUTPUT -j LOG\none\ntwo\n-A OUTPUT -j DROP\nCOMMIT"
    assert file.stat().st_mode & 0o777 == 0o640
    assert {path.name for path in file.parent.iterdir()} == {file.name, "one", "two", "above"}
    assert done["changed"] and done["diff"] == predicted["diff"] and done["files"] == [str(file)]
    assert done["diff"][0] == {"prepared": "iptables filter OUTPUT\n+ one\n"}


@pytest.mark.parametrize(("different", "told"), [
    ({"seen_by": ["echo", "-j ACCEPT"], "seen": "-j DROP"}, "instead of '-j DROP' there is '-j ACCEPT'"),
    ({"seen_by": ["false"], "seen": "-j DROP"}, "is not as it was observed"),
    ({}, "has been changed since it was observed"),
])
def test_nothing_is_done_where_it_is_not_as_it_was_observed(
        capsys: pytest.CaptureFixture[str], file: Path, different: dict[str, Any], told: str) -> None:
    wanted = opening(file, "one"), opening(file, "two", **different)
    if not different:
        file.write_text(SAVED + "\n")
    before = file.read_text()
    for check_mode in (True, False):
        ended = run(capsys, *wanted, check_mode=check_mode)
        assert ended["failed"] and told in ended["msg"]
        assert (file.read_text(), list(file.parent.iterdir())) == (before, [file])


def test_what_fails_is_told(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    ended = run(capsys, opening(file, "one", commands=[["ls", str(file.with_name("absent"))]]))
    assert ended["failed"] and "absent ended with 2: ls: " in ended["msg"]
    check = opening(file, "one")
    check["insertion"]["check"] = ["false"]
    assert "false ended with 1" in run(capsys, check)["msg"]

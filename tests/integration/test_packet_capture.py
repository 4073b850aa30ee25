# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""packet_capture through ansible-playbook: the file that it brings to the controller, and when it brings none."""
from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.connectivity.doctor.tests.integration.cases import closed_port, listener
from ansible_collections.connectivity.doctor.tests.integration.playbooks import run_tasks


def test_a_capture_is_brought_in_normal_mode_only(tmp_path: Path) -> None:
    folder, checked = tmp_path / "captures", tmp_path / "checked.pcap"
    with listener() as port:
        options = {"host": "127.0.0.1", "port": port, "interface": "lo", "seconds": 3, "connect": True}
        run = run_tasks(tmp_path, [
            {"connectivity.doctor.packet_capture": {**options, "dest": f"{folder}/"}, "register": "normal"},
            {"connectivity.doctor.packet_capture": {**options, "dest": str(checked)}, "check_mode": True, "register": "check"},
            {"connectivity.doctor.packet_capture": options, "register": "nowhere"},
        ])
    assert run.status == 0, run.output
    assert "pcap" not in run.results["normal"]
    assert not checked.exists()
    assert run.results["check"]["changed"] is run.results["nowhere"]["changed"] is False
    for result in run.results.values():
        summary = result["observations"][-1]
        assert summary["check"] == "capture.summary"
        if summary["status"] == "cannot_tell":
            assert summary["data"]["reason"] in ("not_found", "not_permitted")
            assert not folder.exists()
            pytest.skip("nobody may capture here: " + summary["data"]["reason"])
        assert summary["data"]["connections"] == 1
    path = folder / "localhost.pcap"
    assert run.results["normal"]["dest"] == str(path)
    assert run.results["normal"]["changed"] is True
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[:4] in (b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\xc3\xd4")


def test_what_cannot_be_written_or_is_no_option_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with closed_port() as port:
        options = {"host": "127.0.0.1", "port": port, "interface": "lo", "seconds": 1, "connect": True}
        run = run_tasks(tmp_path, [
            {"connectivity.doctor.packet_capture": {**options, "dest": f"{tmp_path}/file/in/it"}, "ignore_errors": True,
             "register": "unwritable"},
            {"connectivity.doctor.packet_capture": {**options, "hots": "x"}, "ignore_errors": True, "register": "refused"},
        ])
    assert run.status == 0, run.output
    assert run.results["refused"]["failed"] is True
    assert "hots" in run.results["refused"]["msg"]
    if run.results["unwritable"].get("failed"):
        assert "can't be written" in run.results["unwritable"]["msg"]
    else:
        assert run.results["unwritable"]["observations"][-1]["status"] == "cannot_tell"

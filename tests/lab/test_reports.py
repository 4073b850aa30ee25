# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All forms of the report on a live fault and after its healing, over ssh: each says so in its own way, and what has changed is told."""
from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from prometheus_client.parser import text_string_to_metric_families

from ansible_collections.connectivity.doctor.tests.gauntlet.declaration import load_endpoints, load_faults
from ansible_collections.connectivity.doctor.tests.gauntlet.running import injected
from ansible_collections.connectivity.doctor.tests.lab import Lab, controller

_FAULT = next(fault for fault in load_faults() if fault.name == "firewall-client-reject")
_HOST, _ENDPOINT, _CODE = _FAULT.host, _FAULT.endpoint, "firewall.client_egress"


class Reports(NamedTuple):
    """What one run wrote."""

    folder: Path

    def text(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    @property
    def failures(self) -> list[str]:
        return [failure.get("type", "") for failure in ElementTree.parse(self.folder / "junit.xml").iter("failure")]

    @property
    def metrics(self) -> dict[tuple[str, str], float]:
        """Values of the metrics of the endpoint, by name and by state or cause."""
        return {
            (sample.name, sample.labels.get("state") or sample.labels.get("cause", "")): sample.value
            for family in text_string_to_metric_families(self.text("metrics.prom")) for sample in family.samples
            if sample.labels.get("endpoint") == _ENDPOINT
        }


def _diagnose(lab: Lab, folder: Path, earlier: Reports | None = None) -> Reports:
    folder.mkdir()
    variables = {"connectivity_endpoints": [load_endpoints()[_ENDPOINT]], "connectivity_report_dir": str(folder / "reports")}
    if earlier:
        variables["connectivity_compare_with"] = str(earlier.folder / "report.json")
    ran = controller.play(lab, "diagnose", _HOST, folder, variables)
    assert ran.returncode in (0, 2), ran.stdout + ran.stderr
    return Reports(folder / "reports")


def test_every_form_tells_of_the_fault_and_of_its_healing(lab: Lab, tmp_path: Path) -> None:
    before = _diagnose(lab, tmp_path / "before")
    with injected(lab, _FAULT):
        during = _diagnose(lab, tmp_path / "during", before)
    after = _diagnose(lab, tmp_path / "after", during)

    for well in (before, after):
        assert well.text("nagios.txt").startswith("CONNECTIVITY OK - 1 endpoints on 1 hosts: 1 healthy|")
        assert well.failures == []
        assert well.metrics["connectivity_doctor_endpoint_state", "healthy"] == 1
        assert _CODE not in well.text("report.md") and _CODE not in well.text("report.html")
    assert during.text("nagios.txt").startswith(
        "CONNECTIVITY CRITICAL - 1 endpoints on 1 hosts: 1 down. %s to %s: %s|" % (_HOST, _ENDPOINT, _CODE))
    assert during.failures == [_CODE]
    assert during.metrics["connectivity_doctor_endpoint_state", "down"] == 1
    assert during.metrics["connectivity_doctor_endpoint_cause_confidence", _CODE] > 0.5
    assert _CODE in during.text("report.html") and _CODE in during.text("report.md")
    assert "  broke: %s on %s: healthy → down (%s)" % (_ENDPOINT, _HOST, _CODE) in during.text("changes.txt").splitlines()
    assert "  healed: %s on %s: down (%s) → healthy" % (_ENDPOINT, _HOST, _CODE) in after.text("changes.txt").splitlines()
    assert not (before.folder / "changes.txt").exists()

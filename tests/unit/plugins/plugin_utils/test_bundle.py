# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is made of what was collected: the same verdict, the same bytes, and nothing that a hostile host or archive could do."""
from __future__ import annotations

import base64
import hashlib
import io
import json
import pathlib
import re
import typing as t
import zipfile
import zlib

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _bundle, _bundle_spool
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_host import collecting_plan, redacted, secrets_of
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import MANIFEST, REPORT, load_report, sha256, write_zip
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.tests.gauntlet import recording
from ansible_collections.connectivity.doctor.tests.support.reports import recorded

_SECRET = "k7Qx92-canary"
_ENTRIES = [
    {"name": "warehouse", "url": "postgresql://reporting@db1.lab.example/production", "password": _SECRET, "server": "db1"},
    {"name": "apm", "url": "http://apm1.lab.example:19999", "agent": "netdata", "credential": "apm-canary-1", "server": "apm1"},
]
_ENDPOINTS = parse_endpoints(_ENTRIES, "web1")
_OPTIONS = {"parts": ["config", "diagnostics", "logs"], "files": ["/etc/x"], "window": 60, "map_places": False, "deadline": 30.0}
_ABOUT = {"name": "app", "parts": ["logs"], "window_s": 60, "mapped": False, "made_at": "2026-01-01T00:00:00Z"}
# All kinds of faults, in a time that a test may take.
_CASES = sorted(path.stem for path in recording.FOLDER.glob("*.json"))[::12]


def _collected(*data: dict[str, t.Any], report: t.Any = None, **more: t.Any) -> dict[str, t.Any]:
    return {"host": "web1", "problem": "", "facts": {}, "report": report, "endpoints": [], "verdict_kept": True, "redacted": {}, "told": {},
            "observations": [{"check": "bundle.file", "data": one} for one in data], **more}


def _file(member: str, text: str) -> dict[str, t.Any]:
    return {"member": member, "source": "/" + member, "content": base64.b64encode(zlib.compress(text.encode())).decode(),
            "redacted": {"value": 2}, "truncated": False}


@pytest.mark.parametrize("names", [None, {"web1", "db1", "apm1.lab.example", "proxy1", "lb1", "ns1"}], ids=["masked", "mapped"])
@pytest.mark.parametrize("case", _CASES)
def test_what_is_masked_and_mapped_says_the_same_of_every_fault(case: str, names: set[str] | None) -> None:
    report = recorded(case)
    safe = redacted(case, report, _ENTRIES, _ENDPOINTS, "key", names)
    assert safe.verdict_kept and safe.report
    assert [list(one.values()) for one in _bundle.verdicts(safe.report).values()] == [
        list(one.values()) for one in _bundle.verdicts(report).values()]
    if names:
        assert not re.search(r"lab\.example|(?<!\d)10\.77\.|fd77:[12]:", json.dumps(safe.report))


def test_endpoints_are_told_as_they_were_given_without_their_secrets() -> None:
    shown = redacted("web1", None, _ENTRIES, _ENDPOINTS, "key", None).endpoints
    assert [{**one, "password": 0, "credential": 0} for one in shown] == [{**one, "password": 0, "credential": 0} for one in _ENTRIES]
    assert shown[0]["password"].startswith("REDACTED_") and shown[1]["credential"].startswith("REDACTED_")


def test_a_report_with_an_endpoints_secret_in_any_dress_is_masked() -> None:
    report = json.loads(json.dumps(recorded("healthy-database")).replace("libpq", "libpq %s %s" % (
        _SECRET, base64.b64encode(b"u:" + _SECRET.encode()).decode())))
    report["hosts"]["healthy-database"]["facts"] = {"said": "x%sx" % _SECRET}
    safe = json.dumps(redacted("web1", report, _ENTRIES, _ENDPOINTS, "key", None).report)
    assert _SECRET not in safe and "canary" not in safe and base64.b64encode(b"canary").decode()[:6] not in safe
    assert "REDACTED_" in safe


def test_masking_that_changes_the_verdict_is_told() -> None:
    """A password that is a word of the evidence is masked all the same."""
    report, endpoints = recorded("server-loopback-only"), parse_endpoints([{"url": "postgresql://u@h/d", "password": "server"}], "web1")
    safe = redacted("server-loopback-only", report, [], endpoints, "key", None)
    assert not safe.verdict_kept and safe.report
    collected = _collected(report=safe.report, verdict_kept=safe.verdict_kept)
    members = _bundle.host_members(_ABOUT, collected)
    manifest = json.loads(members[MANIFEST])
    assert manifest["verdict_kept"] is False and manifest["verdict"] == _bundle.verdicts(json.loads(members[REPORT]))
    assert b"Masking has changed what the report says" in members[_bundle.README]


def test_secrets_stand_apart_from_the_steps_of_the_plan() -> None:
    plan = collecting_plan(_ENDPOINTS, "web1", "the key", _OPTIONS, ())
    steps = json.dumps(plan["steps"])
    assert set(plan["secrets"].values()) == {"the key", *secrets_of(_ENDPOINTS)} == {"the key", _SECRET, "apm-canary-1"}
    assert not any(secret in steps for secret in plan["secrets"].values())
    assert "/etc/netdata/stream.conf" in steps and '"netdata"' in steps and "/etc/x" in steps


def test_the_same_contents_are_the_same_archive(tmp_path: pathlib.Path) -> None:
    report = recorded("healthy-database")
    made = []
    for name, order in (("a.zip", 1), ("b.zip", -1)):
        members = _bundle.host_members(_ABOUT, _collected(_file("logs/a", "x"), _file("network/b", "y"), report=report))
        write_zip(tmp_path / name, {"app/" + member: members[member] for member in list(members)[::order]})
        made.append((tmp_path / name).read_bytes())
    assert made[0] == made[1]
    assert (tmp_path / "a.zip").stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"a.zip", "b.zip"}


def test_the_manifest_has_the_checksum_of_all_others_and_the_readme_names_what_is_there() -> None:
    absent = {"member": "logs/none", "source": "journal of none", "reason": "nothing_in_window"}
    members = _bundle.host_members(_ABOUT, _collected(_file("logs/a", "x"), absent, report=recorded("server-loopback-only")))
    manifest = json.loads(members[MANIFEST])
    assert {name: told["sha256"] for name, told in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in members.items() if name != MANIFEST}
    assert manifest["absent"] == [{"source": "journal of none", "reason": "nothing_in_window"}]
    assert manifest["verdict"] == _bundle.verdicts(json.loads(members[REPORT]))
    assert json.loads(members[_bundle.REDACTION]) == {"files": {"logs/a": {"value": 2}}, "total": {"value": 2}}
    readme = members[_bundle.README].decode()
    assert all("`%s" % name.split("/")[0] in readme for name in members if name not in (_bundle.README, MANIFEST))


@pytest.mark.parametrize("member", ["/etc/passwd", "../../x", "report.json", "manifest.json", "README.md", "", "a//../b", "C:\\x", "\x00"])
def test_a_host_cannot_say_where_its_files_go(member: str) -> None:
    members = _bundle.host_members(_ABOUT, _collected(_file(member, "evil"), _file(member, "more")))
    named = [name for name, content in members.items() if content in (b"evil", b"more")]
    assert len(named) == 2
    for name in named:
        assert "/" in name and not name.startswith("/") and ".." not in name and re.fullmatch(r"[\w.@+=/-]+", name)
    assert members[_bundle.README].startswith(b"# Support bundle")


def test_what_a_host_sends_is_bounded_and_what_is_damaged_is_told() -> None:
    bomb = {"member": "logs/bomb", "content": base64.b64encode(zlib.compress(b"\0" * (64 << 20))).decode()}
    broken = [{"member": "logs/a", "source": "a", "content": content} for content in ("!", "eA==", None, 5, {"x": 1})]
    members = _bundle.host_members(_ABOUT, _collected(bomb, *broken, {}))
    assert len(members["logs/bomb"]) == 16 << 20
    assert [one["reason"] for one in json.loads(members[MANIFEST])["absent"]] == ["damaged"] * 6


def _zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _manifest(report: bytes) -> bytes:
    return json.dumps({"files": {REPORT: {"sha256": sha256(report)}}}).encode()


def test_a_saved_report_is_found_in_a_bundle_and_by_itself(tmp_path: pathlib.Path) -> None:
    report = json.dumps(recorded("healthy-database")).encode()
    (tmp_path / "a.json").write_bytes(report)
    members = {"app/report.json": report, "app/manifest.json": _manifest(report), "app/hosts/report.json": b""}
    (tmp_path / "a.zip").write_bytes(_zip(members))
    assert load_report(str(tmp_path / "a.zip")) == load_report(str(tmp_path / "a.json")) == json.loads(report)


@pytest.mark.parametrize(("members", "told"), [
    ({"app/x": b""}, "holds no report.json"),
    ({"app/report.json": b"{}"}, "holds no manifest.json"),
    ({"app/report.json": b"{}", "app/manifest.json": _manifest(b"{ }")}, "is not the one"),
    ({"app/report.json": b"{}", "app/manifest.json": b"[]"}, "no whole support bundle"),
    ({"app/report.json": b"{}", "b/report.json": b"{}", "app/manifest.json": _manifest(b"{}")}, "more than one"),
    ({"app/report.json": b"nonsense", "app/manifest.json": _manifest(b"nonsense")}, "Expecting value"),
])
def test_what_is_no_whole_bundle_is_refused(tmp_path: pathlib.Path, members: dict[str, bytes], told: str) -> None:
    (tmp_path / "a.zip").write_bytes(_zip(members))
    with pytest.raises(ValueError, match=told):
        load_report(str(tmp_path / "a.zip"))


def test_no_cut_and_no_changed_byte_breaks_more_than_the_bundle(tmp_path: pathlib.Path) -> None:
    report = json.dumps(recorded("healthy-database")).encode()
    whole = _zip({"app/report.json": report, "app/manifest.json": _manifest(report)})
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0x41]) + whole[place + 1:]):
            (tmp_path / "a.zip").write_bytes(damaged)
            try:
                assert load_report(str(tmp_path / "a.zip")) == json.loads(report)
            except ValueError:
                continue


def test_the_key_is_made_for_a_run_and_gone_with_it(tmp_path: pathlib.Path) -> None:
    spool = str(tmp_path / "spool")
    _bundle_spool.begin(spool, ["web1"], new_key=True)
    first = _bundle_spool.key(spool)
    _bundle_spool.put_diagnosed(spool, "web1", {"a": 1})
    _bundle_spool.put_collected(spool, "web1", {"b": 2})
    assert _bundle_spool.take_diagnosed(spool, "web1") == {"a": 1} and _bundle_spool.take_diagnosed(spool, "web1") is None
    _bundle_spool.begin(spool, ["web2"], new_key=False)
    assert _bundle_spool.key(spool) == first and _bundle_spool.collected(spool, "web1") == {"b": 2}
    _bundle_spool.begin(spool, ["web1"], new_key=True)
    assert len(_bundle_spool.key(spool)) == 64 and _bundle_spool.key(spool) != first and _bundle_spool.collected(spool, "web1") is None
    assert (tmp_path / "spool" / "bundle.key").stat().st_mode & 0o777 == 0o600
    _bundle_spool.end(spool)
    with pytest.raises(OSError):
        _bundle_spool.key(spool)

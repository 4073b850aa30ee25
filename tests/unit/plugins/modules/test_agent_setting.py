# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module that writes one setting, on real files: checked before it is used, predicted by check mode, and silent about secrets."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.connectivity.doctor.plugins.modules import agent_setting

OLD, NEW = "canary-old-5d1f0a93", "canary-new-77be21c4"
STREAM = "# kept\n[stream]\n    destination = old.example:1\n    api key = %s\n" % OLD


class Ended(NamedTuple):
    result: dict[str, Any]
    printed: str

    @property
    def failed(self) -> str:
        return self.result["msg"] if self.result.get("failed") else ""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "stream.conf"
    path.write_text(STREAM)
    path.chmod(0o640)
    return path


def run(capsys: pytest.CaptureFixture[str], file: Path, check_mode: bool = False, **arguments: Any) -> Ended:
    given = {"path": str(file), "format": "ini", "key": "stream.api key", "_ansible_check_mode": check_mode, "_ansible_diff": True,
             "_ansible_remote_tmp": str(file.parent), **arguments}
    with patch_module_args(given), pytest.raises(SystemExit):
        agent_setting.main()
    printed = capsys.readouterr().out
    return Ended(json.loads(printed), printed)


def test_a_credential_is_written_and_never_shown(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    predicted = run(capsys, file, check_mode=True, credential=NEW)
    assert predicted.result["changed"] and file.read_text() == STREAM
    ended = run(capsys, file, credential=NEW)
    assert file.read_text() == STREAM.replace(OLD, NEW)
    assert (file.stat().st_mode & 0o777, ended.result["line"]) == (0o640, 4)
    assert ended.result["diff"] == predicted.result["diff"]
    assert ended.result["diff"]["before"] != ended.result["diff"]["after"]
    assert not any(secret in text for secret in (OLD, NEW) for text in (predicted.printed, ended.printed))
    assert not run(capsys, file, credential=NEW).result["changed"]


def test_what_is_no_secret_is_shown(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    where = {"port": 19999, "now_host": "old.example", "now_port": 1}
    ended = run(capsys, file, key="stream.destination", destination=where)
    assert ended.result["diff"]["after"] == "    destination = old.example:19999\n"
    assert file.read_text() == STREAM.replace("example:1", "example:19999")
    assert not run(capsys, file, key="stream.destination", destination=where).result["changed"]


@pytest.mark.parametrize(("file_format", "text", "key"), [
    ("yaml", "database:\n  url: %s # k\n", "database.url"), ("env", "export URL='%s'\n", "URL"),
    ("ini", "[database]\nurl=%s\n", "database.url"), ("toml", '[database]\nurl = "%s"\n', "database.url"),
    ("json", '{"database": {"url": "%s", "n": 1}}\n', "database.url"),
])
@pytest.mark.parametrize("secret", ["u:%s@db.example/d?", "u@db.example/d?password=%s&"])
def test_a_parameter_of_a_url_is_changed_and_the_password_in_it_never_shown(
    capsys: pytest.CaptureFixture[str], file: Path, file_format: str, text: str, key: str, secret: str,
) -> None:
    url = "postgresql://" + secret % OLD + "sslmode=disable"
    file.write_text(text % url)
    ended = run(capsys, file, format=file_format, key=key, parameter="sslmode", value="require")
    assert file.read_text() == text % url.replace("disable", "require")
    assert ended.result["changed"] and OLD not in ended.printed
    assert not run(capsys, file, format=file_format, key=key, parameter="sslmode", value="require").result["changed"]


@pytest.mark.parametrize(("check", "refused"), [
    (["sh", "-c", 'grep -q old.example "$1" && cp "$1" "$0"', "{seen}", "{file}"], ""),
    (["sh", "-c", 'grep -q canary-o "$0" || { cat "$0"; exit 1; }', "{file}"], "sh does not take it: "),
    (["sh", "-c", "exit 1"], ""),  # it refuses the file as it was, too
    (["no-such-program-of-an-agent"], ""),
])
def test_the_agents_own_check_decides_before_the_file_is_used(
    capsys: pytest.CaptureFixture[str], file: Path, check: list[str], refused: str,
) -> None:
    seen = file.parent / "seen"
    ended = run(capsys, file, credential=NEW, check=[part.replace("{seen}", str(seen)) for part in check])
    assert bool(ended.failed) == bool(refused) and refused in ended.failed
    assert (NEW in file.read_text()) != bool(refused)
    assert OLD not in ended.printed and NEW not in ended.printed
    if "{seen}" in check:
        assert NEW in seen.read_text(), "it was given the new file"
    assert list(file.parent.rglob("stream.conf")) == [file], "no copy is left"


def test_a_file_behind_a_link_is_changed_and_the_link_stays(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    link = file.parent / "link.conf"
    link.symlink_to(file)
    assert run(capsys, link, credential=NEW).result["changed"]
    assert link.is_symlink() and NEW in file.read_text()


def test_what_nobody_sees_is_taken_out(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text(STREAM.replace(OLD, "\u201c%s\u201d" % OLD))
    ended = run(capsys, file, key="", stray_line=4)
    assert file.read_text() == STREAM and OLD not in ended.printed


def test_the_file_of_a_credential_alone_is_never_shown(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    file.write_text("short\nrest\n")
    ended = run(capsys, file, format="raw", key="", stray_line=1)
    assert not ended.result["changed"]
    file.write_text("sho\u200brt\nrest\n")
    ended = run(capsys, file, format="raw", key="", stray_line=1)
    assert file.read_text() == "short\nrest\n" and "short" not in ended.printed and "rest" not in ended.printed


@pytest.mark.parametrize(("content", "arguments", "told"), [
    ("[stream\n", {"credential": NEW}, "line 1 is no valid ini"),
    (STREAM, {"key": "other.key", "value": "x"}, "other.key is not there"),
    (STREAM.replace("old.example:1", "${HOST}"), {"key": "stream.destination", "destination": {"port": 2}}, "put together of variables"),
])
def test_what_can_not_be_done_for_sure_is_left(
    capsys: pytest.CaptureFixture[str], file: Path, content: str, arguments: dict[str, Any], told: str,
) -> None:
    file.write_text(content)
    ended = run(capsys, file, **arguments)
    assert "is left as it is" in ended.failed and told in ended.failed
    assert file.read_text() == content and OLD not in ended.printed

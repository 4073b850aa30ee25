# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source ``state_changes``, run by its path as ansible-rulebook runs it, on files as they are and as they should not be."""
from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.connectivity.doctor.tests.support.states import monitored, report, row

_EDA = Path(__file__).resolve().parents[3] / "extensions" / "eda"
_PATH = _EDA / "plugins" / "event_source" / "state_changes.py"
_SOURCE = runpy.run_path(str(_PATH))
_DOWN = row("down", "firewall.client_egress")
_MOST_S = 10.0
# Files that the source must get over, and what its log says of them.
_BAD = {
    "half written": (json.dumps(report(0, web1=_DOWN))[:-20], "JSONDecodeError"),
    "empty": ("", "JSONDecodeError"),
    "no text": (b'{"\xff', "UnicodeDecodeError"),
    "no mapping": ("[]", "TypeError"),
    "deep": ("[" * 100_000, "RecursionError"),
    "of another kind": (json.dumps({**report(0), "schema": "connectivity.doctor/report/v2"}), "its schema is not"),
    "of no time": (json.dumps({**report(0, web1=_DOWN), "generated_at": "yesterday"}), "Invalid isoformat"),
    "of names for more than one host": (json.dumps(report(0, **dict.fromkeys(("web*", "all", "a:b", "@f"), _DOWN))), "4 rows are left out"),
    "of a state that is none": (json.dumps(report(0, web1={**_DOWN, "state": "great"})), "1 rows are left out"),
}


def run(folder: Path, scene: Callable[[Callable[[], Awaitable[dict[str, Any]]]], Awaitable[None]], **options: Any) -> None:
    """Plays a scene beside the source at work. :param scene: gets a function that waits for the next event."""
    async def play() -> None:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def event() -> dict[str, Any]:
            return await asyncio.wait_for(queue.get(), _MOST_S)

        source = asyncio.create_task(_SOURCE["main"](queue, {"reports": [str(folder / "*.json")], "interval_s": 0.01, **options}))
        try:
            await scene(event)
            assert queue.empty()
        finally:
            source.cancel()

    asyncio.run(play())


def write(path: Path, document: Any) -> None:
    """As the action ``report`` does it: a reader finds the old file, or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(document if isinstance(document, bytes) else (document if isinstance(document, str) else json.dumps(document)).encode())
    new.replace(path)


def test_a_fault_and_its_healing_are_events_that_name_their_host(tmp_path: Path) -> None:
    async def scene(event: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        write(tmp_path / "report.json", report(0, web1=row(), web2=_DOWN))
        assert (await event())["meta"]["hosts"] == "web2"
        write(tmp_path / "report.json", report(60, web1=_DOWN, web2=_DOWN))
        broke = await event()
        assert (broke["connectivity"]["kind"], broke["meta"]["hosts"]) == ("broke", "web1")
        write(tmp_path / "of-the-remedy.json", report(90, web1=row()))
        assert (await event())["connectivity"]["kind"] == "healed"

    run(tmp_path, scene)


@pytest.mark.parametrize("name", sorted(_BAD))
def test_a_bad_file_is_logged_once_and_the_others_are_read(tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    text, complaint = _BAD[name]

    async def scene(event: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        write(tmp_path / "bad.json", text)
        write(tmp_path / "good.json", report(0, web9=_DOWN))
        assert (await event())["connectivity"]["host"] == "web9"
        write(tmp_path / "good.json", report(60, web9=row()))
        assert (await event())["connectivity"]["kind"] == "healed"
        write(tmp_path / "bad.json", report(60, web1=_DOWN))
        assert (await event())["connectivity"]["host"] == "web1"

    with caplog.at_level(logging.WARNING):
        run(tmp_path, scene)
    (line,) = caplog.messages
    assert complaint in line and len(line) < 700


def test_what_is_no_file_is_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(1 << 40)

    async def scene(event: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        write(tmp_path / "report.json", report(0, web1=_DOWN))
        assert (await event())["connectivity"]["host"] == "web1"

    run(tmp_path, scene)
    assert sorted(re.findall(r"(\w+)\.json: ", caplog.text)) == ["folder", "huge", "pipe"]


def test_a_host_is_believed_of_itself_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A monitor's state is written by its host, which may be in other hands: it cannot speak for others, nor as a report."""
    async def scene(event: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        write(tmp_path / "web1" / "state.json", monitored(0, "db1", _DOWN))
        write(tmp_path / "web2" / "state.json", report(0, db1=_DOWN))
        write(tmp_path / "web3" / "state.json", monitored(0, "web3", _DOWN))
        assert (await event())["meta"]["hosts"] == "web3"

    run(tmp_path, scene, reports=[], monitors=[f"{tmp_path}/{{host}}/state.json"])
    assert "it speaks for another host than web1" in caplog.text and "its schema is not connectivity.doctor/monitor-state" in caplog.text


@pytest.mark.parametrize(("options", "complaint"), [
    ({}, "must be lists of patterns"),
    ({"reports": "report.json"}, "must be lists of patterns"),
    ({"reports": ["r"], "path": "x"}, "has no option path"),
    ({"monitors": ["/var/lib/*/state.json"]}, "{host} once"),
    ({"reports": ["r"], "interval_s": 0}, "above 0"),
    ({"reports": ["r"], "interval_s": "often"}, "could not convert"),
])
def test_a_wrong_option_is_an_error(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=re.escape(complaint)):
        asyncio.run(_SOURCE["main"](asyncio.Queue(), options))


def test_it_needs_nothing_but_the_standard_library() -> None:
    alone = subprocess.run([sys.executable, "-I", "-S", "-c", f"import runpy; print(runpy.run_path({str(_PATH)!r})['main'].__name__)"],
                           capture_output=True, text=True, check=False, timeout=30)
    assert alone.stdout == "main\n", alone.stderr


def test_the_rulebook_uses_what_there_is() -> None:
    """Its options, the fields of an event and the playbook; and no kind of event has no rule."""
    (ruleset,) = yaml.safe_load((_EDA / "rulebooks" / "remediate.yml").read_text())
    documented = yaml.safe_load(_SOURCE["DOCUMENTATION"])["options"]
    (source,) = ruleset["sources"]
    assert set(source["connectivity.doctor.state_changes"]) <= set(documented)
    conditions = " ".join(rule["condition"] for rule in ruleset["rules"])
    assert set(re.findall(r'"(\w+)"', conditions)) - {"down", "degraded"} == {
        "broke", "changed", "persists", "calmed", "healed", "flapping", "many"}
    (repair,) = [rule for rule in ruleset["rules"] if "run_playbook" in rule["action"]]
    assert repair["throttle"]["group_by_attributes"] == ["event.connectivity.host"]
    name = repair["action"]["run_playbook"]["name"].rpartition(".")[2]
    playbook = (_EDA.parents[1] / "playbooks" / f"{name}.yml").read_text()
    assert all(variable in playbook for variable in repair["action"]["run_playbook"]["extra_vars"])

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action that makes a monitor's parts, in one real ansible-playbook run: what it returns, keeps secret, and says of what is wrong."""
from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import typing as t

import pytest
import yaml

from ansible_collections.connectivity.doctor.tests.integration.playbooks import environ

_CANARY = "s3cr3t-canary"
_GOOD = [{"name": "db", "url": "postgresql://me@db.example.com/x", "password": _CANARY}]
# What is wrong, and what is said of it.
_WRONG: dict[str, tuple[dict[str, t.Any], str]] = {
    "misspelt": ({"part": "settings", "endpoints": [{"name": "db", "url": "tcp://a:1", "pasword": _CANARY}]},
                 "connectivity_endpoints[0].pasword: unknown key; did you mean 'password'?"),
    "window": ({"part": "rules", "windows": ["5d"]}, "windows: '5d' is no length of time such as 30s, 5m or 1h"),
    "windows": ({"part": "rules", "windows": []}, "windows: name at least one, such as 5m"),
    "interval": ({"part": "settings", "endpoints": _GOOD, "interval": 0}, "interval: is 0.0; it must be above 0"),
    "retries": ({"part": "settings", "endpoints": _GOOD, "retries": -1}, "retries: is -1; it must be 0 or more"),
    "alert": ({"part": "rules", "alerts_last": {"Down": "1m"}}, "there is no alert 'Down'"),
    "auto": ({"part": "settings", "endpoints": [{"url": "https://a:1", "agent": "auto"}]},
             "host localhost: endpoint a:1: agent: auto can't be watched; name the agent that diagnose finds"),
    "none": ({"part": "settings"}, "part is settings but all of the following are missing: endpoints"),
}


def _task(name: str, parameters: dict[str, t.Any], **more: t.Any) -> dict[str, t.Any]:
    return {"name": name, "connectivity.doctor.plan_monitor": parameters, "register": name, **more}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, str]:
    """The folder in which what was returned is, and all that was said."""
    folder = tmp_path_factory.mktemp("plan")
    written = [
        {"ansible.builtin.copy": {"content": "{{ %s | to_json }}" % name, "dest": "%s/%s.json" % (folder, name)}, "no_log": True}
        for name in ("settings", "secrets", "rules", *("wrong_" + name for name in _WRONG))]
    program = {"ansible.builtin.copy": {"src": "{{ settings.program }}", "dest": str(folder / "program")}}
    tasks = [
        _task("settings", {"part": "settings", "endpoints": _GOOD}), program,
        _task("secrets", {"part": "secrets", "endpoints": _GOOD}, no_log=True),
        _task("rules", {"part": "rules", "windows": ["90s", "1h"], "rules_file": "out/rules.yml"}),
        *(_task("wrong_" + name, parameters, ignore_errors=True) for name, (parameters, _said) in _WRONG.items()),
        *written,
    ]
    (folder / "plays").mkdir()
    (folder / "plays" / "play.yml").write_text(yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    ran = subprocess.run([pathlib.Path(sys.executable).with_name("ansible-playbook"), "-vvv", "plays/play.yml"], cwd=folder, env=environ(),
                         capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, ran.stdout + ran.stderr


def _returned(folder: pathlib.Path, name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((folder / (name + ".json")).read_text()))


def test_the_parts_are_made_and_the_secrets_are_in_one_of_them_only(ended: tuple[pathlib.Path, str]) -> None:
    folder, said = ended
    settings = json.loads(_returned(folder, "settings")["settings"])
    assert (settings["host"], settings["interval_s"], settings["endpoints"][0]["name"]) == ("localhost", 30.0, "db")
    assert json.loads(_returned(folder, "secrets")["secrets"]) == {"db": {"password": _CANARY}}
    assert 'window="90s"' in _returned(folder, "rules")["rules"]
    assert _returned(folder, "rules")["rules_file"] == str(folder / "out" / "rules.yml"), "from where the user is, and not the playbook"
    assert (folder / "program").read_bytes()[:2] == b"PK"
    assert _CANARY not in said + (folder / "settings.json").read_text()


@pytest.mark.parametrize("name", _WRONG)
def test_what_is_wrong_is_told_with_what_would_be_right(ended: tuple[pathlib.Path, str], name: str) -> None:
    answer = _returned(ended[0], "wrong_" + name)
    assert answer["failed"] and _WRONG[name][1] in answer["msg"]

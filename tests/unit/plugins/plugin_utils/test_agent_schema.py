# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The published schema of a profile is that of the table that checks profiles, takes the catalogue and refuses the same mistakes."""
from __future__ import annotations

import json
import pathlib
import typing as t

import jsonschema
import pytest
import yaml

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import FOLDER, RUNTIMES
from ansible_collections.connectivity.doctor.tests.tools.pages import PROFILE_SCHEMA, profile_schema

SCHEMA = json.loads(profile_schema())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
FILES = [path for folder in (FOLDER, RUNTIMES) for path in sorted(folder.glob("*.yml"))]


def as_json(value: t.Any) -> t.Any:
    """YAML has numbers as keys, JSON has none."""
    return json.loads(json.dumps(value))


def test_the_published_schema_is_that_of_the_shape() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert PROFILE_SCHEMA.read_text(encoding="utf-8") == profile_schema(), "run ./doctor docs"
    assert SCHEMA["properties"].keys() == _agent_shape.PROFILE.keys()
    assert {name: told["description"] for name, told in SCHEMA["properties"].items()} == {
        name: key.means for name, key in _agent_shape.PROFILE.items()}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_it_takes_every_profile_of_the_catalogue(path: pathlib.Path) -> None:
    VALIDATOR.validate(as_json(yaml.safe_load(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("value", [
    [], "datadog", {"unti": "x"}, {"unit": 5}, {"port": 70000}, {"port": True}, {"auto": "no"}, {"inherits": [1]},
    {"config": "/c"}, {"config": [{"path": "/c"}]}, {"config": [{"path": "/c", "format": "ini", "endpont": "x"}]},
    {"config": {"path": "/c", "format": "ini", "endpoint": 7}}, {"config": {"path": "/c", "format": "ini", "settings": {"nosuch": "x"}}},
    {"logs": ["/l"]}, {"logs": {"unti": "x"}}, {"signatures": ["x"]}, {"signatures": {"auth": [1]}}, {"environment": {"endpont": "X"}},
    {"credential": {"format": 1}}, {"credential": {"regions": ["eu"]}}, {"credential": {"regions": {"eu": {"hosts": "x"}}}},
    {"validate": {"statuses": {200: "fine"}}}, {"validate": {"statuses": {"ok": "accepted"}}}, {"validate": {"pathe": "/"}},
    {"health": ["http://h"]}, {"health": {"says": "x"}}, {"endpoints": ["https://h"]}, {"fates": {"retried": "503"}},
    {"fates": {"retried": 99}}, {"proxy": {"supported": 1}}, {"verified": {"confg": True}}, {"verified": {"config": "yes"}},
    {"sources": ["x"]}, {"doubts": {"config": ["x"]}}, {"absent": {"confg": "x"}},
], ids=str)
def test_what_the_shape_refuses_it_refuses_too(value: t.Any) -> None:
    with pytest.raises(_agent_shape.AgentError):
        _agent_shape.checked(value)
    assert list(VALIDATOR.iter_errors(as_json(value)))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Agent profiles: each of the catalogue is whole and right, and each mistake in a user's own is told."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AgentError, known_agents, load_profile


@pytest.mark.parametrize("name", known_agents())
def test_every_profile_of_the_catalogue_can_be_used(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert profile.unit or profile.process
    options = _probes.load("agent_config").ARGUMENTS["files"]["options"]
    for file in profile.config:
        assert file["path"].startswith("/") and file["format"] in options["format"]["choices"]
        assert set(file) <= set(options)
    assert set(profile.logs) <= set(_probes.load("logs").ARGUMENTS)


def test_one_value_may_stand_for_a_list_of_one() -> None:
    profile = load_profile({"unit": "a", "config": {"path": "/c", "format": "ini", "endpoint": "s.url", "credential": ["s.key", "s.token"]},
                            "logs": {"files": "/l"}, "signatures": {"auth": "denied"}, "environment": {"endpoint": "A_URL"}})
    assert profile.config == ({"path": "/c", "format": "ini", "endpoint": ["s.url"], "credential": ["s.key", "s.token"]},)
    assert (profile.logs, profile.signatures, profile.environment) == ({"files": ["/l"]}, {"auth": ["denied"]}, {"endpoint": ["A_URL"]})
    assert profile.name == "a"


@pytest.mark.parametrize(("value", "told"), [
    ({"unit": 5}, "unit must be a string"),
    ({"port": 70000}, "port must be a number up to 65535"),
    ({"config": "/c"}, "config must be a list of files, each a mapping with a path and a format"),
    ({"config": [{"path": "/c"}]}, "config must be a list of files, each a mapping with a path and a format"),
    ({"config": [{"path": "/c", "format": "ini", "endpont": "x"}]},
     "unknown key 'endpont' in config[0]; did you mean 'endpoint'?"),
    ({"config": [{"path": "/c", "format": "ini", "endpoint": 7}]}, "config[0].endpoint must be a string or a list of strings"),
    ({"logs": ["/l"]}, "logs must be a mapping"),
    ({"logs": {"recovered": "("}}, "logs.recovered: '(' is no regular expression (missing ), unterminated subpattern at position 0)"),
    ({"signatures": {"auth": ["ok", "["]}}, "signatures.auth: '[' is no regular expression (unterminated character set at position 0)"),
    ({"signatures": ["x"]}, "signatures must be a mapping from a family to regular expressions"),
    ({"credential": {"format": 1}}, "credential.format must be a string"),
    ({"credential": {"regions": ["eu"]}}, "credential.regions must be a mapping from a region to its patterns"),
    ({"credential": {"regions": {"eu": {"credential": 1}}}}, "credential.regions.eu.credential must be a string"),
    ({"credential": {"regions": {"eu": {"hosts": "x"}}}}, "unknown key 'hosts' in credential.regions.eu; did you mean 'host'?"),
    ({"credential": {"regions": {"eu": {"host": "("}}}},
     "credential.regions.eu.host: '(' is no regular expression (missing ), unterminated subpattern at position 0)"),
    ({"validate": {"pathe": "/"}}, "unknown key 'pathe' in validate; did you mean 'path'?"),
    ("netdat", "unknown agent 'netdat'; did you mean 'netdata'?"),
    (None, "must be the name of a profile or a mapping"),
])
def test_each_mistake_is_told_with_what_would_be_right(value: t.Any, told: str) -> None:
    with pytest.raises(AgentError) as failed:
        load_profile(value)
    assert str(failed.value) == told

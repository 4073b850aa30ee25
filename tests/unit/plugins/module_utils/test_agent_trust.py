# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file of authorities counts: the endpoint's own, the agent's, or the system's; on real files and a real process."""
from __future__ import annotations

import os

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._agent_trust import trusted_file
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder
from ansible_collections.connectivity.doctor.tests.unit.plugins.module_utils._probes.test_agent_config import agent

_TWO = "exporters:\n  one:\n    tls:\n      ca_file: /etc/one.pem\n  two:\n    tls:\n      ca_file: %s\n"


@pytest.fixture
def context():
    return Context(Recorder(), Deadline(10.0), {"host": "test", "address": "", "user": "tester"})


def told(path, text, file_format="yaml", keys=("exporters.*.tls.ca_file",), **others):
    path.write_text(text)
    return {"files": [{"path": str(path), "format": file_format, "ca_file": list(keys)}], **others}


@pytest.mark.parametrize(("text", "file"), [
    (_TWO % "/etc/one.pem", "/etc/one.pem"),
    # Which of them is meant is not known.
    (_TWO % "/etc/two.pem", ""),
    ("exporters:\n  one:\n    tls:\n      ca_file: ${NOWHERE}\n", ""),
    ("exporters:\n  one:\n    endpoint: h:1\n", ""),
    ("exporters: [\n", ""),
])
def test_what_a_configuration_says(tmp_path, context, text, file):
    assert trusted_file({"agent_trust": told(tmp_path / "config.yaml", text)}, context) == file


def test_what_the_endpoint_says_counts_more(tmp_path, context):
    trust = told(tmp_path / "config.yaml", _TWO % "/etc/one.pem")
    assert trusted_file({"ca_file": "/etc/mine.pem", "agent_trust": trust}, context) == "/etc/mine.pem"
    assert trusted_file({"ca_file": "/etc/mine.pem"}, context) == "/etc/mine.pem"
    assert trusted_file({}, context) == ""


def test_a_file_that_is_not_there_says_nothing(tmp_path, context):
    assert trusted_file({"agent_trust": {"files": [{"path": str(tmp_path / "x"), "format": "ini", "ca_file": ["a.b"]}]}}, context) == ""


def test_a_variable_of_the_agents_process_counts_more_than_its_file(tmp_path, context):
    with agent(AGENT_CA="/etc/variable.pem") as (name, _pid):
        trust = told(tmp_path / "agent.conf", "[tls]\nca = /etc/file.pem\n", "ini", ["tls.ca"], process=name, environment=["AGENT_CA"])
        assert trusted_file({"agent_trust": trust}, context) == "/etc/variable.pem"
        assert trusted_file({"agent_trust": {**trust, "environment": ["OTHER"]}}, context) == "/etc/file.pem"
    assert "AGENT_CA" not in os.environ

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An agent's configuration over ssh, on a real netdata child, beside what sudo, stat, grep, od and /proc say on the same fault."""
from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ansible_collections.connectivity.doctor.tests.lab import Lab
from ansible_collections.connectivity.doctor.tests.lab.probes.over_ssh import broken, data_of, observe

CLIENT = "web2"
FILE = "/etc/netdata/stream.conf"
SALT = "a salt for the tests of this probe"
FORM = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
UNREADABLE = "sudo -u netdata cat %s >/dev/null 2>&1 && echo yes || echo no" % FILE


@contextmanager
def faulty(lab: Lab, commands: str) -> Iterator[None]:
    """The configuration, changed; its content, owner and mode as before at the end."""
    with broken(lab, CLIENT, f"cp -a {FILE} /root/stream.conf.kept; {commands}",
                f"setfacl -b {FILE}; chmod 0755 /etc/netdata; cp -a /root/stream.conf.kept {FILE}; rm /root/stream.conf.kept"):
        yield


def look(lab: Lab, **parameters: Any) -> list[dict[str, Any]]:
    key = lab.vars["lab_stream_api_key"]
    given = {
        "unit": "netdata",
        "files": [{"path": FILE, "format": "ini", "endpoint": ["stream.destination"], "credential": ["stream.api key"],
                   "enabled": "stream.enabled"}],
        "host": "apm1.lab.example", "port": 19999, "default_port": 19999, "credential_format": FORM,
        "credential_fingerprint": {"salt": SALT, "sha256": hashlib.sha256((SALT + key).encode()).hexdigest()},
        **parameters,
    }
    observations = observe(lab, CLIENT, "probe_agent_config", **given)
    assert key not in json.dumps(observations)
    return observations


def said(lab: Lab, command: str) -> str:
    return lab.run(CLIENT, command).stdout.strip()


def test_a_healthy_agent(lab: Lab) -> None:
    observations = look(lab)
    assert {one["status"] for one in observations} == {"ok"}
    file = data_of(observations, "agent_config.file")
    assert f"{file['mode'].lstrip('0')} {file['owner']} {file['group']}" == said(lab, f"stat -c '%a %U %G' {FILE}")
    assert (file["user"], "yes") == ("netdata", said(lab, UNREADABLE))
    assert file["readable"] is True
    endpoint = data_of(observations, "agent_config.endpoint")
    assert endpoint["source"] == f"{FILE}:" + said(lab, f"grep -n destination {FILE} | cut -d: -f1")
    assert data_of(observations, "agent_config.credential")["compared"] is True
    environment = data_of(observations, "agent_config.environment")
    assert (environment["environment_from"], environment["pid"]) == ("process", int(said(lab, "systemctl show -P MainPID netdata")))


@pytest.mark.parametrize(("change", "differs"), [
    ("s/apm1.lab.example/apm2.lab.example/", ["host"]),
    ("s/:19999/:19998/", ["port"]),
    ("s/apm1.lab.example/127.0.0.1/", ["host"]),
    ("s/:19999/:19999:SSL/", ["scheme"]),
    ("s/apm1.lab.example/10.77.2.30/", []),
])
def test_another_endpoint(lab: Lab, change: str, differs: list[str]) -> None:
    with faulty(lab, f"sed -i '{change}' {FILE}"):
        endpoint = data_of(look(lab, scheme="tcp"), "agent_config.endpoint")
        line = said(lab, f"grep -n 'destination *=' {FILE}")
    assert endpoint["differs"] == differs
    assert endpoint["source"] == f"{FILE}:" + line.partition(":")[0]
    assert line.endswith(endpoint["configured"]["url"])


@pytest.mark.parametrize(("change", "state"), [
    ("/api key/d", "missing"),
    ("s/api key =.*/api key =/", "empty"),
    ("s/api key =.*/api key = <YOUR-API-KEY>/", "placeholder"),
    ("s/\\(api key = .\\{30\\}\\).*/\\1/", "malformed"),
    (f"s/api key =.*/api key = {uuid.UUID(int=0x6f1b24c893d54c029a4e0d5c7be8a911)}/", "different"),
])
def test_another_credential(lab: Lab, change: str, state: str) -> None:
    with faulty(lab, f"sed -i '{change}' {FILE}"):
        credential = data_of(look(lab), "agent_config.credential")
        written = said(lab, f"sed -n 's/.*api key = *//p' {FILE}")
    assert (credential["state"], credential["status"], credential["length"]) == (state, "fail", len(written) if state != "empty" else 0)
    if written:
        assert credential["fingerprint"] == hashlib.sha256((SALT + written).encode()).hexdigest()[:12]


@pytest.mark.parametrize(("change", "blocked_by", "why"), [
    (f"chmod 000 {FILE}", FILE, "mode"),
    (f"chown root:root {FILE}", FILE, "mode"),
    ("chmod 0700 /etc/netdata", "/etc/netdata", "mode"),
    (f"setfacl -m u:netdata:- {FILE}", FILE, "acl"),
    (f"chmod 0600 {FILE}; setfacl -m u:netdata:r {FILE}", "", ""),
])
def test_who_may_read(lab: Lab, change: str, blocked_by: str, why: str) -> None:
    with faulty(lab, change):
        observations = look(lab)
        answer = said(lab, UNREADABLE)
    file = data_of(observations, "agent_config.file")
    assert (file["readable"], file["blocked_by"], file["blocked_why"]) == (not blocked_by, blocked_by, why)
    assert answer == ("no" if blocked_by else "yes")
    assert data_of(observations, "agent_config.credential")["state"] == ("unreadable" if blocked_by else "ok")


def test_a_mark_and_carriage_returns(lab: Lab) -> None:
    with faulty(lab, f"sed -i '1s/^/\\xef\\xbb\\xbf/; s/$/\\r/' {FILE}"):
        file = data_of(look(lab), "agent_config.file")
        first, lines = said(lab, f"head -c 3 {FILE} | od -An -tx1"), said(lab, f"grep -c \"$(printf '\\r')\" {FILE}")
    stray = {one["kind"]: one for one in file["stray"]}
    assert stray["bom"]["bytes"] == first
    assert stray["crlf"]["count"] == int(lines)
    assert (stray["bom"]["harmful"], stray["crlf"]["harmful"], file["status"]) == (True, False, "warn")


def test_a_syntax_error_and_a_switch(lab: Lab) -> None:
    with faulty(lab, f"sed -i 's/\\[stream\\]/[stream/' {FILE}"):
        observations = look(lab)
        line = said(lab, f"grep -n '\\[stream' {FILE} | cut -d: -f1")
    assert data_of(observations, "agent_config.file")["syntax_error"]["line"] == int(line)
    assert data_of(observations, "agent_config.credential")["reason"] == "syntax"
    with faulty(lab, f"sed -i 's/enabled = yes/enabled = no/' {FILE}"):
        assert data_of(look(lab), "agent_config.reporting")["enabled"] is False


def test_the_environment_over_the_file(lab: Lab) -> None:
    folder = "/run/systemd/system/netdata.service.d"
    variables = "TEST_DESTINATION=elsewhere.lab.example HTTPS_PROXY=http://a:b@proxy1:3128"
    change = (f"mkdir -p {folder}; printf '[Service]\\nEnvironment={variables}\\n' > {folder}/test.conf; "
              "systemctl daemon-reload; systemctl restart netdata")
    with broken(lab, CLIENT, change, f"rm -r {folder}; systemctl daemon-reload; systemctl restart netdata"):
        observations = look(lab, environment={"endpoint": "TEST_DESTINATION"})
        process = said(lab, "tr '\\0' '\\n' < /proc/$(systemctl show -P MainPID netdata)/environ")
        lab.run(CLIENT, "systemctl stop netdata")
        stopped = look(lab, environment={"endpoint": "TEST_DESTINATION"})
    lab.wait_until_healthy(CLIENT)
    environment = data_of(observations, "agent_config.environment")
    assert "TEST_DESTINATION=elsewhere.lab.example" in process.split("\n")
    assert environment["overrides"] == [
        {"name": "TEST_DESTINATION", "role": "endpoint", "over_file": f"{FILE}:3", "differs": True, "right_in_file": True}]
    assert environment["proxies"] == {"HTTPS_PROXY": "http://********@proxy1:3128"}
    assert "HTTPS_PROXY" in environment["proxies_differ"]
    assert data_of(observations, "agent_config.endpoint")["differs"] == ["host"]
    # Nothing runs, and the unit tells what it would be started with.
    assert data_of(stopped, "agent_config.environment")["environment_from"] == "unit"
    assert data_of(stopped, "agent_config.endpoint")["source"] == "TEST_DESTINATION"
    assert data_of(stopped, "agent_config.file")["user"] == "netdata"


def test_yaml_where_no_pyyaml_is(lab: Lab) -> None:
    assert "ModuleNotFoundError" in lab.run(CLIENT, "python3 -c 'import yaml' 2>&1 || true").stdout
    lab.put(CLIENT, "/root/agent.yaml", "api_key: 0af0af\nexporters:\n  otlp:\n    endpoint: https://apm1.lab.example:4317\n")
    files = [{"path": "/root/agent.yaml", "format": "yaml", "endpoint": ["exporters.*.endpoint"], "credential": ["api_key"]}]
    try:
        observations = look(lab, files=files, credential_format="[0-9a-f]{6}", credential_fingerprint={"salt": SALT}, port=4317)
        assert data_of(observations, "agent_config.endpoint")["source"] == "/root/agent.yaml:4"
        assert data_of(observations, "agent_config.credential")["state"] == "unreadable"  # /root is not netdata's to enter
        lab.run(CLIENT, "printf '\\tsite: x\\n' >> /root/agent.yaml")
        broken_file = data_of(look(lab, files=files), "agent_config.file")
        assert (broken_file["blocked_by"], broken_file["syntax_error"]["line"]) == ("/root", 5)
    finally:
        lab.run(CLIENT, "rm /root/agent.yaml")


def test_an_ordinary_user_is_told_what_can_not_be_seen(lab: Lab) -> None:
    observations = look(lab, become=False)
    file = data_of(observations, "agent_config.file")
    assert (file["status"], file["error"], file["readable"]) == ("cannot_tell", "not_permitted", True)
    assert data_of(observations, "agent_config.credential")["reason"] == "not_permitted"

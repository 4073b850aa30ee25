# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The agent_config probe on real files, and on a real process with an environment of its own."""
from __future__ import annotations

import getpass
import hashlib
import json
import os
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _process_environment
from ansible_collections.connectivity.doctor.plugins.module_utils._command import run_bounded
from ansible_collections.connectivity.doctor.plugins.module_utils._config.credential import judge
from ansible_collections.connectivity.doctor.plugins.module_utils._config.endpoint import (
    comparable,
    differences,
    parse_destination,
    split_destinations,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.lookup import Setting
from ansible_collections.connectivity.doctor.plugins.module_utils._config.place import Places
from ansible_collections.connectivity.doctor.plugins.module_utils._engine import _prepared
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import agent_config
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

KEY = str(uuid.UUID("6f1b24c8-93d5-4c02-9a4e-0d5c7be8a911"))
SALT = "0123456789abcdef0123456789abcdef"
FORM = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
STREAM = "[stream]\n    enabled = yes\n    destination = parent.example:19999\n    api key = %s\n"


def sha256(value):
    return hashlib.sha256((SALT + value).encode()).hexdigest()


@contextmanager
def agent(**environment):
    """A process of a name of its own; a tool for the probe, which has to find it."""
    name = "agent%d" % os.getpid()
    with open("/proc/self/comm", encoding="ascii"):
        process = subprocess.Popen(
            [sys.executable, "-c", "open('/proc/self/comm', 'w').write(%r); print(flush=True); input()" % name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=dict(os.environ, **environment))
    process.stdout.readline()
    try:
        yield name, process.pid
    finally:
        process.communicate(b"\n")


def probe(path, content=None, file_format="ini", file=None, **parameters):
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    keys = {"endpoint": ["stream.destination"], "credential": ["stream.api key"], "enabled": "stream.enabled"}
    files = [{"path": str(path), "format": file_format, **(keys if file is None else file)}]
    given = {"files": files, "credential_format": FORM, "default_port": 19999, **parameters}
    result = run_probe("agent_config", _prepared(agent_config.ARGUMENTS, given))
    assert KEY not in json.dumps(result.observations)
    return result


def test_all_is_well(tmp_path):
    fingerprint = {"salt": SALT, "sha256": sha256(KEY)}
    with agent() as (name, _pid):
        result = probe(tmp_path / "stream.conf", STREAM % KEY, process=name, host="parent.example", port=19999,
                       credential_fingerprint=fingerprint)
    assert result.outcome.passed
    assert {observation["status"] for observation in result.observations} == {"ok"}
    assert result.checks == ["agent_config.file", "agent_config.endpoint", "agent_config.credential", "agent_config.reporting",
                             "agent_config.environment"]
    file = result.one("agent_config.file")["data"]
    assert (file["user"], file["readable"], file["error"], file["stray"]) == (getpass.getuser(), True, "", [])
    endpoint = result.one("agent_config.endpoint")["data"]
    assert endpoint["configured"] == {"host": "parent.example", "port": 19999, "scheme": "", "path": "", "url": "parent.example:19999"}
    assert endpoint["source"] == "%s:3" % (tmp_path / "stream.conf")
    credential = result.one("agent_config.credential")["data"]
    assert (credential["state"], credential["compared"], credential["length"]) == ("ok", True, 36)
    assert credential["fingerprint"] == sha256(KEY)[:12]


@pytest.mark.parametrize(("destination", "differs"), [
    ("parent.example:19999", []),
    ("PARENT.example.", []),
    ("tcp:parent.example:19999:SSL", ["scheme"]),
    ("other.example:19999", ["host"]),
    ("parent.example:19998", ["port"]),
    ("localhost:19998", ["host", "port"]),
    ("127.0.0.1", ["host"]),
    ("192.0.2.7", []),
    ("other.example parent.example", []),
])
def test_endpoints(tmp_path, destination, differs):
    content = "[stream]\ndestination = %s\n" % destination
    result = probe(tmp_path / "c", content, host="parent.example", port=19999, scheme="tcp")
    observation = result.one("agent_config.endpoint")
    assert observation["data"]["differs"] == differs
    assert observation["status"] == ("fail" if differs else "ok")
    assert observation["data"]["comparable"] is (destination != "192.0.2.7")


@pytest.mark.parametrize(("text", "wanted"), [
    ("https://apm.example/intake", ("apm.example", 443, "https", "/intake")),
    ("http://u:p@[2001:DB8::1]:8200", ("2001:db8::1", 8200, "http", "")),
    ("2001:db8::1", ("2001:db8::1", 7, "tcp", "")),
    ("[2001:db8::1%eth0]:9", ("2001:db8::1", 9, "tcp", "")),
    ("host", ("host", 7, "tcp", "")),
    ('"host:8"', ("host", 8, "tcp", "")),
    ("grpcs://h:4317", ("h", 4317, "grpcs", "")),
    (":::", (":::", 7, "tcp", "")),
])
def test_ways_to_write_a_destination(text, wanted):
    found = parse_destination(text, 7, "tcp")
    assert found[:4] == wanted
    assert "u:p" not in found.url


def test_what_differs():
    assert split_destinations("a,b;c d") == ["a", "b", "c", "d"]
    assert differences(parse_destination("https://h:1"), "h", 1, "http") == ["scheme"]
    assert differences(parse_destination("https://h:1"), "h", 1, "grpcs") == []
    assert differences(parse_destination("[::1]:1"), "0:0:0:0:0:0:0:1", 1, "") == []
    assert not comparable("192.0.2.1", "name")
    assert comparable("192.0.2.1", "192.0.2.2")
    assert not comparable("127.0.0.1", "localhost")


@pytest.mark.parametrize(("line", "state", "mended"), [
    ("    api key = %s" % KEY, "ok", False),
    ("", "missing", False),
    ("    api key =", "empty", False),
    ("    api key = <KEY>", "placeholder", False),
    ("    api key = ${STREAM_KEY}", "placeholder", False),
    ("    api key = YOUR-API-KEY-HERE", "placeholder", False),
    ("    api key = 11111111-2222-3333-4444-555555555555", "placeholder", False),
    ("    api key = %s" % KEY[:-1], "malformed", False),
    ('    api key = "%s"' % KEY, "malformed", True),
    ("    api key = %s\u00a0" % KEY, "malformed", True),
    ("    api key = %s" % KEY.replace("6f", "7f"), "different", False),
])
def test_credentials(tmp_path, line, state, mended):
    result = probe(tmp_path / "c", "[stream]\n%s\n" % line, credential_fingerprint={"salt": SALT, "sha256": sha256(KEY)})
    observation = result.one("agent_config.credential")
    # A trailing blank of any kind is what an INI reader of Python strips, and what C programs keep.
    assert observation["data"]["state"] == ("ok" if "\u00a0" in line else state)
    assert observation["data"]["right_when_cleaned"] is (mended and "\u00a0" not in line)
    assert observation["status"] == ("ok" if observation["data"]["state"] == "ok" else "fail")


def test_a_password_that_looks_strange_is_right_when_it_is_the_right_one():
    assert judge("changeme", salt=SALT, expected=sha256("changeme")).state == "ok"
    assert judge("changeme").state == "placeholder"
    assert judge("$Abc123").state == "ok"
    assert judge("x" * 100000, form="y+").state in ("malformed", "placeholder")


def test_the_environment_counts_more_than_the_file(tmp_path):
    variables = {"endpoint": "AGENT_URL", "credential": ["AGENT_KEY", "AGENT_TOKEN"]}
    proxy = "http://user:pass@proxy:3128"
    with agent(AGENT_URL="http://elsewhere:1", AGENT_TOKEN="<token>", HTTPS_PROXY=proxy) as (name, pid):
        result = probe(tmp_path / "c", STREAM % KEY, process=name, environment=variables, host="parent.example", port=19999)
    environment = result.one("agent_config.environment")
    assert environment["status"] == "warn"
    assert environment["data"]["environment_from"] == "process"
    assert environment["data"]["pid"] == pid
    assert environment["data"]["overrides"] == [
        {"name": "AGENT_URL", "role": "endpoint", "over_file": "%s:3" % (tmp_path / "c"), "differs": True,
         "right_in_file": True},
        {"name": "AGENT_TOKEN", "role": "credential", "over_file": "%s:4" % (tmp_path / "c"), "differs": True,
         "right_in_file": None},
    ]
    assert environment["data"]["proxies"]["HTTPS_PROXY"] == "http://********@proxy:3128"
    assert "HTTPS_PROXY" in environment["data"]["proxies_differ"]
    endpoint = result.one("agent_config.endpoint")["data"]
    assert (endpoint["source"], endpoint["from_environment"], endpoint["differs"]) == ("AGENT_URL", True, ["host", "port"])
    assert result.one("agent_config.credential")["data"]["state"] == "placeholder"


@pytest.mark.parametrize(("file_key", "file_host", "known", "right"), [
    (KEY, "parent.example", True, {"endpoint": True, "credential": True}),
    (KEY.replace("6f", "7f"), "elsewhere.example", True, {"endpoint": False, "credential": False}),
    ("<KEY>", "parent.example", False, {"endpoint": True, "credential": False}),
    (KEY, "parent.example", False, {"endpoint": True, "credential": None}),
])
def test_whether_the_file_is_right_where_a_variable_counts_more(tmp_path, file_key, file_host, known, right):
    variables = {"endpoint": "AGENT_URL", "credential": ["AGENT_KEY"]}
    fingerprint = {"salt": SALT, **({"sha256": sha256(KEY)} if known else {})}
    with agent(AGENT_URL="http://elsewhere:1", AGENT_KEY="<token>") as (name, _pid):
        result = probe(tmp_path / "c", "[stream]\ndestination = %s:19999\napi key = %s\n" % (file_host, file_key), process=name,
                       environment=variables, host="parent.example", port=19999, credential_fingerprint=fingerprint)
    overrides = result.one("agent_config.environment")["data"]["overrides"]
    assert {override["role"]: override["right_in_file"] for override in overrides} == right


REGIONS = {"eu": {"credential": "^eu01xx", "host": r"\.eu\."}, "us": {"credential": "^(?!eu01xx)", "host": r"^(?!.*\.eu\.)"}}


@pytest.mark.parametrize(("key", "host", "region", "endpoint_region"), [
    ("eu01xx1234", "collector.eu.example", "eu", "eu"),
    ("eu01xx1234", "collector.example", "eu", "us"),
    ("12345678", "collector.eu.example", "us", "eu"),
    ("", "collector.eu.example", "", "eu"),
])
def test_the_region_of_a_credential_and_of_the_host(tmp_path, key, host, region, endpoint_region):
    result = probe(tmp_path / "c", "[stream]\napi key = %s\n" % key, host=host, credential_format="", credential_regions=REGIONS)
    data = result.one("agent_config.credential")["data"]
    assert (data["region"], data["endpoint_region"]) == (region, endpoint_region)


def test_without_a_rule_nothing_has_a_region(tmp_path):
    data = probe(tmp_path / "c", "[stream]\napi key = %s\n" % KEY, host="h").one("agent_config.credential")["data"]
    assert (data["region"], data["endpoint_region"], data["compared"]) == ("", "", False)
    missing = probe(tmp_path / "c", "[stream]\n", credential_fingerprint={"salt": SALT, "sha256": sha256(KEY)})
    data = missing.one("agent_config.credential")["data"]
    assert (data["state"], data["compared"], data["region"]) == ("missing", True, "")


def test_variables_in_values_are_filled_in(tmp_path):
    content = "exporters:\n  otlp:\n    endpoint: ${env:WHERE}\n    headers:\n      key: ${NOBODY_SETS_IT}\n"
    keys = {"endpoint": ["exporters.*.endpoint"], "credential": ["exporters.*.headers.key"]}
    with agent(WHERE="https://apm.example:4318") as (name, _pid):
        result = probe(tmp_path / "c", content, "yaml", keys, process=name, host="apm.example", port=4318)
    assert result.one("agent_config.endpoint")["data"]["differs"] == []
    credential = result.one("agent_config.credential")["data"]
    assert (credential["state"], credential["unresolved"]) == ("placeholder", ["NOBODY_SETS_IT"])


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to look at another user's access")
def test_a_file_that_the_agent_may_not_read(tmp_path):
    path = tmp_path / "stream.conf"
    path.write_text(STREAM % KEY)
    path.chmod(0o640)
    result = probe(path, user="nobody")
    file = result.one("agent_config.file")
    assert (file["status"], file["data"]["readable"]) == ("fail", False)
    assert file["data"]["blocked_why"] == "mode"
    assert (file["data"]["owner"], file["data"]["mode"]) == ("root", "0640")
    credential = result.one("agent_config.credential")
    assert (credential["status"], credential["data"]["state"], credential["data"]["source"]) == ("fail", "unreadable", str(path))


@pytest.mark.parametrize(("content", "file_format", "line", "column"), [
    ("api_key: abc\n\turl: x\n", "yaml", 2, 1),
    ("[stream\napi key = %s\n" % KEY, "ini", 1, 8),
    ("<a><b></a>", "xml", 1, 9),
    ('{"key": "%s" "b": 1}' % KEY, "json", 1, 48),
    ("Server=a\nkey %s\n" % KEY, "key_value", 2, 1),
    ("token hunter2 and more\n", "env", 1, 1),
])
def test_syntax_errors_have_places_and_no_secrets(tmp_path, content, file_format, line, column):
    result = probe(tmp_path / "c", content, file_format)
    file = result.one("agent_config.file")
    assert file["status"] == "fail"
    assert file["data"]["error"] == "syntax"
    assert (file["data"]["syntax_error"]["line"], file["data"]["syntax_error"]["column"]) == (line, column)
    assert "hunter2" not in json.dumps(result.observations)
    # What could not be read is not said to be missing.
    for check in ("agent_config.endpoint", "agent_config.credential", "agent_config.reporting"):
        assert (result.one(check)["status"], result.one(check)["data"]["reason"]) == ("cannot_tell", "syntax")


def test_stray_characters(tmp_path):
    result = probe(tmp_path / "c", b"\xef\xbb\xbf" + (STREAM % KEY).encode().replace(b"\n", b"\r\n"))
    file = result.one("agent_config.file")
    assert file["status"] == "warn"
    assert [(stray["kind"], stray["harmful"]) for stray in file["data"]["stray"]] == [("bom", True), ("crlf", False)]
    assert (file["data"]["stray"][0]["bytes"], file["data"]["stray"][1]["count"]) == ("ef bb bf", 4)


@pytest.mark.parametrize(("content", "host", "configured", "differs"), [
    ("site: example.eu\n", "api.example.eu", "api.example.eu", []),
    ("site: example.eu\n", "api.example.com", "example.eu", ["host"]),
    ("site: example.eu\n", "badexample.eu", "example.eu", ["host"]),
    ("site: example.eu\ndd_url: https://own.example:8443\n", "api.example.eu", "own.example", ["host", "port"]),
    ("site: ''\n", "api.example.eu", None, []),
])
def test_a_site_stands_for_the_hosts_below_it_where_no_endpoint_is_set(tmp_path, content, host, configured, differs):
    result = probe(tmp_path / "agent.yaml", content, "yaml", {"endpoint": ["dd_url"], "site": "site"}, host=host, port=443, scheme="https",
                   default_port=443, default_scheme="https")
    data = result.one("agent_config.endpoint")["data"]
    assert (data["configured"]["host"] if data["configured"] else None, data["differs"]) == (configured, differs)


def test_an_agent_that_is_told_by_its_environment_only():
    with agent(APP_SERVER_URL="http://apm.example:8200", APP_TOKEN="your-token-here") as (name, _pid):
        result = run_probe("agent_config", _prepared(agent_config.ARGUMENTS, {
            "files": [], "process": name, "host": "apm.example", "port": 8200, "scheme": "http",
            "environment": {"endpoint": ["APP_SERVER_URL"], "credential": "APP_TOKEN"}}))
    assert result.one("agent_config.endpoint")["status"] == "ok"
    assert result.one("agent_config.credential")["data"]["state"] == "placeholder"


def test_reporting(tmp_path):
    off = probe(tmp_path / "c", STREAM.replace("yes", "no") % KEY)
    assert (off.one("agent_config.reporting")["status"], off.one("agent_config.reporting")["data"]["enabled"]) == ("fail", False)
    disabled = probe(tmp_path / "d", "disable_send=true\n", "properties", {"disabled": "disable_send"})
    assert disabled.one("agent_config.reporting")["data"]["enabled"] is False
    unset = probe(tmp_path / "e", "a=b\n", "properties", {"disabled": "disable_send"})
    assert (unset.one("agent_config.reporting")["status"], unset.one("agent_config.reporting")["data"]["enabled"]) == ("ok", None)


def test_included_files_and_a_credential_in_a_file(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.conf").write_text("ServerActive=one.example:10051,two.example\nInclude=%s\n" % (tmp_path / "zabbix.conf"))
    (tmp_path / "psk").write_text(KEY + "\n")
    content = "Include=%s/d/*.conf\nTLSPSKFile=%s\n" % (tmp_path, tmp_path / "psk")
    keys = {"endpoint": ["ServerActive"], "credential_file": "TLSPSKFile"}
    result = probe(tmp_path / "zabbix.conf", content, "key_value", keys, host="two.example", port=10051, default_port=10051)
    files = [observation["target"] for observation in result.observations if observation["check"] == "agent_config.file"]
    assert files == [str(tmp_path / "zabbix.conf"), str(tmp_path / "d" / "a.conf"), str(tmp_path / "psk")]
    assert result.one("agent_config.endpoint")["data"]["others"] == ["one.example:10051"]
    assert result.one("agent_config.endpoint")["data"]["differs"] == []
    assert result.one("agent_config.credential")["data"]["state"] == "ok"
    (tmp_path / "psk").unlink()
    result = probe(tmp_path / "zabbix.conf", None, "key_value", keys)
    assert result.one("agent_config.credential")["data"]["state"] == "empty"


def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    with open(tmp_path / "large", "wb") as large:
        large.truncate(10 * 2**30)
    began = time.monotonic()
    for name, error, status in (("fifo", "not_a_file", "cannot_tell"), ("folder", "not_a_file", "cannot_tell"),
                                ("large", "too_large", "cannot_tell"), ("none", "missing", "warn")):
        file = probe(tmp_path / name).one("agent_config.file")
        assert (file["data"]["error"], file["status"]) == (error, status)
    assert time.monotonic() - began < 2


def test_where_a_setting_stands_is_told_exactly_enough_to_change_it(tmp_path):
    content = "out:\n  - host: other.example\n    port: 1\nkey: ${KEY_OF_AGENT}\non: no\n"
    keys = {"endpoint": ["out.*.host"], "port": "out.*.port", "credential": ["key"], "enabled": "on"}
    with agent(KEY_OF_AGENT=KEY) as (name, _pid):
        result = probe(tmp_path / "c", content, file_format="yaml", file=keys, process=name, host="parent.example", port=19999)
    here = {"path": os.path.realpath(str(tmp_path / "c")), "format": "yaml"}
    host = {"role": "endpoint", **here, "key": "out.0.host"}
    assert result.one("agent_config.endpoint")["data"]["set_by"] == {
        "host": host, "path": host, "scheme": host, "port": {"role": "port", **here, "key": "out.0.port", "value": "1"}}
    assert result.one("agent_config.credential")["data"]["set_by"] == {
        "role": "credential", **here, "key": "key", "put_together": True}
    assert result.one("agent_config.reporting")["data"]["set_by"] == {"role": "enabled", **here, "key": "on"}


def test_of_a_setting_that_is_missing_it_is_told_where_it_would_be(tmp_path):
    (tmp_path / "real").write_text("[stream]\nenabled = yes\n")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    result = probe(tmp_path / "link", host="parent.example")
    assert result.one("agent_config.credential")["data"]["set_by"] == {
        "role": "credential", "path": os.path.realpath(str(tmp_path / "real")), "format": "ini", "key": "stream.api key"}


def test_the_authorities_that_it_is_told_to_trust_are_a_file_that_it_must_read(tmp_path):
    authorities = tmp_path / "ca.pem"
    authorities.write_text("-----BEGIN CERTIFICATE-----\n")
    keys = {"ca_file": ["stream.CAfile"]}
    result = probe(tmp_path / "stream.conf", "[stream]\nCAfile = %s\n" % authorities, file=keys)
    assert [file["data"]["path"] for file in result.observations if file["check"] == "agent_config.file"] == [
        str(tmp_path / "stream.conf"), str(authorities)]
    trust = result.one("agent_config.trust")
    assert (trust["status"], trust["data"]["ca_file"], trust["data"]["source"]) == (
        "ok", str(authorities), "%s:2" % (tmp_path / "stream.conf"))
    assert trust["data"]["set_by"]["key"] == "stream.CAfile"
    authorities.unlink()
    missing = probe(tmp_path / "stream.conf", file=keys)
    assert [file["data"]["error"] for file in missing.observations if file["check"] == "agent_config.file"] == ["", "missing"]
    assert "agent_config.trust" not in probe(tmp_path / "stream.conf", "[stream]\n", file=keys).checks


def test_of_a_variable_it_is_told_where_the_unit_has_it(tmp_path):
    """The answer of systemctl is that of systemd 252."""
    file = tmp_path / "default"
    file.write_text("# kept\nAGENT_URL=http://other.example:1\n")
    shown = ("FragmentPath=/lib/a.service\nDropInPaths=/etc/a.d/1.conf /etc/a.d/2.conf\nEnvironment=AGENT_KEY=x \"B=y z\"\n"
             "EnvironmentFiles=%s")
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\ncat <<'END'\n%s (ignore_errors=no)\nEND\n" % (shown % file))
    systemctl.chmod(0o755)
    context = SimpleNamespace(command=lambda argv: run_bounded([str(systemctl), *argv[1:]], 5, 65536))
    assert _process_environment.set_in("a", context) == {
        "AGENT_KEY": ("/etc/a.d/2.conf", False), "B": ("/etc/a.d/2.conf", False), "AGENT_URL": (str(file), True)}
    places = Places([], "a", context)
    assert places.of("endpoint", Setting("http://other.example:1", "AGENT_URL", True)) == {
        "role": "endpoint", "variable": "AGENT_URL", "path": os.path.realpath(str(file)), "format": "env", "key": "AGENT_URL"}
    assert places.of("credential", Setting("x", "AGENT_KEY", True)) == {
        "role": "credential", "variable": "AGENT_KEY", "unit_file": "/etc/a.d/2.conf"}
    assert places.of("credential", Setting("x", "ELSEWHERE", True)) == {"role": "credential", "variable": "ELSEWHERE"}

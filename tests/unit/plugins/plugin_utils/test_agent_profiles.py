# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue of agents: every profile whole, every line of a log in its family, every credential and answer judged as it says."""
from __future__ import annotations

import pathlib
import re
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _probes
from ansible_collections.connectivity.doctor.plugins.module_utils._config.credential import judge, region_of
from ansible_collections.connectivity.doctor.plugins.module_utils._log.families import FAMILIES, RECOVERED, Classifier
from ansible_collections.connectivity.doctor.plugins.plugin_utils import _agent_shape
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import RUNTIMES, AgentProfile, known_agents, load_profile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan
from ansible_collections.connectivity.doctor.tests.support.http_server import speaks_http
from ansible_collections.connectivity.doctor.tests.support.labelled_lines import (
    DECOYS,
    captured_lines,
    classifier,
    classifiers,
    labelled_lines,
    tally,
    written_profiles,
)
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

PROFILES = {name: load_profile(name) for name in known_agents()}
WRITTEN = written_profiles()
every_profile = pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)


def steps(step: dict[str, t.Any]) -> t.Iterator[dict[str, t.Any]]:
    yield step
    for child in step.get("then", ()):
        yield from steps(child)


def test_the_catalogue_has_the_agents_that_it_must_have() -> None:
    assert set(PROFILES) >= set("""
        datadog newrelic_infra newrelic_apm elastic_agent elastic_apm dynatrace appdynamics otelcol otelcol_contrib splunk_otel
        grafana_alloy telegraf fluent_bit vector prometheus node_exporter pushgateway zabbix_agent zabbix_agent2 netdata skywalking
        jaeger instana pinpoint sentry_relay honeycomb signoz collectd munin""".split())


@every_profile
def test_each_group_of_facts_says_where_it_is_from_and_whether_it_is_sure(profile: AgentProfile) -> None:
    for group, keys in _agent_shape.GROUPS.items():
        if any(getattr(profile, key) for key in keys):
            assert group in profile.verified, group
        if profile.verified.get(group):
            assert profile.sources.get(group) and group not in profile.doubts, group
        elif group in profile.verified:
            assert profile.doubts.get(group), group
    assert set(profile.doubts) <= {group for group, sure in profile.verified.items() if not sure}


@every_profile
def test_of_each_group_there_are_facts_or_a_reason_why_there_are_none(profile: AgentProfile) -> None:
    """So that nothing is left out by mistake. Of an agent in an application, the user names the unit."""
    empty = {group for group, keys in _agent_shape.GROUPS.items() if not any(getattr(profile, key) for key in keys)}
    assert set(profile.absent) == empty
    assert all(profile.absent.values())


@every_profile
def test_each_profile_knows_how_its_log_says_that_it_works_again_or_that_it_does_not_say_so(profile: AgentProfile) -> None:
    """Unless what it writes is not known for sure, as of those that are closed."""
    told = bool(profile.examples.get(RECOVERED)) + (RECOVERED in profile.silent_on)
    assert told == 1 or (told == 0 and "signatures" in profile.doubts)


@every_profile
def test_each_profile_can_be_looked_for(profile: AgentProfile) -> None:
    assert profile.title and profile.name in PROFILES and profile == PROFILES[profile.name]
    assert profile.application or profile.unit or profile.process
    assert profile.port
    for file in profile.config:
        assert file["path"].startswith("/")
        assert file["format"] in _probes.load("agent_config").ARGUMENTS["files"]["options"]["format"]["choices"]
    for path in profile.logs.get("files", ()):
        assert path.startswith("/")
    for place in [url for urls in profile.endpoints.values() for url in urls]:
        assert re.fullmatch(r"(https?|tcp|udp)://[\w.-]+(:\d+)?(/\S*)?", place)


@every_profile
def test_all_families_are_known(profile: AgentProfile) -> None:
    known = {*FAMILIES, *profile.signatures}
    assert set(profile.examples) <= {*known, RECOVERED}
    assert {*profile.misleading, *(family for truths in profile.misleading.values() for family in truths)} <= known
    assert set(profile.silent_on) <= {*known, RECOVERED}
    assert not {family for family in profile.signatures if family not in FAMILIES and family not in profile.examples}


@every_profile
def test_what_it_is_said_to_tell_wrongly_or_not_at_all_holds_together(profile: AgentProfile) -> None:
    assert set(profile.misleading) <= set(profile.examples), "what it says wrongly, it says"
    assert all(truths and len(set(truths)) == len(truths) for truths in profile.misleading.values())
    fates = [status for statuses in profile.fates.values() for status in statuses]
    assert len(set(fates)) == len(fates), "data has one fate"
    if profile.other_side:
        assert profile.other_side["says"]
    for path in profile.other_side.get("files", ()):
        assert path.startswith("/")


@every_profile
def test_each_line_of_its_own_is_in_its_family(profile: AgentProfile) -> None:
    found = classifier(profile)
    assert [(line, found.family(line)) for lines in profile.examples.values() for line in lines] == [
        (line, family) for family, lines in profile.examples.items() for line in lines]


def test_every_captured_line_is_in_its_family(capsys: pytest.CaptureFixture[str]) -> None:
    """All labelled lines that are known, each once: those in profiles, and those of servers and databases."""
    labelled, told = labelled_lines(), classifiers()
    found = {(name, line): told[name].family(line) for name, line in labelled}
    assert {where: (family, found[where]) for where, family in labelled.items() if found[where] != family} == {}
    assert len(labelled) >= 450
    with capsys.disabled():
        print("\n" + tally())


@pytest.mark.parametrize("line", captured_lines()[DECOYS])
def test_decoys_are_in_no_family(line: str) -> None:
    assert {name: one.family(line) for name, one in classifiers().items() if one.family(line)} == {}


@pytest.mark.parametrize("path", WRITTEN, ids=[path.stem for path in WRITTEN])
def test_no_signature_says_what_is_known_without_it(path: pathlib.Path) -> None:
    """What all programs say is written once, for all of them."""
    profiles = PROFILES.values() if path.parent == RUNTIMES else [PROFILES[path.stem]]
    for family, patterns in WRITTEN[path].get("signatures", {}).items():
        for pattern in patterns:
            assert any(_tells(profile, family, pattern) for profile in profiles), (family, pattern)


def _tells(profile: AgentProfile, family: str, pattern: str) -> bool:
    """Whether a line of the family would not be told without the pattern."""
    if pattern not in profile.signatures.get(family, ()):
        return False
    others = {**profile.signatures, family: [other for other in profile.signatures[family] if other != pattern]}
    without = Classifier(others, profile.logs.get("recovered", ()))
    return any(without.family(line) != family for line in profile.examples.get(family, ()))


_HEX = "9f86d081884c7d659a2feaa0c55ad015"
_CREDENTIALS: dict[str, tuple[list[str], list[str]]] = {
    "datadog": ([_HEX], [_HEX[:-1], _HEX + "a3bf4f1b", "0" * 32, _HEX[:-1] + "g", "your-api-key"]),
    "newrelic_infra": (["eu01xx" + _HEX + "NR"[:2], _HEX + "FFFFNRAL"], ["NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1", _HEX, "<license key>"]),
    "newrelic_apm": ([_HEX + "FFFFNRAL"], ["NRAK-ABCDEFGHIJKLMNOPQRSTUVWXYZ1", _HEX, "license_key"]),
    "dynatrace": (["dt0c01.ST2EY72KQINMH574WMNVI7YN." + "G3DFPBEJYMODIDAEX454M7YWBUVEFOWK" * 2], ["dt0c01.ST2EY72KQINMH574WMNVI7YN", _HEX]),
    "netdata": (["6f1b24c8-93d5-4c02-9a4e-0d5c7be8a911"], ["6f1b24c8-93d5-4c02-9a4e", "11111111-2222-3333-4444-555555555555", "API_KEY"]),
    **dict.fromkeys(("zabbix_agent", "zabbix_agent2"), ([_HEX], [_HEX[:-1], _HEX[:-2], "lab", "<PSK>"])),
    "sentry_sdk": (["https://%s@o1.ingest.sentry.io/42" % _HEX],
                   ["https://o1.ingest.sentry.io/42", "https://%s@o1.ingest.sentry.io/" % _HEX]),
    "honeycomb": ([_HEX, "abcdefghijABCDEFGHIJ12", "hcaik_" + "01j" + "a" * 55], ["hcaik_short", _HEX.upper()]),
}


def test_each_form_of_a_credential_has_samples() -> None:
    assert set(_CREDENTIALS) == {name for name, profile in PROFILES.items() if "format" in profile.credential}


@pytest.mark.parametrize(("name", "value", "is_good"), [
    (name, value, good) for name, (right, wrong) in _CREDENTIALS.items()
    for values, good in ((right, True), (wrong, False)) for value in values])
def test_forms_of_credentials(name: str, value: str, is_good: bool) -> None:
    rule = PROFILES[name].credential
    assert (judge(value, rule["format"], rule.get("placeholders", [])).state == "ok") == is_good


@pytest.mark.parametrize(("name", "credential", "host", "agree"), [
    ("newrelic_infra", "eu01xx" + _HEX + "00", "infra-api.eu.newrelic.com", True),
    ("newrelic_infra", "eu01xx" + _HEX + "00", "infra-api.newrelic.com", False),
    ("newrelic_infra", _HEX + "FFFFNRAL", "metric-api.newrelic.com", True),
    ("newrelic_infra", _HEX + "FFFFNRAL", "metric-api.eu.newrelic.com", False),
    ("newrelic_apm", "eu01xx" + _HEX + "00", "collector.eu01.nr-data.net", True),
    ("newrelic_apm", _HEX + "FFFFNRAL", "collector.eu01.nr-data.net", False),
    ("newrelic_apm", _HEX + "FFFFNRAL", "collector.newrelic.com", True),
])
def test_regions_of_credentials(name: str, credential: str, host: str, agree: bool) -> None:
    regions = PROFILES[name].credential["regions"]
    told = region_of(credential, regions, "credential"), region_of(host, regions, "host")
    assert all(told) and (told[0] == told[1]) == agree


def http_step(profile: AgentProfile, port: int, credential: str = "") -> tuple[dict[str, t.Any], dict[str, str]]:
    """The parameters of the request that a plan has for an endpoint of this agent, and the plan's secrets."""
    entry = {"name": "e", "url": "http://127.0.0.1:%d" % port, "agent": profile.name, **({"credential": credential} if credential else {})}
    plan = client_plan(parse_endpoints([entry], "web1"), "web1", 20.0)
    (found,) = [step["parameters"] for top in plan["steps"] for step in steps(top) if step["probe"] == "http"]
    return found, plan["secrets"]


_VALIDATED = [(name, status, meaning) for name, profile in PROFILES.items()
              for status, meaning in profile.validate.get("statuses", {}).items()]


@pytest.mark.parametrize(("name", "status", "meaning"), _VALIDATED)
@pytest.mark.parametrize("credential", ["", "s3cr3t-canary"])
def test_what_each_answer_to_the_validate_request_means(name: str, status: str, meaning: str, credential: str) -> None:
    profile = PROFILES[name]
    asked: list[tuple[str, str, str]] = []

    def respond(method: str, target: str, fields: t.Any) -> tuple[int, dict[str, str], bytes]:
        asked.append((method, target, fields.get(profile.validate.get("header", "none"), "")))
        return int(status), {}, b"{}"

    with ScriptedServer(speaks_http(respond)) as server:
        parameters, secrets = http_step(profile, server.port, credential)
        if "credential" in parameters:
            parameters["credential"] = secrets[parameters["credential"]["secret"]]
        result = run_probe("http", {**parameters, "address": "127.0.0.1"})
    shown = profile.validate.get("prefix", "") + credential if credential and "header" in profile.validate else ""
    assert asked == [(profile.validate.get("method", "GET"), profile.validate["path"], shown)]
    refused_without_one = not shown and meaning in ("refused", "not_allowed")
    assert (result.one("http.response")["status"] == "ok") == (meaning in ("accepted", "reached") or refused_without_one)


@every_profile
@pytest.mark.parametrize("scheme", ["http", "https", "grpc", "tcp"])
@pytest.mark.parametrize("unit", ["", "shop"])
def test_every_step_of_its_plan_is_one_that_the_probe_takes(profile: AgentProfile, scheme: str, unit: str) -> None:
    agent = {"inherits": profile.name, "unit": unit} if unit else profile.name
    endpoints = parse_endpoints([{"url": "%s://h.example.com:7" % scheme, "agent": agent, "credential": "c"}], "web1")
    seen = set()
    for top in client_plan(endpoints, "web1", 20.0)["steps"]:
        for step in steps(top):
            arguments = _probes.load(step["probe"]).ARGUMENTS
            seen.add(step["probe"])
            assert set(step["parameters"]) <= set(arguments), step["probe"]
            assert {key for key, spec in arguments.items() if spec.get("required")} <= set(step["parameters"]), step["probe"]
            for file in step["parameters"].get("files", ()) if step["probe"] == "agent_config" else ():
                assert set(file) <= set(arguments["files"]["options"])
    assert ("service" in seen) == bool(unit or profile.unit or profile.process)
    assert ("logs" in seen) == bool(unit or profile.logs.get("unit") or profile.logs.get("files"))
    assert ("agent_config" in seen) == bool(profile.config or (profile.environment and (unit or profile.unit or profile.process)))

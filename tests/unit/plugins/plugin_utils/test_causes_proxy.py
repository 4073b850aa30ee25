# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of an agent's proxy settings is to blame, and that settings which nobody uses are not."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

Observations = list[dict[str, t.Any]]
PROXY = "http://proxy.example.net:3128"


def observation(check: str, outcome: str, /, **data: t.Any) -> dict[str, t.Any]:
    return {"check": check, "status": outcome, "target": "apm.example.net:443", "vantage": {"host": "web1", "address": "", "user": ""},
            "data": data, "message": "%s %s" % (check, outcome)}


def verdict(observations: Observations, **entry: t.Any) -> Verdict:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": "https://apm.example.net", **entry}], "web1"))
    return infer(Case("web1", record.endpoints[0], observations))


def codes(observations: Observations, **entry: t.Any) -> list[str]:
    return sorted(cause["code"] for cause in verdict(observations, **entry).causes)


def goes(library: str, decision: str = "proxy", because: str = "proxy_variable", **data: t.Any) -> dict[str, t.Any]:
    return observation("proxy.bypass", "ok", **{
        "library": library, "decision": decision, "because": because, "variable": "HTTPS_PROXY", "token": "", "proxy": PROXY,
        "no_proxy": {}, "source": "process", **data})


def compared(direct: bool, through: bool | None, **data: t.Any) -> dict[str, t.Any]:
    return observation("proxy.comparison", "warn", **{
        "direct_works": direct, "proxy_works": through, "proxy": PROXY if through is not None else "", "variable": "HTTPS_PROXY",
        "source": "process", "direct_error": "" if direct else "connect_failed",
        "proxy_error": "refused_by_proxy" if through is False else "", "same_certificate": None, "proxy_issuer": "", "direct_issuer": "",
        **data})


def environment(process: dict[str, str], login: dict[str, str], process_way: str, login_way: str) -> dict[str, t.Any]:
    both = set(process) & set(login)
    made = observation(
        "proxy.environment", "ok" if process == login else "warn", source="process", pid=7, process=process, login=login,
        only_in_process=sorted(set(process) - set(login)), only_in_login=sorted(set(login) - set(process)),
        different=sorted(name for name in both if process[name] != login[name]), process_way=process_way, login_way=login_way)
    return {**made, "target": "agent.service"}


def connected(outcome: str, /, **data: t.Any) -> dict[str, t.Any]:
    return observation("proxy.connect", outcome, **{
        "proxy": PROXY, "error": "", "gai_error": "", "status": None, "answered_by": "", **data})


def url(status: str, **data: t.Any) -> dict[str, t.Any]:
    return observation("proxy.url", status, **{
        "variable": "HTTPS_PROXY", "source": "process", "proxy": PROXY, "problems": [], "fatal": [], "speaks_tls": None, **data})


WORKS = [observation("tcp.connect", "ok", error="", answer="accepted"), observation("http.response", "ok", error="", status=200)]
BLOCKED = [observation("tcp.connect", "fail", error="TIMEOUT", answer="none", dropped_here="none", address="10.0.0.5", port=443)]
NOW = "2026-01-01T00:00:30Z"
COMPLAINS = {**observation("logs.family", "warn", family="refused", recovered=False, samples=[], sources=["agent"], count=9,
                           first_at="2026-01-01T00:00:00Z", last_at=NOW), "started_at": NOW}
AT_WORK = observation("logs.source", "ok", source="agent", works_at=NOW)
VARIABLE = {"HTTPS_PROXY": PROXY}
DENIED = connected("fail", status=403, answered_by="proxy")
LOGIN_ONLY = environment({}, VARIABLE, "direct", "proxy")
AGENT_ONLY = environment(VARIABLE, {}, "proxy", "direct")
ALIKE = environment(VARIABLE, VARIABLE, "proxy", "proxy")
OUTSIDE = goes("curl", "direct", "no_proxy_variable", proxy="", variable="")
EXCLUDED = {"decision": "direct", "because": "excluded", "token": ".example.net", "variable": "NO_PROXY", "no_proxy": {"NO_PROXY": "*"}}


@pytest.mark.parametrize(("observations", "expected"), [
    # Sent to a proxy that does not reach it. What a login has decides whether its list or the whole setting is to blame.
    ([*WORKS, goes("curl"), goes("go"), compared(True, False), DENIED, ALIKE], ["proxy.bypass_missing"]),
    ([*WORKS, goes("curl"), goes("go"), compared(True, False), DENIED, AGENT_ONLY], ["proxy.environment_differs"]),
    ([*WORKS, goes("curl"), compared(True, False), DENIED,
      environment({**VARIABLE, "NO_PROXY": "localhost"}, {}, "proxy", "direct")], ["proxy.bypass_missing"]),
    ([*WORKS, goes("curl"), compared(True, False), DENIED,
      environment(VARIABLE, {**VARIABLE, "NO_PROXY": "apm.example.net"}, "proxy", "direct")], ["proxy.environment_differs"]),
    # What the agent's library makes of the list is not known: a candidate, and only where the agent complains.
    ([*WORKS, goes("curl"), goes("go", **EXCLUDED), compared(True, False), DENIED, ALIKE], []),
    ([*WORKS, goes("curl"), goes("go", **EXCLUDED), compared(True, False), DENIED, ALIKE, COMPLAINS], ["proxy.bypass_missing"]),
    # An agent that does not care.
    ([*WORKS, goes("curl"), compared(True, False), DENIED, ALIKE, AT_WORK], []),
    ([*WORKS, goes("curl"), compared(True, False, proxy_error="invalid_proxy"), url("fail", fatal=["placeholder"]), AT_WORK], []),
    # The proxy is there for all, and what it says is its own.
    ([*WORKS, goes("curl"), compared(True, False), connected("fail", status=407, answered_by="proxy"), ALIKE],
     ["proxy.authentication_required"]),
    ([*WORKS, goes("curl"), compared(True, False, proxy_error="ECONNREFUSED"), connected("fail", error="ECONNREFUSED"), ALIKE],
     ["proxy.unreachable"]),
    ([*BLOCKED, goes("curl"), compared(False, False), DENIED, ALIKE], ["proxy.denied"]),
    # Nobody uses it: excluded, or a login's only.
    ([*WORKS, goes("curl", **EXCLUDED), compared(True, False, proxy_error="ECONNREFUSED"), connected("fail", error="ECONNREFUSED")], []),
    ([*WORKS, goes("curl", source="login"), compared(True, False, source="login"), DENIED], []),
    ([*WORKS, goes("curl", source="login"), compared(True, False, source="login"), connected("fail", error="ECONNREFUSED")], []),
    ([*WORKS, goes("curl", source="login"), compared(True, None), url("fail", source="login", fatal=["placeholder"])], []),
    # Both ways work.
    ([*WORKS, goes("curl"), compared(True, True), connected("ok", status=200), AGENT_ONLY], []),
    # Directly nothing works.
    ([*BLOCKED, goes("curl", **EXCLUDED), goes("node_undici"), compared(False, True), AGENT_ONLY], ["proxy.bypass_too_broad"]),
    ([*BLOCKED, OUTSIDE, compared(False, True, source="login"), LOGIN_ONLY], ["proxy.environment_differs"]),
    ([*BLOCKED, goes("curl", source="login"), compared(False, True, source="login")], ["proxy.required"]),
    ([*BLOCKED, goes("curl"), compared(False, True), ALIKE], ["proxy.required"]),
    # The address that was compared is not the one that answers.
    ([*WORKS, goes("curl"), compared(False, True), ALIKE], []),
    # Not blocked: the server's own certificate is what a direct connection fails at.
    ([*WORKS[:1], observation("http.response", "fail", error="tls_failed", verify_code=10), goes("curl", source="login"),
      compared(False, True, source="login", direct_error="tls_failed")], []),
    # The value is none.
    ([*WORKS, goes("curl"), compared(True, False, proxy_error="invalid_proxy"), url("fail", fatal=["placeholder"]), AGENT_ONLY],
     ["proxy.url_invalid"]),
    ([*WORKS, goes("curl", variable="https_proxy"), compared(True, True), url("fail", fatal=["placeholder"]), ALIKE], []),
    ([*WORKS, OUTSIDE, compared(True, None), url("fail", problems=["empty"], fatal=["empty"])], []),
    ([*BLOCKED, OUTSIDE, compared(False, True, source="login"), url("fail", problems=["empty"], fatal=["empty"]),
      environment({"HTTPS_PROXY": ""}, VARIABLE, "direct", "proxy")], ["proxy.url_invalid"]),
    ([*WORKS, goes("curl"), compared(True, False, proxy_error="unresolved"), ALIKE,
      connected("fail", error="unresolved", gai_error="EAI_NONAME")], ["proxy.url_invalid"]),
])
def test_one_setting_is_to_blame(observations: Observations, expected: list[str]) -> None:
    assert codes(observations) == expected


def test_an_agent_that_complains_is_down_whatever_the_host_reaches() -> None:
    astray = [*WORKS, goes("curl"), compared(True, False), DENIED, ALIKE]
    assert [verdict(astray).state, verdict([*astray, COMPLAINS]).state] == ["degraded", "down"]


def test_a_proxy_that_only_a_login_has_does_not_hide_what_the_server_says() -> None:
    says = observation("http.response", "fail", error="", status=503, body_excerpt="no store", retry_after="")
    assert codes([WORKS[0], says, goes("curl", source="login"), compared(True, False, source="login"), DENIED]) == ["server.unhealthy"]


@pytest.mark.parametrize("answer", [403, 407])
def test_a_proxy_that_the_endpoint_is_described_with_is_no_missing_exclusion(answer: int) -> None:
    through = [WORKS[0], connected("fail", status=answer, answered_by="proxy"), observation("http.response", "fail", error="proxy_failed"),
               goes("curl", source="given"), compared(True, False, source="given")]
    assert codes(through, proxy=PROXY) == [{403: "proxy.denied", 407: "proxy.authentication_required"}[answer]]


def test_a_proxy_without_tls_is_told_though_nothing_could_be_asked() -> None:
    seen = [WORKS[0], connected("cannot_tell", reason="unsupported_scheme"),
            url("fail", variable="given", source="given", problems=["scheme_https"], speaks_tls=False),
            compared(True, True, source="given")]
    told = verdict(seen, proxy="https://proxy.example.net:3128")
    assert ([cause["code"] for cause in told.causes], told.state) == (["proxy.url_invalid"], "down")
    assert "speaks no TLS" in told.causes[0]["summary"]


def test_the_culprit_is_the_entry_and_the_libraries_that_read_it_so() -> None:
    (cause,) = verdict([*BLOCKED, goes("curl", **EXCLUDED), goes("go", **EXCLUDED), goes("node_undici"), compared(False, True)]).causes
    assert cause["culprit"] == {"variable": "NO_PROXY", "entry": ".example.net", "libraries": "curl, go"}

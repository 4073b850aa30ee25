# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which certificate, whose authority and whose key it is."""
from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.tests.gauntlet import recording
from ansible_collections.connectivity.doctor.tests.support import http_server, scripted_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

Observations = list[dict[str, t.Any]]
RECORDED = {case["name"]: case for case in recording.recorded()} if recording.FOLDER.is_dir() else {}


def causes(observations: Observations, **entry: t.Any) -> list[dict[str, t.Any]]:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([{"name": "apm", "url": "https://apm.example.net", **entry}], "web1"))
    return list(infer(Case("web1", record.endpoints[0], observations)).causes)


def observation(check: str, outcome: str, /, side: str = "", **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": outcome, "target": "apm.example.net:443", "vantage": {"host": "web1", "address": "", "user": ""},
            "data": data, "message": "%s %s" % (check, outcome)}
    return {**made, "side": side} if side else made


# --- who signed it --------------------------------------------------------------------------------------------------


class Inspected(t.NamedTuple):
    """What the real probes see of a server behind a proxy that ends TLS itself."""

    observations: Observations
    url: str
    proxy: str


@pytest.fixture
def inspected(tmp_path: pathlib.Path, request: pytest.FixtureRequest) -> Inspected:
    """:param request: the name of the authority that this host trusts."""
    roots = {name: mint(name, authority=True) for name in ("Real Root", "Proxy Root")}
    (tmp_path / "trusted.pem").write_bytes(roots[request.param].pem)
    served = {}
    for name, root in roots.items():
        context = tls_server.context(*mint("localhost", ["localhost"], root).write(tmp_path, name.replace(" ", "")))
        answer = scripted_server.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        served[name] = ScriptedServer(tls_server.speaks_tls(context, answer))
    with served["Real Root"] as real, served["Proxy Root"] as forged:
        with ScriptedServer(http_server.forward_proxy({"localhost:%d" % real.port: ("127.0.0.1", forged.port)})) as proxy:
            way = "http://127.0.0.1:%d" % proxy.port
            asked = {"host": "localhost", "port": real.port, "scheme": "https", "verify": "full", "proxy": way,
                     "ca_file": str(tmp_path / "trusted.pem")}
            seen = run_probe("http", {**asked, "address": "127.0.0.1"}).observations + run_probe("proxy", asked).observations
    return Inspected(seen, "https://localhost:%d" % real.port, way)


@pytest.mark.parametrize("inspected", ["Real Root"], indirect=True)
def test_a_proxys_own_authority(inspected: Inspected) -> None:
    (cause,) = causes(inspected.observations, url=inspected.url, proxy=inspected.proxy)
    culprit = {"proxy": inspected.proxy, "issuer": "CN=Proxy Root", "issuer_around_it": "CN=Real Root"}
    assert (cause["code"], cause["culprit"]) == ("tls.intercepted", culprit)


@pytest.mark.parametrize("inspected", ["Proxy Root"], indirect=True)
def test_an_authority_that_is_trusted_by_policy_is_no_cause(inspected: Inspected) -> None:
    assert causes(inspected.observations, url=inspected.url, proxy=inspected.proxy) == []


@pytest.mark.parametrize("inspected", ["Real Root"], indirect=True)
def test_without_a_connection_around_the_proxy_both_authorities_are_candidates(inspected: Inspected) -> None:
    through = [one for one in inspected.observations if one["check"] != "proxy.comparison"]
    told = causes(through, url=inspected.url, proxy=inspected.proxy)
    assert sorted(cause["code"] for cause in told) == ["tls.intercepted", "tls.unknown_ca"]
    assert all(cause["decide_by"] and "CN=Proxy Root" in cause["summary"] for cause in told)


WORKS = [observation("tcp.connect", "ok", error="", answer="accepted"), observation("http.response", "ok", error="", status=200)]


@pytest.mark.parametrize(("facts", "library", "expected"), [
    ({}, {}, ["tls.intercepted"]),
    ({"same_certificate": True}, {}, []),  # the server's own certificate comes through
    ({"source": "login"}, {"source": "login"}, []),  # the agent does not go that way
    ({}, {"decision": "direct", "because": "excluded"}, []),
])
def test_an_agent_behind_an_inspecting_proxy(facts: dict[str, t.Any], library: dict[str, t.Any], expected: list[str]) -> None:
    compared = observation("proxy.comparison", "warn", **{
        "source": "process", "direct_works": True, "proxy_works": False, "proxy_error": "tls_failed", "same_certificate": False,
        "proxy": "http://p:3128", "proxy_issuer": "CN=Proxy Root", "direct_issuer": "CN=Real Root", **facts})
    goes = observation("proxy.bypass", "warn", **{
        "library": "curl", "source": "process", "decision": "proxy", "because": "proxy_variable", "variable": "HTTPS_PROXY",
        "proxy": "http://p:3128", "no_proxy": {}, "token": "", **library})
    assert [cause["code"] for cause in causes([*WORKS, compared, goes])] == expected


# --- what expired ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "subject", "place", "dated"), [
    ("tls-expired", "CN=apm1.lab.example", "apm1", True),
    ("tls-expired-intermediate", "CN=Lab Former Intermediate CA", "apm1", True),
    ("tls-expired-database", "CN=db1.lab.example", "db1", True),
    ("tls-expired-root-of-the-client", "CN=Lab Root CA", "web2", False),
])
def test_the_certificate_that_expired_is_named(name: str, subject: str, place: str, dated: bool) -> None:
    recorded = RECORDED[name]
    described = {**{key: value for key, value in recorded["endpoint"].items() if key != "observations"}, "name": recorded["endpoint_name"]}
    (cause,) = infer(Case(recorded["host"], described, recorded["endpoint"]["observations"])).causes
    assert subject in cause["culprit"]["subject"]
    assert cause["locus"]["host"] == place
    assert ("not_after" in cause["culprit"], "ca_file" in cause["culprit"]) == (dated, not dated)


# --- whose key ------------------------------------------------------------------------------------------------------

REFUSED = observation("tcp.connect", "fail", error="ECONNREFUSED", answer="rst", address="10.0.0.5", port=443, elapsed_ms=0.3)
NOBODY = observation("sockets.listener", "warn", "server", scope="none", families=[], port=443)


def failed_unit(unit: str, **data: t.Any) -> dict[str, t.Any]:
    return observation("logs.family", "warn", "server", **{
        "family": "tls_server_key", "recovered": False, "sources": [unit], "samples": ["key values mismatch"], **data})


@pytest.mark.parametrize(("url", "seen", "expected"), [
    ("https://apm.example.net", [failed_unit("nginx.service")], "tls.server_key_mismatch"),
    ("postgresql://u@apm.example.net/d", [failed_unit("postgresql@15-main.service")], "tls.server_key_mismatch"),
    # Another service's trouble is not this one's.
    ("postgresql://u@apm.example.net/d", [failed_unit("nginx.service")], "server.not_running"),
    ("https://apm.example.net", [failed_unit("postgresql@15-main.service")], "server.not_running"),
    ("http://apm.example.net", [failed_unit("nginx.service")], "server.not_running"),
    # It runs again since.
    ("https://apm.example.net", [failed_unit("nginx.service", recovered=True)], "server.not_running"),
    ("https://apm.example.net", [failed_unit("nginx.service", family="address_in_use")], "server.not_running"),
])
def test_a_key_that_keeps_the_service_from_starting(url: str, seen: Observations, expected: str) -> None:
    assert [cause["code"] for cause in causes([REFUSED, NOBODY, *seen], url=url, server="apm1")] == [expected]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The proxy probe: real processes' environments, and a real proxy and server on loopback."""
from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._proxy.rules import LIBRARIES
from ansible_collections.connectivity.doctor.tests.support import http_server, scripted_server, tls_server
from ansible_collections.connectivity.doctor.tests.support.certificates import mint
from ansible_collections.connectivity.doctor.tests.support.probe_runner import Result, run_probe
from ansible_collections.connectivity.doctor.tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")

NAME = "apm.example.com"


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def origin():
    with ScriptedServer(http_server.speaks_http(lambda *_request: (401, {}, b"who are you"))) as server:
        yield server


def a_proxy(origin, host="127.0.0.1", **options) -> ScriptedServer:
    return ScriptedServer(http_server.forward_proxy({"%s:%d" % (host, origin.port): ("127.0.0.1", origin.port)}, **options))


def probe(port, host="127.0.0.1", secrets=(), **parameters) -> Result:
    return run_probe("proxy", dict({"host": host, "port": port, "scheme": "http", "timeout": 3.0}, **parameters), secrets=secrets)


def decisions(result: Result) -> dict[str, dict[str, t.Any]]:
    return {one["data"]["library"]: one["data"] for one in result.observations if one["check"] == "proxy.bypass"}


def test_without_any_proxy_the_direct_way_counts(origin):
    result = probe(origin.port)
    comparison = result.one("proxy.comparison")
    assert (comparison["status"], comparison["data"]["direct_works"], comparison["data"]["proxy_works"]) == ("ok", True, None)
    assert (comparison["data"]["direct_status"], comparison["data"]["proxy"]) == (401, "")
    assert {one["because"] for one in decisions(result).values()} == {"no_proxy_variable"}
    assert result.outcome.passed


def test_both_ways_work(origin):
    with a_proxy(origin) as proxy:
        result = probe(origin.port, proxy="http://127.0.0.1:%d" % proxy.port)
    data = result.one("proxy.comparison")["data"]
    assert (data["direct_works"], data["proxy_works"], data["proxy_status"]) == (True, True, 401)
    assert result.one("proxy.connect")["status"] == "ok"
    assert result.one("proxy.url")["data"]["problems"] == []
    assert "http.response" not in result.checks, "not to be taken for the endpoint's own way"
    found = decisions(result)
    assert found["go"]["decision"] == "direct" and found["go"]["because"] == "local"
    assert found["curl"]["decision"] == "proxy"
    assert set(found) == {library.name for library in LIBRARIES} | {"java"}


def test_a_proxy_that_is_required(origin):
    """The server is there for the proxy only: what a host behind a strict firewall sees."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with ScriptedServer(http_server.forward_proxy({"127.0.0.1:%d" % port: ("127.0.0.1", origin.port)})) as proxy:
            result = probe(port, proxy="http://127.0.0.1:%d" % proxy.port)
    assert result.one("proxy.comparison")["status"] == "warn"
    data = result.one("proxy.comparison")["data"]
    assert (data["direct_works"], data["direct_error"], data["proxy_works"]) == (False, "connect_failed", True)
    assert data["direct_connect_error"] == "ECONNREFUSED"
    assert result.outcome.passed


@pytest.mark.parametrize(("options", "status", "error"), [
    ({"credential": "user:s3cret-word"}, 407, "refused_by_proxy"), ({"refuses": range(1, 65536)}, 403, "refused_by_proxy"),
])
def test_what_the_proxy_refuses_is_its_own(origin, options, status, error):
    with a_proxy(origin, **options) as proxy:
        result = probe(origin.port, proxy="http://127.0.0.1:%d" % proxy.port)
    data = result.one("proxy.comparison")["data"]
    assert (data["proxy_works"], data["proxy_status"], data["proxy_error"], data["direct_works"]) == (False, status, error, True)
    assert result.one("proxy.connect")["data"]["answered_by"] == "proxy"
    assert {one["works"] for one in decisions(result).values() if one["decision"] == "proxy"} == {False}


def test_a_proxy_that_is_down(origin):
    result = probe(origin.port, proxy="http://127.0.0.1:9")
    data = result.one("proxy.comparison")["data"]
    assert (data["proxy_works"], data["proxy_error"]) == (False, "ECONNREFUSED")
    sent = next(one for one in result.observations if one["check"] == "proxy.bypass" and one["data"]["library"] == "curl")
    assert (sent["status"], sent["data"]["works"]) == ("warn", False)


def test_credentials_in_a_variable_are_used_and_never_shown(origin, monkeypatch):
    with a_proxy(origin, credential="user:s3cret-word") as proxy:
        monkeypatch.setenv("http_proxy", "http://user:s3cret-word@127.0.0.1:%d" % proxy.port)
        result = probe(origin.port)
    assert result.one("proxy.comparison")["data"]["proxy_works"] is True
    assert result.one("proxy.url")["data"]["problems"] == ["credentials_in_url"]
    assert "s3cret-word" not in repr(result)


def test_an_entry_that_matches_is_named(origin, monkeypatch):
    with a_proxy(origin) as proxy:
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:%d" % proxy.port)
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.0/8,.example.com")
        result = probe(origin.port, scheme="https", verify="none")
        named = decisions(result)
    assert (named["curl"]["decision"], named["curl"]["token"], named["curl"]["because"]) == ("direct", "127.0.0.0/8", "excluded")
    assert (named["wget"]["decision"], named["node_axios"]["decision"]) == ("proxy", "proxy")
    assert named["curl"]["no_proxy"] == {"no_proxy": "localhost,127.0.0.0/8,.example.com"}


def test_a_proxy_url_for_tls_where_the_proxy_speaks_none(origin):
    with a_proxy(origin) as proxy:
        result = probe(origin.port, proxy="https://127.0.0.1:%d" % proxy.port)
    url = result.one("proxy.url")
    assert (url["status"], url["data"]["problems"], url["data"]["speaks_tls"]) == ("fail", ["scheme_https"], False)
    data = result.one("proxy.comparison")["data"]
    assert (data["scheme_tried"], data["proxy_works"]) == ("http", True), "with the right scheme it would work"


def test_a_proxy_that_does_speak_tls(origin, tmp_path):
    context = tls_server.context(*mint("proxy.example.com").write(tmp_path, "proxy"))
    with ScriptedServer(tls_server.speaks_tls(context)) as proxy:
        result = probe(origin.port, proxy="https://127.0.0.1:%d" % proxy.port)
    assert result.one("proxy.url")["data"]["speaks_tls"] is True
    assert (result.one("proxy.comparison")["data"]["proxy_works"], result.one("proxy.comparison")["data"]["proxy_error"]) == (
        False, "unsupported_scheme")


def test_a_placeholder_is_not_tried(origin, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://<proxy>:3128")
    result = probe(origin.port)
    assert (result.one("proxy.url")["status"], result.one("proxy.url")["data"]["fatal"]) == ("fail", ["placeholder"])
    assert result.one("proxy.comparison")["data"]["proxy_error"] == "invalid_proxy"


def test_interception_shows_in_the_certificate(tmp_path):
    roots = {name: mint(name, authority=True) for name in ("Real Root", "Proxy Root")}
    served = {}
    for name, root in roots.items():
        context = tls_server.context(*mint(NAME, ["localhost"], root).write(tmp_path, name.replace(" ", "")))
        answer = scripted_server.answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        served[name] = ScriptedServer(tls_server.speaks_tls(context, answer))
    with served["Real Root"] as real, served["Proxy Root"] as forged:
        with ScriptedServer(http_server.forward_proxy({"localhost:%d" % real.port: ("127.0.0.1", forged.port)})) as proxy:
            result = probe(real.port, host="localhost", scheme="https", verify="none", proxy="http://127.0.0.1:%d" % proxy.port)
    data = result.one("proxy.comparison")["data"]
    assert (data["direct_works"], data["proxy_works"], data["same_certificate"]) == (True, True, False)
    assert (data["direct_issuer"], data["proxy_issuer"]) == ("CN=Real Root", "CN=Proxy Root")


# --- the environment of a process -----------------------------------------------------------------------------------


@pytest.fixture
def process():
    started = []

    def start(*arguments: str, **environment: str) -> int:
        argv = [sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)", *arguments]
        running = subprocess.Popen(argv, env=environment, stdout=subprocess.PIPE)
        running.stdout.readline()
        started.append(running)
        return running.pid

    yield start
    for running in started:
        running.kill()
        running.wait()
        running.stdout.close()


def test_a_process_with_other_settings_than_a_login(origin, process, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    pid = process("-Dhttp.proxyHost=127.0.0.9", HTTPS_PROXY="http://user:s3cret-word@127.0.0.1:9", no_proxy="localhost")
    result = probe(origin.port, pid=pid)
    environment = result.one("proxy.environment")
    data = environment["data"]
    assert (environment["status"], data["pid"], data["source"]) == ("warn", pid, "process")
    assert (data["only_in_process"], data["only_in_login"], data["different"]) == (["HTTPS_PROXY"], ["http_proxy"], ["no_proxy"])
    assert data["process"] == {"HTTPS_PROXY": "http://********@127.0.0.1:9", "no_proxy": "localhost"}
    assert "s3cret-word" not in repr(result)
    found = decisions(result)
    assert {one["source"] for one in found.values()} == {"process"}
    assert (found["java"]["decision"], found["java"]["because"]) == ("direct", "local")
    assert found["curl"]["because"] == "no_proxy_variable", "the process has none for http, whatever a login has"


def test_what_a_process_lacks_and_a_login_has_is_tried(origin, process, monkeypatch):
    with a_proxy(origin) as proxy:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:%d" % proxy.port)
        result = probe(origin.port, pid=process())
    environment, comparison = (result.one("proxy." + check)["data"] for check in ("environment", "comparison"))
    assert (environment["only_in_login"], environment["process_way"]) == (["http_proxy"], "direct")
    assert environment["login_way"] == "", "Go never sends what is local to a proxy, and curl does"
    assert (comparison["source"], comparison["variable"], comparison["proxy_works"]) == ("login", "http_proxy", True)
    assert decisions(result)["curl"]["because"] == "no_proxy_variable", "what the process does is not what a login does"


@pytest.mark.parametrize(("excluded", "way"), [("", "proxy"), ("apm.example.com", "direct"), ("10.0.0.0/8,*.example.com", "")])
def test_where_the_settings_of_each_lead(origin, process, monkeypatch, excluded, way):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    data = probe(origin.port, host=NAME, pid=process(http_proxy="http://127.0.0.1:9", no_proxy=excluded)).one("proxy.environment")["data"]
    assert (data["process_way"], data["login_way"]) == (way, "proxy")


def test_the_same_settings_are_no_difference(origin, process, monkeypatch):
    monkeypatch.setenv("no_proxy", "localhost")
    assert probe(origin.port, pid=process(no_proxy="localhost")).one("proxy.environment")["status"] == "ok"


def test_a_process_that_is_gone(origin, process):
    environment = probe(origin.port, pid=4194300).one("proxy.environment")
    assert (environment["status"], environment["data"]["reason"]) == ("cannot_tell", "no_process")


def test_a_unit_where_there_is_no_systemd(origin):
    result = probe(origin.port, unit="nowhere-at-all.service")
    assert result.one("proxy.environment")["status"] in ("cannot_tell", "ok")
    assert result.one("proxy.comparison")["status"] == "ok"


def test_a_silent_proxy_is_bounded(origin):
    began = time.monotonic()
    with ScriptedServer(scripted_server.silent) as proxy:
        result = probe(origin.port, proxy="https://127.0.0.1:%d" % proxy.port, timeout=1.0)
    assert time.monotonic() - began < 6
    assert result.one("proxy.url")["data"]["speaks_tls"] is None

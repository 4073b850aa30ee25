# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of NO_PROXY rules against the libraries themselves, as far as this machine has them."""
from __future__ import annotations

import random

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._proxy import java as _proxy_java
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy.rules import LIBRARIES, decide
from ansible_collections.connectivity.doctor.plugins.module_utils._proxy.url import lint
from ansible_collections.connectivity.doctor.tests.support.proxy_libraries import PROXY, Case, found, java

HOSTS = ("db.example.com", "example.com", "notexample.com", "a.b.example.com", "db", "localhost", "10.0.0.5", "10.0.1.5", "127.0.0.1",
         "::1", "fd00::5")
ENTRIES = ("example.com", ".example.com", "*.example.com", "*example.com", "ample.com", "db.example.com", "DB.Example.com", "example.com.",
           "com", "*", "db", "localhost", "10.0.0.5", "10.0.0.0/24", "10.0.0.0/255.255.255.0", "10.0.", "10.0.*", ".5", "0.5", "::1",
           "[::1]", "fd00::/8", "[fd00::5]", "127.0.0.1", "db.example.com:8200", "db.example.com:443",
           ".example.com:8200", "10.0.0.5:8200", "", " ")
SEPARATORS = (",", ", ", " ", " , ", ",,")
SAMPLES = 150
BY_NAME = {library.name: library for library in LIBRARIES}


def random_cases(count: int, seed: int = 20260101) -> list[Case]:
    """Every entry with every kind of host first, as far as ``count`` goes, then lists of entries and other variables."""
    source = random.Random(seed)
    cases = []
    for _number in range(count):
        scheme = source.choice(("http", "https"))
        entries = source.sample(ENTRIES, source.choice((1, 1, 1, 2, 3)))
        environment = {source.choice(("no_proxy", "NO_PROXY")): source.choice(SEPARATORS).join(entries)}
        other = source.choice(("all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"))
        environment[scheme + "_proxy" if source.random() < 0.7 else other] = PROXY
        if source.random() < 0.1:
            environment[source.choice(("no_proxy", "http_proxy"))] = ""
        host = source.choice(HOSTS)
        cases.append(Case(scheme, host, source.choice((80, 443, 8200)), environment))
    return cases


def singles() -> list[Case]:
    """Every host with every entry alone, once."""
    source = random.Random(7)
    return [
        Case(source.choice(("http", "https")), host, source.choice((443, 8200)), {"no_proxy": entry}) for host in HOSTS for entry in ENTRIES
    ]


def with_proxy(case: Case) -> Case:
    return case._replace(environment=dict(case.environment, **{case.scheme + "_proxy": PROXY}))


def of_table(name: str, case: Case) -> bool:
    return decide(BY_NAME[name], case.environment, case.scheme, case.host, case.port).route == "proxy"


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory):
    return found(tmp_path_factory.mktemp("libraries"))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_the_table_decides_as_the_library_does(libraries, name) -> None:
    if name not in libraries:
        pytest.skip("this machine has no %s" % name)
    cases = [with_proxy(case) for case in singles()] + random_cases(SAMPLES)
    if name in ("curl", "wget", "go"):  # a process a case
        cases = random.Random(3).sample(cases, 150)
    differ = [(case, real) for case, real in zip(cases, libraries[name](cases)) if of_table(name, case) != real]
    assert not differ, "%d of %d: %s" % (len(differ), len(cases), "\n".join("%s: really %s" % (case, real) for case, real in differ[:20]))


@pytest.mark.parametrize(("name", "entry", "host", "route"), [
    ("curl", ".example.com", "example.com", "direct"), ("go", ".example.com", "example.com", "proxy"),
    ("wget", "*.example.com", "db.example.com", "proxy"), ("go", "*.example.com", "db.example.com", "direct"),
    ("node_axios", "example.com", "db.example.com", "proxy"), ("curl", "example.com", "db.example.com", "direct"),
    ("python_requests_older", "ample.com", "example.com", "direct"), ("python_requests", "ample.com", "example.com", "proxy"),
    ("go", "10.0.0.0/8", "10.1.2.3", "direct"), ("python_urllib", "10.0.0.0/8", "10.1.2.3", "proxy"),
    ("node_undici", "10.0.0.0/8", "10.1.2.3", "proxy"), ("wget", "10.0.0.0/8", "10.1.2.3", "proxy"),
    ("go", "other.example", "localhost", "direct"), ("curl", "other.example", "localhost", "proxy"),
    ("curl", "db.example.com:443", "db.example.com", "proxy"), ("go", "db.example.com:443", "db.example.com", "direct"),
])
def test_where_libraries_are_known_to_differ(name, entry, host, route) -> None:
    """What the differential test found true of each library, for machines that have none of them."""
    decision = decide(BY_NAME[name], {"https_proxy": PROXY, "no_proxy": entry}, "https", host, 443)
    assert decision.route == route
    assert decision.entry == (entry if route == "direct" and decision.because == "excluded" else "")


def test_any_text_is_decided_on() -> None:
    source = random.Random(11)
    for _round in range(5000):
        text = "".join(source.choice("*.,:/[] \t\0é0159abcdef%-") for _character in range(source.randint(0, 30)))
        host = source.choice((*HOSTS, text.strip("/") or "x"))
        for library in LIBRARIES:
            assert decide(library, {"http_proxy": PROXY, "no_proxy": text, "NO_PROXY": text}, "http", host, 80).route in ("proxy", "direct")


# --- Java -----------------------------------------------------------------------------------------------------------

PATTERNS = ("example.com", "*.example.com", "*example.com", "db.*", "*", "*.*", "d*m", "localhost", "10.*", "10.0.0.5", "[::1]", "[fd00*",
            "::1", "")


def test_java_decides_as_the_table_does(tmp_path) -> None:
    ask = java(tmp_path)
    if ask is None:
        pytest.skip("this machine has no Java compiler")
    source = random.Random(5)
    cases = []
    for _number in range(400):
        scheme, host = source.choice(("http", "https")), source.choice(HOSTS)
        properties = {source.choice(("http.proxyHost", "https.proxyHost", "proxyHost")): "127.0.0.1"}
        if source.random() < 0.9:
            properties["http.nonProxyHosts"] = "|".join(source.sample(PATTERNS, source.randint(1, 3)))
        cases.append((scheme, host, properties))
    real = ask([(Case(scheme, host, 8200, {}).url, properties) for scheme, host, properties in cases])
    differ = [(case, answer) for case, answer in zip(cases, real)
              if (_proxy_java.decide(case[2], case[0], case[1]).route == "proxy") != answer]
    assert not differ, "%d of %d: %s" % (len(differ), len(cases), differ[:10])


def test_java_takes_its_properties_from_options_and_the_command_line() -> None:
    words = ["java", "-Xmx1g", "-Dhttp.proxyHost=second", "-Dhttps.proxyPort=3128", "-Dother=1", "-jar", "agent.jar"]
    environment = {"JAVA_TOOL_OPTIONS": "-Dhttp.proxyHost=first '-Dhttp.nonProxyHosts=localhost|*.example.com'"}
    assert _proxy_java.properties(environment, words) == {
        "http.proxyHost": "second", "https.proxyPort": "3128", "http.nonProxyHosts": "localhost|*.example.com"}
    assert _proxy_java.properties(dict(environment, _JAVA_OPTIONS="-Dhttp.proxyHost=third"), words)["http.proxyHost"] == "third"
    assert _proxy_java.properties({"JAVA_TOOL_OPTIONS": "-Dhttp.proxyHost='open"}, []) == {"http.proxyHost": "'open"}


# --- URLs -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "problems", "fatal"), [
    ("http://proxy:3128", [], False), ("http://[fd00::1]:3128/", [], False), ("socks5://proxy:1080", [], False),
    ("proxy:3128", ["scheme_missing"], False), ("http://proxy", ["port_missing"], False), ("https://proxy:3128", ["scheme_https"], False),
    ("", ["empty"], True), ("http:/proxy:3128", ["scheme_malformed"], True), ("http//proxy:3128", ["scheme_malformed"], True),
    ("http://http://proxy:3128", ["scheme_doubled"], True), ("ftp://proxy:21", ["scheme_unsupported"], True),
    ("http://<proxy>:3128", ["placeholder"], True), ("http://${PROXY}:3128", ["placeholder"], True),
    ("'http://proxy:3128'", ["quotes", "scheme_missing"], True), ("http://proxy:99999", ["port_invalid"], True),
    ("http://", ["host_missing"], True),
    ("http://proxy:3128 ", ["whitespace"], True), ("http://user:pa@proxy:3128", ["credentials_in_url"], False),
])
def test_what_is_wrong_with_a_url(value, problems, fatal) -> None:
    found = lint(value)
    assert list(found.problems) == problems
    assert bool(found.fatal) == fatal


@pytest.mark.parametrize("value", [
    "http://user:s3cr%40t@proxy:3128", "user:s3cr@t@proxy:3128", "http:/user:s3cr/t@proxy", "http://http://a:s3crt@p", "https://s3cret@proxy",
])
def test_a_credential_is_never_shown(value) -> None:
    assert "s3cr" not in lint(value).url
    assert "credentials_in_url" in lint(value).problems or lint(value).fatal


def test_a_credential_is_decoded() -> None:
    assert lint("http://user:s3cr%40t@proxy:3128").credential == "user:s3cr@t"


def test_any_text_is_linted() -> None:
    source = random.Random(12)
    for _round in range(5000):
        text = "".join(source.choice("htps:/@[]%.0193 <>{}$é\0\n'\"xyz") for _character in range(source.randint(0, 40)))
        found = lint(text)
        assert set(found.fatal) <= set(found.problems)

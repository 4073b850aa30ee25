# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints: what a user may write, and what each mistake is told; the complaint names the host, the entry and the key."""
from __future__ import annotations

import json
import typing as t

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import (
    DEFAULT_THRESHOLDS,
    LIBPQ_PARAMETERS,
    Endpoint,
    EndpointError,
    parse_endpoints,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import client_plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

CANARY = "s3cr3t-canary"
PG = "postgresql://app@db.example.com:5432/shop"


def one(entry: t.Any) -> Endpoint:
    (endpoint,) = parse_endpoints([entry], "web1")
    return endpoint


def complaint(entries: t.Any) -> str:
    with pytest.raises(EndpointError) as raised:
        parse_endpoints(entries, "web1")
    return str(raised.value)


def test_a_url_alone() -> None:
    endpoint = one("postgresql://reporting@db.example.com:5433/production?sslmode=verify-full&connect_timeout=3")
    assert (endpoint.scheme, endpoint.host, endpoint.port) == ("postgresql", "db.example.com", 5433)
    assert (endpoint.user, endpoint.database) == ("reporting", "production")
    assert endpoint.parameters == {"sslmode": "verify-full", "connect_timeout": "3"}
    assert endpoint.name == "db.example.com:5433"
    assert endpoint.thresholds == DEFAULT_THRESHOLDS
    assert endpoint.url == "postgresql://reporting@db.example.com:5433/production"


def test_every_key_of_the_contract() -> None:
    endpoint = one({
        "name": "warehouse", "url": PG, "password": CANARY, "server": "db1", "members": ["10.0.0.5:5432", "[2001:db8::6]:5433"],
        "pool": {"size": 10, "max_overflow": 20}, "thresholds": {"latency_ms": 250, "certificate_days": 14},
    })
    assert endpoint.name == "warehouse" and endpoint.server == "db1" and endpoint.password == CANARY
    assert endpoint.members == (("10.0.0.5", 5432), ("2001:db8::6", 5433))
    assert endpoint.pool == {"size": 10, "max_overflow": 20}
    assert endpoint.thresholds == {**DEFAULT_THRESHOLDS, "latency_ms": 250.0, "certificate_days": 14.0}
    apm = one({"url": "https://apm.example.com:8200/intake?x=1", "credential": CANARY, "proxy": "http://proxy.example.com:3128",
               "agent": "netdata", "ca_file": "/etc/ca.pem"})
    assert (apm.path, apm.proxy, apm.credential, apm.ca_file) == ("/intake?x=1", "http://proxy.example.com:3128", CANARY, "/etc/ca.pem")
    assert apm.agent is not None and apm.agent.name == "netdata"


@pytest.mark.parametrize(("url", "port"), [
    ("postgresql://app@db", 5432), ("http://h", 80), ("https://h", 443), ("grpc://h", 4317), ("grpcs://h", 443),
])
def test_default_ports(url: str, port: int) -> None:
    assert one(url).port == port


@pytest.mark.parametrize(("entry", "url"), [
    ({"agent": "datadog", "region": "eu1"}, "https://api.datadoghq.eu:443"),
    ({"agent": "newrelic-infra", "region": "eu"}, "https://infra-api.eu.newrelic.com:443"),
    ({"agent": "sentry_relay"}, "https://sentry.io:443"),
    ({"agent": "pushgateway"}, "http://localhost:9091"),
    ({"agent": {"inherits": "datadog", "endpoints": {"own": "https://dd.example.com"}}, "region": "own"}, "https://dd.example.com:443"),
])
def test_where_an_agent_sends_by_itself_need_not_be_said(entry: t.Any, url: str) -> None:
    (endpoint,) = parse_endpoints([entry], "web1")
    assert endpoint.url == url


def test_an_agents_own_port_is_the_default_of_its_endpoint() -> None:
    assert one({"url": "http://parent.example.com", "agent": "netdata"}).port == 19999
    assert one({"url": "http://parent.example.com:8080", "agent": "netdata"}).port == 8080
    assert one({"url": "tcp://parent.example.com", "agent": {"unit": "my-agent", "port": 7000}}).port == 7000


def test_postgres_is_postgresql_and_its_database_defaults_to_the_user() -> None:
    endpoint = one("postgres://app@db.example.com")
    assert (endpoint.scheme, endpoint.database) == ("postgresql", "app")


def test_ipv6_literals() -> None:
    endpoint = one("postgresql://app@[2001:db8::5]:5432/shop")
    assert endpoint.host == "2001:db8::5"
    assert endpoint.url == "postgresql://app@[2001:db8::5]:5432/shop"
    assert endpoint.name == "2001:db8::5:5432"


def test_percent_encoding_of_user_and_database() -> None:
    endpoint = one("postgresql://us%40er@db.example.com/my%20shop?application_name=a%26b")
    assert (endpoint.user, endpoint.database, endpoint.parameters) == ("us@er", "my shop", {"application_name": "a&b"})


@pytest.mark.parametrize("entries", [PG, {"url": PG}, [PG], (PG,)])
def test_one_endpoint_needs_no_list(entries: t.Any) -> None:
    assert [endpoint.host for endpoint in parse_endpoints(entries, "web1")] == ["db.example.com"]


def test_keys_given_as_nothing_are_not_given() -> None:
    entry = {"url": PG, **dict.fromkeys(("password", "server", "members", "pool", "proxy", "thresholds", "credential", "agent", "name"))}
    assert one(entry) == one(PG)


@pytest.mark.parametrize("parameter", sorted(LIBPQ_PARAMETERS - {"sslmode", "connect_timeout"}))
def test_libpqs_own_parameters_are_known(parameter: str) -> None:
    assert one("%s?%s=x" % (PG, parameter)).parameters == {parameter: "x"}


@pytest.mark.parametrize(("entries", "told"), [
    (None, "host web1: connectivity_endpoints is empty; it must be a list of urls or mappings"),
    (7, "host web1: connectivity_endpoints is of type int; it must be a list of urls or mappings"),
    ([], "host web1: connectivity_endpoints is empty; name at least one endpoint, or pass -e endpoint=URL"),
    ([PG, 7], "host web1: connectivity_endpoints[1]: is of type int; it must be a url or a mapping"),
    ([None], "host web1: connectivity_endpoints[0]: is empty; it must be a url or a mapping"),
    ([[PG]], "host web1: connectivity_endpoints[0]: is a list; it must be a url or a mapping"),
    ([""], "host web1: connectivity_endpoints[0].url: missing; write for example postgresql://user@db.example.com:5432/name"),
    ([{"name": "shop"}],
     "host web1: connectivity_endpoints[0] (shop).url: missing; write for example postgresql://user@db.example.com:5432/name"),
    ([{"url": PG, "pasword": "x"}], "host web1: connectivity_endpoints[0].pasword: unknown key; did you mean 'password'?"),
    ([{"url": PG, "zzz": 1}],
     ("host web1: connectivity_endpoints[0].zzz: unknown key; known are addresses, agent, ca_file, credential, members, name, password, "
     "pool, proxy, region, server, thresholds, url")),
    ([{"url": "postgersql://db"}], "host web1: connectivity_endpoints[0].url: unknown scheme 'postgersql'; did you mean 'postgresql'?"),
    ([{"url": "db.example.com"}],
     "host web1: connectivity_endpoints[0].url: unknown scheme ''; known are grpc, grpcs, http, https, postgresql, tcp, tls"),
    ([{"url": "tcp://"}], "host web1: connectivity_endpoints[0].url: names no host"),
    ([{"url": "tcp://h"}], "host web1: connectivity_endpoints[0].url: names no port, and tcp has no default one"),
    ([{"url": "tls://h"}], "host web1: connectivity_endpoints[0].url: names no port, and tls has no default one"),
    ([PG + "?sslmod=require"], "host web1: connectivity_endpoints[0].url: 'sslmod' is no parameter of libpq; did you mean 'sslmode'?"),
    ([PG + "?sslmode=full"],
     "host web1: connectivity_endpoints[0].url: sslmode=full is none of disable, allow, prefer, require, verify-ca, verify-full"),
    ([PG + "?connect_timeout=soon"], "host web1: connectivity_endpoints[0].url: connect_timeout=soon is no whole number of seconds"),
    ([{"url": PG, "thresholds": {"latency": 5}}],
     "host web1: connectivity_endpoints[0].thresholds: unknown key 'latency'; did you mean 'latency_ms'?"),
    ([{"url": PG, "thresholds": {"latency_ms": "slow"}}],
     "host web1: connectivity_endpoints[0].thresholds: latency_ms is 'slow'; it must be a number, 0 or more"),
    ([{"url": PG, "thresholds": [1]}],
     ("host web1: connectivity_endpoints[0].thresholds: is a list; it must be a mapping of latency_ms, success_rate, certificate_days, "
     "clock_offset_s, bits_per_second")),
    ([{"url": "https://h", "thresholds": {"bits_per_second": 1e6}}],
     "host web1: connectivity_endpoints[0].thresholds: bits_per_second can be measured for http endpoints without a proxy only"),
    ([{"url": PG, "pool": {"sise": 1}}], "host web1: connectivity_endpoints[0].pool: unknown key 'sise'; did you mean 'size'?"),
    ([{"url": PG, "members": "10.0.0.5:5432"}],
     "host web1: connectivity_endpoints[0].members: is a string; it must be a list of address:port"),
    ([{"url": PG, "members": []}], "host web1: connectivity_endpoints[0].members: is a list; it must be a list of address:port"),
    ([{"url": PG, "members": ["10.0.0.5"]}],
     "host web1: connectivity_endpoints[0].members: '10.0.0.5' is no address:port, such as 10.0.0.5:5432"),
    ([{"url": PG, "members": ["10.0.0.5:99999"]}],
     "host web1: connectivity_endpoints[0].members: '10.0.0.5:99999' is no address:port, such as 10.0.0.5:5432"),
    ([{"url": PG, "server": ["db1"]}], "host web1: connectivity_endpoints[0].server: is a list; it must be a string"),
    ([{"url": PG, "proxy": "http://proxy:3128"}],
     ("host web1: connectivity_endpoints[0].proxy: only http and https endpoints, and grpc ones of an agent whose call is known, can go "
      "through a proxy; this one is postgresql")),
    ([{"url": "https://h", "proxy": "proxy:3128"}],
     "host web1: connectivity_endpoints[0].proxy: 'proxy:3128' is no proxy url, such as http://proxy.example.com:3128"),
    ([{"url": PG, "ca_file": "/ca.pem"}],
     "host web1: connectivity_endpoints[0].ca_file: is for https, tls and grpcs; a postgresql url has sslrootcert=FILE"),
    ([{"url": PG, "addresses": "10.0.0.5"}],
     "host web1: connectivity_endpoints[0].addresses: is a string; it must be a list of addresses"),
    ([{"url": PG, "addresses": ["db1"]}],
     ("host web1: connectivity_endpoints[0].addresses: 'db1' does not appear to be an IPv4 or IPv6 address; it must be one such as "
      "10.0.0.5")),
    ([{"url": "http://h", "proxy": "http://proxy:3128", "addresses": ["10.0.0.5"]}],
     "host web1: connectivity_endpoints[0].addresses: are for endpoints without a proxy: the proxy looks the name up, not this host"),
    ([{"url": PG, "agent": "netdat"}], "host web1: connectivity_endpoints[0].agent: unknown agent 'netdat'; did you mean 'netdata'?"),
    ([{"agent": "honeycomb"}],
     "host web1: connectivity_endpoints[0].url: missing; write it, or say as region where the agent sends: us, eu"),
    ([{"agent": "honeycomb", "region": "moon"}], "host web1: connectivity_endpoints[0].region: 'moon' is none of us, eu"),
    ([{"agent": "honeycomb", "region": "eu", "url": "https://h"}],
     "host web1: connectivity_endpoints[0].region: says what the url says already; leave one of them out"),
    ([{"url": None, "region": "eu"}], "host web1: connectivity_endpoints[0].region: is for an agent that has regions"),
    ([{"agent": "netdata"}],
     "host web1: connectivity_endpoints[0].url: missing; write for example postgresql://user@db.example.com:5432/name"),
    ([{"url": PG, "agent": {"unti": "x"}}],
     "host web1: connectivity_endpoints[0].agent: unknown key 'unti' in a profile; did you mean 'unit'?"),
    ([{"url": PG, "agent": 5}], "host web1: connectivity_endpoints[0].agent: must be the name of a profile or a mapping"),
    ([PG, PG], "host web1: connectivity_endpoints[1].name: 'db.example.com:5432' is the name of entry 0 already; names must differ"),
])
def test_each_mistake_names_host_entry_and_key(entries: t.Any, told: str) -> None:
    assert complaint(entries) == told


@pytest.mark.parametrize(("entry", "key"), [
    ({"url": PG, "pool": {"size": "many"}}, "pool"),
    ({"url": PG, "pool": {"size": float("inf")}}, "pool"),
    ({"url": PG, "pool": {"size": 2.5}}, "pool"),
    ({"url": PG, "pool": {"prepared_statements": 1}}, "pool"),
    ({"url": PG, "pool": {"hold_ms": True}}, "pool"),
    ({"url": PG, "thresholds": {"latency_ms": float("nan")}}, "thresholds"),
    ({"url": PG, "thresholds": {"latency_ms": 10 ** 400}}, "thresholds"),
    ({"url": PG, "thresholds": {"latency_ms": -1}}, "thresholds"),
    ({"url": PG, "thresholds": {"latency_ms": True}}, "thresholds"),
    ({"url": PG, "thresholds": {7: 1}}, "thresholds"),
    ({"url": PG, "name": ["x"]}, "name"),
    ({"url": PG, "name": {"x": 1}}, "name"),
    ({"url": "http://h:0"}, "url"),
    ({"url": "http://h:99999"}, "url"),
    ({"url": "http://h:http"}, "url"),
    ({"url": "http://[::1"}, "url"),
    ({"url": ["http://h"]}, "url"),
    ({"url": "https://h", "proxy": "http://proxy.example.com"}, "proxy"),
    ({"url": "https://h", "proxy": "http://proxy.example.com:x"}, "proxy"),
    ({"url": "https://h", "proxy": "http://[::1"}, "proxy"),
    ({"url": "https://h", "proxy": {"url": "x"}}, "proxy"),
    ({"url": PG, "agent": {1: "x", "unti": "y"}}, "agent"),
    ({"url": PG, "agent": {"config": "/etc/agent.conf"}}, "agent"),
    ({"url": PG, "agent": {"config": [{"format": "ini"}]}}, "agent"),
    ({"url": PG, "agent": {"config": 5}}, "agent"),
    ({"url": PG, "agent": {"port": "many"}}, "agent"),
    ({"url": PG, "agent": {"unit": ["x"]}}, "agent"),
    ({"url": PG, "agent": {"validate": "/health"}}, "agent"),
])
def test_values_of_the_wrong_kind_are_complaints_about_their_key(entry: t.Any, key: str) -> None:
    assert complaint([entry]).startswith("host web1: connectivity_endpoints[0].%s: " % key)


@pytest.mark.parametrize("url", [
    "postgresql://app:%s@db/shop" % CANARY,
    "postgresql://:%s@db/shop" % CANARY,
    "https://app:%s@h/path" % CANARY,
    "postgresql://app@db/shop?password=%s" % CANARY,
    "postgresql://app@db/shop?sslmode=require&sslpassword=%s" % CANARY,
])
def test_a_password_in_a_url_is_refused_and_not_repeated(url: str) -> None:
    told = complaint([url])
    assert told.startswith("host web1: connectivity_endpoints[0].url: holds a password")
    assert told.endswith("give it as the key 'password' (from a vault)")
    assert CANARY not in told


@pytest.mark.parametrize("password", ["pa/%s", "pa?%s", "pa#%s", "%s/x", "%s#", "\u2100%s", "[%s", "%s]"])
@pytest.mark.parametrize("key", ["url", "proxy"])
def test_nothing_of_a_password_that_breaks_the_url_is_repeated(password: str, key: str) -> None:
    """A slash or a hash in a password ends the host's part of a url; what was before it then looks like a port."""
    secret = password % CANARY
    broken = "http://app:%s@h.example.com:80/x" % secret
    told = complaint([{"url": broken}] if key == "url" else [{"url": "http://h", "proxy": broken}])
    assert "connectivity_endpoints[0].%s: " % key in told
    assert CANARY not in told and "'pa'" not in told


@pytest.mark.parametrize("written", ["app:%s@h:80", "//app:%s@h:80", "app:%s@", "socks5://app:%s@h:80", "http:app:%s@h:80"])
def test_nothing_of_a_password_is_repeated_where_the_scheme_is_wrong(written: str) -> None:
    assert CANARY not in complaint([written % CANARY])
    assert CANARY not in complaint([{"url": "http://h", "proxy": written % CANARY}])


def test_a_password_in_a_proxy_url_is_refused_and_not_repeated() -> None:
    told = complaint([{"url": "https://h", "proxy": "http://app:%s@proxy:3128" % CANARY}])
    assert told == "host web1: connectivity_endpoints[0].proxy: holds a password; a proxy url must not"


def test_secrets_are_in_no_text_of_an_endpoint_nor_in_its_record_nor_in_the_steps() -> None:
    endpoints = parse_endpoints([
        {"url": PG, "password": CANARY},
        {"url": "https://apm.example.com", "credential": CANARY,
         "agent": {"unit": "a", "validate": {"header": "X-Key", "prefix": "ApiKey "}}},
    ], "web1")
    assert CANARY not in repr(endpoints) + str(endpoints) + "".join(endpoint.url for endpoint in endpoints)
    record = HostRecord("web1", "client")
    record.describe(endpoints)
    assert CANARY not in repr(record)
    plan = client_plan(endpoints, "web1", 20)
    assert CANARY not in json.dumps(plan["steps"])
    assert sorted(plan["secrets"].values()) == ["ApiKey " + CANARY, CANARY]


_WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8) | st.integers(), inner, max_size=3), max_leaves=6)
_URLS = st.builds(
    "{}://{}@{}:{}/{}?{}={}".format,
    st.sampled_from(["postgresql", "http", "https", "tcp", "tls", "grpc", "postgres", "gopher", ""]), _WORDS,
    st.sampled_from(["h", "db.example.com", "[::1]", "", "10.0.0.5", "bücher.example"]), st.sampled_from(["", "0", "80", "99999", "x"]),
    _WORDS, st.sampled_from(["sslmode", "password", "connect_timeout", "x"]), _WORDS)
_KEYS = st.sampled_from(
    ["url", "name", "password", "server", "members", "pool", "proxy", "thresholds", "agent", "credential", "ca_file", "addresses",
     "x"])
_POOL_OR_THRESHOLDS = st.dictionaries(st.sampled_from(["size", "latency_ms", "clock_offset_s", "x"]), _VALUES, max_size=3)
_AGENTS = st.dictionaries(
    st.sampled_from(["name", "unit", "process", "port", "config", "validate", "environment", "logs"]) | st.integers(), _VALUES, max_size=4)


@settings(max_examples=600, deadline=None)
@given(_VALUES | st.lists(st.dictionaries(_KEYS, _VALUES | _URLS | _POOL_OR_THRESHOLDS | _AGENTS, max_size=5) | _URLS, max_size=3))
@example([{"url": PG, "pool": {"size": float("inf")}}])
@example([{"url": "https://h", "proxy": "http://proxy.example.com"}])
def test_whatever_is_written_is_endpoints_or_one_complaint(entries: t.Any) -> None:
    """And what is accepted can be planned, and described in a report."""
    try:
        endpoints = parse_endpoints(entries, "web1")
    except EndpointError as problem:
        assert str(problem).startswith("host web1: connectivity_endpoints")
        return
    plan = client_plan(endpoints, "web1", 20)
    json.dumps(plan, allow_nan=False)
    record = HostRecord("web1", "client")
    record.describe(endpoints)
    json.dumps(record.endpoints, allow_nan=False)


_PASSWORDS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs")), min_size=6, max_size=30).map(lambda text: "Xq7" + text)


@settings(max_examples=600, deadline=None)
@given(_PASSWORDS, st.sampled_from(["postgresql", "https", "tcp"]), st.sampled_from(["user", "query", "proxy"]))
@example("12/34567890", "postgresql", "user")
@example("Xq7#hunter", "https", "user")
@example("Xq7?hunter", "tcp", "user")
@example("Xq7@hunter", "tcp", "proxy")
def test_a_password_is_refused_wherever_it_is_written_and_never_repeated(password: str, scheme: str, place: str) -> None:
    """Unencoded, as people write it. Every password begins with letters that the complaint would not have by itself."""
    url = {
        "user": "%s://app:%s@h.example.com:80/x" % (scheme, password),
        "query": "postgresql://app@h.example.com/x?password=%s" % password,
        "proxy": "http://h.example.com",
    }[place]
    entry = {"url": url, "proxy": "http://app:%s@proxy.example.com:3128" % password} if place == "proxy" else {"url": url}
    told = complaint([entry])
    assert "Xq7" not in told and "34567890" not in told and "hunter" not in told

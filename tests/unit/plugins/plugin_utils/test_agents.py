# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of profiles: one may inherit from another, users have their own beside the catalogue, and each mistake in them is told."""
from __future__ import annotations

import pathlib
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import AgentError, known_agents, load_profile


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
    ({"zzzz": 1}, "unknown key 'zzzz' in a profile; it has name, title, inherits…"),
    ({"inherits": "netdat"}, "unknown agent 'netdat'; did you mean 'netdata'?"),
    ("../netdata", "unknown agent '../netdata'; did you mean 'netdata'?"),
    ("go", "unknown agent 'go'; known are appdynamics, …"),
    ({"application": "yes"}, "application must be true or false"),
    ({"health": ["http://h"]}, "health must be a list of mappings, each with a url"),
    ({"health": {"url": "http://h", "say": "x"}}, "unknown key 'say' in health[0]; did you mean 'says'?"),
    ({"endpoints": ["https://h"]}, "endpoints must be a mapping from a region to urls"),
    ({"fates": {"retried": "503"}}, "fates.retried must be HTTP statuses, numbers from 100 to 599"),
    ({"fates": {"retry": 503}}, "unknown key 'retry' in fates; did you mean 'retried'?"),
    ({"validate": {"statuses": {200: "fine"}}}, "validate.statuses.200 must be one of accepted, reached, refused…"),
    ({"validate": {"statuses": {"ok": "accepted"}}}, "validate.statuses must be a mapping from an HTTP status, or one…"),
    ({"verified": {"confg": True}}, "unknown key 'confg' in verified; did you mean 'config'?"),
    ({"verified": {"config": "yes"}}, "verified.config must be true or false"),
    ({"sources": ["x"]}, "sources must be a mapping from a group of facts"),
    ({"proxy": {"supported": 1}}, "proxy.supported must be true or false"),
])
def test_each_mistake_is_told_with_what_would_be_right(value: t.Any, told: str) -> None:
    with pytest.raises(AgentError) as failed:
        load_profile(value)
    assert str(failed.value).startswith(told[:-1]) if told.endswith("…") else str(failed.value) == told


OWN = """
inherits: datadog
credential: {placeholders: [secret-.*]}
signatures: {auth: tenant is gone, not_reporting: []}
logs: {files: /var/log/mine.log}
"""


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    (tmp_path / "datadog.yml").write_text(OWN)
    (tmp_path / "shop-agent.yml").write_text("{unit: shop, port: 1234}")
    return tmp_path


def test_a_users_profile_stands_before_the_catalogues_of_its_name_and_overrides_single_keys(folder: pathlib.Path) -> None:
    known, own = load_profile("datadog"), load_profile("datadog", [str(folder)])
    assert own.credential == {**known.credential, "placeholders": ["secret-.*"]}
    assert (own.name, own.unit, own.config, own.validate) == (known.name, known.unit, known.config, known.validate)
    assert own.logs == {**known.logs, "files": ["/var/log/mine.log"]}
    assert own.signatures == {**known.signatures, "auth": ["tenant is gone"], "not_reporting": []}
    assert load_profile("shop-agent", [folder]).port == 1234
    assert set(known_agents([folder])) == {*known_agents(), "shop-agent"}


def test_the_first_folder_counts_most_and_inherits_from_the_next(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    first = tmp_path / "first"
    first.mkdir()
    (first / "datadog.yml").write_text("{inherits: datadog, unit: mine}")
    profile = load_profile("datadog", [first, folder])
    assert (profile.unit, profile.credential["placeholders"]) == ("mine", ["secret-.*"])


def test_hyphens_are_underscores_and_a_mapping_may_inherit() -> None:
    assert load_profile("elastic-agent") == load_profile("elastic_agent")
    one = load_profile({"inherits": "elastic-apm", "unit": "shop", "environment": {"endpoint": "SHOP_APM"}})
    assert (one.name, one.unit, one.logs) == ("elastic_apm", "shop", {**load_profile("elastic_apm").logs, "unit": "shop"})
    elsewhere = load_profile({"inherits": "elastic-apm", "unit": "shop", "logs": {"files": "/var/log/shop.log"}})
    assert "unit" not in elsewhere.logs, "an application that says where it writes, writes there"
    assert one.environment == {**load_profile("elastic_apm").environment, "endpoint": ["SHOP_APM"]}


def test_what_several_have_is_added_up_and_the_last_counts_most() -> None:
    both = load_profile({"inherits": ["go", "python"], "examples": {"refused": "mine"}, "doubts": {"logs": "all"},
                         "verified": {"trust": True}})
    assert both.examples["refused"][0] == "mine" and len(both.examples["refused"]) == 3
    assert both.trust["environment"] == ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
    assert both.doubts == {"logs": "all"}  # of what python has in doubt, this one is sure
    assert load_profile({"inherits": "go", "examples": {"refused": []}}).examples["refused"] == []


@pytest.mark.parametrize(("text", "told"), [
    ("unit: [", "while parsing"), ("{unti: x}", "unknown key 'unti' in a profile; did you mean 'unit'?"),
    ("inherits: broken", "'broken' inherits from itself"), ("- x", "must be the name of a profile or a mapping"),
    ("inherits: datadg", "unknown agent 'datadg'; did you mean 'datadog'?"), ("\xff", "can't decode"),
])
def test_a_mistake_in_a_users_file_names_the_file(tmp_path: pathlib.Path, text: str, told: str) -> None:
    path = tmp_path / "broken.yml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(AgentError) as failed:
        load_profile("broken", [tmp_path])
    assert str(path) in str(failed.value) and told in str(failed.value)


def test_a_folder_that_is_none_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(AgentError, match="connectivity_agents_path: .*/nowhere is no folder"):
        load_profile("netdata", [tmp_path / "nowhere"])


def test_a_file_that_nobody_would_read_is_told(tmp_path: pathlib.Path) -> None:
    (tmp_path / "mine.yaml").write_text("unit: mine")
    with pytest.raises(AgentError) as failed:
        load_profile("mine", [tmp_path])
    assert str(failed.value) == "%s would not be read: the name of a profile ends in .yml" % (tmp_path / "mine.yaml")

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a client's connections are set in its own files, read from real ones; and one parameter of a url changed, and nothing else of it."""
from __future__ import annotations

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._config.destination import CannotCorrect
from ansible_collections.connectivity.doctor.plugins.module_utils._config.query import parameters_of, with_parameter
from ansible_collections.connectivity.doctor.plugins.module_utils._config.settings import differs
from ansible_collections.connectivity.doctor.plugins.module_utils._pool import client as _pool_client
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

CANARY = "c4n4ry-9f1e77"
URL = "postgresql+psycopg://u:%s@db.example:5432/d" % CANARY


def test_a_parameter_is_changed_and_the_rest_stays_to_the_byte():
    changed = {
        "?sslmode=disable&a=b#f": "?sslmode=require&a=b#f",
        "?a=%2F&sslmode=disable": "?a=%2F&sslmode=require",
        "?a=b": "?a=b&sslmode=require",
        "": "?sslmode=require",
        "#f": "?sslmode=require#f",
        "?xsslmode=1": "?xsslmode=1&sslmode=require",
    }
    for tail, wanted in changed.items():
        assert with_parameter(URL + tail, "sslmode", "require") == URL + wanted


def test_a_value_is_written_so_that_it_is_read_again():
    for value in ("/etc/a b/ca&1.pem", "ü", "100%", "a=b#c"):
        assert parameters_of(with_parameter(URL, "sslrootcert", value)) == {"sslrootcert": value}


@pytest.mark.parametrize("url", ["host=a sslmode=disable", "${URL}", URL + "?sslmode=disable&sslmode=allow", "postgresql://{{ host }}/d"])
def test_what_is_no_plain_url_is_left_as_it_is(url):
    with pytest.raises(CannotCorrect) as refused:
        with_parameter(url, "sslmode", "require")
    assert CANARY not in str(refused.value)


@pytest.mark.parametrize(("one", "other", "wanted"), [
    ("30", "30.0", False), (" 30 ", "30", False), ("30", "31", True), ("require", "disable", True), ("http://p:1/", "http://p:1", False),
])
def test_another_spelling_is_no_other_value(one, other, wanted):
    assert differs(one, other) is wanted


def read(tmp_path, text, file_format="yaml", expected=None, **declared):
    file = tmp_path / ("client." + file_format)
    file.write_text(text, encoding="utf-8")
    _outcome, observations = run_probe("agent_config", {
        "files": [{"path": str(file), "format": file_format, **declared}], "expected_settings": expected or {}})
    assert CANARY not in str(observations)
    found = [one for one in observations if one["check"] == "agent_config.settings"]
    return {one["name"]: one for one in found[0]["data"]["settings"]} if found else {}


def test_settings_are_told_with_their_places_and_no_secret_beside_them(tmp_path):
    told = read(tmp_path, "database:\n  url: %s?sslmode=disable&password=%s\npool:\n  size: 30\n" % (URL, CANARY),
                endpoint=["database.url"], settings={"pool.size": "pool.size", "pool.recycle": "pool.recycle"},
                expected={"sslmode": "require", "pool.size": "30.0"})
    sslmode = told["sslmode"]
    assert (sslmode["value"], sslmode["expected"], sslmode["differs"]) == ("disable", "require", True)
    assert (sslmode["set_by"]["key"], sslmode["set_by"]["parameter"]) == ("database.url", "sslmode")
    assert (told["pool.size"]["value"], told["pool.size"]["differs"]) == ("30", False)
    missing = told["pool.recycle"]
    assert (missing["value"], missing["set_by"]["key"], missing["set_by"]["format"]) == (None, "pool.recycle", "yaml")
    assert "password" not in told
    assert [(told[name]["value"], told[name]["set_by"]) for name in ("user", "database")] == [("u", {}), ("d", {})]


def test_a_parameter_of_any_url_can_be_named(tmp_path):
    told = read(tmp_path, "DSN=%s?connect_timeout=5\n" % URL, "env", settings={"connect_timeout": "DSN?connect_timeout"})
    assert told["connect_timeout"]["value"] == "5"
    assert told["connect_timeout"]["source"].endswith(":1")


def test_what_declares_no_settings_is_not_asked_for_them(tmp_path):
    assert not read(tmp_path, "a: 1\n", endpoint=["a"])


def test_the_pool_that_is_tried_is_the_clients_own(tmp_path):
    file = tmp_path / "client.toml"
    file.write_text('[pool]\nsize = 7\nrecycle = -1\n[database]\nurl = "%s?keepalives_idle=9"\n' % URL, encoding="utf-8")
    client = {"files": [{"path": str(file), "format": "toml", "endpoint": ["database.url"],
                         "settings": {"pool.size": "pool.size", "pool.recycle": "pool.recycle"}}]}
    told = _pool_client.read(client, None)
    given = {"size": 5, "max_overflow": 3, "parameters": {"sslmode": "require", "keepalives_idle": "600"}}
    tried = _pool_client.applied(given, told)
    assert (tried["size"], tried["max_overflow"]) == (7, 3)
    assert tried["parameters"] == {"sslmode": "require", "keepalives_idle": "9"}
    assert "recycle" not in tried, "of SQLAlchemy, -1 is never"
    assert tried["set_by_client"] == ["pool.size", "keepalives_idle"]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each format of configuration: what is read, what is wrong and where, and what no bytes may do."""
from __future__ import annotations

import contextlib
import json
import random
import sys
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._config import (
    collectd as _config_collectd,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config import (
    lines as _config_lines,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config import (
    markup as _config_markup,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import BeyondReader, Entry, SyntaxProblem, find
from ansible_collections.connectivity.doctor.plugins.module_utils._config.stray import cleaned, find_stray
from ansible_collections.connectivity.doctor.plugins.module_utils._config.yaml import read_yaml

INI = "[stream]\n    enabled = yes\n    destination = a:1 b:2:SSL\n    api key = k=v\n\n[other]\n# api key = no\nlist =\n  one\n  two\n"
TELEGRAF = '''
[agent]
interval = "10s"
[[outputs.influxdb]]
  urls = ["http://one:8086", 'http://two:8086']  # both
[[outputs.influxdb]]
  urls = ["http://three:8086"]
  [outputs.influxdb.tls]
    insecure = true
'''
CONTROLLER = """<?xml version="1.0" encoding="UTF-8"?>
<controller-info>
    <controller-host>apm.example</controller-host>
    <controller-port>443</controller-port><account name="x"/>
</controller-info>
"""
COLLECTD = r"""
LoadPlugin cpu # twice
loadplugin "write_http"
<Include "/etc/collectd/collectd.conf.d">
    Filter "*.conf"
</Include>
<Plugin write_http>
    <Node "apm.example">
        URL "http://apm.example:8300/\"x\""
        Header "Authorization: Bearer k"
        Header "X-Tenant: t"
    </Node>
</Plugin>
Include "more.conf"
"""


def values(entries):
    return {entry.key: entry.value for entry in entries}


def test_ini():
    entries = _config_lines.read_ini(INI)
    assert entries[2] == Entry("stream.api key", "k=v", 4)
    assert values(entries)["stream.destination"] == "a:1 b:2:SSL"
    assert values(entries)["other.list"] == "\none\ntwo"
    assert "other.api key" not in values(entries)


def test_env():
    text = "# c\nexport A='x y'\nB=\"q\" \nC=plain \n; d\nEMPTY=\n"
    assert values(_config_lines.read_env(text)) == {"A": "x y", "B": "q", "C": "plain", "EMPTY": ""}
    assert values(_config_lines.read_env("A=b\r\n"))["A"] == "b\r"  # as a shell keeps it


def test_properties():
    text = "! c\na.b=1\nc : two \nd three\\\n   four\ne\\ f=\\u00e4\\t\n"
    assert values(_config_lines.read_properties(text)) == {"a.b": "1", "c": "two ", "d": "threefour", "e f": "ä\t"}


def test_key_value():
    text = "# c\nServerActive=a;b,c:1\n Hostname = h\nInclude=/etc/x/*.conf\n"
    assert [entry[:3] for entry in _config_lines.read_key_value(text)] == [
        ("ServerActive", "a;b,c:1", 2), ("Hostname", "h", 3), ("Include", "/etc/x/*.conf", 4)]


def test_collectd():
    entries = {entry.key: entry for entry in _config_collectd.read_collectd(COLLECTD)}
    assert entries["plugin.write_http.node.apm_example.url"][1:3] == ('http://apm.example:8300/"x"', 9)
    assert entries["plugin.write_http.node.apm_example.header.1"].value == "X-Tenant: t"
    assert (entries["loadplugin.0"].value, entries["loadplugin.1"].value) == ("cpu", "write_http")
    included = [entry.value for entry in _config_collectd.read_collectd(COLLECTD) if entry.key == "include"]
    assert included == ["/etc/collectd/collectd.conf.d/*.conf", "more.conf"]


def test_json_tells_lines_where_it_can():
    entries = {entry.key: entry for entry in _config_markup.read_json('{\n "a": {"b": [1, true]},\n "c": null\n}')}
    assert entries["a.b.1"][1:3] == ("true", 2)
    assert entries["c"][1:3] == ("", 3)


def test_xml():
    entries = {entry.key: entry for entry in _config_markup.read_xml(CONTROLLER)}
    assert entries["controller-info.controller-host"][1:3] == ("apm.example", 3)
    assert entries["controller-info.account.name"].value == "x"


def test_xml_that_grows_is_not_followed():
    bomb = '<!DOCTYPE d [<!ENTITY a "x"><!ENTITY b "&a;&a;">]><d>&b;</d>'
    with pytest.raises(BeyondReader):
        _config_markup.read_xml(bomb)


def test_toml_with_and_without_the_library():
    wanted = {
        "agent.interval": "10s", "outputs.influxdb.0.urls.0": "http://one:8086", "outputs.influxdb.0.urls.1": "http://two:8086",
        "outputs.influxdb.1.urls.0": "http://three:8086", "outputs.influxdb.1.tls.insecure": "true",
    }
    assert values(_config_markup._small_toml(TELEGRAF)) == wanted
    assert values(_config_markup.read_toml(TELEGRAF)) == wanted


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no tomllib to compare with")
def test_small_toml_agrees_with_the_library_or_is_beyond():
    pieces = ("a", "b", "=", " = ", "\n", "\n", '"x"', "'y'", "1", "true", "[t]", "[[u]]", "[u.v]", "[", "]", "#c", ", ", "1.5", "{", "}",
              '"""', "bare", "a.b = 1\n", "k = [1, 2]\n", "\\", '"\\u00e4"')
    rng = random.Random(7)
    read = 0
    for _round in range(4000):
        text = "".join(rng.choice(pieces) for _piece in range(rng.randint(1, 12)))
        try:
            small = values(_config_markup._small_toml(text))
        except (BeyondReader, SyntaxProblem):
            continue
        try:
            full = values(_config_markup.read_toml(text))
        except SyntaxProblem:
            continue  # the small reader need not find every mistake
        read += 1
        assert small == full, repr(text)
    assert read > 100


@pytest.mark.parametrize(("reader", "text", "line", "column"), [
    (_config_lines.read_ini, "[stream\na = b\n", 1, 8),
    (_config_lines.read_ini, "[s]\na = b\nnonsense\n", 3, 1),
    (_config_lines.read_env, "A=b\nnot one\n", 2, 1),
    (_config_lines.read_env, "A='b\n", 1, 3),
    (_config_lines.read_key_value, "A=b\n\nServer\n", 3, 1),
    (_config_lines.read_properties, "a=\\u12\n", 1, 1),
    (_config_markup.read_json, '{"a": 1,\n "b" 2}', 2, 6),
    (_config_markup.read_xml, "<a>\n<b></a>", 2, 6),
    (_config_markup.read_toml, 'a = 1\nb = "x\n', 2, None),
    (_config_collectd.read_collectd, 'A 1\nURL "x\n', 2, 4),
    (_config_collectd.read_collectd, "<Plugin a>\n<Node b>\n</Plugin>\n", 3, 1),
    (_config_collectd.read_collectd, "<Plugin a>\nURL x\n", 3, 1),
    (_config_collectd.read_collectd, "<Plugin a\n</Plugin>\n", 1, 10),
])
def test_mistakes_have_their_place(reader, text, line, column):
    with pytest.raises(SyntaxProblem) as caught:
        reader(text)
    assert caught.value.line == line
    assert column is None or caught.value.column == column


def test_keys_are_found_by_pattern_and_the_last_counts():
    entries = _config_lines.read_ini("[exporters.a]\nendpoint=1\nendpoint=2\n[exporters.b]\nendpoint=3\n")
    assert [entry.value for entry in find(entries, "exporters.*.endpoint")] == ["2", "3"]
    assert [entry.value for entry in find(read_yaml("hosts: [a, b]\n"), "hosts")] == ["a", "b"]
    assert find(entries, "exporters.*") == []


READERS = [_config_lines.read_ini, _config_lines.read_env, _config_lines.read_properties, _config_lines.read_key_value,
           _config_collectd.read_collectd, _config_markup.read_json, _config_markup.read_xml, _config_markup.read_toml, read_yaml]


@pytest.mark.parametrize("reader", READERS)
def test_no_bytes_break_a_reader(reader):
    rng = random.Random(3)
    seeds = [INI, TELEGRAF, CONTROLLER, COLLECTD, json.dumps({"a": [1, {"b": None}]}), "A=b\n"]
    for _round in range(1500):
        raw = bytearray(rng.choice(seeds).encode())
        for _change in range(rng.randint(1, 8)):
            place = rng.randrange(len(raw) + 1)
            raw[place:place + rng.randint(0, 3)] = bytes(rng.randrange(256) for _byte in range(rng.randint(0, 4)))
        try:
            entries = reader(bytes(raw).decode("utf-8", "surrogateescape"))
        except (SyntaxProblem, BeyondReader):
            continue
        assert all(isinstance(entry.key, str) and isinstance(entry.value, str) for entry in entries)


MEBIBYTE = 2**20
ENDLESS = {
    "blanks before a colon": "a" + " " * (MEBIBYTE - 9) + "b:",
    "backslashes": "\\" * MEBIBYTE,
    "continued lines": "a\\\n" * (MEBIBYTE // 3),
    "dotted keys": "a." * (MEBIBYTE // 2),
    "brackets": "[" * MEBIBYTE,
    "one long key above many values": '{"' + "k" * (MEBIBYTE // 2) + '":[' + "1," * (MEBIBYTE // 8) + "1]}",
    "one long element above many": "<" + "a" * (MEBIBYTE // 2) + ">" + "<b/>" * (MEBIBYTE // 16),
    "many keys": "{" + ",".join('"k%d":%d' % (number, number) for number in range(60000)) + "}",
    "blocks": "a: |\n  b\n" * (MEBIBYTE // 9),
    "zeros": "\0" * MEBIBYTE,
}


@pytest.mark.parametrize("text", ENDLESS.values(), ids=ENDLESS)
def test_no_text_takes_long(text):
    for reader in [*READERS, lambda text: list(_config_markup._small_toml(text)), lambda text: find_stray(text, "yaml"), cleaned]:
        began = time.monotonic()
        with contextlib.suppress(SyntaxProblem, BeyondReader):
            reader(text)
        assert time.monotonic() - began < 30


def test_stray_characters_have_places_and_bytes():
    text = "\ufeffapi_key: abc\u00a0\r\n\thost: \u201cx\u201d\n# \u00a0\n"
    found = {stray.kind: stray for stray in find_stray(text, "yaml", [1])}
    assert (found["bom"].bytes, found["bom"].harmful) == ("ef bb bf", False)
    assert (found["non_breaking_space"].line, found["non_breaking_space"].column, found["non_breaking_space"].bytes) == (1, 14, "c2 a0")
    assert (found["crlf"].line, found["crlf"].bytes, found["crlf"].count) == (1, "0d 0a", 1)
    assert (found["tab_indentation"].line, found["tab_indentation"].harmful) == (2, True)
    assert found["smart_quote"].bytes == "e2 80 9c"
    assert sum(stray.count for stray in found.values() if stray.kind == "non_breaking_space") == 1  # not that in the comment


def test_blanks_at_the_end_count_where_the_format_keeps_them():
    assert [stray.kind for stray in find_stray("key=a  \nother=b \n", "properties", [1])] == ["trailing_space"]
    assert find_stray("key=a  \n", "properties", [1])[0].harmful
    assert not find_stray("key = a  \n", "ini", [1])[0].harmful
    assert find_stray("key = a\n", "ini", [1]) == []


def test_cleaned():
    assert cleaned(" \u201cab\u200bc\u00a0\u201d\r") == "abc"
    assert cleaned("a b") == "a b"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One value of a configuration is changed, and nothing else of it: in every format, and for values of any kind."""
from __future__ import annotations

import difflib
import random
import string

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._config.destination import CannotCorrect, Parts, corrected
from ansible_collections.connectivity.doctor.plugins.module_utils._config.edit import (
    FORMATS,
    CannotEdit,
    value_of,
    with_value,
    without_stray,
)
from ansible_collections.connectivity.doctor.plugins.module_utils._config.reading import entries_of

# By format: a file as people write them, a key in it, and one that is missing beside it (None: no place is sure).
FILES = {
    "ini": (("# who hears\r\n[global]\n\thostname=a;b\n\n[stream]\n    enabled = yes\n    destination = old.example:1 ; no comment\n"
             "    api key = k\n\n# the end\n[other]\n  api key = k\n"), "stream.api key", "stream.timeout seconds"),
    "yaml": (("# top\n---\nsite: old  # where\nlist: [k, x, k]\nouter:\n    api_key: 'k'   # k is no key\n    other: k\n"
              "block: |\n  k\nlast: \"k\"\n"), "outer.api_key", "outer.more"),
    "toml": ("# k\n[[outputs.influxdb_v2]]\n  urls = [ \"http://a:1\", 'k' ] # k\n  token = \"k\"\n[agent]\ninterval = \"10s\"\n",
             "outputs.influxdb_v2.0.token", "agent.debug_level"),
    "json": ('{\n  "exporter": {"url": "k", "n": 1},\n  "token": "k",\n  "k": ["k", "k"]\n}\n', "token", "more"),
    "env": ("# k\nexport URL='http://a/?k=k'\nTOKEN=\"k\"\nLAST=k", "TOKEN", "MORE"),
    "key_value": ("# k=k\nServer=k\nHostname=k\n\n### end\n", "Hostname", "TLSConnect"),
    "properties": ("! k\na.b = k\\\n   k\nagent.token:k\nlast k\n", "agent.token", "agent.more"),
    "collectd": (("# k\nInterval 1\n<Plugin write_http>\n  <Node \"k\">\n    URL \"k\" # k\n    user \"k\"\n    Password k\n  </Node>\n"
                  "</Plugin>\n"), "plugin.write_http.node.k.url", "plugin.write_http.node.k.cacert"),
    "xml": (('<?xml version="1.0"?>\n<!-- k -->\n<info>\n    <host port="k">k</host>\n\t<key>k</key> <!-- k -->\n'
             "  <more><![CDATA[k]]></more>\n</info>\n"), "info.key", "info.site"),
    "raw": ("k\nsecond line\n", "", None),
}
# What could be taken for something else, in one format or another.
VALUES = ["https://apm.example:8200/a?b=c&d=%20#e", "n3w", "0123456", "1e5", "yes", "null", "it's", 'say "x"', "back\\slash", "a: b",
          "#a", "$HOME", "ünïcödé", "with spaces", "{x}", "[x]", "-", "*x", "a=b", "\u201cx\u201d"]


def changed_lines(old: str, new: str) -> list[str]:
    return [line for line in difflib.ndiff(old.splitlines(True), new.splitlines(True)) if line[:2] in ("- ", "+ ")]


CONTROLLER_INFO = ("<?xml version='1.0' encoding='UTF-8'?>\n<controller-info>\n    <controller-host></controller-host>\n"
                   "    <!-- <controller-port>1</controller-port> -->\n    <controller-port>8090</controller-port>\n"
                   "    <account-access-key/>\n</controller-info>\n")


@pytest.mark.parametrize(("key", "value", "old", "new"), [
    ("controller-host", "a.example", "<controller-host></", "<controller-host>a.example</"),
    ("controller-port", "443", ">8090<", ">443<"),
    ("account-name", "a&b", "    <account-access-key/>\n", "    <account-access-key/>\n    <account-name>a&amp;b</account-name>\n"),
])
def test_an_element_of_xml_is_changed_or_put_beside_its_neighbours(key: str, value: str, old: str, new: str) -> None:
    assert CONTROLLER_INFO.count(old) == 1
    assert with_value(CONTROLLER_INFO, "xml", "controller-info." + key, value) == CONTROLLER_INFO.replace(old, new)


@pytest.mark.parametrize(("text", "key"), [
    (CONTROLLER_INFO, "controller-info.account-access-key"),  # of an element that is one tag, the place of its value is none
    ('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>\n<a><b>&e;</b></a>', "a.b"),
    ("<a><b>1</b>", "a.b"),
])
def test_of_xml_that_is_not_understood_nothing_is_changed(text: str, key: str) -> None:
    with pytest.raises(CannotEdit):
        with_value(text, "xml", key, "2")


def test_every_format_has_a_file() -> None:
    assert set(FILES) == set(FORMATS)


@pytest.mark.parametrize("file_format", sorted(FILES))
def test_only_the_value_is_changed_and_back_again_to_the_byte(file_format: str) -> None:
    text, key, _missing = FILES[file_format]
    refused = []
    for value in VALUES:
        try:
            edited = with_value(text, file_format, key, value, is_text=True)
        except CannotEdit as problem:
            refused.append(value)
            assert value not in str(problem)
            continue
        assert value_of(edited, file_format, key) == value
        assert [line[0] for line in changed_lines(text, edited)] == ["-", "+"], "one line, and no other"
        assert with_value(edited, file_format, key, value, is_text=True) == edited, "done twice is done once"
        back = with_value(edited, file_format, key, "k", is_text=True)
        if file_format != "raw":
            assert entries_of(back, file_format) == entries_of(text, file_format)
    # What a format without quotes can't say, it is not made to say.
    assert len(refused) <= 2, refused


@pytest.mark.parametrize("file_format", sorted(FILES))
def test_any_value_that_is_written_is_read_again(file_format: str) -> None:
    text, key, _missing = FILES[file_format]
    chance = random.Random(5)
    written = 0
    for _round in range(40):
        value = "".join(chance.choice(string.printable[:95] + "é\u00a0") for _number in range(chance.randint(1, 12)))
        try:
            edited = with_value(text, file_format, key, value, is_text=True)
        except CannotEdit:
            continue
        written += 1
        assert value_of(edited, file_format, key) == value
        assert len(changed_lines(text, edited)) == 2
    assert written >= 25


@pytest.mark.parametrize(("file_format", "is_text", "written"), [
    ("yaml", True, '"1e5"'), ("yaml", False, "1e5"), ("toml", True, '"1e5"'), ("json", True, '"1e5"'), ("env", True, "1e5"),
])
def test_a_secret_that_looks_like_a_number_stays_a_text(file_format: str, is_text: bool, written: str) -> None:
    empty = {"yaml": "a: x\nk: v\n", "toml": 'k = "v"\n', "json": '{"k": "v"}\n', "env": "k=v\n"}[file_format]
    assert written in with_value(empty, file_format, "k", "1e5", is_text).replace("k", "", 1)


@pytest.mark.parametrize("file_format", sorted(set(FILES) - {"raw"}))
def test_a_missing_key_gets_a_line_beside_its_neighbours(file_format: str) -> None:
    text, _key, missing = FILES[file_format]
    edited = with_value(text, file_format, missing, "fine", is_text=True)
    assert value_of(edited, file_format, missing) == "fine"
    lines = changed_lines(text.rstrip("\n") + "\n", edited.rstrip("\n") + "\n")
    assert len(lines) == 1 and lines[0][0] == "+"


@pytest.mark.parametrize(("text", "file_format", "key"), [
    ("[stream\nkey = v\n", "ini", "stream.key"),
    ("[a]\nb = c\n", "ini", "stream.api key"),
    ("a: {b: &x k, c: *x}\n", "yaml", "a.c"),
    ("a:\n  b: >\n    k\n    k\n", "yaml", "a.b"),
    ("a: 1\n", "yaml", "outer.inner"),
    ('k = """\nv\n"""\n', "toml", "k"),
    ("{}\n", "json", "k"),
    ("not json", "json", "k"),
])
def test_what_is_not_understood_is_refused(text: str, file_format: str, key: str) -> None:
    with pytest.raises(CannotEdit):
        with_value(text, file_format, key, "new", is_text=True)


@pytest.mark.parametrize(("text", "file_format", "key", "value", "wanted"), [
    ("api_key:\n", "yaml", "api_key", "v", "api_key: v\n"),
    ("api_key:  # put it here\nb: c\n", "yaml", "api_key", "v", "api_key: v # put it here\nb: c\n"),
    ("KEY=\nB=c\n", "env", "KEY", "v", "KEY=v\nB=c\n"),
    ('KEY=""\n', "env", "KEY", "v", 'KEY="v"\n'),
    ("[s]\nk =\n", "ini", "s.k", "v", "[s]\nk = v\n"),
    ("k = 1\nk = 2\n", "ini", "k", "3", "k = 1\nk = 3\n"),
    ("a = b\xff\nk = v\n".replace("\xff", "\udcff"), "ini", "k", "w", "a = b\udcff\nk = w\n"),
    ("tls: off\n", "yaml", "tls", "on", "tls: on\n"),
    ("port: 1\n", "yaml", "port", "2", "port: 2\n"),
])
def test_the_look_of_a_line_stays(text: str, file_format: str, key: str, value: str, wanted: str) -> None:
    assert with_value(text, file_format, key, value) == wanted


@pytest.mark.parametrize(("text", "file_format", "line", "wanted"), [
    ("\ufeff[stream]\nk = v\n", "ini", 0, "[stream]\nk = v\n"),
    ("\ufeffk: v\n", "yaml", 0, "\ufeffk: v\n"),
    ("A=b\r\nC=d\r\n", "env", 0, "A=b\nC=d\n"),
    ("[s]\nk = \u201cv\u201d\n# \u201ckept\u201d\n", "ini", 2, "[s]\nk = v\n# \u201ckept\u201d\n"),
    ("k=v\u00a0\u200b\nl=m\u00a0\n", "properties", 1, "k=v\nl=m\u00a0\n"),
    ("a: b\n\u00a0\u00a0c: d\n".replace("\u00a0\u00a0c", "\u200bc"), "yaml", 2, "a: b\nc: d\n"),
    ("secret\u200b\n", "raw", 1, "secret\n"),
    ("k = v\n", "ini", 1, "k = v\n"),
])
def test_what_nobody_sees_is_taken_out_where_it_does_harm(text: str, file_format: str, line: int, wanted: str) -> None:
    assert without_stray(text, file_format, line) == wanted


@pytest.mark.parametrize(("value", "parts", "wanted"), [
    ("apm1.lab.example:19998", Parts(port=19999), "apm1.lab.example:19999"),
    ("tcp:apm1%eth0:19998:SSL", Parts(port=1), "tcp:apm1%eth0:1:SSL"),
    ("apm1:19999:SSL", Parts(scheme="http"), "apm1:19999"),
    ("[fd77::1]:1", Parts(host="fd77::2"), "[fd77::2]:1"),
    ("old", Parts(host="new.example", port=5), "new.example:5"),
    ("https://u:p@old.example/v2/in?x=1#y", Parts(host="new.example"), "https://u:p@new.example/v2/in?x=1#y"),
    ("https://apm:8201/v2", Parts(port=8200, path=""), "https://apm:8200"),
    ("http://apm/in", Parts(scheme="https", port=443), "https://apm/in"),
    ("https://apm:8443", Parts(port=443), "https://apm:443"),
    ("grpc://apm:4317", Parts(scheme="https"), "grpcs://apm:4317"),
])
def test_a_part_of_a_destination_is_corrected(value: str, parts: Parts, wanted: str) -> None:
    assert corrected(value, Parts(), parts) == wanted
    assert corrected(wanted, Parts(), parts) == wanted


def test_of_several_destinations_only_the_one_that_is_meant_is_corrected() -> None:
    assert corrected("a:1, b:2;c:3", Parts("b", 2), Parts(port=9)) == "a:1, b:9;c:3"


@pytest.mark.parametrize(("value", "parts"), [
    ("${HOST}:1", Parts(port=2)), ("$APM_URL", Parts(port=2)), ("a:1 b:1", Parts(port=2)), ("", Parts(port=2)),
    ("apm1:19999", Parts(scheme="https")), ("a/b/c:9:8", Parts(port=2)), ("kafka://a:1", Parts(scheme="https")),
])
def test_a_destination_of_another_form_is_refused(value: str, parts: Parts) -> None:
    with pytest.raises(CannotCorrect) as problem:
        corrected(value, Parts(), parts)
    assert not value or value not in str(problem.value)

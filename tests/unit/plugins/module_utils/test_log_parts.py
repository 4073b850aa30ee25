# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of reading logs: families on lines of real programs, times in all their forms, lines from the end, secrets masked."""
from __future__ import annotations

import io
import json
import random
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._log.families import BadPattern, Classifier
from ansible_collections.connectivity.doctor.plugins.module_utils._log.journal import parse_entry
from ansible_collections.connectivity.doctor.plugins.module_utils._log.reading import backwards
from ansible_collections.connectivity.doctor.plugins.module_utils._log.time import line_time
from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.text import redact, redact_setting, redact_url
from ansible_collections.connectivity.doctor.tests.support.log_lines import LINES

NOW = 1795156421.0  # 2026-11-20 06:33:41 UTC


@pytest.fixture
def in_berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(("family", "line"), [(family, line) for family, lines in LINES.items() for line in lines])
def test_families(family, line):
    assert Classifier({}, []).family(line) == family


def test_an_agents_own_patterns_come_first():
    classifier = Classifier({"tenant": "no such tenant", "auth": ["code=E7", "code=E8"]}, ["all is well"])
    assert classifier.family("connection refused: no such tenant") == "tenant"
    assert classifier.family("code=E8") == "auth"
    assert classifier.family("all is well, connection refused no more") == "recovered"
    for broken in ({"auth": "("}, {"auth": 5}, {"backlog": "("}, {"backlog": 5}):
        with pytest.raises(BadPattern, match="pattern of (auth|backlog)"):
            Classifier(broken, [])


def test_an_agents_own_patterns_of_a_mere_symptom_stand_behind_what_names_a_cause():
    classifier = Classifier({"not_reporting": "upstream is gone", "backlog": []}, [])
    assert classifier.family("upstream is gone: connection refused") == "refused"
    assert classifier.family("upstream is gone") == "not_reporting"
    assert classifier.family("queue is full") == "backlog"


def test_the_classifier_keeps_no_more_than_it_may():
    classifier = Classifier({}, [])
    for number in range(20000):
        classifier.family("x%s y" % chr(0x4e00 + number))
    assert len(classifier._shapes) <= 5000


@pytest.mark.parametrize(("line", "seconds"), [
    ("2026-11-20T06:33:41.500Z\tinfo\tx", NOW + 0.5),
    ("2026-11-20T08:33:41+02:00 x", NOW),
    ("2026-11-20 06:33:41 UTC | CORE | INFO | x", NOW),
    ("2026-11-20 06:33:41: netdata ERROR : x", NOW),
    ("2026-11-20 06:33:41,500 ERROR x", NOW + 0.5),
    ("2026/11/20 06:33:41.745562 [101] x", NOW + 0.745562),
    ("[2026/11/20 06:33:41] [ warn] x", NOW),
    ("  3637:20261120:063341.028 x", NOW + 0.028),
    ("Nov 20 06:33:41 web1 x[1]: y", NOW),
    ("<30>Nov 20 06:33:41 web1 x", NOW),
    ("Fri Nov 20 06:33:41 2026 x", NOW),
    ("Dec 31 23:00:00 web1 x", NOW - (NOW - 1767222000)),
    ('127.0.0.1 - - [20/Nov/2026:06:33:41 +0000] "GET /"', NOW),
    ("E1120 06:33:41.250000       1 x.go:1] y", NOW + 0.25),
    ("1795156421 x", NOW),
    ("1795156421.25 x", NOW + 0.25),
    ("[1795156421250] x", NOW + 0.25),
    ('{"level":"warn","ts":1795156421.25,"msg":"2020-01-01 00:00:00"}', NOW + 0.25),
    ('{"msg":"2020-01-01 00:00:00","@timestamp":"2026-11-20T06:33:41.000Z"}', NOW),
    ('ts=2026-11-20T06:33:41Z level=error msg="x"', NOW),
    ("no time at all", None),
    ("\tat java.lang.Thread.run(Thread.java:748)", None),
    ("2026-13-40 06:33:41 x", None),
    ("99:99:99", None),
])
def test_times(line, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    found = line_time(line, NOW)
    assert (found is None) == (seconds is None)
    assert found is None or abs(found - seconds) < 0.001


def test_a_time_without_a_zone_is_this_hosts(in_berlin):
    assert line_time("2026-11-20 07:33:41 x", NOW) == NOW
    assert line_time("2026-11-20 06:33:41Z x", NOW) == NOW


def test_no_line_breaks_the_clock():
    rng = random.Random(2)
    seeds = ["2026-11-20T06:33:41.500+02:00 x", "Nov 20 06:33:41 x", "9:20261120:063341.028 x", "1795156421.25", '{"ts":"2026-11-20"}']
    for _round in range(5000):
        line = list(rng.choice(seeds))
        for _change in range(rng.randint(0, 4)):
            line[rng.randrange(len(line))] = rng.choice("0123456789:-TZ+. \x00ä")
        assert isinstance(line_time("".join(line), NOW), (float, type(None)))


def test_lines_from_the_end_are_those_from_the_beginning():
    rng = random.Random(4)
    for _round in range(60):
        content = b"".join(bytes([rng.choice(b"abc")]) * rng.choice((0, 1, 10, 300, 40000)) + b"\n" for _line in range(rng.randint(0, 30)))
        lines = [line for line in backwards(io.BytesIO(content)) if line]
        assert lines == [line for line in content.split(b"\n")[::-1] if line]


def test_the_beginning_of_an_endless_line_is_kept_and_holes_are_passed_over():
    content = b"first\n" + b"T" + b"x" * 1000000 + b"\nlast" + b"\0" * 200000 + b"after the hole\n"
    lines = [line.strip(b"\0") for line in backwards(io.BytesIO(content)) if line.strip(b"\0")]
    assert [line[:20] for line in lines] == [b"after the hole", b"last", b"T" + b"x" * 19, b"first"]
    assert len(lines[2]) <= 2 * 65536


@pytest.mark.parametrize("text", [
    "password=hunter2x", "Password: hunter2x", '"api_key": "hunter2x"', "DD_API_KEY=hunter2x other=1", "api key = hunter2x",
    "Authorization: Bearer hunter2x", "authorization: Basic hunter2x==", "GET /?token=hunter2x&b=1", "http://u:hunter2x@proxy:3128/x",
    "postgresql://u:hun/hunter2x@db/x", "https://hunter2x@sentry.example/1", "API key 'hunter2x' is not allowed", "apikey hunter2x",
    "secret_token='hunter2x'", '{\\"licenseKey\\":\\"hunter2x\\"}', "STREAM key=hunter2x&hostname=h",
    "-----BEGIN RSA PRIVATE KEY----- hunter2x",
    "x eyJhbGciOi.hunter2x.sig", "key dt0c01.HUNTER.hunter2x", "bearer hunter2x",
])
def test_secrets_in_lines_are_masked(text):
    assert "hunter2x" not in redact(text).lower().replace("dt0c01.hunter", "")


def test_what_looks_like_a_key_is_masked_and_the_rest_is_kept():
    uuid = "6f1b24c8-93d5-4c02-9a4e-0d5c7be8a911"
    line = "Failed to connect to 'apm1.lab.example', port '19999' (errno 111, Connection refused)"
    assert redact(line) == line
    assert redact("key %s, %s" % (uuid, "0af" * 12)) == "key ********, ********"
    assert "hunter2" not in redact_setting("api token hunter2")
    assert redact_url("http://a:b@c@h:1/p@q") == "http://********@h:1/p@q"
    assert len(redact("a " * 100000)) <= 401


def test_redaction_ends_soon_whatever_the_line():
    began = time.monotonic()
    for line in ("a" * 100000, "a-" * 50000, "key" * 30000, "://" * 30000, "key:" * 25000, "password " * 10000, "9a" * 40000):
        redact(line)
        redact_setting(line)
    assert time.monotonic() - began < 2


def test_entries_of_the_journal():
    entry = {"__REALTIME_TIMESTAMP": "1795156421500000", "MESSAGE": "x"}
    assert parse_entry(json.dumps(entry)) == (NOW + 0.5, "x")
    assert parse_entry(json.dumps(dict(entry, MESSAGE=[104, 105, 255]))).text == "hi\\xff"
    for broken in ("", "{", "[]", "1", json.dumps(dict(entry, MESSAGE=None)), json.dumps(dict(entry, MESSAGE=[999])), '{"MESSAGE": "x"}',
                   json.dumps(dict(entry, __REALTIME_TIMESTAMP="x")), "[" * 100000):
        assert parse_entry(broken) is None

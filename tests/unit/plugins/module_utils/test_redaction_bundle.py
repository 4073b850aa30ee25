# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a support bundle may show: secrets of many kinds in whole texts, their tokens, and what must stay."""
from __future__ import annotations

import base64
import functools
import random
import re
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._redaction.bundle import CONFIGURATION, FACT, KINDS, LOG, Redactor
from ansible_collections.connectivity.doctor.tests.support import canaries

_KEY = "of this run"
# One like a key, one like a word, one that every format must escape.
_SECRETS = ("k7Qx92LmZp41", "hunter-canary", "s3cr'et%2F+b/c")
_PLAIN = ("k7Qx92LmZp41", "hunter-canary")


def _redacted(text: str, kind: str, known: tuple[str, ...] = ()) -> str:
    return Redactor(_KEY, known).text("x", text, kind)


def test_there_are_forty_kinds() -> None:
    assert len(canaries.KINDS) >= 40


@pytest.mark.parametrize("name", [name for name, kind in canaries.KINDS.items() if not kind.known])
def test_no_secret_is_shown_that_nobody_has_named(name: str) -> None:
    kind = canaries.KINDS[name]
    for secret in _PLAIN:
        text, dressed = canaries.planted(kind, secret), kind.dress(secret)
        assert dressed in text
        for form in (CONFIGURATION,) if kind.settings else (CONFIGURATION, LOG):
            redacted = _redacted(text, form)
            assert dressed not in redacted and secret not in redacted, (form, redacted)
            assert "REDACTED_" in redacted


@pytest.mark.parametrize("name", canaries.KINDS)
def test_a_known_secret_is_shown_in_no_dress_and_nowhere(name: str) -> None:
    for secret in _SECRETS:
        text = canaries.planted(canaries.KINDS[name], secret)
        for form in KINDS:
            assert canaries.shown(secret, _redacted(text, form, (secret,))) == [], (secret, form)


@pytest.mark.parametrize("name", [name for name, kind in canaries.KINDS.items() if re.search(r"(?i)port.{0,6}1", kind.text)])
def test_what_stands_beside_a_secret_stays(name: str) -> None:
    kind = canaries.KINDS[name]
    redacted = _redacted(canaries.planted(kind, "k7Qx92LmZp41"), CONFIGURATION)
    assert re.search(r"(?i)port.{0,6}1", redacted), redacted


@pytest.mark.parametrize("text", [
    "ssl_key_file = '/etc/ssl/private/server.key'", "password_encryption = scram-sha-256", "passfile: /root/.pgpass", "token_ttl: 3600s",
    "auth_key_required = true", "tls_key: /etc/agent/client.pem", "keepalive: 30",
    "passwd:         files systemd", "#password_encryption = scram-sha-256\t# scram-sha-256 or md5", "net.ipv4.tcp_syncookies = 1",
    "host all all 10.0.0.0/8 scram-sha-256",
    "keyfile /etc/chrony/chrony.keys", "token_url: https://id.example/token", "api_key: ${DD_API_KEY}", "password = \"\"",
    "postgresql://reporting@db.example:5432/production", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "FATAL:  password authentication failed for user \"reporting\"", "nameserver 10.77.2.53", "tcp dport 5432 drop # handle 2",
    "#HostKey /etc/ssh/ssh_host_rsa_key", "keyUsage = nonRepudiation, digitalSignature",
    "# To use another one, say so, and do not forget that the password file must be readable",
    "LISTEN 0 244 10.77.2.20:5432 0.0.0.0:* users:((\"postgres\",pid=31,fd=6))",
])
def test_what_is_no_secret_stays(text: str) -> None:
    assert _redacted(text, CONFIGURATION) == text
    assert _redacted(text, LOG) == text


def test_the_same_secret_has_the_same_token_in_all_texts_of_a_run_and_in_no_other_run() -> None:
    texts = ("password = k7Qx92LmZp41", "GET /?token=k7Qx92LmZp41&a=b", "http://u:k7Qx92LmZp41@h/", '{"secret": "k7Qx92LmZp41"}')
    tokens = {re.findall(r"REDACTED_\w{10}", _redacted(text, form))[0] for text in texts for form in (CONFIGURATION, LOG)}
    assert len(tokens) == 1
    assert tokens.isdisjoint({Redactor("another run").token("k7Qx92LmZp41"), Redactor(_KEY).token("k7Qx92LmZp42")})


def test_a_secret_of_a_configuration_is_found_in_a_log_that_does_not_tell_it() -> None:
    redactor = Redactor(_KEY)
    redactor.learn("output:\n  api_key: k7Qx92LmZp41\n  database_key: production\n")
    assert "k7Qx92LmZp41" not in redactor.text("log", "400 from server: k7Qx92LmZp41 is not known", LOG)
    assert redactor.text("log", "database production", LOG) == "database production"


@functools.lru_cache(maxsize=None)
def _taught() -> Redactor:
    """It has learned from all kinds, and that much of what stands around secrets is one."""
    redactor = Redactor(_KEY, ("password", "reporting", "secret"))
    for kind in canaries.KINDS.values():
        words = {word for word in re.findall(r"[\w./:-]{8,}", kind.text) if canaries.CANARY not in word}
        redactor.learn("\n".join([canaries.planted(kind, "learned-41-x"), *("password: %s" % word for word in sorted(words))]))
    return redactor


@pytest.mark.parametrize("name", [name for name, kind in canaries.KINDS.items() if not kind.known])
def test_what_is_learned_hides_no_other_secret(name: str) -> None:
    """A secret of a configuration may be a part of what tells where another one is."""
    redactor, kind = _taught(), canaries.KINDS[name]
    dressed = kind.dress("k7Qx92LmZp41")
    for form in (CONFIGURATION,) if kind.settings else (CONFIGURATION, LOG):
        assert dressed not in redactor.text("x", "2026-01-01T00:00:00Z " * (form == LOG) + canaries.planted(kind, "k7Qx92LmZp41"), form)


def test_prose_of_a_configuration_teaches_nothing() -> None:
    redactor = Redactor(_KEY)
    redactor.learn("# give a password instead.\n; the token result\nkey = value\npassword = through\n")
    text = "use this instead. the result is a value through the proxy"
    assert redactor.text("x", text, LOG) == text
    known = Redactor(_KEY, ["known-41"])
    shown = known.text("x", "the key result\nlogin known-41\nthe result of it, and a token through it\n", CONFIGURATION)
    assert shown.endswith("the result of it, and a token through it\n")


def test_masked_once_is_masked_for_good_and_counted_once() -> None:
    redactor = Redactor(_KEY)
    once = redactor.text("a", "password = k7Qx92LmZp41\nurl = http://u:hunter-canary@h/\n", CONFIGURATION)
    counts = dict(redactor.counts["a"].items())
    assert redactor.text("a", once, CONFIGURATION) == once
    assert redactor.counts["a"] == counts == {"setting": 1, "url_password": 1}


def test_structures_keep_their_shape_and_numbers() -> None:
    value = {"host": "web1", "line": "password=k7Qx92LmZp41", "port": 5432, "ok": None, "all": ["http://u:k7Qx92LmZp41@h:1/", 1.5, True]}
    redacted = Redactor(_KEY).value("x", value)
    assert "k7Qx92LmZp41" not in str(redacted)
    assert {**redacted, "line": 0, "all": 0} == {**value, "line": 0, "all": 0} and redacted["all"][1:] == [1.5, True]


def test_redaction_is_total_and_bounded() -> None:
    """Whatever the text: no exception, an end, a result of bounded length, and nothing that is known is shown."""
    rng, secret = random.Random(7), "k7Qx92LmZp41"
    pieces = ["password", "key", ":", "=", " ", "\n", "\n  ", "\"", "'", "\\", "|", ">", "[", "]", "{", "}", "-----BEGIN PRIVATE KEY-----",
              "-----END X-----", "- ", "://", "@", "<token>", "eyJ", "\x00", "\udc80", "ü", secret, "name: token", "value: ", "\"\"\"",
              "#", "9a" * 20]
    began = time.monotonic()
    for round_ in range(100):
        text = "".join(rng.choice(pieces) for _piece in range(rng.randint(0, 120)))
        redactor = Redactor("%d" % round_, (secret,))
        for form in KINDS:
            redacted = redactor.text("x", text, form)
            assert secret not in redacted
            assert len(redacted) <= 20 * len(text) + 100
        redactor.learn(text)
    for line in ("a" * 300000, "key:" * 75000, "://" * 100000, "password " * 30000, "\"" * 100000, "[" * 100000, "-" * 100000,
                 "x:" * 100000, "password:\n" + " " * 100000 + "x", "\\" * 100000, "a.b@" * 50000, "<key" * 50000):
        assert len(_redacted(line, CONFIGURATION)) < 3 * 3100 + 100
    encoded = base64.b64encode(b"x" * 300000 + secret.encode() + b"y" * 300000).decode()
    assert len(Redactor(_KEY, (secret,)).text("x", "%s %s.%s" % (encoded, secret, encoded), LOG)) < 100
    assert time.monotonic() - began < 10


def test_every_line_of_facts_stays_but_for_the_known() -> None:
    text = "ii  libgnutls30t64-extra-long-name2 3.7.9-2+deb12u3\nInvocationID=0af10af10af10af10af10af10af10af1\n"
    assert _redacted(text, FACT) == text
    assert "0af1" not in _redacted(text, LOG)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""By what a secret is known: the one table for all that masks. A rule works on one line; to add one is to add an entry.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t


class Rule(t.NamedTuple):
    """``pattern`` has the group ``secret``, and may have ``name``, what the text calls it.

    ``named``: it can match only where :data:`NAMED` does. ``settings``: it is for configurations only, as prose would match as well.
    ``guess``: it goes by what a word looks like, and takes many that are no secret.
    """

    name: str
    pattern: t.Pattern[str]
    named: bool = False
    settings: bool = False
    guess: bool = False


SECRETIVE = (
    r"(?:pass(?:word|wd|phrase|wort|code)?|pwd|secret|token|credentials?|dsn|psk|authorization|cookie|signature|salt|community|honeycomb-team|"
    r"(?:j?session|phpsess)_?id|masterauth|(?:api|licen[sc]e|access|account|private|auth|ingest\w*|encryption)?[ _.-]?key)"
)
# A name with such a word in it.
_NAME = r"(?P<name>(?<![\w.-])[\w.-]{0,80}?" + SECRETIVE + r"[\w.-]{0,40})"
_IS = r"\s*(?:=>|:=|[:=])\s*"


def _rule(name: str, pattern: str, **kinds: bool) -> Rule:
    return Rule(name, re.compile(pattern, re.IGNORECASE), **kinds)


NAMED = re.compile(SECRETIVE + r"|headers|\blogin=|\bstats auth\b|\bsig=", re.IGNORECASE)

RULES: tuple[Rule, ...] = (
    _rule("private_key", r"(?P<secret>-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$))", named=True),
    # A password may hold a slash or an at sign. A name alone is no secret of PostgreSQL, but one of Sentry.
    _rule("url_password", r"\w://[^\s'\"/?#@:]*:(?P<secret>[^\s'\"]*)@"),
    _rule("url_user", r"(?<!postgres)(?<!postgresql)(?<=\w)://(?P<secret>[^\s'\"/?#@:]+)@"),
    _rule("header", r"\bauthorization\\?[\"']?\s*[:=]\s*\\?[\"']?"
                    r"(?P<secret>(?:digest|negotiate|ntlm|oauth|aws4-hmac-sha256)\s.*)$", named=True),
    _rule("header", r"\b(?:proxy-)?authorization\\?[\"']?\s*[:=]\s*\\?[\"']?(?P<secret>[^\"'\\]+)", named=True),
    _rule("header", r"\b(?:set-)?cookie2?\\?[\"']?\s*:\s*\\?[\"']?(?P<secret>[^\"'\\]+)", named=True),
    _rule("header", r"\b\w*headers\s*=\s*[\"']?(?P<secret>[^\"'\s]+)", named=True),
    _rule("scheme", r"\b(?:bearer|apikey|splunk)[ ]+(?P<secret>(?!\*)[^\s,;'\"]+)"),
    _rule("scheme", r"\b(?:basic|digest|token)[ ]+(?P<secret>(?![=:])(?=[^\s'\"]*[\d=])[^\s,;'\"]+)"),
    # <add key="DbPassword" value="…"/>, {"name": "DB_PASSWORD", "value": "…"}, define('DB_PASSWORD', '…')
    _rule("name_and_value", r"\b(?:key|name)[\"']?\s*[:=]\s*[\"']?(?P<name>[\w.-]*" + SECRETIVE + r"[\w.-]*)[\"']?,?\s*"
                            r"[\"']?value[\"']?\s*[:=]\s*[\"']?(?P<secret>[^\"',}<>]+)", named=True),
    _rule("name_and_value", r"name=[\"'](?P<name>[\w.-]*" + SECRETIVE + r"[\w.-]*)[\"']\s*>(?P<secret>[^<]+)", named=True),
    _rule("name_and_value", r"[\"'](?P<name>[\w.-]*" + SECRETIVE + r"[\w.-]*)[\"']\s*,\s*"
                            r"[\"'](?P<secret>[^\"']+)[\"']\s*\)", named=True),
    _rule("element", r"<(?P<name>[\w.:-]*" + SECRETIVE + r"[\w.:-]*)(?:\s[^<>]*)?>(?P<secret>[^<]+)", named=True),
    # key = "value" and its like. What is quoted may hold its own quote, escaped or doubled.
    _rule("quoted_pair", r"(?P<quote>[\"'])" + _NAME + r"=(?P<secret>(?:(?!(?P=quote)).)*)", named=True),
    _rule("value", _NAME + r"\\[\"']?" + _IS + r"\\(?P<quote>[\"'])(?P<secret>(?:(?!\\?(?P=quote)).)*)", named=True),
    _rule("value", _NAME + r"[\"']?\]?" + _IS + r"(?P<quote>\"|')(?!\"\"|'')(?P<secret>(?:\\.|(?P=quote){2}|(?!(?P=quote)).)*)",
          named=True),
    _rule("setting", r"^[\s#;/*-]*(?:export\s+|set\s+)?[\"']?(?P<name>[\w. -]{0,80}?" + SECRETIVE + r"[\w.-]{0,40})[\"']?" + _IS +
                     r"(?![\"'{\[|>])(?P<secret>[^\s\[{].*?)[\s,;]*$", named=True, settings=True),
    _rule("value", _NAME + r"\\?[\"']?" + _IS + r"(?P<secret>\$\{\w+\}(?=[\s,;\"']|$)|(?:bearer |basic )?[^\s,;&}\]\\\"']+)",
          named=True),
    _rule("value", r"[?&]sig=(?P<secret>[^\s&\"']+)", named=True),
    # Password "…", PASSWORD '…'
    _rule("word_and_value", r"\b(?P<name>" + SECRETIVE + r")\s+(?P<quote>[\"'])(?P<secret>(?:\\.|(?!(?P=quote)).)+)", named=True),
    _rule("argument", r"(?<!\S)--?(?P<name>[\w.-]*" + SECRETIVE + r"[\w.-]*)[ ]+(?P<secret>(?!--)[^\s\"']+)", named=True),
    _rule("argument", r"(?<!\S)(?:-u|-U|--user|--proxy-user)[ =]?[^\s:/\"']+:(?P<secret>[^\s\"']+)"),
    _rule("argument", r"\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass)\s(?:[^|;]*\s)?-p ?(?P<secret>[^\s\"']+)"),
    _rule("user_and_password", r"(?:\blogin=|\bstats\s+auth\s+)[^\s:]+:(?P<secret>\S+)", named=True),
    # A directive with its value behind it: .netrc, redis, snmpd, haproxy.
    _rule("directive", r"^[\s#;]*(?:\S+\s+){0,5}?(?P<name>[\w-]*" + SECRETIVE + r")[ \t]+(?P<secret>[^\s=:\"']\S*?);?\s*$",
          named=True, settings=True),
    # host:port:database:user:password, and pgbouncer's "user" "password"
    _rule("pgpass", r"^#?(?:\\.|[^\s:\\]){1,255}:(?:\d{1,5}|\*)(?::(?:\\.|[^:\\]){1,80}){2}:(?P<secret>.+)$", settings=True),
    _rule("userlist", r"^;?\s*\"(?:[^\"]|\"\")*\"\s+\"(?P<secret>(?:[^\"]|\"\")+)\"", settings=True),
    _rule("chrony_key", r"^[#!\s]*\d+\s+(?:MD5|SHA\d[\w-]*|AES\w*|TIGER|WHIRLPOOL)\s+(?:HEX:|ASCII:)?(?P<secret>\S+)", settings=True),
    _rule("hash", r"(?P<secret>\$(?:1|2[abxy]|5|6|7|y|gy|apr1|argon2\w*|scrypt|sm3)\$[^\s:\"']+)"),
    _rule("hash", r"(?P<secret>\bSCRAM-SHA-\d+\$[^\s\"']+|\bmd5[0-9a-f]{32}\b|\{S?(?:SHA|MD5)\d*\}[\w+/=]+)"),
    _rule("json_web_token", r"(?P<secret>\beyJ[\w-]{6,}\.[\w-]+\.?[\w-]*)"),
    _rule("vendor_key", r"(?P<secret>\bdt0[a-z]\d\d\.[A-Z0-9.]+)"),
    _rule("vendor_key", r"(?P<secret>\b(?:(?:AKIA|ASIA)[A-Z0-9]{16}|gh[oprsu]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|"
                        r"xox[abeprs]-[\w-]{8,}|AIza[\w-]{30,}|NRAK-\w{16,}|sk-[\w-]{16,}|hvs\.[\w-]{16,}))"),
    _rule("uuid", r"(?P<secret>\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b)", guess=True),
    # Any long word of letters and digits is more often a key than not.
    _rule("long_word", r"(?<![\w-])(?P<secret>(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{24,}={0,2})", guess=True),
)

# What a name says that its value is no secret, where the value agrees.
_NO_SECRETS = tuple((re.compile(name, re.IGNORECASE), re.compile(value, re.IGNORECASE)) for name, value in (
    (r"(?:file|path|dir|directory|folder|location|name|store)s?$", r"(?:FILE:)?[~/.%$][\w@%~./*${}-]*"),
    (r"^passwd$", r"(?:files|compat|db|nis\w*|sss|ldap|winbind|systemd|extrausers|\s)+"),
    (r"key$", r"[$/][\w@./-]+[._](?:key|pem|keys|p12|jks|crt)"),
    (r"key(?:usage|identifier|exchange\w*|types?|algorithms?)$", r"[\w,:@. -]+"),
    (r"(?:timeout|interval|ttl|size|length|count|rounds|iterations|max|min|seconds|days|age|lifetime|expir\w*|rotation|port)(?:_?m?s)?$",
     r"\d{1,9}(?:\.\d+)? ?[a-z]{0,7}"),
    (r"(?:encryption|algorithm|type|method|mode|format|enabled|required|provider|version)$", r"[a-z0-9-]{1,20}"),
    (r"(?:url|uri|endpoint|host|server|address)$", r"(?:\w+://)?[\w.-]+(?::\d+)?(?:/[\w./-]*)?"),
    (r"", r"\d|true|false|yes|no|on|off|null|none|nil|~|\$\{[A-Z_][A-Z0-9_]*\}|\{\{[^{}]*\}\}|\*+"),
))
_TELLS = re.compile(NAMED.pattern + r"|://|-----|\$|^eyJ|SCRAM|digest|bearer|basic|apikey|splunk|=", re.IGNORECASE)
_COMMENT = re.compile(r"\s+[#;]")


def is_no_secret(name: str, value: str) -> bool:
    """Whether a value under a name that sounds like a secret is a path, a number, a switch, or the name of something."""
    value = _COMMENT.split(value, 1)[0]
    return bool(name) and any(called.search(name) and shaped.fullmatch(value) for called, shaped in _NO_SECRETS)


def tells(text: str) -> bool:
    """Whether a text is a part of what tells where a secret is: without it, a rule might no longer find one."""
    return bool(_TELLS.search(text))

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which line of a pg_hba.conf decides about a client, as the server would find it: the first that matches.

What only the server knows (who is a member of a role, what a name resolves to) is not guessed: such a line leaves the answer open.

Source: PostgreSQL documentation, "The pg_hba.conf File".

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import os
import re
import typing as t

_LARGEST_FILE = 1024 * 1024
_MOST_RULES = 5000
_DEEPEST = 10
# A token: a word or a quoted name, or several of them with commas between. A # outside of quotes begins a comment.
_ITEM = r'(?:"[^"]*"|[^\s,"#]+)+'
_TOKEN = re.compile(r"\s*(%s(?:\s*,\s*%s)*)" % (_ITEM, _ITEM))

# Of the first word, whether it is about TCP with TLS, and without.
_TYPES = {
    "local": (False, False), "host": (True, True), "hostssl": (True, False), "hostnossl": (False, True),
    "hostgssenc": (False, False), "hostnogssenc": (True, True),
}
Answer = t.Optional[bool]


class Login(t.NamedTuple):
    """Who comes: ``address`` is the client's."""

    user: str
    database: str
    address: str
    tls: bool


class Rule(t.NamedTuple):
    """One line: ``address`` is a network in CIDR notation, ``all``, ``samehost``, ``samenet`` or a name; empty for ``local``."""

    file: str
    line: int
    text: str
    type: str
    databases: list[str]
    users: list[str]
    address: str
    method: str


class Decision(t.NamedTuple):
    """``matched``: None where it can't be told from the file; then ``rule`` is the line that leaves it open."""

    matched: Answer
    rule: Rule | None


def read_rules(path: str) -> list[Rule]:
    """In their order, those of included files too. :raises OSError: the file can't be read."""
    rules: list[Rule] = []
    _read(path, rules, 0)
    return rules


def _read(path: str, rules: list[Rule], depth: int) -> None:
    with open(path, encoding="utf-8", errors="backslashreplace") as file:
        text = file.read(_LARGEST_FILE)
    for number, line in _logical_lines(text):
        tokens = tokens_of(line)
        if len(tokens) == 2 and tokens[0][0] in ("include", "include_if_exists", "include_dir"):
            for included in _included(tokens[0][0], os.path.join(os.path.dirname(path), tokens[1][0].strip('"'))):
                try:
                    if depth < _DEEPEST:
                        _read(included, rules, depth + 1)
                except OSError:
                    continue
        rule = rule_of(tokens, path, number, line)
        if rule is not None and len(rules) < _MOST_RULES:
            rules.append(rule)


def _included(directive: str, path: str) -> list[str]:
    if directive != "include_dir":
        return [path]
    try:
        return [os.path.join(path, name) for name in sorted(os.listdir(path)) if name.endswith(".conf") and not name.startswith(".")]
    except OSError:
        return []


def _logical_lines(text: str) -> t.Iterator[tuple[int, str]]:
    """A line that ends with a backslash goes on; it has the number of its last one, as in the server's own messages."""
    kept = ""
    for number, line in enumerate(text.splitlines(), 1):
        kept += line.rstrip("\\") if line.endswith("\\") else line
        if not line.endswith("\\"):
            yield number, kept
            kept = ""
    if kept:
        yield number, kept


def tokens_of(line: str) -> list[list[str]]:
    """The words of a line, each a list of what is between its commas. Quotes are kept: a quoted ``all`` is only a name."""
    tokens = []
    position = 0
    while len(tokens) < 50:
        match = _TOKEN.match(line, position)
        if match is None:
            break
        tokens.append(re.findall(_ITEM, match.group(1)))
        position = match.end()
    return tokens


def rule_of(tokens: t.Sequence[t.Sequence[str]], file: str, line: int, text: str) -> Rule | None:
    """None for what is no rule."""
    kind = tokens[0][0] if tokens else ""
    if kind not in _TYPES:
        return None
    words = [token[0] for token in tokens]
    try:
        if kind == "local":
            return Rule(file, line, text.strip(), kind, list(tokens[1]), list(tokens[2]), "", words[3])
        address, method = words[3], words[4]
        if _is_mask(method):
            address, method = "%s/%s" % (address, method), words[5]
    except IndexError:
        return None
    return Rule(file, line, text.strip(), kind, list(tokens[1]), list(tokens[2]), address.strip('"'), method)


def _is_mask(word: str) -> bool:
    try:
        ipaddress.ip_address(word)
    except ValueError:
        return False
    return True


def decide(rules: t.Iterable[Rule], login: Login) -> Decision:
    """What the server does with this login, as far as the file tells."""
    for rule in rules:
        answer = matches(rule, login)
        if answer is not False:
            return Decision(answer, rule)
    return Decision(False, None)


def matches(rule: Rule, login: Login) -> Answer:
    """Whether a rule is about this login; None where only the server knows."""
    with_tls, without = _TYPES[rule.type]
    if not (with_tls if login.tls else without):
        return False
    answers = (_address_matches(rule.address, login.address), _any(_database_matches(name, login) for name in rule.databases),
               _any(_user_matches(name, login.user) for name in rule.users))
    if False in answers:
        return False
    return None if None in answers else True


def _any(answers: t.Iterable[Answer]) -> Answer:
    found = list(answers)
    if True in found:
        return True
    return None if None in found else False


def _address_matches(wanted: str, address: str) -> Answer:
    if wanted == "all":
        return True
    try:
        network = ipaddress.ip_network(wanted, strict=False)
        return ipaddress.ip_address(address.partition("%")[0]) in network
    except ValueError:
        return None  # samehost, samenet, a name, or a client whose address is not known


def _database_matches(name: str, login: Login) -> Answer:
    if name == "all":
        return True
    if name == "sameuser":
        return login.user == login.database
    if name == "replication":
        return False
    if name in ("samerole", "samegroup") or name[:1] in "@/":
        return None
    return name.strip('"') == login.database


def _user_matches(name: str, user: str) -> Answer:
    if name == "all":
        return True
    if name[:1] == "+":
        return True if name[1:].strip('"') == user else None
    if name[:1] in "@/":
        return None
    return name.strip('"') == user


def line_for(login: Login) -> str:
    """The line that would let exactly this login in."""
    address = ipaddress.ip_address(login.address.partition("%")[0])
    names = " ".join('"%s"' % name if re.search(r'[\s,"#]', name) else name for name in (login.database, login.user))
    return "%s %s %s/%d scram-sha-256" % ("hostssl" if login.tls else "host", names, address, address.max_prefixlen)

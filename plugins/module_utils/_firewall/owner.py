# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose a rule is: of ufw, firewalld, docker, fail2ban, or of nobody but the administrator. Who changes a rule of theirs changes it there.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Chain, Rule, Verdict

# Names of tables and chains, as each manager makes them.
_TABLES = (
    ("firewalld", re.compile(r"firewalld(_.*)?$")),
    ("fail2ban", re.compile(r"(f2b-|fail2ban)")),
    ("docker", re.compile(r"docker")),
)
_CHAINS = (
    ("ufw", re.compile(r"ufw6?-")),
    ("fail2ban", re.compile(r"(f2b|fail2ban)-")),
    ("docker", re.compile(r"DOCKER")),
    ("firewalld", re.compile(r"(INPUT|OUTPUT|FORWARD|PREROUTING|POSTROUTING)_(direct|ZONES|ZONES_SOURCE|POLICIES_pre|POLICIES_post)$")),
    ("firewalld", re.compile(r"(IN|FWD|FWDI|FWDO|PRE|POST)_[a-z]\w*$")),
)

# Debian and Ubuntu: /etc/ufw/ufw.conf; on all: the state is this one line.
_UFW_SETTINGS = "/etc/ufw/ufw.conf"


def _by_name(table: str, chain: str) -> str:
    for name, pattern in _TABLES:
        if pattern.match(table):
            return name
    for name, pattern in _CHAINS:
        if pattern.match(chain):
            return name
    return ""


def owner(verdict: Verdict, direct: t.Collection[str] = ()) -> str:
    """Who has made what decided: ``ufw``, ``firewalld``, ``docker``, ``fail2ban``, or ``none``.

    :param direct: the direct rules of firewalld, as iptables options: they stand among those of nobody.
    """
    if verdict.chain is None:
        return "none"
    named = _by_name(verdict.chain.table, verdict.chain.name)
    if named:
        return named
    if verdict.rule is not None:
        return "firewalld" if _same_options(verdict.rule.text) in direct else "none"
    # ufw sets the policies of the chains that it hangs its own from.
    return "ufw" if any("-j ufw" in rule.text for rule in verdict.chain.rules) else "none"


def direct_options(rules: t.Iterable[str]) -> set[str]:
    """Direct rules of firewalld, ``ipv4 filter OUTPUT 0 -p tcp …``, in the form in which :func:`owner` looks them up."""
    found = set()
    for rule in rules:
        words = rule.split(None, 4)
        if len(words) == 5:
            found.add(_same_options("-A %s %s" % (words[2], words[4])))
    return found


def _same_options(text: str) -> str:
    """Without what iptables adds by itself: ``-m tcp`` after ``-p tcp``, and the length of a whole address."""
    text = re.sub(r"-m (tcp|udp) ", "", text.replace("--protocol ", "-p ").replace("--jump ", "-j "))
    return " ".join(re.sub(r"/(32|128)(?=\s|$)", "", text).split())


def managers(chains: t.Iterable[tuple[Chain, Rule]], direct: t.Collection[str]) -> dict[str, int]:
    """How many rules each has, under its name; those of nobody under the name of their tool."""
    counted: dict[str, int] = {}
    for chain, rule in chains:
        name = owner(Verdict("", "", rule, chain), direct)
        # A rule that only leads to a manager's chain is the manager's.
        target = _by_name("", rule.text.rpartition("-j ")[2].split(" ")[0]) if "-j " in rule.text else ""
        name = (target or rule.tool.replace("ip6tables", "iptables")) if name == "none" else name
        counted[name] = counted.get(name, 0) + 1
    return counted


def ufw_enabled() -> bool:
    try:
        with open(_UFW_SETTINGS, encoding="utf-8", errors="replace") as lines:
            return any(line.strip().lower().replace('"', "") == "enabled=yes" for line in lines)
    except OSError:
        return False

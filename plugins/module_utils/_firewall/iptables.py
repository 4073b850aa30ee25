# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of iptables and ip6tables, from what ``iptables-save -c`` prints: iptables(8), iptables-extensions(8).

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import ipset as ipsets
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.flow import UNKNOWN, Packet
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.iptables_match import MATCHES, Option
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.iptables_target import TARGETS, WITHOUT_EFFECT
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Action, Chain, Doubt, Rule, Walk

# linux/netfilter_ipv4.h; the table nat has two, by hook.
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_NAT_PRIORITIES = {"PREROUTING": -100, "OUTPUT": -100, "INPUT": 100, "POSTROUTING": 100}
_HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING")

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_COUNTED = re.compile(r"\[(\d+):\d+\] (.*)")


def tables_of(text: str) -> set[str]:
    """The tables that a listing has. A table that iptables can't tell, as nft has made it, is named in a comment only."""
    return {line[1:].strip() for line in text.splitlines() if line.startswith("*")}


def chains(text: str, family: str, tool: str, sets: dict[str, ipsets.IpSet]) -> list[Chain]:
    """The base chains of a listing, all others hanging from them.

    :param text: what ``iptables-save -c`` printed. :param family: ``ip`` or ``ip6``. :param tool: ``iptables`` or ``iptables-legacy``.
    :param sets: the machine's ipsets.
    """
    found: list[Chain] = []
    table, siblings = "", {}
    for line in text.splitlines():
        if line.startswith("*"):
            table, siblings = line[1:].strip(), {}
        elif line.startswith(":"):
            name, policy = (line[1:].split() + ["-", "-"])[:2]
            siblings[name] = _chain(tool, family, table, name, policy, siblings)
            if siblings[name].hook:
                found.append(siblings[name])
        else:
            _add_rule(line, tool, family, table, siblings, sets)
    return found


def _chain(tool: str, family: str, table: str, name: str, policy: str, siblings: dict[str, Chain]) -> Chain:
    chain = Chain(tool, family, table, name, siblings)
    if policy != "-" and name in _HOOKS:
        chain.hook = name.lower()
        chain.type = "nat" if table == "nat" else "filter"
        chain.priority = _NAT_PRIORITIES.get(name, 0) if table == "nat" else _PRIORITIES.get(table, 0)
        chain.policy = policy.lower()
    return chain


def _add_rule(line: str, tool: str, family: str, table: str, siblings: dict[str, Chain], sets: dict[str, ipsets.IpSet]) -> None:
    counted = _COUNTED.match(line)
    packets, text = (int(counted.group(1)), counted.group(2)) if counted else (None, line)
    words = [plain or _Quoted(quoted.replace('\\"', '"').replace("\\\\", "\\")) for quoted, plain in _WORD.findall(text)]
    if len(words) >= 2 and words[0] == "-A" and words[1] in siblings:
        chain = siblings[words[1]]
        chain.rules.append(IptablesRule(tool, family, table, chain, len(chain.rules) + 1, text, packets, words[2:], sets))


class _Quoted(str):
    """A word that stood in quotes: an argument, whatever it begins with."""


class IptablesRule(Rule):
    """A rule of iptables: options that must all match, and a target."""

    def __init__(self, tool: str, family: str, table: str, chain: Chain, line: int, text: str, packets: int | None, words: list[str],
                 sets: dict[str, ipsets.IpSet]) -> None:
        self.tool, self.sets, self.siblings = tool, sets, chain.siblings
        super().__init__(family, table, chain.name, line, text, None, packets)
        self.options: list[Option] = []
        self.target, self.target_options, self.goes = "", {}, False
        self._read(words)

    def _read(self, words: list[str]) -> None:
        module, position = "", 0
        while position < len(words):
            negated = words[position] == "!"
            position += negated
            word = words[position] if position < len(words) else ""
            if word in ("-j", "-g"):
                self.goes = word == "-g"
                self.target = words[position + 1] if position + 1 < len(words) else ""
                self.target_options = _target_options(words[position + 2:])
                return
            end = position + (2 if word == "--comment" else 1)
            while end < len(words) and not _begins_option(words[end]):
                end += 1
            if word == "-m":
                module = words[position + 1] if position + 1 < len(words) else ""
            else:
                self.options.append(Option(module, word, tuple(words[position + 1:end]), negated))
            position = end

    def argument(self, name: str) -> str:
        """The argument of another option of this rule, empty without it."""
        return next((" ".join(option.arguments) for option in self.options if option.name == name), "")

    def apply(self, packet: Packet, walk: Walk) -> Action | None:
        doubts: list[Doubt] = []
        for option in self.options:
            answer = self._matches(option, packet, walk)
            if answer is False:
                return None
            if isinstance(answer, Doubt) and answer not in doubts:
                doubts.append(answer)
        if not self.target or self.target in WITHOUT_EFFECT:
            if not doubts:
                walk.counted.append(self)
            return None
        if not all(walk.assume(self, doubt) for doubt in doubts):
            return None
        walk.counted.append(self)
        if self.target in self.siblings:
            return Action("goto" if self.goes else "jump", self.target)
        if self.target not in TARGETS:
            return Action(UNKNOWN, "target %s" % self.target)
        try:
            return TARGETS[self.target](self.target_options, packet)
        except (ValueError, KeyError, IndexError, OSError) as problem:
            return Action(UNKNOWN, "target %s: %s" % (self.target, problem))

    def _matches(self, option: Option, packet: Packet, walk: Walk) -> bool | Doubt:
        match = MATCHES.get((option.module, option.name)) or MATCHES.get(("", option.name))
        if match is None:
            return Doubt(UNKNOWN, "-m %s" % option.module if option.module else option.name)
        try:
            answer = match(option, packet, self, walk)
        except (ValueError, KeyError, IndexError, OSError) as problem:
            return Doubt(UNKNOWN, "%s: %s" % (option.name, problem))
        if isinstance(answer, Doubt):
            return answer._replace(usually=answer.usually != option.negated)
        return answer != option.negated


def _begins_option(word: str) -> bool:
    return not isinstance(word, _Quoted) and (word == "!" or (word.startswith("-") and not word.lstrip("-").isdigit()))


def _target_options(words: t.Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name = word
            found[name] = ""
        elif name:
            found[name] = (found[name] + " " + word).strip()
    return found

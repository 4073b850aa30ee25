# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds a rule in the text of a file that ``nft`` or ``iptables-restore`` loads. Pure; what is written in a way of its own is not found.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import typing as t

_COUNTED = re.compile(r"\bcounter packets \d+ bytes \d+")
_INCLUDE = re.compile(r"^\s*include\s+\"([^\"]+)\"", re.MULTILINE)
# What iptables adds by itself when it prints a rule.
_IMPLIED = re.compile(r"-m (?:tcp|udp) |/(?:32|128)(?=\s)| --reject-with icmp6?-port-unreachable$")


class Place(t.NamedTuple):
    """A new line goes before ``line`` (from 1), and begins with ``lead``."""

    line: int
    lead: str


def nft_includes(text: str) -> list[str]:
    return _INCLUDE.findall(text)


def nft_place(text: str, family: str, table: str, chain: str, rule: str) -> Place | None:
    """Before the rule, in its chain's block or in a command ``add rule``; before the end of the chain whose policy stops.

    :param rule: as ``nft list`` prints it, empty for the policy ``drop``.
    """
    wanted, blocks, policy = _plain(rule), [("table", family, table), ("chain", chain)], False
    open_blocks: list[tuple[str, ...]] = []
    for number, line in enumerate(text.splitlines(), 1):
        statement = _plain(line)
        if open_blocks == blocks:
            policy = policy or "policy drop" in statement
            if (wanted and statement == wanted) or (not wanted and policy and statement == "}"):
                return Place(number, _indent(line) + ("" if wanted else "\t"))
        head = "add rule %s %s %s " % (family, table, chain)
        if wanted and not open_blocks and statement == head + wanted:
            return Place(number, head)
        opened = statement.count("{") - statement.count("}")
        if opened > 0:
            open_blocks += [_block(statement)] + [()] * (opened - 1)
        elif opened < 0:
            del open_blocks[opened:]
    return None


def iptables_place(text: str, table: str, chain: str, rule: str) -> Place | None:
    """Before the rule in its table; before the table's end where the chain's policy stops.

    :param rule: as ``iptables-save`` prints it, empty for the policy ``DROP``.
    """
    inside = policy = False
    for number, line in enumerate(text.splitlines(), 1):
        statement = re.sub(r"^\[\d+:\d+\] ", "", line.strip())
        if statement.startswith("*"):
            inside = statement[1:].strip() == table
        elif not inside:
            continue
        elif statement.startswith(":%s DROP" % chain):
            policy = True
        elif (rule and _same(statement) == _same(rule)) or (not rule and policy and statement == "COMMIT"):
            return Place(number, "-A %s " % chain)
    return None


def _plain(line: str) -> str:
    """A statement of nft without comment, counter's numbers and needless space."""
    bare = " ".join(re.sub(r"^([^\"#]*(?:\"[^\"]*\"[^\"#]*)*)#.*$", r"\1", line).split()).rstrip("; ")
    return _COUNTED.sub("counter", bare)


def _block(statement: str) -> tuple[str, ...]:
    """What a block is of: ``("table", "inet", "filter")``, ``("chain", "output")``. A table without a family is one of ``ip``."""
    words = tuple(word for word in statement.partition("{")[0].split() if word not in ("add", "create"))
    return ("table", "ip", words[1]) if len(words) == 2 and words[0] == "table" else words


def _indent(line: str) -> str:
    return line[:len(line) - len(line.lstrip())]


def _same(rule: str) -> str:
    return " ".join(_IMPLIED.sub("", " ".join(rule.split())).split())

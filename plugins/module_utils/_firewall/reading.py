# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads all rules that this host's kernel has, of nftables and both kinds of iptables, without changing or loading anything.

This module util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._command import CommandResult
from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import ipset as ipsets
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall import iptables, nft
from ansible_collections.connectivity.doctor.plugins.module_utils._firewall.walk import Chain, Rule

# The tables that iptables-nft makes; it alone can tell what its own expressions mean.
_IPTABLES_TABLES = frozenset(("filter", "nat", "mangle", "raw", "security"))
_FAMILIES = {"ip": "iptables", "ip6": "ip6tables"}
_LEGACY_TABLES = {"ip": "/proc/net/ip_tables_names", "ip6": "/proc/net/ip6_tables_names"}

# A ruleset of some ten thousand rules, which takes ten times as much of memory.
_MOST_BYTES = 8 * 1024 * 1024
_SECONDS = 5.0


class Unreadable(Exception):
    """The rules can't be read; ``reason`` tells why: ``not_permitted``, ``not_found``, ``timed_out``, ``too_large``, ``not_understood``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


def read_chains(context: Context) -> list[Chain]:
    """The base chains of all tools. :raises Unreadable: some rules can't be read, and without them nothing can be said."""
    listing = _nft_listing(context)
    handles = nft.table_handles(listing)
    found: list[Chain] = []
    told: list[tuple[str, str]] = []
    sets: dict[str, ipsets.IpSet] | None = None
    for family, program in _FAMILIES.items():
        wanted = {name for other, name in handles if other == family} & _IPTABLES_TABLES
        listings = []
        if wanted:
            text = _saved(context, program, ("nft", ""))
            told += [(family, table) for table in iptables.tables_of(text) & wanted]
            listings.append((program, text))
        if _legacy_tables(family):
            text = _saved(context, program, ("legacy", ""))
            if not text:
                raise Unreadable("not_found", "%s has rules, and there is no %s-legacy-save" % (_LEGACY_TABLES[family], program))
            listings.append((program + "-legacy", text))
        for tool, text in listings:
            if sets is None and "--match-set" in text:
                sets = ipsets.parse(_answer(context, ["ipset", "save"]).output)
            for chain in iptables.chains(text, family, tool, sets or {}):
                chain.age = (handles.get((family, chain.table), 0) if tool == program else 0, 0)
                found.append(chain)
    try:
        return found + nft.chains(listing, told)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise Unreadable("not_understood", "nft -j list ruleset: %s" % problem) from None


def _nft_listing(context: Context) -> t.Any:
    answer = _answer(context, ["nft", "-j", "list", "ruleset"])
    if answer.problem == "not_found" and any(_legacy_tables(family) for family in _FAMILIES):
        return {"nftables": []}  # a host of the older kind: its rules are those of iptables-legacy
    if answer.problem or answer.exit_code:
        forbidden = "not permitted" in answer.errors.lower() or "must be root" in answer.errors
        raise Unreadable("not_permitted" if forbidden else answer.problem or "not_understood", "nft: %s" % context.text(answer.errors, 200))
    try:
        return json.loads(answer.output)
    except (ValueError, RecursionError):
        raise Unreadable("not_understood", "nft -j list ruleset") from None


def _saved(context: Context, program: str, kinds: t.Sequence[str]) -> str:
    """What the first of ``iptables-nft-save`` and ``iptables-save`` prints that is of the wanted kind, empty without any."""
    for kind in kinds:
        answer = _answer(context, ["-".join(filter(None, (program, kind, "save"))), "-c"])
        if answer.exit_code == 0 and ("-nft-" in answer.output[:200] or "xtables" in answer.output[:200]) == (kinds[0] == "nft"):
            return answer.output
    return ""


def _legacy_tables(family: str) -> bool:
    """Whether this network namespace has tables of iptables-legacy. To ask its program would make them."""
    try:
        with open(_LEGACY_TABLES[family], encoding="ascii") as names:
            return bool(names.read().strip())
    except OSError:
        return False


def _answer(context: Context, argv: t.Sequence[str]) -> CommandResult:
    answer = context.command(argv, seconds=_SECONDS, limit=_MOST_BYTES)
    if answer.problem == "timed_out":
        raise Unreadable("timed_out", " ".join(argv))
    if len(answer.output) >= _MOST_BYTES:
        raise Unreadable("too_large", "%s prints more than %d bytes" % (" ".join(argv), _MOST_BYTES))
    return answer


def rules_of(chains: t.Iterable[Chain]) -> t.Iterator[tuple[Chain, Rule]]:
    """All rules, each once, with the chain that it stands in."""
    seen = set()
    for base in chains:
        for chain in base.siblings.values():
            if id(chain) not in seen:
                seen.add(id(chain))
                for rule in chain.rules:
                    yield chain, rule


def text_of(context: Context, rule: Rule) -> str:
    """A rule as its own tool writes it, without its counters."""
    if rule.tool != "nftables":
        return rule.text
    argv = ["nft", "-s", "-a", "list", "chain", rule.family, rule.table, rule.chain]
    listing = context.command(argv, seconds=_SECONDS, limit=_MOST_BYTES)
    mark = "# handle %s" % rule.handle
    for line in listing.output.splitlines():
        if line.rstrip().endswith(mark):
            return line.rpartition("# handle")[0].strip()
    return ""


def show_command(chain: Chain) -> str:
    """The command with which a person sees a chain with its rules' numbers and counters."""
    if chain.tool == "nftables":
        return "nft -a list chain %s %s %s" % (chain.family, chain.table, chain.name)
    return "%s -t %s -L %s -v -n --line-numbers" % (chain.tool, chain.table, chain.name)

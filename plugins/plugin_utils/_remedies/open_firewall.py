# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allows exactly one flow, in the tool that owns the rule which stops it, before that rule; nothing is flushed, and no more is opened.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

# Their rules are made by programs that would write them again; what they allow is set there.
_OWNED = ("ufw", "firewalld", "docker", "fail2ban")


def _plan(trouble: Trouble, name: str) -> Change:
    mark = "connectivity.doctor %s" % name
    stopping = [rule["data"] for rule in trouble.proofs("firewall.rule", direction="outbound", phase="request")]
    rules = [_BUILDERS[_supported(rule)](rule, mark) for rule in stopping]
    flows = ["%s to %s port %s" % (rule["protocol"], rule["address"], rule["port"]) for rule in stopping]
    where = ["%s %s %s" % (rule["tool"], rule["table"], rule["chain"]) for rule in stopping]
    return Change(
        summary="allow %s, in %s before the rule that stops it" % (" and ".join(flows), ", ".join(dict.fromkeys(where))),
        parameters={"rules": rules, "mark": mark},
        commands=tuple(tuple(rule["undo"]) for rule in rules if rule["undo"]),
        mark=mark,
        settles_s=3.0,
    )


def _supported(rule: t.Mapping[str, t.Any]) -> str:
    """:raises NoRemedy: it is one that is better changed elsewhere."""
    if rule["owner"] in _OWNED:
        raise NoRemedy("the rule belongs to %s, which would write it again; allow the flow there" % rule["owner"])
    if rule["tool"] not in _BUILDERS:
        raise NoRemedy("a rule of %s is not changed" % rule["tool"])
    return str(rule["tool"])


def _nftables(rule: t.Mapping[str, t.Any], mark: str) -> dict[str, t.Any]:
    """Inserted before the rule by that one's handle; where the chain's policy stops the flow, at the chain's end."""
    family = "ip6" if ipaddress.ip_address(rule["address"]).version == 6 else "ip"
    place = ["add", "rule", rule["family"], rule["table"], rule["chain"]]
    if not rule["policy"]:
        place = ["insert", *place[1:], "position", str(rule["handle"])]
    flow = [family, "daddr", rule["address"], rule["protocol"], "dport", str(rule["port"]), "accept", "comment", '"%s"' % mark]
    return {"tool": "nftables", "command": ["nft", *place, *flow], "undo": []}


def _iptables(rule: t.Mapping[str, t.Any], mark: str) -> dict[str, t.Any]:
    """Inserted in the place of the rule, which moves down by one; at the end of a chain whose policy stops the flow."""
    flow = ["-p", rule["protocol"], "-d", rule["address"], "--dport", str(rule["port"]), "-m", "comment", "--comment", mark]
    return {
        "tool": "iptables", "ip_version": "ipv6" if rule["tool"] == "ip6tables" else "ipv4", "table": rule["table"], "chain": rule["chain"],
        "line": rule["line"] or 0, "protocol": rule["protocol"], "address": rule["address"], "port": rule["port"],
        "undo": [rule["tool"], "-w", "-t", rule["table"], "-D", rule["chain"], *flow, "-j", "ACCEPT"],
    }


_BUILDERS: dict[str, t.Callable[[t.Mapping[str, t.Any], str], dict[str, t.Any]]] = {
    "nftables": _nftables, "iptables": _iptables, "ip6tables": _iptables,
}
REMEDY = Remedy("open_firewall", _plan)

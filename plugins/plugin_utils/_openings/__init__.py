# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How each owner of rules lets a flow pass, one file an owner; rules of nobody's are those of their tool.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule
from ansible_collections.connectivity.doctor.plugins.plugin_utils._openings import firewalld, iptables, nftables, ufw
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy

# From the rule, the flow, the comment of what is added, and what firewalld says of the flow (empty without it), to what lets it pass.
Opener = t.Callable[[Rule, Flow, str, Rule], Opening]

_OWNERS: dict[str, Opener] = {"firewalld": firewalld.allow, "ufw": ufw.allow}
_TOOLS: dict[str, Opener] = {
    "nftables": nftables.allow, "iptables": iptables.allow, "ip6tables": iptables.allow,
    "iptables-legacy": iptables.allow, "ip6tables-legacy": iptables.allow,
}


def allow(rule: Rule, flow: Flow, mark: str, firewalld_state: Rule) -> Opening:
    """:raises NoRemedy: it can't be allowed there, or not without allowing more."""
    owner = str(rule["owner"])
    opener = _TOOLS.get(str(rule["tool"])) if owner == "none" else _OWNERS.get(owner)
    if opener is None:
        raise NoRemedy("the rule belongs to %s, which would write it again; allow the flow there" % owner if owner != "none"
                       else "a rule of %s is not changed" % rule["tool"])
    return opener(rule, flow, mark, firewalld_state)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow in ufw, before all its other rules of that address family: ufw(8), ``prepend``. ufw keeps its own rules over a reboot.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy

_FILES = ("/etc/ufw/user.rules", "/etc/ufw/user6.rules")
# What ufw asks before the rules that are given to it by command; people write these files by hand.
_BEFORE = re.compile(r"ufw6?-(before|not-local)")
_OWN = re.compile(r"ufw6?-user-")
_OF_AN_INTERFACE = re.compile(r"(^| )-[io] ")


def allow(rule: Rule, flow: Flow, mark: str, _firewalld: Rule) -> Opening:
    if _BEFORE.match(rule["chain"]):
        raise NoRemedy("the rule stands in ufw's before.rules, which no rule that ufw is given can precede; allow the flow in that file")
    if flow.answers or flow.uid is not None:
        raise NoRemedy("ufw has no rule for %s alone" % flow)
    # ufw keeps one rule for each flow, and would not put ours before one of its own that is the same but for its action.
    same = _OWN.match(rule["chain"]) and not _OF_AN_INTERFACE.search(rule["rule"])
    ours = (
        "allow", "in" if flow.incoming else "out", *(("on", rule["interface"]) if same else ()), "proto", flow.protocol,
        *(("from", flow.peer, "to", "any") if flow.incoming else ("to", flow.peer)), "port", str(flow.port), "comment", mark,
    )
    return Opening(
        does="allow %s" % flow,
        where="ufw",
        adds="+ ufw prepend %s" % " ".join(ours),
        commands=(("ufw", "prepend", *ours),),
        undo=(("ufw", "delete", *ours),),
        files=_FILES,
    )

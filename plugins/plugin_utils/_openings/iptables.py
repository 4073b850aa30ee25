# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow in a chain of iptables: in the place of the rule, which moves down by one; at the end of a chain whose policy stops it.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule, insertion, why_passing


def allow(rule: Rule, flow: Flow, mark: str, _firewalld: Rule) -> Opening:
    program, table, chain = rule["tool"], rule["table"], rule["chain"]
    call = (program, "-w", "-t", table)
    what = [*matches(flow), "-m", "comment", "--comment", mark, "-j", "ACCEPT"]
    written = [*matches(flow), "-m", "comment", "--comment", '"%s"' % mark, "-j", "ACCEPT"]
    place = ["-A", chain] if rule["policy"] else ["-I", chain, str(rule["line"])]
    return Opening(
        does="allow %s" % flow,
        where="%s %s %s" % (program, table, chain),
        adds="+ " + " ".join(written),
        commands=((*call, *place, *what),),
        undo=((*call, "-D", chain, *what),),
        insertion=insertion(rule, " ".join(written), lambda entry: (program + "-restore", "--test", entry)),
        passing=why_passing(rule),
        # A number is no handle: who changed the chain meanwhile has moved the rule.
        seen_by=() if rule["policy"] else (*call, "-S", chain, str(rule["line"])),
        seen=rule["rule"],
    )


def matches(flow: Flow) -> list[str]:
    """The options that match these packets."""
    return [
        "-p", flow.protocol, "-s" if flow.incoming else "-d", flow.peer, "--sport" if flow.answers else "--dport", str(flow.port),
        *(["-m", "conntrack", "--ctstate", "ESTABLISHED"] if flow.answers else []),
        *(["-m", "owner", "--uid-owner", str(flow.uid)] if flow.uid is not None else []),
    ]

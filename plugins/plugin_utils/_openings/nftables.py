# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow in a chain of nftables: before the rule by that one's handle; where the chain's policy stops it, at the chain's end.

What is added is taken back by its comment, as nftables gives its handle only when it is there: see the module ``transaction``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule, insertion, why_passing


def allow(rule: Rule, flow: Flow, mark: str, _firewalld: Rule) -> Opening:
    chain = [rule["family"], rule["table"], rule["chain"]]
    place = ["add", "rule", *chain] if rule["policy"] else ["insert", "rule", *chain, "position", str(rule["handle"])]
    words = [*_matches(flow), "accept", "comment", '"%s"' % mark]
    return Opening(
        does="allow %s" % flow,
        where="nftables %s" % " ".join(chain),
        adds="+ " + " ".join(words),
        commands=(("nft", *place, *words),),
        marked=True,
        insertion=insertion(rule, " ".join(words), lambda entry: ("nft", "--check", "--file", entry)),
        passing=why_passing(rule),
    )


def _matches(flow: Flow) -> list[str]:
    family = "ip6" if flow.version == 6 else "ip"
    return [
        family, "saddr" if flow.incoming else "daddr", flow.peer, flow.protocol, "sport" if flow.answers else "dport", str(flow.port),
        *(["ct", "state", "established"] if flow.answers else []),
        *(["meta", "skuid", str(flow.uid)] if flow.uid is not None else []),
    ]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes back the ban of one address, where it was made: in fail2ban's jail, in a set of nftables, in an ipset.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import re

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule

# fail2ban's own names for the chain and the set of a jail, by the address's version: its actions iptables*.conf and nftables*.conf.
_JAIL_CHAIN = re.compile(r"f2b-(.+)$")
_JAIL_SET = {4: re.compile(r"(?:addr-set|f2b)-(.+)$"), 6: re.compile(r"(?:addr6-set-(.+)|f2b-(.+)6)$")}
_ONLY_NOW = "a file that fills the set is left as it is"


def lift(rule: Rule, flow: Flow) -> Opening | None:
    """:returns: None where it is no ban of just this address, but of a network; then the flow is allowed before it."""
    member = rule["set_member"] or {}
    jail = _jail(rule, str(member.get("set", "")), flow)
    if jail:
        return _by_fail2ban(jail, flow)
    if not _is_only(str(member.get("element", "")), flow.peer):
        return None
    return _in_nft_set(rule, member) if rule["tool"] == "nftables" else _in_ipset(member)


def _jail(rule: Rule, name: str, flow: Flow) -> str:
    """The rule that asks an ipset of fail2ban's stands in a chain of nobody's."""
    found = _JAIL_SET[flow.version].match(name) if name else _JAIL_CHAIN.match(rule["chain"])
    return found.group(found.lastindex or 0) if found else ""


def _by_fail2ban(jail: str, flow: Flow) -> Opening:
    """fail2ban remembers its bans itself, so that this one does not come back with the next boot."""
    client = ("fail2ban-client", "set", jail)
    return Opening(
        does="take back the ban of %s" % flow.peer, where="fail2ban jail %s" % jail, adds="- banip %s" % flow.peer,
        commands=((*client, "unbanip", flow.peer),), undo=((*client, "banip", flow.peer),))


def _in_nft_set(rule: Rule, member: Rule) -> Opening:
    where = ("element", rule["family"], rule["table"], member["set"], "{ %s }" % member["element"])
    return Opening(
        does="take %s out of the set %s" % (member["element"], member["set"]), where="nftables %s %s" % (rule["family"], rule["table"]),
        adds="- element %s" % member["element"], commands=(("nft", "delete", *where),), undo=(("nft", "add", *where),), passing=_ONLY_NOW)


def _in_ipset(member: Rule) -> Opening:
    words = (member["set"], member["element"])
    return Opening(
        does="take %s out of the set %s" % (member["element"], member["set"]), where="ipset %s" % member["set"],
        adds="- add %s %s" % words, commands=(("ipset", "del", *words),), undo=(("ipset", "add", *words),), passing=_ONLY_NOW)


def _is_only(element: str, address: str) -> bool:
    """Whether an element (``10.0.0.7``, ``10.0.0.7 . 5432``, ``10.0.0.7,tcp:5432``) is about this address and no other."""
    try:
        network = ipaddress.ip_network(re.split(r" \. |,", element)[0])
        return network.num_addresses == 1 and network.network_address == ipaddress.ip_address(address)
    except ValueError:
        return False

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A flow in firewalld, in force and permanent: a rich rule of the zone or the policy that stops it, or a direct rule before a direct rule.

Sources: firewall-cmd(1), firewalld.richlanguage(5), firewalld.direct(5).

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import re
import shlex

from ansible_collections.connectivity.doctor.plugins.plugin_utils._opening import Flow, Opening, Rule
from ansible_collections.connectivity.doctor.plugins.plugin_utils._openings import iptables
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import NoRemedy

# The first of all, in rich rules and in direct ones.
_FIRST = -32768
_POLICY = re.compile(r"filter_(?:IN|OUT)_policy_(.+?)(?:_(?:pre|log|deny|allow|post))?$")
# The chains of iptables in which direct rules stand: with nftables as firewalld's backend, and with iptables.
_DIRECT = re.compile(r"(INPUT|OUTPUT)(?:_direct)?$")
_FOLDER = "/etc/firewalld/"
_OPTIONS = {"service": "--add-service=%s", "port": "--add-port=%s", "protocol": "--add-protocol=%s",
            "source port": "--add-source-port=%s", "rich rule": "--add-rich-rule=%s"}


def allow(rule: Rule, flow: Flow, mark: str, state: Rule) -> Opening:
    direct = _DIRECT.match(rule["chain"]) if rule["tool"] != "nftables" else None
    if direct:
        return _direct(flow, mark, rule["table"], direct.group(1))
    if flow.answers or flow.uid is not None:
        raise NoRemedy("firewalld has no rich rule for %s alone" % flow)
    policy = _POLICY.match(rule["chain"])
    if policy:
        return _rich("policy", "policies", policy.group(1), flow)
    if not flow.incoming or "policy_drop" in rule["table"]:
        raise NoRemedy("what of firewalld stops it is no zone, no policy and no direct rule, but its chain %s" % rule["chain"])
    return _rich("zone", "zones", _zone(state), flow)


def keep(state: Rule) -> Opening:
    """Makes permanent what is in force and lets a flow pass, just as it is. :raises NoRemedy: it can't be told in one command."""
    entries = [entry for entry in state["runtime_only"] if entry in state["concerning"]]
    zone, files, options = _zone(state), [], []
    for entry in entries:
        kind = next((kind for kind in _OPTIONS if entry.startswith(kind + " ")), "")
        if entry.startswith("direct rule "):
            options.append(("--direct", "--add-rule", *shlex.split(entry[len("direct rule "):])))
            files += _files("direct")
        elif kind:
            options.append(("--zone=%s" % zone, _OPTIONS[kind] % entry[len(kind) + 1:]))
            files += _files("zones/" + zone)
        else:
            raise NoRemedy("%r of zone %s is more than a flow; make it permanent, or take it away" % (entry, zone))
    return Opening(
        does="keep %s" % "; ".join(entries),
        where="firewalld zone %s" % zone,
        adds="\n".join("+ firewall-cmd --permanent %s" % shlex.join(option) for option in options),
        commands=tuple(("firewall-cmd", "--permanent", *option) for option in options),
        files=tuple(dict.fromkeys(files)),
    )


def _rich(kind: str, folder: str, name: str, flow: Flow) -> Opening:
    rich = "rule priority=%d family=ipv%d %s address=%s port port=%d protocol=%s accept" % (
        _FIRST, flow.version, "source" if flow.incoming else "destination", flow.peer, flow.port, flow.protocol)
    return _both(flow, "%s %s" % (kind, name), ("--%s=%s" % (kind, name), "--add-rich-rule=" + rich),
                 ("--%s=%s" % (kind, name), "--remove-rich-rule=" + rich), _files("%s/%s" % (folder, name)))


def _direct(flow: Flow, mark: str, table: str, chain: str) -> Opening:
    rule = ("ipv%d" % flow.version, table, chain, str(_FIRST), *iptables.matches(flow), "-m", "comment", "--comment", mark, "-j", "ACCEPT")
    return _both(flow, "direct rules of %s %s" % (table, chain), ("--direct", "--add-rule", *rule), ("--direct", "--remove-rule", *rule),
                 _files("direct"))


def _both(flow: Flow, where: str, add: tuple[str, ...], remove: tuple[str, ...], files: tuple[str, ...]) -> Opening:
    """In force now, and after the next start. What is permanent is undone by its file, which firewalld watches."""
    return Opening(
        does="allow %s" % flow,
        where="firewalld %s" % where,
        adds="+ firewall-cmd [--permanent] %s" % shlex.join(add),
        commands=(("firewall-cmd", "--quiet", "--permanent", *add), ("firewall-cmd", "--quiet", *add)),
        undo=(("firewall-cmd", "--quiet", *remove),),
        files=files,
    )


def _files(name: str) -> tuple[str, ...]:
    """firewalld keeps the one before beside each file that it writes."""
    return "%s%s.xml" % (_FOLDER, name), "%s%s.xml.old" % (_FOLDER, name)


def _zone(state: Rule) -> str:
    if not state:
        raise NoRemedy("which zone of firewalld the flow falls into was not seen")
    return str(state["zone"])

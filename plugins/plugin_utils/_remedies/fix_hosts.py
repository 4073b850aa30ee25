# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes a name out of the line of the hosts file that is proved to lead nowhere, or adds the line that is missing.

Other names of a line stay. An address is written only where the inventory or other hosts have it for the name, and it was seen to answer.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedies._observed import own
from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Change, NoRemedy, Remedy, Trouble

_FILE = "/etc/hosts"
_SETTLES_S = 2.0


def _plan(trouble: Trouble, name: str) -> Change:
    del name
    return (_added if trouble.cause["code"] == "dns.hosts_line_missing" else _taken_out)(trouble)


def _added(trouble: Trouble) -> Change:
    """Each address is tried once more, from this very host, before its line is written."""
    name, addresses = trouble.cause["culprit"]["name"], trouble.cause["culprit"]["addresses"].split(", ")
    return _change("add %s to %s, as %s" % (name, _FILE, ", ".join(addresses)), name, missing=addresses, port=trouble.endpoint["port"])


def _taken_out(trouble: Trouble) -> Change:
    file = trouble.proofs("dns.hosts_file")[0]["data"]
    failed = {connect["data"]["address"] for connect in trouble.endpoint["observations"]
              if connect["check"] == "tcp.connect" and connect["status"] == "fail" and "side" not in connect}
    wrong = list(dict.fromkeys(line["address"] for line in file["lines"] if line["address"] in failed))
    if not wrong:
        raise NoRemedy("no line of %s gives %s an address that was seen to fail" % (_FILE, file["name"]))
    if trouble.endpoint["server"] == trouble.host and any(ipaddress.ip_address(address).is_loopback for address in wrong):
        raise NoRemedy("%s is the server itself, which gives its own name such an address" % trouble.host)
    others = {address for answer in own(trouble, "dns.answer") for address in answer["data"]["addresses"]}
    others |= {line["address"] for line in file["lines"]}
    if not others - failed:
        raise NoRemedy("neither another line of %s nor the DNS has an address of %s that may be right" % (_FILE, file["name"]))
    return _change("take %s out of the lines of %s for %s" % (file["name"], _FILE, ", ".join(wrong)), file["name"], wrong=wrong)


def _change(summary: str, name: str, **others: t.Any) -> Change:
    parameters = {"file": _FILE, "name": name, "wrong": [], "missing": [], "port": 0, **others}
    return Change(summary=summary, parameters=parameters, files=(_FILE,), settles_s=_SETTLES_S)


REMEDY = Remedy("fix_hosts", _plan)

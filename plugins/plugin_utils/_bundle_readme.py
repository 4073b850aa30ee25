# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page in a support bundle that says what is in it, and what is not.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

# What a folder or file of a host's bundle has.
_CONTENTS = (
    ("report.json", "what was observed of this host's endpoints, and what that means"),
    ("statistics.json", "of that, what the servers, the pools and this host say of themselves"),
    ("endpoints.json", "the endpoints as they were given"),
    ("config/", "configurations: of agents, of how names are resolved and clocks kept, of PostgreSQL, and files that were asked for"),
    ("logs/", "logs of the last %(window_s)d seconds: of the journal by unit, and of files"),
    ("network/", "addresses, routes, rules, neighbours, sockets, counters, the resolver"),
    ("firewall/", "the rules of nftables, iptables, ufw and firewalld"),
    ("clock/, host/, services/", "the time daemon; processes, memory, file systems; units"),
    ("versions/", "of the system, its kernel, OpenSSL and all packages"),
    ("manifest.json", "each file with its SHA-256 and where it is from, and what there was nothing of, with the reason"),
    ("redaction.json", "how many secrets each rule has masked in each file"),
)
_REDACTED = """
## What is masked

`REDACTED_` and ten digits stand for a secret. The same digits stand for the same secret, in all files and hosts of this bundle; the key
with which they were made is not in it. Where nobody had named a secret, a word that only looks like one is masked, too.
"""
_MAPPED = """
Addresses and the names of hosts are others than the real ones. What shared a network or a domain still does, and the same address is
the same in all files. Loopback, link-local and multicast addresses are real, and so are the first bits of all others.
"""
_NOT_MASKED = """
## What is not masked

Names of users, databases, files, units and packages; ports; certificates, which are public; and %s.
A secret that looks like an ordinary word, under a name that does not tell, is found only where an endpoint has it. Look through a bundle
before you hand it over.
"""
_AGAIN = """
## The same verdict again

    - connectivity.doctor.report:
        saved: this.zip
        report_dir: again
"""


def host_readme(told: t.Mapping[str, t.Any]) -> str:
    contents = "".join("* `%s`: %s\n" % (name, text % told) for name, text in _CONTENTS)
    return "# Support bundle %s of %s\n\n%s\n%s%s" % (told["name"], told["host"], _made(told), contents, _notes(told)) + _problems(told)


def fleet_readme(told: t.Mapping[str, t.Any]) -> str:
    hosts = "".join("* %s: %s\n" % (name, _archive(host)) for name, host in told["hosts"].items())
    return ("# Support bundle %s\n\n%s\n`report.json` is of all hosts. Each has an archive of its own, with a page like this one:\n\n%s%s"
            % (told["name"], _made(told), hosts, _notes(told)))


def _archive(host: t.Mapping[str, t.Any]) -> str:
    where = "not in here, as this bundle is full; it is beside it" if host["left_out"] else "`%s`" % host["file"]
    return where + (", but %s" % host["problem"] if host["problem"] else "")


def _made(told: t.Mapping[str, t.Any]) -> str:
    return "Made at %(made_at)s by connectivity.doctor." % told + "\n"


def _notes(told: t.Mapping[str, t.Any]) -> str:
    unmapped = "names that neither the inventory nor the hosts know for a host's" if told["mapped"] else "addresses and names of hosts"
    again = _AGAIN if told["verdict"] else ""
    return _REDACTED + (_MAPPED if told["mapped"] else "") + _NOT_MASKED % unmapped + again


def _problems(told: t.Mapping[str, t.Any]) -> str:
    kept = "" if told["verdict_kept"] else "\nMasking has changed what the report says: `verdict` in the manifest is of what is in here.\n"
    return kept + ("\nNothing could be collected: %s\n" % told["problem"] if told["problem"] else "")

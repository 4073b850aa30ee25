# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of whoever can do what is not done here: a text to be pasted as it is, with all that its reader needs. A pure function.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._remedy import Trouble

# Who owns what is at fault, by the cause's layer, where that is not the host itself; ``{name}`` is the endpoint's host.
_OWNERS = {
    "firewall": "who runs the firewalls between {hosts} and {name}",
    "network": "who runs the network between {hosts} and {name}",
    "dns": "who runs the name servers of {name}",
    "tls": "who deploys the certificate of {name}",
    "postgresql": "who runs the database {name}",
    "pooler": "who runs the pooler {name}",
    "pool": "who runs the application on {hosts}",
    "balancer": "who runs the load balancer {name}",
    "proxy": "who runs the proxy {proxy}",
    "credential": "who gives out the credentials for {name}",
    "clock": "who runs {name} and its time servers",
}
_OF_A_SERVER = "who runs {name}"
_OF_THE_HOST = "who runs {hosts}"
# What its reader would call them; the others as they are.
_CULPRITS = {"flow": "flow", "rule": "rule", "chain": "chain", "table": "table", "handle": "handle", "owner": "written by", "line": "line",
             "missing_line": "line that is missing", "line_not_loaded": "line that is not loaded", "sender": "sent by", "ban": "banned by",
             "hba_line": "line of pg_hba.conf", "fingerprint_sha256": "fingerprint (SHA-256)"}
_MOST_SUFFERERS = 20
_MOST_FLOWS = 8
_MOST_CULPRITS = 20
_MOST_EVIDENCE = 12


def request(trouble: Trouble, refused: str) -> str:
    """:param refused: why it is not done here. :returns: lines, each of them one line whatever a peer said, with a line end each."""
    cause = trouble.cause
    hosts = list(dict.fromkeys(one.host for one in trouble.everyone()))
    sections: list[tuple[str, t.Sequence[str]]] = [
        ("To", [_owner(trouble, hosts)]),
        ("Please", [cause["advice"]]),
        ("What is wrong", ["%s: %s (%d %% sure)" % (cause["code"], cause["summary"], round(cause["confidence"] * 100)),
                           *(["what would decide: %s" % cause["decide_by"]] if "decide_by" in cause else [])]),
        ("Who suffers", _first(["%s → %s (%s), %s" % (one.host, one.endpoint["name"], one.endpoint["url"], one.endpoint["state"])
                                for one in trouble.everyone()], _MOST_SUFFERERS)),
        ("Flow", _first(_flows(trouble), _MOST_FLOWS)),
        ("At fault", _first(_culprits(trouble), _MOST_CULPRITS)),
        ("Seen", _first(_evidence(trouble), _MOST_EVIDENCE)),
        ("Excluded", _excluded(trouble)),
        ("Not done by the program, as", [refused]),
    ]
    return "".join("%s:\n%s" % (title, "".join("  %s\n" % " ".join(line.split()) for line in lines)) for title, lines in sections if lines)


def _owner(trouble: Trouble, hosts: t.Sequence[str]) -> str:
    layer = trouble.cause["code"].partition(".")[0]
    owner = _OWNERS.get(layer, _OF_A_SERVER) if trouble.lies_at != trouble.host else _OF_THE_HOST
    return owner.format(hosts=", ".join(hosts), name=trouble.endpoint["host"], proxy=trouble.endpoint["proxy"] or "on the way")


def _flows(trouble: Trouble) -> list[str]:
    """Protocol, source and its port, destination and its port, each once; those that fail, or else all."""
    tried = [one for each in trouble.everyone() for one in each.endpoint["observations"]
             if one["check"] == "tcp.connect" and "side" not in one and one["data"].get("address")]
    failed = [one for one in tried if one["status"] == "fail"]
    return list(dict.fromkeys("tcp from %s, any port, to %s port %s" % (
        one["vantage"]["address"] or one["vantage"]["host"], one["data"]["address"], one["data"]["port"]) for one in failed or tried))


def _culprits(trouble: Trouble) -> list[str]:
    """Each once, as several may have one of their own."""
    return list(dict.fromkeys("%s: %s" % (_CULPRITS.get(key, key.replace("_", " ")), value)
                              for one in trouble.everyone() for key, value in one.cause["culprit"].items()))


def _evidence(trouble: Trouble) -> list[str]:
    """What was seen, where and when; what the controller concluded has no time."""
    cited = [each.endpoint["observations"][number] for each in trouble.everyone() for number in each.cause["evidence"]]
    return list(dict.fromkeys("%s on %s: %s" % (one["started_at"] or "(compared)", one["vantage"]["host"] or trouble.host, one["message"])
                              for one in cited))


def _excluded(trouble: Trouble) -> list[str]:
    observations = trouble.endpoint["observations"]
    return ["%s, as %s" % (item["code"], "; ".join(observations[number]["message"] for number in item["by"][:1]) or "it was looked for")
            for item in trouble.cause["excluded"]]


def _first(lines: list[str], most: int) -> list[str]:
    return lines if len(lines) <= most else [*lines[:most], "and %d more, which are in the report" % (len(lines) - most)]

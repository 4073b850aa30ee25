# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was collected to the members of a support bundle: a host's, and the fleet's. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import binascii
import json
import re
import typing as t
import zlib

from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_readme import fleet_readme, host_readme
from ansible_collections.connectivity.doctor.plugins.plugin_utils._bundle_zip import MANIFEST, REPORT, sha256
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import reanalysed

SCHEMA = "connectivity.doctor/bundle/v1"
README, REDACTION, ENDPOINTS, STATISTICS = "README.md", "redaction.json", "endpoints.json", "statistics.json"
# What was observed of a server by what it says itself.
_STATISTICS = ("postgresql.connections", "postgresql.activity", "postgresql.replication", "postgresql.pooler", "postgresql_server.",
               "pool.", "host.")
# No managed node is believed that one of its files unpacks to more.
_LARGEST_FILE = 16 * 1024 * 1024
_UNUSUAL = re.compile(r"[^\w.@+=/-]|\.\.|^/+|/{2,}")
_MOST_NAME = 150
# A person looks into the report of a few hosts.
_MOST_INDENTED_HOSTS = 100

Members = t.Dict[str, bytes]
Verdict = t.Dict[str, t.Any]


def safe_name(name: str) -> str:
    """Of a host or a bundle, as a file may be called on any system."""
    return re.sub(r"[^\w.-]|^\.+", "_", name, flags=re.ASCII)[:_MOST_NAME] or "_"


def verdicts(report: t.Mapping[str, t.Any]) -> Verdict:
    """By host and endpoint, the state and the codes of the causes with their confidence."""
    return {host: {name: [endpoint["state"], [[cause["code"], cause["confidence"]] for cause in endpoint["causes"]]]
                   for name, endpoint in seen["endpoints"].items()} for host, seen in report["hosts"].items()}


def of_one_host(report: t.Mapping[str, t.Any], host: str) -> dict[str, t.Any]:
    """What it takes of a report to tell this host's part again."""
    return {**{key: report[key] for key in ("schema", "generated_at", "duration_s")}, "hosts": {host: report["hosts"][host]}}


def merged(reports: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Any] | None:
    """The report of all hosts, from the redacted ones of each. None where there is none."""
    found = list(reports)
    if not found:
        return None
    hosts = {host: seen for report in found for host, seen in report["hosts"].items()}
    return reanalysed({**found[0], "hosts": hosts, "duration_s": max(report["duration_s"] for report in found)}, found[0]["generated_at"])


def host_members(about: t.Mapping[str, t.Any], collected: t.Mapping[str, t.Any]) -> Members:
    """:param about: ``name``, ``parts``, ``window_s``, ``mapped``, ``made_at``. :param collected: of one host, as it was spooled."""
    files, absent, members = {}, [], {}
    redaction: dict[str, t.Any] = {name: counts for name, counts in collected["redacted"].items() if counts}
    for data in (observation["data"] for observation in collected["observations"] if observation["check"] == "bundle.file"):
        content = _content(data)
        if content is None:
            absent.append({"source": str(data.get("source", "")), "reason": str(data.get("reason", "damaged"))})
            continue
        member = _unused(_UNUSUAL.sub("_", str(data["member"])), members)
        members[member] = content
        files[member] = {"source": str(data.get("source", "")), "truncated": bool(data.get("truncated"))}
        if data.get("redacted"):
            redaction[member] = data["redacted"]
    report = collected["report"]
    if report is not None:
        members[REPORT] = _json(report)
        members[STATISTICS] = _json(_statistics(report))
    if collected["endpoints"]:
        members[ENDPOINTS] = _json(collected["endpoints"])
    told = {
        "schema": SCHEMA, **about, "host": collected["host"], "problem": collected["problem"], "facts": collected["facts"],
        "verdict": verdicts(report) if report else {}, "verdict_kept": collected["verdict_kept"], "absent": absent,
    }
    return finished(members, files, redaction, told, host_readme(told))


def fleet_members(
    about: t.Mapping[str, t.Any], report: dict[str, t.Any] | None, hosts: t.Mapping[str, t.Mapping[str, t.Any]],
) -> Members:
    """:param hosts: by name, of the host's own archive ``file``, ``sha256``, ``bytes``, ``problem``, ``redacted`` and ``left_out``."""
    members = {REPORT: _json(report, 1 if len(hosts) <= _MOST_INDENTED_HOSTS else None)} if report else {}
    redaction: dict[str, dict[str, int]] = {}
    for name, host in hosts.items():
        total = redaction.setdefault(name, {})
        for counts in host["redacted"].values():
            for rule, count in counts.items():
                total[rule] = total.get(rule, 0) + count
    told = {"schema": SCHEMA, **about, "verdict": verdicts(report) if report else {}, "hosts": {
        name: {key: host[key] for key in ("file", "sha256", "bytes", "problem", "left_out")} for name, host in hosts.items()}}
    return finished(members, {}, {name: total for name, total in redaction.items() if total}, told, fleet_readme(told))


def finished(members: Members, files: dict[str, t.Any], redaction: t.Mapping[str, t.Any], told: dict[str, t.Any], readme: str) -> Members:
    """With what tells of them: the readme, what was redacted, and last the manifest, which has the checksum of all others."""
    members = {**members, README: readme.encode(), REDACTION: _json({"files": redaction, "total": _total(redaction)})}
    listed = {name: {"sha256": sha256(content), "bytes": len(content), **files.get(name, {})} for name, content in sorted(members.items())}
    return {**members, MANIFEST: _json({**told, "files": listed})}


def _total(redaction: t.Mapping[str, t.Mapping[str, int]]) -> dict[str, int]:
    rules = sorted({rule for counts in redaction.values() for rule in counts})
    return {rule: sum(counts.get(rule, 0) for counts in redaction.values()) for rule in rules}


def _content(data: t.Mapping[str, t.Any]) -> bytes | None:
    """What a managed node says may be anything."""
    try:
        unpacker = zlib.decompressobj()
        content = unpacker.decompress(base64.b64decode(data["content"]), _LARGEST_FILE)
        return content if unpacker.eof or len(content) == _LARGEST_FILE else None
    except (KeyError, TypeError, ValueError, binascii.Error, zlib.error):
        return None


def _unused(member: str, taken: t.Container[str]) -> str:
    """No file takes the place of another, or of what the bundle says of itself."""
    member = member.strip("/") or "_"
    if "/" not in member:
        member = "other/" + member
    while member in taken:
        member += "_"
    return member


def _statistics(report: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {host: {name: [
        {key: observation[key] for key in ("check", "status", "target", "vantage", "data", "message")}
        for observation in endpoint["observations"] if observation["check"].startswith(_STATISTICS)
    ] for name, endpoint in seen["endpoints"].items()} for host, seen in report["hosts"].items()}


def _json(value: t.Any, indent: int | None = 1) -> bytes:
    return (json.dumps(value, indent=indent) + "\n").encode()

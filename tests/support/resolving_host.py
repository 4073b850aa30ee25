# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of its own to resolve names on: real glibc, with its own resolv.conf, hosts file and name servers on port 53 of its loopback.

Made of a network and a mount namespace, for which no root is needed where the kernel lets users make them. Nothing leaves it.
"""
from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
import typing as t

_ENTER = ("unshare", "--map-root-user", "--net", "--mount")
# By question (``db.example.com. A``; with `` CD`` where checking is disabled; ``*`` is any other): records,
# the name of an rcode, SILENT, GARBAGE, TRUNCATED and what TCP says, or AGES and records whose TTL falls from second to second.
Zone = t.Dict[str, t.Any]


def why_not() -> str:
    """Empty where such a host can be made; otherwise the reason to skip."""
    try:
        tried = subprocess.run([*_ENTER, "sh", "-c", "ip link set lo up && mount --bind /etc/hosts /etc/resolv.conf"], check=False,
                               stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        return "needs unshare"
    return "this machine lets a user make no namespaces" if tried.returncode else ""


def resolve(
    folder: pathlib.Path, host: str, servers: dict[str, Zone], resolv_conf: str | None = None, hosts: str = "127.0.0.1 localhost\n",
    nsswitch: str = "hosts: files dns\n", without_tcp: t.Sequence[str] = (), **parameters: t.Any,
) -> dict[str, t.Any]:
    """What the dns probe observes of a name on that host.

    :param servers: zones by the server's address, of loopback. :param resolv_conf: None names these servers.
    :param without_tcp: servers whose TCP port 53 is closed. :param parameters: more of the probe's.
    :returns: ``observations`` and ``outcome`` (passed, outputs).
    """
    if resolv_conf is None:
        resolv_conf = "".join("nameserver %s\n" % address for address in servers) + "options timeout:1 attempts:1\n"
    files = {"resolv.conf": resolv_conf, "hosts": hosts, "nsswitch.conf": nsswitch}
    for name, text in files.items():
        (folder / name).write_text(text)
    mounts = "; ".join("mount --bind %s/%s /etc/%s" % (folder, name, name) for name in files)
    script = "ip link set lo up; %s; exec \"$0\" -m %s" % (mounts, __name__)
    task = {"parameters": {"host": host, **parameters}, "servers": servers, "without_tcp": list(without_tcp)}
    ended = subprocess.run(
        [*_ENTER, "sh", "-ec", script, sys.executable], input=json.dumps(task).encode(), stdout=subprocess.PIPE, check=True, timeout=60,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)))
    return t.cast("dict[str, t.Any]", json.loads(ended.stdout))


def _main() -> None:
    """Runs inside."""
    import dns.flags
    import dns.rcode

    from ansible_collections.connectivity.doctor.tests.support.name_server import NameServer, framed, reply
    from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

    def answers(zone: Zone) -> t.Callable[[t.Any, str], list[bytes]]:
        def answer(query: t.Any, transport: str) -> list[bytes]:
            question = query.question[0]
            asked = "%s %s" % (question.name, dns.rdatatype.to_text(question.rdtype))
            unchecked = asked + " CD" if query.flags & dns.flags.CD else asked
            said = zone.get(unchecked, zone.get(asked, zone.get("*", [])))
            if isinstance(said, dict) and "AGES" in said:
                said = [_aged(record, time.monotonic() - began) for record in said["AGES"]]
            truncated = isinstance(said, dict)
            if truncated:
                said = [] if transport == "udp" else said["TRUNCATED"]
            if said == "SILENT":
                return []
            if said == "GARBAGE":
                return [query.to_wire()[:2] + b"\xff" * 20]
            rcode = dns.rcode.from_text(said) if isinstance(said, str) else 0
            records = [] if isinstance(said, str) else said
            message = reply(query, *records, rcode=rcode, truncated=truncated and transport == "udp")
            if not query.flags & dns.flags.RD:  # who asks so asks an authority
                message.flags |= dns.flags.AA
            wire = message.to_wire()
            return [framed(wire) if transport == "tcp" else wire]

        return answer

    began = time.monotonic()
    task = json.load(sys.stdin)
    with contextlib.ExitStack() as stack:
        for address, zone in task["servers"].items():
            stack.enter_context(NameServer(answers(zone), address, tcp=address not in task["without_tcp"], port=53))
        result = run_probe("dns", task["parameters"], deadline=8.0)
    json.dump({"observations": result.observations, "outcome": list(result.outcome)}, sys.stdout)


def _aged(record: str, seconds: float) -> str:
    name, ttl, rest = record.split(" ", 2)
    return "%s %d %s" % (name, int(ttl) - int(seconds), rest)


if __name__ == "__main__":
    _main()

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in the managed node itself, and in a server that can be asked: what it has run out of, and what its kernel denies.

A limit that is reached is a cause only for what it stops: a full disk stops an agent, and no connection.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Observation,
    above,
    below,
    described,
    seen,
    server_saw,
    unseen,
)

# A large disk of which two per cent are free is not full.
_LITTLE_SPACE = 64 * 1024 * 1024
_FEW_INODES = 1000
# What is on none of an agent's own file systems is on these.
_EVERYTHING = ("/", "/var")
# An agent tries again within minutes; a denial that is older may be healed.
_DENIED_LATELY_S = 300.0
# Of a table or a range, from which share on what is new finds no place in it.
_FULL = 0.95
_SILENCE = seen("tcp.connect", "fail", error="TIMEOUT")
_NO_PORT = seen("tcp.connect", "fail", error="EADDRNOTAVAIL")
# What this host's own kernel did not let out, and what nothing shows that it kept.
_NOT_LET_OUT = seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("all", "some", "unknown"))
_LET_OUT = seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("none", "unknown"))
_UNRESOLVED = seen("dns.resolve", "fail")
_OWN_RULE = seen("firewall.rule", "fail", direction="outbound")
# A SYN that got lost is sent again after a second (RFC 6298, section 2).
_ONE_SYN_LOST_MS = 900.0
_LOST_SYNS = seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("none", "unknown")) | seen(
    "tcp.connect", "ok", elapsed_ms=above(_ONE_SYN_LOST_MS))
# RFC 7323, section 5: a segment whose timestamp is older than the connection's is dropped. Before Linux 6.14 one counter has both.
_OLD_TIMESTAMPS = ("paws_time_wait", "paws_established")
_FORBIDDEN_ROUTE = seen("route.lookup", type=("prohibit", "unreachable"))
_FOR_AN_AGENT = described(agent=bool)


def _used_up(share: float | None) -> bool:
    return share is not None and share >= _FULL


def _observer(observation: Observation) -> dict[str, t.Any]:
    """Whose limit it is: this host's, or the server's."""
    return {"observer": observation["vantage"].get("host") or "the host"}


def _concerned(data: t.Mapping[str, t.Any]) -> bool:
    return bool(data.get("holds")) or data.get("mount") in _EVERYTHING


def _lacking(data: t.Mapping[str, t.Any]) -> str:
    """What a file system has no more of: ``space``, ``inodes``, or nothing."""
    full_at = data.get("fail_at") or 1.0
    if (data.get("fraction") or 0.0) >= full_at and (data.get("free_bytes") or 0) <= _LITTLE_SPACE:
        return "space"
    return "inodes" if (data.get("inodes_fraction") or 0.0) >= full_at and (data.get("inodes_free") or 0) <= _FEW_INODES else ""


def _full_disk(case: Case) -> Match | None:
    full = [(number, disk["data"]) for number, disk in case.of("host.disk", "client")
            if disk["status"] == "fail" and _concerned(disk["data"]) and _lacking(disk["data"])]
    if not full:
        return None
    first = full[0][1]
    return Match(tuple(number for number, _data in full), {**first, "lacking": _lacking(first)})


def _read_only(case: Case) -> Match | None:
    """Only where something says that it should be written to: many file systems are read-only on purpose."""
    found = [(number, mount["data"]) for number, mount in case.of("host.mount", "client")
             if mount["status"] == "fail" and _concerned(mount["data"])]
    return Match(tuple(number for number, _data in found), found[0][1]) if found else None


def _denied_connection(case: Case) -> Match | None:
    for number, selinux in case.of("host.selinux", "client"):
        for denial in selinux["data"].get("denials", ()):
            if (denial["blocked"] and denial["permission"] == "name_connect" and denial["port"] == case.endpoint["port"]
                    and denial["last_s_ago"] <= _DENIED_LATELY_S):
                return Match((number,), {**denial, "observer": case.host})
    return None


def _full_conntrack(side: str) -> t.Callable[[Case], Match | None]:
    def full(case: Case) -> Match | None:
        for number, table in case.of("host.conntrack", side):
            if _used_up(table["data"].get("fraction")):
                return Match((number,), {**table["data"], **_observer(table)})
        return None

    return full


def _ports_used_up(case: Case) -> Match | None:
    """Ports are counted for each destination, as one port serves many; it is this endpoint's that must have none left."""
    for number, ports in case.of("host.ports", "client"):
        data = ports["data"]
        size = data.get("size") or 0
        most = {(one["address"], one["port"]): one for one in reversed(data.get("busiest", ()))
                if size and one["in_use"] >= _FULL * size}
        found = [(connected, connect["target"], most[place]) for connected, connect in case.of("tcp.connect", "client")
                 if (place := (connect["data"]["address"], connect["data"]["port"])) in most]
        if found:
            facts = {**found[0][2], "destination": found[0][1], "size": size, "low": data["low"], "high": data["high"]}
            return Match((number, *(connected for connected, _target, _one in found)), facts)
    return None


def _rejected(rises: t.Mapping[str, int] | None) -> int:
    """How many segments the server dropped for their timestamps while it was looked at."""
    return sum((rises or {}).get(name, 0) for name in _OLD_TIMESTAMPS)


def _old_connections_in_the_way(case: Case) -> Match | None:
    for number, counters in case.of("host.counters", "server"):
        for one, connections in case.of("sockets.connections", "server"):
            waiting = connections["data"]["by_state"].get("TIME_WAIT", 0)
            rejected = _rejected(counters["data"].get("rises"))
            if waiting and rejected:
                return Match((number, one), {"time_wait": waiting, "rejected": rejected})
    return None


def _units(case: Case) -> set[str]:
    """The unit of this endpoint's agent, as systemd has its name."""
    named = (str(unit["data"].get("unit") or unit["target"]) for _number, unit in case.of("service.unit", "client"))
    return {name if "." in name else name + ".service" for name in named}


def _unit_at_its_limit(case: Case) -> Match | None:
    units = _units(case)
    for number, processes in case.of("host.processes", "client"):
        for unit in processes["data"].get("units", ()):
            tasks, tasks_limit, user_tasks, user_limit = (unit.get(key) for key in ("tasks", "tasks_limit", "user_tasks", "user_limit"))
            told = {"unit": unit["unit"], "observer": case.host}
            if unit["unit"] not in units:
                continue
            if tasks_limit and tasks is not None and tasks >= tasks_limit and unit.get("tasks_rejected"):
                return Match((number,), {**told, "what": "the tasks of %s" % unit["unit"], "limit": tasks_limit, "setting": "TasksMax"})
            if user_limit and user_tasks is not None and user_tasks >= user_limit:
                return Match((number,), {
                    **told, "what": "the tasks of the user of %s" % unit["unit"], "limit": user_limit, "setting": "LimitNPROC"})
    return None


# Of the whole system: the check, what is counted, and what limits it.
_SYSTEM_TABLES = (
    ("host.processes", "the tasks of the whole host", "kernel.pid_max or kernel.threads-max"),
    ("host.files", "the open files of the whole host", "fs.file-max"),
)


def _system_at_its_limit(side: str) -> t.Callable[[Case], Match | None]:
    def full(case: Case) -> Match | None:
        for check, what, setting in _SYSTEM_TABLES:
            for number, table in case.of(check, side):
                if _used_up(table["data"].get("fraction")):
                    return Match((number,), {"what": what, "limit": table["data"]["limit"], "setting": setting, **_observer(table)})
        return None

    return full


CAUSES = (
    Cause(
        code="host.unreachable",
        meaning="Ansible cannot reach the host, so nothing can be said about its endpoints.",
        summary="Ansible cannot reach {host}, so {endpoint} was not looked at",
        proof=seen("host.connection", "fail"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Make the host reachable for Ansible, then diagnose again.",
        component="connection",
        direction="inbound",
        culprit={"message": "{detail}"},
    ),
    Cause(
        code="host.disk_full",
        meaning="A file system that the agent writes to is full, so that it can keep neither its queue nor its log.",
        summary="{host}: {mount}, which the agent writes to, has no {lacking} left",
        proof=_FOR_AN_AGENT & Joined(_full_disk),
        ruled_out=seen("host.disk", "ok") & unseen(seen("host.disk", ("warn", "fail"))),
        look_alikes=("host.filesystem_read_only",),
        # An agent that ends and says why.
        explains=seen("logs.family", family="disk_full") & seen("service.unit", "fail"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Free {lacking} on {mount}: rotate the agent's logs, and empty its own queue; give it more if it fills again.",
        component="file system",
        culprit={"mount": "{mount}", "device": "{device}", "lacking": "{lacking}", "holds": "{holds}"},
    ),
    Cause(
        code="host.filesystem_read_only",
        meaning="A file system that the agent writes to became read-only, usually as the kernel found it damaged.",
        summary="{host}: {mount} is mounted read-only, and the agent writes to it",
        proof=_FOR_AN_AGENT & Joined(_read_only),
        ruled_out=seen("host.mount", "ok") & unseen(seen("host.mount", ("warn", "fail"))),
        look_alikes=("host.disk_full",),
        explains=seen("service.unit", "fail") & seen("logs.family", family="file_unreadable"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Read the kernel's log for why {device} was remounted; check the file system before it is written to again.",
        component="file system",
        culprit={"mount": "{mount}", "device": "{device}", "options": "{options}"},
    ),
    Cause(
        code="host.selinux_denied",
        meaning="SELinux denies a program of this host the connection to the endpoint's port.",
        summary="{host}: SELinux denies {process} the connection to port {port}",
        proof=Joined(_denied_connection),
        suspicion=seen("tcp.connect", "fail", error="EACCES", answer="local") & unseen(_FORBIDDEN_ROUTE),
        ruled_out=seen("host.selinux", mode=("disabled", "permissive")) | _FORBIDDEN_ROUTE,
        look_alikes=("network.prohibit_route",),
        decide_by="denials of name_connect in the audit log of this host",
        explains=seen("tcp.connect", "fail", error="EACCES"),
        remediation=Remediation("adjust_selinux", GUARDED),
        advice="Give the port the type that the program may connect to (semanage port), or set its boolean; don't turn SELinux off.",
        component="SELinux",
        direction="outbound",
        culprit={"process": "{process}", "port": "{port}", "source": "{source_context}", "target": "{target_context}"},
    ),
    Cause(
        code="host.conntrack_full",
        meaning="The table of tracked connections is full: new connections are dropped, those that are there go on.",
        summary="{observer}: the table of tracked connections is full ({used} of {limit}), new ones are dropped",
        proof=((_NOT_LET_OUT | _UNRESOLVED) & unseen(_OWN_RULE) & Joined(_full_conntrack("client")))
        | (_LET_OUT & Joined(_full_conntrack("server"))),
        ruled_out=seen("host.conntrack", fraction=below(_FULL))
        & unseen(server_saw("host.conntrack", fraction=_used_up)),
        look_alikes=("firewall.client_egress", "firewall.server_ingress", "firewall.path"),
        explains=_SILENCE | _UNRESOLVED | seen("dns.answer", "fail"),
        remediation=Remediation("raise_conntrack_limit", GUARDED),
        advice="Raise net.netfilter.nf_conntrack_max, and find what opens so many connections.",
        component="connection tracking",
        place="observer",
        culprit={"used": "{used}", "limit": "{limit}"},
    ),
    Cause(
        code="host.ephemeral_ports_exhausted",
        meaning="All ephemeral ports of the host are in use for connections to the endpoint, so that it can't open another one.",
        summary="{host}: {in_use} of its {size} ephemeral ports are in use to {destination}, {time_wait} of them in TIME_WAIT",
        proof=Joined(_ports_used_up),
        suspicion=seen("tcp.connect", "fail", error="EADDRNOTAVAIL", family="ipv4"),
        ruled_out=seen("host.ports", fraction=below(0.8)),
        decide_by="how many connections the host has to the endpoint, and its range of ephemeral ports",
        explains=_NO_PORT,
        remediation=Remediation("widen_port_range", GUARDED),
        advice="Let the client keep and share its connections; widen net.ipv4.ip_local_port_range where that is not enough.",
        component="ephemeral ports",
        direction="outbound",
        culprit={"destination": "{destination}", "range": "{low}-{high}", "in_use": "{in_use}", "time_wait": "{time_wait}"},
    ),
    Cause(
        code="host.time_wait_reuse",
        meaning="The server still remembers a closed connection from the same address and port, and takes a new one for a late part of it, "
        "as behind an address translation that gives ports away again too soon.",
        summary="{name}:{port} takes new connections for late parts of old ones: {rejected} were dropped for their timestamps in a second, "
        "{time_wait} old ones are in TIME_WAIT",
        proof=_LOST_SYNS & Joined(_old_connections_in_the_way),
        ruled_out=server_saw("host.counters", rises=lambda rises: rises is not None and not _rejected(rises)),
        look_alikes=("firewall.path", "server.syn_flood", "server.accept_queue_full"),
        explains=_LOST_SYNS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Give the address translation more addresses or ports, and let it keep a closed connection for a minute or more; "
        "turn net.ipv4.tcp_rfc1337 off on the server.",
        component="address translation",
        place="path",
        culprit={"time_wait": "{time_wait}", "rejected": "{rejected}"},
    ),
    Cause(
        code="host.process_limit",
        meaning="A limit of processes, threads or open files is reached, so that nothing new can be started.",
        summary="{observer}: {what} have reached their limit ({limit})",
        proof=Joined(_unit_at_its_limit) | Joined(_system_at_its_limit("client")) | Joined(_system_at_its_limit("server")),
        remediation=Remediation("raise_process_limit", GUARDED),
        advice="Raise {setting}, and find what starts so many.",
        component="process limit",
        place="observer",
        culprit={"what": "{what}", "limit": "{limit}", "setting": "{setting}"},
    ),
)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report: from the records of all hosts to one document, as ``docs/report.schema.json`` describes it. Pure functions.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._enrichment import enriched
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation, concluded
from ansible_collections.connectivity.doctor.plugins.plugin_utils._fleet import Fleet
from ansible_collections.connectivity.doctor.plugins.plugin_utils._incidents import incidents
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import Verdict, infer
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord
from ansible_collections.connectivity.doctor.plugins.plugin_utils._workflow import walk

SCHEMA = "connectivity.doctor/report/v1"
# A server is asked for representatives of the hosts that can't reach it, and not for each of thousands.
_MOST_CLIENTS = 8
# A login comes from each of a host's addresses, and with and without TLS.
_MOST_LOGINS = 16
# Where all of it is so, how other hosts see the same decides nothing.
_FINE = ("ok", "skipped")
# What a row has beside what the user said of the endpoint.
_TOLD = ("state", "reason", "causes", "workflow", "observations")
# What a server saw with one client in mind.
_OF_ONE_CLIENT = ("firewall.", "route.lookup", "route.reverse_path")
STATES = ("healthy", "degraded", "down", "unknown")


@dataclasses.dataclass(frozen=True)
class Observed:
    """All records of one run: by host what it saw as a client, and what it saw of its own ports as a server."""

    clients: t.Mapping[str, HostRecord]
    servers: t.Mapping[str, HostRecord]


def build_report(
    observed: Observed, generated_at: str, duration_s: float, groups: t.Mapping[str, t.Collection[str]] | None = None,
) -> dict[str, t.Any]:
    """:param generated_at: RFC 3339. :param duration_s: seconds since the run began. :param groups: of the inventory, to their hosts."""
    server_side = {host: _as_server(record) for host, record in observed.servers.items()}
    own = {host: _sided(enriched(record)) + _not_observed(record) for host, record in observed.clients.items()}
    fleet = Fleet(own)
    hosts = {host: _host(record, own[host], server_side, fleet) for host, record in observed.clients.items()}
    return _report(hosts, generated_at, duration_s, groups or {})


def reanalysed(report: t.Mapping[str, t.Any], generated_at: str) -> dict[str, t.Any]:
    """A saved report again, by the causes that are known today: the same observations, and no host is touched.

    :raises ValueError: it is no report of this schema.
    """
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise ValueError("is no report of schema %s" % SCHEMA)
    try:
        hosts = {
            host: {**seen, "endpoints": {
                name: _told(host, {**_described(endpoint), "name": name}, list(endpoint["observations"]))
                for name, endpoint in seen["endpoints"].items()
            }}
            for host, seen in report["hosts"].items()
        }
        return _report(hosts, generated_at, report["duration_s"], {})
    except (AttributeError, KeyError, TypeError) as problem:
        raise ValueError("is damaged (%s: %s)" % (type(problem).__name__, problem)) from None


def _described(endpoint: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the user said of it."""
    return {key: value for key, value in endpoint.items() if key not in _TOLD}


def _report(
    hosts: dict[str, t.Any], generated_at: str, duration_s: float, groups: t.Mapping[str, t.Collection[str]],
) -> dict[str, t.Any]:
    states = [endpoint["state"] for host in hosts.values() for endpoint in host["endpoints"].values()]
    return {
        "schema": SCHEMA,
        "generated_at": generated_at,
        "duration_s": round(duration_s, 1),
        "summary": {
            "hosts": len(hosts),
            "unreachable": sum(_is_unreachable(host) for host in hosts.values()),
            "endpoints": len(states),
            **{state: states.count(state) for state in STATES},
        },
        "hosts": hosts,
        "incidents": incidents(hosts, groups),
        "remediations": [],
    }


def _is_unreachable(host: t.Mapping[str, t.Any]) -> bool:
    return any(observation["check"] == "host.connection" and observation["status"] == "fail"
               for endpoint in host["endpoints"].values() for observation in endpoint["observations"])


def servers_to_ask(report: t.Mapping[str, t.Any], inventory: t.Container[str]) -> list[dict[str, t.Any]]:
    """Servers of endpoints that are down or undecided, or could not be reached at one of their addresses, where they are in the
    inventory, each once: the ports that it should serve, and some of the addresses that could not reach them, or else that could; of
    databases, the logins that did not succeed; which agents' fault may be told in the server's own log, and which units take what these
    send.
    """
    ports: dict[str, set[int]] = {}
    clients: dict[str, list[str]] = {}
    logins: dict[str, list[dict[str, t.Any]]] = {}
    agents: dict[str, set[str]] = {}
    receivers: dict[str, set[str]] = {}
    for host in report["hosts"].values():
        for endpoint in host["endpoints"].values():
            undecided = any("decide_by" in cause for cause in endpoint["causes"])
            failed, connected = (_sources(endpoint["observations"], status) for status in ("fail", "ok"))
            unexplained = endpoint["state"] == "unknown" and endpoint["agent"]
            if (endpoint["state"] == "down" or undecided or failed or unexplained) and endpoint["server"] in inventory:
                ports.setdefault(endpoint["server"], set()).add(endpoint["port"])
                clients.setdefault(endpoint["server"], []).extend(failed or connected)
                logins.setdefault(endpoint["server"], []).extend(_logins(endpoint))
                agents.setdefault(endpoint["server"], set()).update({endpoint["agent"]} - {""})
                receivers.setdefault(endpoint["server"], set()).update({endpoint.get("receiver", "")} - {""})
    return [
        {"host": host, "ports": sorted(ports[host]), "clients": list(dict.fromkeys(clients[host]))[:_MOST_CLIENTS],
         "logins": _unequal(logins[host])[:_MOST_LOGINS], "agents": sorted(agents[host]),
         "receivers": sorted(receivers[host])}
        for host in sorted(ports)
    ]


def _logins(endpoint: t.Mapping[str, t.Any]) -> list[dict[str, t.Any]]:
    """As whom, and from where, this host came to a database; only the port, where it did not come so far."""
    if endpoint["scheme"] != "postgresql":
        return []
    started = [observation for observation in endpoint["observations"]
               if observation["check"] == "postgresql.startup" and observation["data"].get("user") and "side" not in observation]
    return [
        {"port": endpoint["port"], "user": one["data"]["user"], "database": one["data"]["database"], "address": one["vantage"]["address"],
         "tls": one["data"]["tls"]} for one in started
    ] or [{"port": endpoint["port"]}]


def _unequal(items: t.Iterable[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Each once."""
    return list({tuple(item.items()): item for item in items}.values())


def _sources(observations: t.Iterable[Observation], *statuses: str) -> list[str]:
    """The addresses from which this host tried to connect, with one of these results."""
    return [
        observation["vantage"]["address"] for observation in observations
        if observation["check"] == "tcp.connect" and observation["status"] in statuses and observation["vantage"]["address"]
        and "side" not in observation
    ]


def _as_server(record: HostRecord) -> list[Observation]:
    """Marked, as a host may be its own server: what it saw of its ports must not pass for what it saw as a client."""
    return [{**observation, "side": "server"} for observation in record.observations]


def _sided(observations: t.Iterable[Observation]) -> list[Observation]:
    """Who listens on a port is the server's side of it, also where the host is the server itself."""
    return [
        {**observation, "side": "server"} if observation["check"] == "sockets.listener" else observation for observation in observations
    ]


def _host(
    record: HostRecord, observations: t.Sequence[Observation], server_side: t.Mapping[str, list[Observation]], fleet: Fleet,
) -> dict[str, t.Any]:
    endpoints = {
        endpoint["name"]: _endpoint(record, endpoint, observations, server_side.get(endpoint["server"], ()), fleet)
        for endpoint in record.endpoints
    }
    return {"endpoints": endpoints, "facts": record.facts}


def _endpoint(
    record: HostRecord, endpoint: dict[str, t.Any], observations: t.Iterable[Observation], server_side: t.Iterable[Observation],
    fleet: Fleet,
) -> dict[str, t.Any]:
    seen = [observation for observation in observations if observation.get("endpoint") in (None, endpoint["name"])]
    own = _sources(seen, "ok", "fail")
    seen += [observation for observation in server_side if observation["data"].get("port") in (None, endpoint["port"])
             and (not observation["check"].startswith(_OF_ONE_CLIENT) or observation["data"].get("address") in own)
             and observation["data"].get("about", "") in ("", *own)]
    if any(observation["status"] not in _FINE for observation in seen):
        seen += fleet.beside(record.host, seen)
    return _told(record.host, endpoint, seen)


def _told(host: str, endpoint: dict[str, t.Any], seen: list[Observation]) -> dict[str, t.Any]:
    """The row of an endpoint: what it is, what was seen of it, and what that means."""
    case = Case(host, endpoint, seen)
    try:
        verdict = infer(case)
    except Exception as problem:  # what a hostile host sent may have any shape; the other hosts' rows must not be lost for it
        verdict = Verdict("unknown", "what was observed could not be interpreted (%s)" % type(problem).__name__, ())
    return {
        **{key: value for key, value in endpoint.items() if key != "name"},
        "state": verdict.state, "reason": verdict.reason, "causes": list(verdict.causes), "workflow": walk(case), "observations": seen,
    }


def _not_observed(record: HostRecord) -> list[Observation]:
    """What stands for the observations of a host that could not be looked at, or not as closely as its trouble asked for."""
    if record.observations and not record.problem:
        return []
    check = "host.closer_look" if record.observations else "host.connection"
    detail = record.unreachable or record.problem or "nothing was observed"
    status = "fail" if record.unreachable else "cannot_tell"
    return [concluded(check, status, record.host, {"detail": detail, "reason": "not_run"}, detail,
                      "ansible -m ansible.builtin.ping %s" % record.host)]

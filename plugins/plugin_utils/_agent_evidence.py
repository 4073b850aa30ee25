# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What shows that an agent reports, or that it does not: its connections, and what its log said since it was started.

A line of a log is true for its moment. It counts where the process that runs now wrote it, where nothing said afterwards that it works
again, and as long as an agent that still failed would have said so again.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import datetime
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Observation, given, seen, unseen

# Families of log lines that say that an agent does not get through (module_utils/_log/families.py).
NOT_LET_IN = ("auth", "credential_missing")
NOT_THROUGH = (
    *NOT_LET_IN, "gave_up", "proxy_auth", "proxy_refused", "proxy_unreachable", "tls_clock_or_expiry", "tls_name", "tls_untrusted",
    "tls_version_or_cipher", "tls_to_plain_port", "wrong_protocol", "wrong_path", "version", "server_unavailable", "encryption_refused",
    "dns_no_such_name", "dns_unavailable", "refused", "unreachable", "reset", "timeout", "not_reporting",
    "unknown_host_on_server",
)
# Many logs have whole seconds: what has the second of the start may be the last that the process before it wrote.
_GRAIN_S = 1.0
# An agent that fails says so again: after about as long as between the lines before, and hardly one waits for longer than five minutes.
_REPEATS_WITHIN = 3.0
_SOONEST_S, _LATEST_S = 60.0, 300.0


def _moment(text: t.Any) -> float | None:
    try:
        return datetime.datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def _started(case: Case) -> float:
    """When the process that runs now was started; 0 where that is not known."""
    return max((_moment(process["data"]["started"]) or 0.0 for _number, process in case.of("service.process", "client")), default=0.0)


def complaints(case: Case, families: t.Container[str], least: int = 1) -> Match | None:
    """Lines of these families that are true now.

    :param least: how many lines there must be; a single one may be of a moment that is over.
    """
    started = _started(case)
    found = [(number, family["data"]) for number, family in case.of("logs.family", "client")
             if family["data"].get("family") in families and _is_current(family, started)
             and (family["data"]["count"] >= least or family["data"].get("stands"))]
    return Match(tuple(number for number, _data in found), found[0][1]) if found else None


def said_by_server(case: Case, families: t.Container[str]) -> Match | None:
    """What the server's own log says of this host, since its agent was started. It says nothing of endpoints that have no agent."""
    if not case.endpoint.get("agent"):
        return None
    started = _started(case)
    for number, family in case.of("logs.family", "server"):
        if family["data"].get("about") and family["data"].get("family") in families and _is_current(family, started):
            return Match((number,), family["data"])
    return None


def _is_current(family: Observation, started: float) -> bool:
    data = family["data"]
    first, last, now = (_moment(text) for text in (data["first_at"], data["last_at"], family["started_at"]))
    if data["recovered"] or first is None or last is None or now is None or last < started:
        return False
    if data.get("stands"):
        return True
    between = (last - first) / (data["count"] - 1) if data["count"] > 1 else 0.0
    return now - last <= min(max(_SOONEST_S, _REPEATS_WITHIN * between), _LATEST_S)


def said_at_start(case: Case, families: t.Container[str]) -> Match | None:
    """Lines of these families, which an agent writes once, since the process that runs now was started."""
    started = _started(case)
    for number, family in case.of("logs.family", "client"):
        data = family["data"]
        if data["family"] in families and not data["recovered"] and started and (_moment(data["last_at"]) or 0.0) > started - _GRAIN_S:
            return Match((number,), data)
    return None


def ended_by_status(case: Case) -> Match | None:
    """The process that runs now was answered with a status after which such an agent sends nothing more."""
    started = _started(case)
    for number, family in case.of("logs.family", "client"):
        data = family["data"]
        if data.get("fate") == "fatal_until_restart" and not data["recovered"] and started and (_moment(data["last_at"]) or 0.0) > started:
            return Match((number,), data)
    return None


def addresses(case: Case, side: str) -> set[str]:
    """What the name that this side connects to resolves to."""
    return {address for _number, resolved in case.of("dns.resolve", side) for address in resolved["data"]["addresses"]}


def _connected(case: Case) -> Match | None:
    own = addresses(case, "client")
    for number, connections in case.of("service.connections", "client"):
        for peer in connections["data"].get("peers", ()):
            if peer["state"] == "ESTABLISHED" and peer["port"] == case.endpoint["port"] and peer["address"] in own:
                return Match((number,), peer)
    return None


def _log_says_that_it_works(case: Case) -> Match | None:
    """Since the process was started it said that it works, and after that nothing else."""
    started = _started(case)
    for _number, family in case.of("logs.family", "client"):
        data = family["data"]
        if data["family"] in NOT_THROUGH and not data["recovered"] and (_moment(data["last_at"]) or 0.0) > started - _GRAIN_S:
            return None
    for number, source in case.of("logs.source", "client"):
        works_at = _moment(source["data"].get("works_at"))
        if works_at is not None and works_at >= started:
            return Match((number,), source["data"])
    return None


CONNECTED = Joined(_connected)
COMPLAINS = Joined(lambda case: complaints(case, NOT_THROUGH))
REFUSED = Joined(lambda case: complaints(case, NOT_LET_IN))
REFUSED_AGAIN = Joined(lambda case: complaints(case, NOT_LET_IN, least=2))
# The server's own words, which the agent passes on.
ENCRYPTION_REFUSED = Joined(lambda case: complaints(case, ("encryption_refused",)))
# The server's log names what to the agent is only an end.
REFUSED_BY_SERVER = Joined(lambda case: said_by_server(case, NOT_LET_IN))
NOT_RESTARTED = seen("service.configuration", newer_than_process=given)
_RUNS = unseen(seen("service.unit", "fail") | seen("service.process", "fail"))
# To the endpoint, and not to wherever else it may be told to send.
AT_WORK = _RUNS & ((CONNECTED & unseen(REFUSED)) | (Joined(_log_says_that_it_works) & unseen(seen("agent_config.endpoint", "fail"))))
# It works with the very configuration that is there, so whatever that looks like does no harm.
WORKS_WITH_IT = AT_WORK & unseen(NOT_RESTARTED)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an agent is told to send, against where it should: relations between what its configuration says and what is found there.

A difference on paper is none yet: another name of the same server, or another port that serves the same, does no harm. So the destination
was tried from the host itself; these observations have the side ``agent``.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import ipaddress
import typing as t
import urllib.parse

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import COMPLAINS, CONNECTED, NOT_RESTARTED, addresses
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes._agent_settings import WITHOUT_EFFECT
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes._network_evidence import addresses_of_server
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Observation, seen, unseen

_THERE = "agent"
_DEFAULT_PORTS = (80, 443)
# Who asks for a credential, or to come back later, is the kind of server that was asked for.
_SERVES = (*range(200, 400), 401, 403, 407, 408, 429, *range(500, 600))
_HOSTNAME_MISMATCH = 62  # X509_V_ERR_HOSTNAME_MISMATCH
# What is tried there, from below; of each, one success is enough.
_LADDER = ("tcp.connect", "tls.handshake", "http.response")


def _told(case: Case) -> t.Iterator[tuple[int, dict[str, t.Any]]]:
    for number, told in case.of("agent_config.endpoint", "client"):
        if told["data"].get("configured"):
            yield number, told["data"]


def _facts(told: dict[str, t.Any]) -> dict[str, t.Any]:
    configured, expected = told["configured"], told["expected"]
    return {
        "configured": configured["url"], "configured_host": configured["host"], "configured_port": configured["port"],
        "configured_path": configured["path"], "configured_scheme": configured["scheme"],
        "expected_host": expected["host"], "expected_port": expected["port"], "expected_scheme": expected["scheme"],
        "source": told["source"],
    }


def _serves(observation: Observation) -> bool:
    if observation["status"] in ("ok", "warn"):
        return True
    return observation["check"] == "http.response" and not observation["data"].get("error") and observation["data"].get("status") in _SERVES


def _failures_there(case: Case) -> tuple[int, ...]:
    """The observations that show that the agent's destination does not serve what is asked for; empty where it does, or was not tried."""
    for check in _LADDER:
        tried = list(case.of(check, _THERE))
        if tried and not any(_serves(observation) for _number, observation in tried):
            return tuple(number for number, _observation in tried)
    return ()


def _lookups_there(case: Case) -> list[tuple[int, Observation]]:
    return list(case.of("dns.resolve", _THERE))


def _families(found: t.Iterable[str]) -> set[int]:
    return {ipaddress.ip_address(address.partition("%")[0]).version for address in found}


def _leads_elsewhere(case: Case, told: dict[str, t.Any]) -> tuple[int, ...] | None:
    """The lookups that show that the host that the agent is told is not the endpoint's; None where that is not shown."""
    lookups = _lookups_there(case)
    differs = "host" in told["differs"]
    if not lookups or not (differs or not told["comparable"]):
        return None
    own, there = addresses(case, "client"), addresses(case, _THERE)
    numbers = tuple(number for number, _lookup in lookups)
    if not there:
        # Where no name can be looked up at all, this one's failure says nothing about it.
        nonexistent = all(lookup["data"]["error"] in ("EAI_NONAME", "EAI_NODATA") for _number, lookup in lookups)
        return numbers if own and (differs or nonexistent) else None
    if own & there or not _families(own) & _families(there):
        return None
    if all(ipaddress.ip_address(address.partition("%")[0]).is_loopback for address in there) and not _failures_there(case):
        return None  # something on this host takes it, and may pass it on
    return numbers


def _wrong_host(case: Case) -> Match | None:
    for number, told in _told(case):
        lookups = _leads_elsewhere(case, told)
        if lookups is not None:
            return Match((number, *lookups, *_failures_there(case)), _facts(told))
    return None


def _unknown_name(case: Case) -> Match | None:
    """The same server by a name that its certificate does not have, and the client verifies that; the endpoint's own name verifies."""
    for number, told in _told(case):
        refused = [one for one, verified in case.of("tls.verify", _THERE)
                   if verified["status"] == "fail" and verified["data"].get("verify_code") == _HOSTNAME_MISMATCH]
        served = [one for one, login in case.of("postgresql.login", "client") if login["status"] == "ok"]
        if "host" in told["differs"] and refused and served:
            return Match((number, *refused, *served), _facts(told))
    return None


def _is_only_the_schemes_port(told: dict[str, t.Any]) -> bool:
    ports = (told["configured"]["port"], told["expected"]["port"])
    return "scheme" in told["differs"] and all(port in _DEFAULT_PORTS for port in ports)


def _wrong(case: Case, what: str) -> Match | None:
    """The port or the scheme differs, and there the agent does not get what it needs: it was tried, or the agent says so itself."""
    for number, told in _told(case):
        if what not in told["differs"] or _leads_elsewhere(case, told) is not None or not _lookups_there(case):
            continue
        if what == "port" and _is_only_the_schemes_port(told):
            continue
        failures = _failures_there(case)
        said = COMPLAINS.match(case)
        if failures or said:
            return Match((number, *failures, *(said.numbers if said and not failures else ())), _facts(told))
    return None


def _wrong_path(case: Case) -> Match | None:
    """Of the right server, which serves the endpoint, nothing is known under the agent's path."""
    for number, told in _told(case):
        answers = list(case.of("http.response", _THERE))
        unknown = [one for one, answer in answers if answer["data"].get("status") == 404]
        served = [one for one, answer in case.of("http.response", "client") if _serves(answer)]
        if told["configured"]["path"].strip("/") and not told["differs"] and unknown and len(unknown) == len(answers) and served:
            return Match((number, *unknown, *served), _facts(told))
    return None


def _described_path_unknown(case: Case) -> Match | None:
    """The endpoint's own path is unknown to a server that is the right one: it knows others."""
    path = urllib.parse.urlsplit(case.endpoint["url"]).path
    unknown = [(number, answer) for number, answer in case.of("http.response", "client") if answer["data"].get("status") == 404]
    if not unknown or not path.strip("/") or any(_serves(answer) for _number, answer in case.of("http.response", "client")):
        return None
    server = unknown[0][1]["data"].get("server")
    known = [number for number, answer in case.of("http.response", "other_path")
             if _serves(answer) and answer["data"].get("server") == server]
    facts = {"configured": case.endpoint["url"], "configured_path": path, "source": "connectivity_endpoints"}
    return Match((*(number for number, _answer in unknown), *known), facts) if known else None


def _is_held_by_server(case: Case, address: str) -> bool:
    """What refused at this address may be the server: as far as its own addresses were read, this is one of them."""
    own = {one for _number, held in addresses_of_server(case) for one in held}
    return not own or ":" in address or address in own


def _other_cluster(case: Case) -> Match | None:
    """Nobody takes, or is set to take, the port of a database, and on the same host its server runs on another one."""
    for number, instance in case.of("postgresql_server.instance", "server"):
        data = instance["data"]
        unserved = data.get("reason") == "not_found" and data.get("elsewhere") and data.get("configured_for") == ""
        refused = [one for one, connect in case.of("tcp.connect", "client")
                   if connect["data"]["error"] == "ECONNREFUSED" and _is_held_by_server(case, connect["data"]["address"])]
        nobody = [one for one, listener in case.of("sockets.listener", "server") if listener["data"]["scope"] == "none"]
        if unserved and refused and nobody:
            return Match((*refused, number, *nobody), {
                "configured": case.endpoint["url"], "configured_port": case.endpoint["port"], "source": "connectivity_endpoints",
                "expected_port": " or ".join(map(str, data["elsewhere"])),
            })
    return None


# Connected to the endpoint itself, with the configuration as it is: whatever differs is another way to it.
_IN_EFFECT = unseen(CONNECTED & unseen(NOT_RESTARTED))

OTHER_CLUSTER = Joined(_other_cluster)
WRONG_HOST = (Joined(_wrong_host) & _IN_EFFECT) | (Joined(_unknown_name) & WITHOUT_EFFECT)
WRONG_PORT = (Joined(lambda case: _wrong(case, "port")) & _IN_EFFECT) | OTHER_CLUSTER
WRONG_SCHEME = Joined(lambda case: _wrong(case, "scheme")) & _IN_EFFECT
WRONG_PATH = Joined(_wrong_path) | Joined(_described_path_unknown)
# What only the agent's own files and variables say, with nothing tried.
DIFFERS_ON_PAPER = seen("agent_config.endpoint", "fail") & unseen(Joined(
    lambda case: Match() if _lookups_there(case) else None)) & _IN_EFFECT

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From endpoints to the plan of one managed node: which probes run, after what, with which parameters.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import secrets as random
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _client_settings
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_profile import AgentProfile
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint

Step = t.Dict[str, t.Any]

_TCP_TIMEOUT_S = 5.0
# Long enough for a pooler with short patience to say what it waits for.
_ANSWER_TIMEOUT_S = 6.5
# Long enough to come out of slow start on a way of 100 ms.
_BULK_S = 3.0
# With which certainty one bad member among those of a balancer is met, and the most requests that are made for it.
_MEMBER_CERTAINTY = 0.99
_MOST_REQUESTS = 44
# A server that answers so is there, whatever it was asked for.
_AN_ANSWER = range(200, 500)
_SERVED, _DENIED = range(200, 400), (401, 403)
# The part of the deadline that a closer look at what failed has for itself.
_CLOSER_LOOK = 0.25
# How long a server's counters are watched for connections that it loses.
_SERVER_INTERVAL_S = 1.0
# How far back a server's log is searched for a client: what fails is tried again in minutes.
_SAID_LATELY_MINUTES = 10


def client_plan(endpoints: t.Collection[Endpoint], host: str, deadline_s: float) -> dict[str, t.Any]:
    """The plan of a host that must reach these endpoints. Secrets stand apart, so that the steps can be shown."""
    secrets: dict[str, str] = {}
    steps: list[Step] = []
    for endpoint in endpoints:
        steps += agent_steps(endpoint)
        steps.append(_network_steps(endpoint, secrets))
        steps += [_member_steps(endpoint, member, secrets) for member in endpoint.members]
    agents = [endpoint.agent for endpoint in endpoints if endpoint.agent]
    if agents:
        steps += host_steps(agents)
    return {"host": host, "deadline_s": round(deadline_s * (1 - _CLOSER_LOOK), 1), "secrets": secrets, "steps": steps}


def server_plan(
    ports: t.Iterable[int], clients: t.Iterable[str], host: str, deadline_s: float, logins: t.Iterable[t.Mapping[str, t.Any]] = (),
    agents: t.Iterable[AgentProfile] = (), receivers: t.Iterable[str] = (),
) -> dict[str, t.Any]:
    """The plan of a host that serves endpoints which are down: what its own side of those ports looks like.

    :param clients: addresses that could not connect; whether the server's own packet filter lets them, and its routes do.
    :param logins: to PostgreSQL, that did not succeed: ``port``, ``user``, ``database``, ``address`` and ``tls``; without a ``user``, what
        did not get so far.
    :param agents: of the clients; what the server's own log says of each of these. :param receivers: units that take what they send.
    """
    clients = list(clients)
    steps: list[Step] = []
    for port in sorted(set(ports)):
        steps.append({"probe": "sockets", "parameters": {"port": port, "interval": _SERVER_INTERVAL_S}})
        steps += [{"probe": "firewall", "parameters": {"host": client, "address": client, "port": port, "direction": "inbound"}}
                  for client in clients]
    steps += _database_steps(list(logins))
    # Who else holds the server's addresses is the same for all of its clients.
    steps += [{"probe": "route", "parameters": {"host": client, "address": client, "checks": ["lookup", "reverse_path", *others]}}
              for client, others in zip(clients, [["neighbours"], *[[]] * len(clients)])]
    steps += host_steps((), _SERVER_INTERVAL_S)
    steps.append({"probe": "logs", "parameters": {"failed_units": True}})
    steps += [{"probe": "service", "parameters": {"name": unit}} for unit in receivers]
    steps += [{"probe": "logs", "parameters": _given({
        "unit": agent.other_side.get("unit"), "files": agent.other_side.get("files"), "signatures": dict(agent.signatures),
        "minutes": _SAID_LATELY_MINUTES, "about": client})} for agent in agents if agent.other_side for client in clients]
    return {"host": host, "deadline_s": deadline_s, "secrets": {}, "steps": steps}


def _database_steps(logins: t.Sequence[t.Mapping[str, t.Any]]) -> list[Step]:
    """What the server's own files and log say of those who were not let in."""
    return [
        {"probe": "postgresql_server", "parameters": {"port": port, "logins": [
            {key: value for key, value in login.items() if key != "port"}
            for login in logins if login["port"] == port and login.get("user")]}}
        for port in sorted({login["port"] for login in logins})
    ]


def host_steps(agents: t.Collection[AgentProfile], interval_s: float = 0.0) -> list[Step]:
    """What the host itself has left, and whether its clock is kept right: the same for all of its endpoints.

    :param agents: whose units' limits and file systems count. :param interval_s: how long the kernel's counters are watched.
    """
    written = {path for agent in agents for path in (*agent.logs.get("files", ()), agent.pid_file) if path}
    parameters = {
        "units": sorted({agent.unit for agent in agents if agent.unit}),
        "paths": sorted({os.path.dirname(path) for path in written}),
        "interval": interval_s or None,
    }
    return [{"probe": "host", "parameters": _given(parameters)}, {"probe": "clock", "parameters": {}}]


def agent_steps(endpoint: Endpoint) -> list[Step]:
    """What is asked of the endpoint's agent; where it is not known yet which that is, which are there."""
    agent = endpoint.agent
    if agent is None:
        return []
    if agent.candidates:
        return [{"probe": "agents", "endpoint": endpoint.name, "parameters": {"known": _known_by(agent.candidates)}}]
    wanted = {
        "service": agent.unit or agent.process,
        "agent_config": agent.config or (agent.environment and (agent.unit or agent.process)),
        "logs": agent.logs.get("unit") or agent.logs.get("files"),
    }
    return [{"probe": probe, "endpoint": endpoint.name, "parameters": _AGENT_PARAMETERS[probe](endpoint, agent)}
            for probe, is_wanted in wanted.items() if is_wanted]


def _known_by(candidates: t.Mapping[str, AgentProfile]) -> dict[str, t.Any]:
    """How each is found, so that nothing is found twice: a unit is that of the first profile whose own it is, else of the first that
    names it among further ones, and a process that of the first that names it. Those that are left without any are not looked for.
    """
    units: dict[str, str] = {}
    processes: dict[str, str] = {}
    for name, profile in candidates.items():
        units.setdefault(profile.unit, name)
        processes.setdefault(profile.process, name)
    for name, profile in candidates.items():
        for unit in profile.units:
            units.setdefault(unit, name)
    rules = {name: _given({
        "units": [unit for unit in (profile.unit, *profile.units) if unit and units[unit] == name],
        "process": profile.process if processes[profile.process] == name else "",
    }) for name, profile in candidates.items()}
    return {name: rule for name, rule in rules.items() if rule}


def _service(endpoint: Endpoint, agent: AgentProfile) -> dict[str, t.Any]:
    del endpoint
    parameters = {
        "name": agent.unit,
        "process": agent.process,
        "configuration": [file["path"] for file in agent.config],
        "package": agent.package,
        "pid_file": agent.pid_file,
    }
    return {"name": agent.unit, **_given(parameters)}


def _agent_config(endpoint: Endpoint, agent: AgentProfile) -> dict[str, t.Any]:
    parameters = {
        "files": [dict(file) for file in agent.config],
        "unit": agent.unit,
        "process": agent.process,
        "environment": dict(agent.environment),
        "host": endpoint.host,
        "port": endpoint.port,
        "scheme": endpoint.scheme,
        "default_port": agent.port,
        "default_scheme": agent.scheme,
        "credential_format": agent.credential.get("format", ""),
        "credential_placeholders": agent.credential.get("placeholders", []),
        "credential_regions": agent.credential.get("regions", {}),
        "credential_header": agent.validate.get("header", ""),
        "credential_fingerprint": _fingerprint(endpoint.shown),
        "expected_settings": _client_settings.expected(endpoint) if any("settings" in file for file in agent.config) else {},
    }
    return {"files": parameters["files"], **_given(parameters)}


def agent_trust(endpoint: Endpoint) -> dict[str, t.Any]:
    """Where the agent is told which authorities it trusts; nothing where the endpoint itself says which."""
    agent = endpoint.agent
    if agent is None or endpoint.ca_file or "tls" not in _LAYERS[endpoint.scheme]:
        return {}
    files = [{key: file[key] for key in ("path", "format", "ca_file")} for file in agent.config if file.get("ca_file")]
    variables = list(agent.environment.get("ca_file", ()))
    told = {"files": files, "environment": variables, "unit": agent.unit, "process": agent.process}
    return _given(told) if files or variables else {}


def _fingerprint(credential: str) -> dict[str, str]:
    """What the right credential is known by. Each run has its own salt, so that nothing can be learned from two reports."""
    salt = random.token_hex(16)
    return {"salt": salt, "sha256": hashlib.sha256((salt + credential).encode()).hexdigest()} if credential else {"salt": salt}


def _logs(endpoint: Endpoint, agent: AgentProfile) -> dict[str, t.Any]:
    del endpoint
    return _given({**agent.logs, "signatures": dict(agent.signatures), "fates": dict(agent.fates)})


_AGENT_PARAMETERS: dict[str, t.Callable[[Endpoint, AgentProfile], dict[str, t.Any]]] = {
    "service": _service, "agent_config": _agent_config, "logs": _logs,
}


def _network_steps(endpoint: Endpoint, secrets: dict[str, str]) -> Step:
    host, port = _next_hop(endpoint)
    return {"probe": "dns", "endpoint": endpoint.name, "parameters": {"host": host},
            "then": [_connection(endpoint, host, port, secrets)]}


def _connection(endpoint: Endpoint, host: str, port: int, secrets: dict[str, str]) -> Step:
    """To each address of ``host``, and then what lies above."""
    layers = [_LAYER_STEPS[layer](endpoint, secrets) for layer in _LAYERS[endpoint.scheme]]
    return {
        "probe": "tcp",
        "endpoint": endpoint.name,
        "each": "addresses",
        "parameters": {"host": host, "port": port, "connect_timeout": _connect_timeout(endpoint)},
        "then": _chain([layer for layer in layers if layer]),
    }


def _member_steps(endpoint: Endpoint, member: tuple[str, int], secrets: dict[str, str]) -> Step:
    """One member behind a balancer, asked for what the endpoint is asked for, under the endpoint's name."""
    address, port = member
    direct = dataclasses.replace(endpoint, port=port, proxy="", members=(), pool={})
    step = {"probe": "dns", "endpoint": endpoint.name, "parameters": {"host": address},
            "then": [_connection(direct, endpoint.host, port, secrets)]}
    return _marked(step, "member")


def configured_steps(endpoint: Endpoint, host: str, port: int, scheme: str, paths: t.Sequence[str]) -> Step:
    """Where an agent is told to send, tried as the endpoint itself is: whether that is another way to it, or leads elsewhere.

    :param paths: what is asked for over HTTP. No credential is shown there.
    """
    told = dataclasses.replace(endpoint, host=host, port=port, scheme=scheme, path=paths[0], credential="", members=(), pool={}, proxy="")
    step = _network_steps(told, {})
    (connection,) = step["then"]
    for path in paths[1:] if "http" in _LAYERS[scheme] else ():
        connection["then"] += _http(dataclasses.replace(told, path=path), {})
    return _marked(step, "agent")


def other_path_steps(endpoint: Endpoint, path: str) -> Step:
    """The same server, asked for something else: whether it serves anything, where it does not know what it was asked for."""
    return _marked(_network_steps(dataclasses.replace(endpoint, path=path, credential="", members=(), pool={}), {}), "other_path")


def certificate_steps(endpoint: Endpoint) -> Step:
    """The certificate that the server itself shows, for an endpoint behind a proxy: seen on a connection around the proxy."""
    direct = dataclasses.replace(endpoint, proxy="")
    connection: Step = {"probe": "tcp", "endpoint": endpoint.name, "side": "around", "each": "addresses",
                        "parameters": {"host": endpoint.host, "port": endpoint.port, "connect_timeout": _connect_timeout(endpoint)},
                        "then": _tls(direct, {})}
    return {"probe": "dns", "endpoint": endpoint.name, "side": "around", "parameters": {"host": endpoint.host}, "then": [connection]}


def set_otherwise_steps(endpoint: Endpoint, side: str, secrets: dict[str, str]) -> Step:
    """The endpoint with one setting of the client's own in place of the inventory's: whether it is served so, too.

    The agent's credential is not shown, as a proxy of the client's may not be the right one.
    """
    return _marked(_network_steps(dataclasses.replace(endpoint, credential="", members=(), pool={}), secrets), side)


def _marked(step: Step, side: str) -> Step:
    return {**step, "side": side, **({"then": [_marked(child, side) for child in step["then"]]} if "then" in step else {})}


def _login(endpoint: Endpoint, secrets: dict[str, str]) -> dict[str, t.Any]:
    return _given({
        "host": endpoint.host,
        "port": endpoint.port,
        "user": endpoint.user,
        "database": endpoint.database,
        "parameters": dict(endpoint.parameters),
        "password": _secret(endpoint, "password", endpoint.password, secrets),
        "timeout": _ANSWER_TIMEOUT_S,
    })


def _next_hop(endpoint: Endpoint) -> tuple[str, int]:
    """What the host itself connects to: the proxy where there is one, else the endpoint."""
    if not endpoint.proxy:
        return endpoint.host, endpoint.port
    authority = endpoint.proxy.split("://", 1)[1].split("/", 1)[0].rpartition("@")[2]
    host, _colon, port = authority.rpartition(":")
    return host.strip("[]"), int(port)


def _chain(layers: list[list[Step]]) -> list[Step]:
    """Layers one after another; the steps of one layer run at once, and the first of them opens the way to the next."""
    if not layers:
        return []
    first, *siblings = layers[0]
    return [dict(first, then=_chain(layers[1:])), *siblings]


def _connect_timeout(endpoint: Endpoint) -> float:
    wanted = float(endpoint.parameters.get("connect_timeout") or 0)
    # libpq takes 1 as 2, and 0 as 'wait for ever', which no diagnosis can.
    return max(2.0, wanted) if wanted else _TCP_TIMEOUT_S


def _tls(endpoint: Endpoint, secrets: dict[str, str]) -> list[Step]:
    del secrets
    if endpoint.proxy:
        return []  # the connection is the proxy's: the http probe does the handshake through it
    parameters = {
        "host": endpoint.host,
        "port": endpoint.port,
        "verify": "full",
        "certificate_days": endpoint.thresholds["certificate_days"],
        "ca_file": endpoint.ca_file,
        "agent_trust": agent_trust(endpoint),
    }
    return [{"probe": "tls", "endpoint": endpoint.name, "parameters": _given(parameters)}]


_LIBPQ_VERIFY = {"require": "libpq_require", "verify-ca": "ca", "verify-full": "full"}
_LIBPQ_ROOT_CERTIFICATE = "~/.postgresql/root.crt"


def _postgresql(endpoint: Endpoint, secrets: dict[str, str]) -> list[Step]:
    given = endpoint.parameters
    steps: list[Step] = []
    verify = _LIBPQ_VERIFY.get(given.get("sslmode", "prefer"))
    if verify:
        direct = given.get("sslnegotiation") == "direct"
        tls = {
            "host": endpoint.host,
            "port": endpoint.port,
            "starttls": "" if direct else "postgresql",
            "alpn": ["postgresql"] if direct else None,
            "verify": verify,
            "certificate_days": endpoint.thresholds["certificate_days"],
            "ca_file": "" if given.get("sslrootcert") == "system" else given.get("sslrootcert", _LIBPQ_ROOT_CERTIFICATE),
            "client_certificate": given.get("sslcert", ""),
            "client_key": given.get("sslkey", ""),
        }
        steps.append({"probe": "tls", "endpoint": endpoint.name, "parameters": _given(tls)})
    login = _login(endpoint, secrets)
    steps.append({"probe": "postgresql", "endpoint": endpoint.name, "parameters": login})
    pool = _client_settings.pool_parameters(endpoint)
    if pool:
        steps.append({"probe": "pool", "endpoint": endpoint.name, "parameters": {**login, **pool}})
    return steps


def _http(endpoint: Endpoint, secrets: dict[str, str]) -> list[Step]:
    validate = endpoint.agent.validate if endpoint.agent else {}
    path = endpoint.path or validate.get("path", "/")
    parameters = {
        "host": endpoint.host,
        "port": endpoint.port,
        "scheme": endpoint.scheme,
        "path": path,
        "method": validate.get("method", "") if path == validate.get("path") else "",
        "proxy": endpoint.proxy,
        "timeout": _ANSWER_TIMEOUT_S,
        "ca_file": endpoint.ca_file,
        "agent_trust": agent_trust(endpoint),
        "credential_header": validate.get("header", ""),
        "credential": _secret(endpoint, "credential", _credential(endpoint, validate), secrets),
        "expected_status": _expected_statuses(endpoint, path),
        "count": _requests(len(endpoint.members)),
    }
    return [{"probe": "http", "endpoint": endpoint.name, "parameters": _given(parameters)}]


def _grpc(endpoint: Endpoint, secrets: dict[str, str]) -> list[Step]:
    """The call that the agent's profile knows; without one, nobody can tell what the server would know."""
    validate = endpoint.agent.validate if endpoint.agent else {}
    if not validate.get("call"):
        return []
    (step,) = _http(dataclasses.replace(endpoint, path="", members=()), secrets)
    parameters = {**step["parameters"], "path": validate["call"]}
    parameters.pop("method", None)
    return [{**step, "parameters": parameters}]


def _expected_statuses(endpoint: Endpoint, path: str) -> list[int]:
    """What the profile says of its validate request. Where there is no credential to show, being refused tells that the server serves."""
    agent = endpoint.agent
    if agent is None:
        return []
    if agent.candidates:  # what is served there is not known yet
        return [] if endpoint.path else list(_AN_ANSWER)
    if path != agent.validate.get("path"):
        return [] if agent.validate.get("header") else [*_SERVED, *_DENIED]
    without = () if _credential(endpoint, agent.validate) else ("refused", "not_allowed")
    return agent.statuses("accepted", "reached", *without)


def _throughput(endpoint: Endpoint, secrets: dict[str, str]) -> list[Step]:
    del secrets
    if not endpoint.thresholds.get("bits_per_second"):
        return []
    parameters = {"host": endpoint.host, "port": endpoint.port, "path": endpoint.path or "/", "seconds": _BULK_S}
    return [{"probe": "throughput", "endpoint": endpoint.name, "parameters": parameters}]


def _requests(members: int) -> int:
    """How many requests meet one bad member of so many, almost surely."""
    return min(_MOST_REQUESTS, math.ceil(math.log(1 - _MEMBER_CERTAINTY) / math.log(1 - 1 / members))) if members > 1 else 1


def _credential(endpoint: Endpoint, validate: t.Mapping[str, t.Any]) -> str:
    if not endpoint.credential or not validate.get("header"):
        return ""
    return str(validate.get("prefix", "")) + endpoint.credential


def _secret(endpoint: Endpoint, key: str, value: str, secrets: dict[str, str]) -> dict[str, str] | None:
    if not value:
        return None
    name = "%s.%s" % (endpoint.name, key)
    secrets[name] = value
    return {"secret": name}


def _given(parameters: dict[str, t.Any]) -> dict[str, t.Any]:
    return {key: value for key, value in parameters.items() if value not in ("", None, [], {})}


_LAYER_STEPS: dict[str, t.Callable[[Endpoint, dict[str, str]], list[Step]]] = {
    "tls": _tls,
    "http": _http,
    "throughput": _throughput,
    "grpc": _grpc,
    "postgresql": _postgresql,
}

# What lies above TCP, from below.
_LAYERS = {
    "tcp": (),
    "tls": ("tls",),
    "http": ("http", "throughput"),
    "https": ("tls", "http"),
    "grpc": ("grpc",),
    "grpcs": ("tls", "grpc"),
    "postgresql": ("postgresql",),
}

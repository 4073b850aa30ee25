# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is looked at more closely once something failed: the probes that split look-alikes, and only where there are some to split.

A host on which all is well never gets their code, nor spends their time.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _client_settings, _pace
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoint import Endpoint
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Observation,
    Pattern,
    above,
    described,
    given,
    seen,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._plan import (
    Step,
    agent_steps,
    agent_trust,
    certificate_steps,
    configured_steps,
    host_steps,
    other_path_steps,
    set_otherwise_steps,
)

# Of a name with many addresses, as many as show whether they fail alike.
_MOST_ADDRESSES = 3
# A SYN that got lost is sent again after a second (RFC 6298, section 2).
_ONE_SYN_LOST_MS = 900.0
# With room for a SYN that is lost once.
_ELSEWHERE_S = 2.0
# What is lost later is sent again after 200 ms at least (RFC 6298 says a second; Linux' TCP_RTO_MIN).
_ONE_LOST_LATER_MS = 200.0
# Each of the client's settings that is tried is a connection more.
_MOST_SETTINGS = 5
_CLOCK_STATUSES = (401, 403)
_CERTIFICATE_TIMES = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def _one_is_slow(case: Case) -> Match | None:
    """An address took longer than the user allows."""
    numbers = tuple(pace.number for pace in _pace.paces(case) if pace.is_slow)
    return Match(numbers) if numbers else None


def _one_was_sent_again(case: Case) -> Match | None:
    """What takes little more than going there and back took so much longer than a connection, that a packet of it was probably lost."""
    connected = {connect["data"].get("address"): connect["data"].get("elapsed_ms") or 0.0
                 for _number, connect in case.of("tcp.connect", "client") if connect["status"] == "ok"}
    numbers = tuple(
        number for check, took_ms in _SHORT_EXCHANGES.items() for number, one in case.of(check, "client")
        if (took_ms(one["data"]) or 0.0) > _ONE_LOST_LATER_MS + 2 * connected.get(one["data"].get("address"), 0.0)
        and one["status"] in ("ok", "warn"))
    return Match(numbers) if numbers else None


_SHORT_EXCHANGES: dict[str, t.Callable[[t.Mapping[str, t.Any]], t.Any]] = {
    "tls.handshake": lambda data: data.get("elapsed_ms"),
    "http.response": lambda data: (data.get("phases") or {}).get("tls_ms"),
    "postgresql.ssl_request": lambda data: data.get("elapsed_ms"),
}
_UNREACHED = seen("tcp.connect", "fail")
# A reset or a refusal that names its sender shows that the way is open up to there.
_UNANSWERED = seen("tcp.connect", "fail", answer=("none", "local"))
_STALLED = (
    seen("tls.handshake", "fail", error="timeout") | seen("http.response", "fail", error=("no_response", "incomplete"))
    | seen("postgresql.ssl_request", "fail", answer="timeout") | seen("postgresql.startup", "fail", result="timeout")
)
_SLOW = (
    seen("tcp.connect", "ok", elapsed_ms=above(_ONE_SYN_LOST_MS))
    | seen("http.response", phases=lambda phases: phases and (phases.get("connect_ms") or 0.0) > _ONE_SYN_LOST_MS)
    | Joined(_one_is_slow) | Joined(_one_was_sent_again)
)
_WAY_DOUBTED = _UNANSWERED | _STALLED | _SLOW
_TIME_SUSPECTED = (
    seen("clock.offset", ("warn", "fail")) | seen("tls.verify", "fail", verify_code=_CERTIFICATE_TIMES)
    | seen("http.response", "fail", status=_CLOCK_STATUSES)
)
_AGENT_COMPLAINS = seen("logs.family", ("warn", "fail"), recovered=False)
# One connection opens, and many at once do not, and no server has said why.
_SHUT_OUT_IN_NUMBERS = seen("pool.wait", ("warn", "fail"), open_failures=above(0), open_sqlstate="")
# An agent's destination can't be compared with the endpoint, differs from it, or has a path of its own.
_TOLD_OTHERWISE = (
    seen("agent_config.endpoint", differs=given, configured=given) | seen("agent_config.endpoint", comparable=False, configured=given)
    | seen("agent_config.endpoint", configured=lambda place: place and place["path"].strip("/"))
)
# The same with TLS, or without.
_TWINS = {"http": "https", "https": "http", "tcp": "tls", "tls": "tcp", "grpc": "grpcs", "grpcs": "grpc", "postgresql": "postgresql"}
_OTHER_SERVER = seen("tls.verify", "fail") | seen("tls.handshake", "fail") | seen("http.response", "fail")
_PROXY_UNUSABLE = seen("proxy.connect", "cannot_tell")
_NOT_VERIFIED_THROUGH_PROXY = described(proxy=given) & seen("http.response", "fail", error="tls_failed")
_AGENT_HAS_PROXIES = seen("agent_config.environment", proxies=given) | seen("service.environment", proxies=given)


@dataclasses.dataclass(frozen=True)
class Look:
    """Where ``when`` matches what was seen of an endpoint, these ``steps`` are run for it."""

    when: Pattern
    steps: t.Callable[[Endpoint, Case], t.Iterable[Step]]


def closer_plan(endpoints: t.Iterable[Endpoint], observations: t.Sequence[Observation], host: str, deadline_s: float) -> dict[str, t.Any]:
    """:param observations: of the first look, with the clocks compared. :returns: a plan, without any steps where nothing asks for one."""
    steps: list[Step] = []
    secrets: dict[str, str] = {}
    for endpoint in endpoints:
        described = {"name": endpoint.name, "proxy": endpoint.proxy, "scheme": endpoint.scheme,
                     "thresholds": endpoint.thresholds, "sslmode": endpoint.parameters.get("sslmode", "prefer")}
        own = [observation for observation in observations if observation.get("endpoint") in (None, endpoint.name)]
        case = Case(host, described, own)
        wanted = [step for look in LOOKS if look.when.match(case) for step in look.steps(endpoint, case)]
        wanted += _set_otherwise(endpoint, case, secrets)
        steps += [step for step in wanted if step not in steps and not _is_done(step, observations)]
    return {"host": host, "deadline_s": round(deadline_s, 1), "secrets": secrets, "steps": steps}


def _is_done(step: Step, observations: t.Iterable[Observation]) -> bool:
    """What concerns the whole host is looked at once, and an agent's host was already."""
    return "endpoint" not in step and any(observation["check"].startswith(step["probe"] + ".") and observation["check"] != "clock.offset"
                                          for observation in observations)


def _unreached(case: Case) -> list[tuple[str, int]]:
    """Addresses that a connection failed to, with the port; else those that were connected to."""
    seen_connects = [connect for _number, connect in case.of("tcp.connect", "client")]
    failed = [connect for connect in seen_connects if connect["status"] == "fail"] or seen_connects
    return [(connect["data"]["address"], connect["data"]["port"]) for connect in failed][:_MOST_ADDRESSES]


def _route(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    for address, port in _unreached(case):
        yield {"probe": "route", "endpoint": endpoint.name, "parameters": {"host": endpoint.host, "address": address, "port": port}}


def _neighbours(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """Who else holds an address of the links: who answers wrongly may be another machine than is meant."""
    if not _WAY_DOUBTED.match(case):
        for address, _port in [one for one in _unreached(case) if ":" not in one[0]][:1]:
            parameters = {"host": endpoint.host, "address": address, "checks": ["lookup", "neighbours"]}
            yield {"probe": "route", "endpoint": endpoint.name, "parameters": parameters}


def _firewall(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    user = _agent_user(case)
    for address, port in _unreached(case):
        parameters = {"host": endpoint.host, "address": address, "port": port, **({"user": user} if user else {})}
        yield {"probe": "firewall", "endpoint": endpoint.name, "parameters": parameters}


def _found_agent(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """The one agent that is there, or that runs, is asked as if it had been named. Which of several is meant, nobody can tell."""
    for _number, present in case.of("agents.present", "client"):
        found = present["data"]["found"]
        at_work = [entry for entry in found if entry["active_state"] == "active" or entry["pids"]]
        for entry in found if len(found) == 1 else at_work if len(at_work) == 1 else ():
            agent = endpoint.agent.candidates[entry["agent"]] if endpoint.agent else None
            if agent:
                yield from agent_steps(dataclasses.replace(endpoint, agent=agent.under(entry["unit"])))


def _agent_user(case: Case) -> str:
    """A rule may stop what one user sends; where an agent has the trouble, its user is the one to ask for."""
    for _number, unit in case.of("service.unit", "client"):
        return str(unit["data"].get("user") or "")
    return ""


def _proxy(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """The environment that counts is the agent's: of its unit, or where it has none, of its process."""
    if endpoint.scheme in ("http", "https"):
        agent = endpoint.agent
        process = next((process["data"]["pid"] for _number, process in case.of("service.process", "client")), 0)
        parameters = {"host": endpoint.host, "port": endpoint.port, "scheme": endpoint.scheme, "path": endpoint.path or "/",
                      "proxy": endpoint.proxy, "ca_file": endpoint.ca_file, "agent_trust": agent_trust(endpoint),
                      "unit": agent.unit if agent else "", "pid": process if agent and not agent.unit else 0}
        yield {"probe": "proxy", "endpoint": endpoint.name, "parameters": {key: value for key, value in parameters.items() if value}}


def _authority(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """What the zone's own servers say, where the name led somewhere that does not serve; and whether it is served where they point to."""
    if not endpoint.proxy and any(not resolved["data"]["literal"] for _number, resolved in case.of("dns.resolve", "client")):
        elsewhere = {"probe": "tcp", "endpoint": endpoint.name, "side": "elsewhere", "each": "elsewhere", "optional": True,
                     "parameters": {"host": endpoint.host, "port": endpoint.port, "connect_timeout": _ELSEWHERE_S}}
        yield {"probe": "dns", "endpoint": endpoint.name, "parameters": {"host": endpoint.host, "authority": True}, "then": [elsewhere]}


def _said_addresses(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """Those that the inventory has for the name, where nothing else knows it: whether it is served there."""
    del case
    for address in endpoint.addresses[:_MOST_ADDRESSES]:
        yield {"probe": "tcp", "endpoint": endpoint.name, "side": "inventory", "parameters": {
            "host": endpoint.host, "address": address, "port": endpoint.port, "connect_timeout": _ELSEWHERE_S}}


def _configured(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """Where the agent is told to send, where that is not plainly the endpoint."""
    for _number, told in case.of("agent_config.endpoint", "client"):
        place = told["data"]["configured"]
        # The path of a database's url is the database.
        same_path = endpoint.scheme == "postgresql" or place["path"].rstrip("/") == endpoint.path.rstrip("/")
        if not told["data"]["differs"] and told["data"]["comparable"] and same_path:
            continue
        scheme = _TWINS[endpoint.scheme] if "scheme" in told["data"]["differs"] else endpoint.scheme
        settings = [one for _number, observed in case.of("agent_config.settings", "client") for one in observed["data"].get("settings", ())]
        yield configured_steps(_client_settings.as_told(endpoint, settings), place["host"], place["port"] or endpoint.port, scheme,
                               _paths(endpoint, place["path"]))


def _set_otherwise(endpoint: Endpoint, case: Case, secrets: dict[str, str]) -> t.Iterator[Step]:
    """Each setting with which the client's own configuration might fail where the inventory's works, tried alone."""
    for _number, told in case.of("agent_config.settings", "client"):
        trials = list(_client_settings.trials(endpoint, told["data"].get("settings", ())))
        for trial in trials[:_MOST_SETTINGS]:
            yield set_otherwise_steps(trial.endpoint, _client_settings.side_of(trial.name), secrets)


def _paths(endpoint: Endpoint, base: str) -> list[str]:
    """A configured path may be the whole, or what the agent's own paths come after."""
    asked = endpoint.agent.validate.get("path", "/") if endpoint.agent else "/"
    base = base.rstrip("/")
    if not base:
        return [endpoint.path or asked]
    return [base] if base.endswith(asked.rstrip("/")) else [base + asked, base]


def _other_path(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    del case
    yield other_path_steps(endpoint, endpoint.agent.validate.get("path", "/") if endpoint.agent and endpoint.path else "/")


def _certificate(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    del case
    yield certificate_steps(endpoint)


def _host(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    del endpoint, case
    return iter(host_steps(()))


def _libpq_host(endpoint: Endpoint, case: Case) -> t.Iterator[Step]:
    """Where a program's environment leads libpq: a name may be another one of the same server."""
    for _number, environment in case.of("service.environment", "client"):
        host = environment["data"].get("libpq", {}).get("PGHOST", "")
        if endpoint.scheme == "postgresql" and host and host != endpoint.host and "/" not in host and "," not in host:
            yield {"probe": "dns", "endpoint": endpoint.name, "side": "libpq", "parameters": {"host": host}}


LOOKS = (
    Look(seen("agents.present", "ok"), _found_agent),
    Look(_WAY_DOUBTED, _route),
    Look(_UNREACHED | _OTHER_SERVER, _neighbours),
    Look(_UNREACHED | _AGENT_COMPLAINS | _SHUT_OUT_IN_NUMBERS, _firewall),
    Look(seen("dns.resolve", "fail") | _UNREACHED | _OTHER_SERVER | _AGENT_COMPLAINS | _PROXY_UNUSABLE | _AGENT_HAS_PROXIES, _proxy),
    Look(seen("dns.resolve", "fail") | _UNREACHED | _OTHER_SERVER, _authority),
    Look(seen("dns.resolve", "fail"), _said_addresses),
    Look(_NOT_VERIFIED_THROUGH_PROXY, _certificate),
    Look(_TOLD_OTHERWISE, _configured),
    Look(seen("http.response", "fail", status=404), _other_path),
    Look(seen("service.environment", libpq=given), _libpq_host),
    Look(_UNREACHED | _STALLED | _SLOW | _TIME_SUSPECTED | seen("dns.resolve", "fail"), _host),
)

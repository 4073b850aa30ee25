# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes at the endpoint itself: who listens there, and what it answers. A refusal alone does not tell; the server's own view does.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import complaints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes.balancer import BALANCER_WORDS, LOSES_REQUESTS
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    above,
    described,
    empty,
    every,
    given,
    seen,
    server_saw,
    unseen,
)

_DIRECT = described(proxy="")
_REFUSED = _DIRECT & seen("tcp.connect", "fail", error="ECONNREFUSED", answer="rst")
# A proxy is refused as the host itself would be, and only says that it was not served.
_NOT_SERVED_TO_PROXY = described(proxy=given) & seen("proxy.connect", "fail", status=(502, 503, 504), answered_by="proxy")
_ANSWERS_TCP = seen("tcp.connect", "ok")
_REACHED_BY_OTHERS = seen("fleet.connect", "ok")
_WHO_LISTENS = "who listens on the port, seen on the server itself"

# The first thing that the server has to say, whatever the protocol, and that it did not come.
_NO_FIRST_WORD = (
    seen("http.response", error="no_response")
    | seen("tls.handshake", "fail", error="timeout")
    | seen("postgresql.ssl_request", answer="timeout")
    | seen("postgresql.startup", result="timeout")
)
_CLOSED_AT_ONCE = (
    seen("http.response", error=("closed", "reset"))
    | seen("tls.handshake", "fail", error=("closed", "reset"))
    | seen("postgresql.ssl_request", answer=("closed", "reset"))
    | seen("postgresql.startup", result=("closed", "reset"))
)
# More than a busy port has: each is there for one round trip.
_MANY_HALF_OPEN = 100
# A SYN that got lost is sent again after a second (RFC 6298, section 2).
_ONE_SYN_LOST_MS = 900.0
_LOST_SYNS = seen("tcp.connect", "fail", error="TIMEOUT") | seen("tcp.connect", "ok", elapsed_ms=above(_ONE_SYN_LOST_MS))
_OTHER_PROTOCOL = ("ssh", "smtp", "ftp", "mysql", "unknown")
# What a proxy on the way answered never came from the server; and where other requests are served, one member is no server.
_BY_SERVER = unseen(described(proxy=given) & seen("proxy.connect", "fail")) & unseen(LOSES_REQUESTS)
# How much an agent sends, and how often, only the agent is told of: no request of a diagnosis is as large. Once may be over.
_LIMITED = ("rate_limited", "too_large")
_AGENT_IS_LIMITED = Joined(lambda case: complaints(case, _LIMITED, least=2))


def _drops(case: Case) -> Match | None:
    """It is limited now, and of such an agent that is data lost, and not only late."""
    limited = complaints(case, _LIMITED, least=2)
    lost = [number for number in limited.numbers if case.observations[number]["data"].get("fate") == "dropped"] if limited else []
    return Match(tuple(lost), limited.facts) if limited and lost else None


def _family_without_listener(case: Case) -> Match | None:
    """One family is refused, the other is served, and the server listens on the other only."""
    for number, listener in case.of("sockets.listener", "server"):
        families = listener["data"]["families"]
        refused = [(one, connect) for one, connect in case.of("tcp.connect", "client")
                   if connect["data"]["error"] == "ECONNREFUSED" and families and connect["data"]["family"] not in families]
        if refused:
            return Match((*(one for one, _connect in refused), number), {**refused[0][1]["data"], "families": ", ".join(families)})
    return None


def _flooded(case: Case) -> Match | None:
    """The port has no room for another half-open connection, or its kernel answers with cookies, as it keeps none."""
    for number, connections in case.of("sockets.connections", "server"):
        half_open = connections["data"]["by_state"].get("SYN_RECV", 0)
        cookies = [(one, overflow["data"]["rises"]["syncookies_sent"]) for one, overflow in case.of("sockets.overflow", "server")
                   if (overflow["data"]["rises"] or {}).get("syncookies_sent")]
        if connections["status"] == "warn" or (cookies and half_open > _MANY_HALF_OPEN):
            facts = {**connections["data"], "half_open": half_open, "cookies": cookies[0][1] if cookies else ""}
            return Match((number, *(one for one, _rise in cookies)), facts)
    return None


CAUSES = (
    Cause(
        code="server.not_running",
        meaning="Nothing listens on the endpoint's port: its process is not running.",
        summary="nothing listens on port {port} of {name}",
        proof=(_REFUSED | _NOT_SERVED_TO_PROXY) & server_saw("sockets.listener", scope="none"),
        suspicion=(_REFUSED & unseen(_ANSWERS_TCP))
        | (_NOT_SERVED_TO_PROXY & seen("proxy.comparison", direct_connect_error="ECONNREFUSED")),
        ruled_out=server_saw("sockets.listener", scope=("loopback", "reachable"))
        | seen("tcp.connect", icmp_from=("self", "target", "path")) | _REACHED_BY_OTHERS
        | server_saw("logs.family", family="tls_server_key", recovered=False),
        look_alikes=("server.loopback_only", "firewall.server_ingress", "firewall.client_egress"),
        decide_by=_WHO_LISTENS,
        remediation=Remediation("start_server", GUARDED),
        advice="Start the service on the server.",
        component="service",
        place="server",
        culprit={"port": "{port}", "listener": "none"},
    ),
    Cause(
        code="server.loopback_only",
        meaning="The service runs, but listens on the loopback address only, so other hosts are refused.",
        summary="port {port} of {name} is served on the loopback address only",
        proof=(_REFUSED | _NOT_SERVED_TO_PROXY) & server_saw("sockets.listener", scope="loopback"),
        suspicion=(_REFUSED & unseen(_ANSWERS_TCP))
        | (_NOT_SERVED_TO_PROXY & seen("proxy.comparison", direct_connect_error="ECONNREFUSED")),
        ruled_out=server_saw("sockets.listener", scope=("none", "reachable"))
        | seen("tcp.connect", icmp_from=("self", "target", "path")) | _REACHED_BY_OTHERS,
        look_alikes=("server.not_running", "firewall.server_ingress"),
        decide_by=_WHO_LISTENS,
        remediation=Remediation("set_listen_address", GUARDED),
        advice="Let the service listen on the server's address (for PostgreSQL, listen_addresses), and open its firewall for it.",
        component="service",
        place="server",
        culprit={"port": "{port}", "listener": "loopback"},
    ),
    Cause(
        code="server.single_family",
        meaning="The service listens on one address family only, and the name has addresses of both.",
        summary="{name} refuses {family} on port {port}: the service listens on {families} only",
        proof=Joined(_family_without_listener),
        suspicion=_REFUSED & _ANSWERS_TCP,
        ruled_out=every("tcp.connect", "fail"),
        look_alikes=("firewall.server_ingress",),
        decide_by=_WHO_LISTENS,
        remediation=Remediation("set_listen_address", GUARDED),
        advice="Let the service listen on both families, or remove the address that it does not serve from the name.",
        component="service",
        place="server",
        culprit={"port": "{port}", "family": "{family}"},
    ),
    Cause(
        code="server.accept_queue_full",
        meaning="The service does not accept the connections that wait for it; further ones are dropped without an answer.",
        summary="the accept queue of port {port} on {name} is full",
        proof=server_saw("sockets.listener", queue_full=True) & (seen("tcp.connect", "fail", error="TIMEOUT") | _NO_FIRST_WORD),
        ruled_out=server_saw("sockets.listener", queue_full=False),
        look_alikes=("server.hung", "firewall.server_ingress"),
        remediation=Remediation("restart_server", GUARDED),
        advice="Find out why the service does not accept; restart it, or raise its backlog and net.core.somaxconn.",
        component="service",
        place="server",
        explains=_NO_FIRST_WORD | seen("tcp.connect", "fail", error="TIMEOUT"),
        culprit={"port": "{port}"},
    ),
    Cause(
        code="server.syn_flood",
        meaning="The server's port has so many half-open connections that it loses those of real clients.",
        summary="port {port} of {name} is flooded: {half_open} connections are half open, and their clients never answer",
        proof=(_LOST_SYNS | _NO_FIRST_WORD) & Joined(_flooded) & server_saw("sockets.listener", queue_full=False),
        ruled_out=server_saw("sockets.connections", by_state=lambda states: not (states or {}).get("SYN_RECV")),
        look_alikes=("server.accept_queue_full", "firewall.path", "firewall.server_ingress"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Find who sends them and have it stopped before the server; turn net.ipv4.tcp_syncookies on there.",
        component="kernel",
        direction="inbound",
        place="server",
        explains=_LOST_SYNS | _NO_FIRST_WORD,
        culprit={"port": "{port}", "half_open": "{half_open}", "syn_cookies_within_the_look": "{cookies}"},
    ),
    Cause(
        code="server.hung",
        meaning="The kernel of the server accepts connections, but the service does not say a word.",
        summary="{name}:{port} accepts connections and never answers",
        proof=_ANSWERS_TCP & _NO_FIRST_WORD & unseen(server_saw("sockets.listener", queue_full=True)),
        suspicion=seen("postgresql.login", "fail", error_kind="timeout"),
        ruled_out=server_saw("sockets.listener", queue_full=True) | seen("http.response", error="") | seen("tls.handshake", "ok")
        | seen("postgresql.session", "fail"),
        look_alikes=("server.accept_queue_full", "firewall.middlebox_answers"),
        decide_by="the state of the process behind the port, seen on the server itself",
        remediation=Remediation("escalate", ESCALATE),
        advice="Look at the service's process on the server: it is stopped, dead-locked, or starved.",
        component="service",
        place="server",
        culprit={"port": "{port}"},
    ),
    Cause(
        code="server.closed_early",
        meaning="The server accepts the connection and closes it before any answer.",
        summary="{name}:{port} accepts connections and closes them without an answer",
        proof=_ANSWERS_TCP & _CLOSED_AT_ONCE,
        look_alikes=("firewall.middlebox_answers", "balancer.no_members"),
        decide_by="the server's own log at the moment of the connection",
        remediation=Remediation("escalate", ESCALATE),
        advice="Look at the server's log: it refuses this client, is overloaded, or ends by itself.",
        component="service",
        place="server",
        culprit={"port": "{port}"},
    ),
    Cause(
        code="server.foreign_service",
        meaning="Another service than the expected one answers on the port.",
        summary="port {port} of {name} is answered by something else ({looks_like})",
        proof=seen("tls.handshake", "fail", error="not_tls", looks_like=_OTHER_PROTOCOL)
        | seen("postgresql.ssl_request", answer="other")
        | seen("http.response", error="not_http", looks_like=_OTHER_PROTOCOL),
        ruled_out=seen("tls.handshake", looks_like=("http", "postgresql")) | seen("http.response", looks_like="tls")
        | seen("http.response", speaks_tls=True),
        look_alikes=("tls.plaintext_mismatch", "agent.wrong_port"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Correct the port in the endpoint, or stop the service that took it.",
        component="service",
        place="server",
        culprit={"port": "{port}", "service": "{looks_like}"},
    ),
    Cause(
        code="server.unhealthy",
        meaning="The server answers, and says itself that it is ill.",
        summary="{name}:{port} answers {status}: {body_excerpt}",
        proof=seen("http.response", "fail", status=(500, 501, 503), body_excerpt=lambda text: not BALANCER_WORDS(text), retry_after=empty)
        & _BY_SERVER,
        ruled_out=seen("http.response", error="", body_excerpt=BALANCER_WORDS) | seen("http.response", status=(502, 504))
        | LOSES_REQUESTS | _CLOSED_AT_ONCE,
        look_alikes=("server.overloaded", "balancer.no_members"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Look at the server's own health page and log.",
        component="service",
        place="server",
        culprit={"status": "{status}", "body": "{body_excerpt}"},
    ),
    Cause(
        code="server.backend_down",
        meaning="The server is up, but what it depends on is not: it answers as a gateway without its store.",
        summary="{name}:{port} answers {status}: what stands behind it is down",
        proof=seen("http.response", "fail", status=(502, 504)) & _BY_SERVER,
        look_alikes=("server.unhealthy",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Repair what the server depends on.",
        component="service",
        place="server",
        culprit={"status": "{status}", "body": "{body_excerpt}"},
    ),
    Cause(
        code="server.overloaded",
        meaning="The server answers that it has too much to do, and asks to come back later.",
        summary="{name}:{port} answers {status} and asks to retry after {retry_after}",
        proof=seen("http.response", "fail", status=503, retry_after=given) & _BY_SERVER,
        ruled_out=seen("http.response", error="", retry_after=empty),
        look_alikes=("server.unhealthy", "server.rate_limited"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Give the server more capacity, or send it less.",
        component="service",
        place="server",
        culprit={"status": "{status}"},
    ),
    Cause(
        code="server.rate_limited",
        meaning="The server limits how much, or how often, this client may send.",
        summary="{name}:{port} limits what {host} sends",
        proof=seen("http.response", "fail", status=(413, 429))
        | (_AGENT_IS_LIMITED & unseen(seen("agent_config.endpoint", "fail")) & unseen(seen("proxy.connect", "fail"))),
        ruled_out=seen("http.response", error="", status=lambda status: status not in (413, 429)) & unseen(_AGENT_IS_LIMITED),
        remediation=Remediation("escalate", ESCALATE),
        silences=Joined(_drops),
        advice="Send less, or in smaller parts, or have the limit raised.",
        component="service",
        place="server",
        culprit={"status": "{status}", "said": "{samples}", "data": "{fate}"},
    ),
)

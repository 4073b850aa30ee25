# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in packet filters. A REJECT names its sender; silence is told apart by where the packet was last seen.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import _firewall_evidence as rules
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    above,
    below,
    described,
    given,
    seen,
    server_saw,
    unseen,
)

# The kernel's own "nobody answers on the link" comes from the host itself too, but only after a second or more.
_AT_ONCE = below(800)
_LEFT_THE_HOST = Joined(rules.left_the_host)
_SILENCE = seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("none", "some", "unknown"))
_PROHIBITED = ("admin_prohibited", "host_prohibited", "net_prohibited", "port_unreachable", "protocol_unreachable",
               "source_policy_failed", "reject_route")
_ON_THE_SERVER = "the server's own side of the port (who listens, its firewall's counters) while this host connects"


def _reset_despite_listener(case: Case) -> Match | None:
    """The connection was reset although somebody listens on that address: a filter made the reset.

    An address of the server, as far as it is known: a name may lead to another host, which resets with right.
    """
    own = {rule["data"].get("local_address") for _number, rule in case.of("firewall.rule", "server")} - {None, ""}
    for number, listener in case.of("sockets.listener", "server"):
        served = listener["data"]["families"] if listener["data"]["scope"] == "reachable" else ()
        resets = [(one, connect["data"]) for one, connect in case.of("tcp.connect", "client")
                  if connect["data"]["answer"] == "rst" and connect["data"]["family"] in served
                  and (not own or connect["data"]["address"] in own) and not rules.may_reset_here(case, connect["data"]["address"])]
        if resets:
            return Match((*(one for one, _data in resets), number), resets[0][1])
    return None


def _opened_in_its_zone(case: Case) -> Match | None:
    """Where firewalld was asked, the port is open in the zone that the flow falls into, or in none."""
    states = [(number, state["data"]) for side in ("client", "server") for number, state in case.of("firewall.firewalld", side)]
    if any(data["zone"] not in data["opening_zones"] and data["opening_zones"] for _number, data in states):
        return None
    return Match(tuple(number for number, _data in states)) if states else None


def _reloads_to_the_same(case: Case) -> Match | None:
    states = [(number, state["data"]) for side in ("client", "server") for number, state in case.of("firewall.firewalld", side)]
    same = states and not any(data["concerns_flow"] for _number, data in states)
    return Match(tuple(number for number, _data in states)) if same else None


_SERVER_LETS_IN = server_saw("firewall.rule", "ok", direction="inbound", phase="request")
_SERVER_LETS_OUT = server_saw("firewall.rule", "ok", direction="inbound", phase="reply")
# Another family of addresses works, so that it is not the endpoint, and not all of the way.
_ONLY_IPV6 = seen("tcp.connect", "ok", family="ipv4") & unseen(seen("tcp.connect", "fail", family="ipv4"))
_RULE = {"rule": "{rule}", "tool": "{tool}", "table": "{table}", "chain": "{chain}", "handle": "{handle}", "owner": "{owner}"}
# Accepted, and then not a word, in whatever protocol.
_NOTHING_SPEAKS = (
    seen("http.response", "fail", error=("no_response", "closed", "reset"))
    | seen("tls.handshake", "fail", error=("timeout", "closed", "reset"))
    | seen("postgresql.ssl_request", "fail", answer=("timeout", "closed", "reset"))
    | seen("postgresql.startup", "fail", result=("timeout", "closed", "reset"))
)
_SOMEBODY_SPEAKS = seen("http.response", error="") | seen("tls.handshake", "ok") | seen("postgresql.startup", "ok")
_AGENT_HAS_PROXY = seen("service.environment", proxies=given) | seen("agent_config.environment", proxies=given)
_PASSES = seen("firewall.rule", "ok", direction="outbound", phase="request") & _SERVER_LETS_IN
_DROPPED_IN_THE_END = seen("pool.idle", "fail", how=("silent", "reset", "closed"))

CAUSES = (
    Cause(
        code="firewall.client_egress",
        meaning="The host's own firewall stops what it sends to the endpoint.",
        summary="{host}'s own firewall stops tcp to {address}:{port}",
        proof=(
            Joined(rules.stopped_here)
            | seen("tcp.connect", "fail", icmp_from="self", elapsed_ms=_AT_ONCE)
            | seen("tcp.connect", "fail", error="TIMEOUT", dropped_here="all")
        ) & unseen(Joined(rules.only_the_probe)),
        suspicion=seen("tcp.connect", "fail", error="TIMEOUT", dropped_here=("some", "unknown")),
        ruled_out=_LEFT_THE_HOST,
        look_alikes=("firewall.server_ingress", "firewall.path", "server.not_running"),
        decide_by="the same connection once more with nothing else trying it, or the counter of the host's own firewall rule",
        remediation=Remediation("open_firewall", GUARDED),
        advice="Allow tcp from this host to {address} port {port}, before the rule that stops it.",
        component="firewall",
        direction="outbound",
        culprit={"flow": "tcp to {address}:{port}", **_RULE},
    ),
    Cause(
        code="firewall.client_ingress",
        meaning="The host's own firewall stops the server's answers.",
        summary="{host}'s own firewall stops the answers of {address}:{port}",
        proof=seen("tcp.connect", "fail", error="TIMEOUT") & seen("firewall.rule", "fail", direction="outbound", phase="reply"),
        ruled_out=seen("firewall.rule", "ok", direction="outbound", phase="reply") | seen("tcp.connect", answer=("rst", "accepted")),
        look_alikes=("firewall.server_ingress", "firewall.path", "firewall.server_egress"),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Let the answers of established connections in, before the rule that stops them.",
        component="firewall",
        direction="inbound",
        explains=seen("tcp.connect", "fail", error="TIMEOUT"),
        culprit={"flow": "tcp from {address}:{port}", **_RULE},
    ),
    Cause(
        code="firewall.server_egress",
        meaning="The server's firewall lets this host in, and stops its own answers.",
        summary="the firewall of {name} stops its own answers from port {port} to {host}",
        proof=seen("tcp.connect", "fail", error="TIMEOUT") & server_saw("firewall.rule", "fail", direction="inbound", phase="reply"),
        ruled_out=_SERVER_LETS_OUT | seen("tcp.connect", answer=("rst", "accepted")),
        look_alikes=("firewall.server_ingress", "firewall.path", "firewall.client_ingress"),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Let the answers of established connections out of the server, before the rule that stops them.",
        component="firewall",
        direction="outbound",
        place="server",
        explains=seen("tcp.connect", "fail", error="TIMEOUT"),
        culprit={"flow": "tcp from port {port}", **_RULE},
    ),
    Cause(
        code="firewall.banned",
        meaning="This host's address is banned by the server's firewall, as fail2ban does, while other hosts are let in.",
        summary="{host}'s address is banned by {name} ({ban})",
        proof=Joined(rules.banned),
        ruled_out=_SERVER_LETS_IN | Joined(rules.stopped_at_the_server),
        look_alikes=("firewall.server_ingress",),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Find out why it was banned, and take the ban back where it was made.",
        component="firewall",
        direction="inbound",
        place="server",
        explains=seen("tcp.connect", "fail"),
        culprit={"ban": "{ban}", **_RULE},
    ),
    Cause(
        code="firewall.server_ingress",
        meaning="The server's firewall stops what this host sends to the endpoint.",
        summary="the firewall of {name} stops tcp from {host} to port {port}",
        proof=Joined(rules.stopped_at_the_server) | seen("tcp.connect", "fail", icmp_from="target") | Joined(_reset_despite_listener),
        suspicion=_SILENCE | (seen("tcp.connect", "fail", error="ECONNREFUSED", answer="rst") & described(proxy="")),
        ruled_out=seen("tcp.connect", icmp_from=("self", "path")) | seen("tcp.connect", dropped_here="all")
        | seen("tcp.connect", answer="local") | _SERVER_LETS_IN
        | (seen("tcp.connect", error="ECONNREFUSED", answer="rst") & server_saw("sockets.listener", scope=("none", "loopback"))),
        look_alikes=("firewall.client_egress", "firewall.path", "server.not_running"),
        decide_by=_ON_THE_SERVER,
        remediation=Remediation("open_firewall", GUARDED),
        advice="Allow tcp from {host}'s address to port {port} in the server's firewall.",
        component="firewall",
        direction="inbound",
        place="server",
        follows_from=("firewall.banned",),
        culprit={"flow": "tcp to {address}:{port}", **_RULE},
    ),
    Cause(
        code="firewall.path",
        meaning="A firewall between the host and the endpoint stops the connection.",
        summary="a firewall on the way stops tcp from {host} to {address}:{port}",
        proof=seen("tcp.connect", "fail", icmp_from="path", icmp_name=_PROHIBITED)
        | (seen("tcp.connect", "fail", error="TIMEOUT", dropped_here="none") & _SERVER_LETS_IN & _SERVER_LETS_OUT
           & server_saw("sockets.listener", scope="reachable", queue_full=False) & unseen(seen("firewall.rule", "fail"))
           & unseen(_ONLY_IPV6)),
        suspicion=_SILENCE
        | seen("tcp.connect", "fail", icmp_from="path", icmp_name=("host_unreachable", "address_unreachable"), elapsed_ms=_AT_ONCE),
        ruled_out=seen("tcp.connect", icmp_from=("self", "target")) | seen("tcp.connect", dropped_here="all")
        | seen("firewall.rule", "fail") | server_saw("firewall.rule", "fail"),
        look_alikes=("firewall.client_egress", "firewall.server_ingress"),
        decide_by=_ON_THE_SERVER,
        remediation=Remediation("escalate", ESCALATE),
        advice="Ask who runs the network to allow tcp from {host} to {address} port {port}.",
        component="firewall",
        place="path",
        culprit={"flow": "tcp to {address}:{port}", "sender": "{icmp_sender}"},
    ),
    Cause(
        code="firewall.owner_rule",
        meaning="A rule stops what one user of the host sends to the endpoint; others are let through, so that all works by hand.",
        summary="{host}: a rule stops what the user {user} sends to {address}:{port}, and lets others through",
        # Who goes through a proxy may well be forbidden to go past it.
        proof=Joined(rules.one_user) & unseen(_AGENT_HAS_PROXY),
        ruled_out=seen("firewall.rule", "ok", direction="outbound", phase="request"),
        look_alikes=("firewall.client_egress",),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Allow tcp of the user {user} to {address} port {port}, before the rule that stops it.",
        component="firewall",
        direction="outbound",
        explains=rules.with_consequences(rules.one_user),
        silences=Joined(rules.one_user),
        culprit={"user": "{user}", "flow": "tcp to {address}:{port}", **_RULE},
    ),
    Cause(
        code="firewall.runtime_permanent_differ",
        meaning="What firewalld does with the flow now is not what it will do after its next start or reload.",
        summary="firewalld of {observer}, zone {zone}: {entries} {change}",
        proof=Joined(rules.other_after_reload),
        ruled_out=Joined(_reloads_to_the_same),
        look_alikes=("firewall.wrong_zone", "firewall.server_ingress"),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Make both the same: firewall-cmd with --permanent and then --reload, or --runtime-to-permanent.",
        component="firewalld",
        place="observer",
        explains=rules.with_consequences(rules.other_after_reload),
        culprit={"zone": "{zone}", "entries": "{entries}", **_RULE},
    ),
    Cause(
        code="firewall.wrong_zone",
        meaning="The interface is in another zone of firewalld than the one in which the port was opened.",
        summary="firewalld of {observer} has {interface} in zone {zone} ({zone_by}); the port is open in {opening}",
        proof=Joined(rules.other_zone),
        ruled_out=Joined(_opened_in_its_zone),
        look_alikes=("firewall.runtime_permanent_differ", "firewall.server_ingress"),
        remediation=Remediation("open_firewall", GUARDED),
        advice="Put {interface} into the zone {opening}, or open port {port} in the zone {zone}.",
        component="firewalld",
        place="observer",
        explains=rules.with_consequences(rules.other_zone),
        follows_from=("firewall.runtime_permanent_differ",),
        culprit={"interface": "{interface}", "zone": "{zone}", "opened_in": "{opening}", **_RULE},
    ),
    Cause(
        code="firewall.conflicting_managers",
        meaning="Two managers of packet filter rules are at work: what one allows, the other stops.",
        summary="on {observer}, {stopper} stops tcp to {address}:{port}, which {allower} allows",
        proof=Joined(rules.other_manager),
        ruled_out=_PASSES,
        look_alikes=("firewall.server_ingress", "firewall.client_egress"),
        remediation=Remediation("escalate", ESCALATE),
        advice="Decide who manages the rules of {observer}, and take those of the other away; a rule of either can stop the flow.",
        component="firewall",
        place="observer",
        explains=rules.with_consequences(rules.other_manager),
        follows_from=("firewall.banned",),
        culprit={"stopped_by": "{stopper}", "allowed_by": "{allower}", "allowing_rule": "{allowing_rule}", **_RULE},
    ),
    Cause(
        code="firewall.connection_limit",
        meaning="A rule lets no more than so many connections pass, or no more in a time, and the limit is reached.",
        summary="on {observer}, tcp to {address}:{port} is over the limit of a rule ({limit})",
        proof=Joined(rules.over_a_limit),
        # One connection opens, and many at once do not, and the server has not said why.
        suspicion=seen("pool.wait", ("warn", "fail"), open_failures=above(0), open_sqlstate="", bottleneck="server"),
        ruled_out=_PASSES,
        look_alikes=("firewall.server_ingress", "firewall.client_egress", "pool.exceeds_server"),
        decide_by="the rules for the flow on the host and on the server: one that counts connections, and its number",
        remediation=Remediation("open_firewall", GUARDED),
        advice="Raise the limit above what the application's pool may open, or make the pool smaller.",
        component="firewall",
        place="observer",
        explains=rules.with_consequences(rules.over_a_limit),
        culprit={"limit": "{limit}", **_RULE},
    ),
    Cause(
        code="firewall.middlebox_answers",
        meaning="Something on the way accepts connections in the server's place, and says nothing: the server does not answer.",
        summary="{middlebox} accepts connections to {address}:{port} in the place of {name}, and says nothing",
        proof=_NOTHING_SPEAKS & (Joined(rules.answered_nearer) | Joined(rules.accepted_by_nobody)),
        ruled_out=_SOMEBODY_SPEAKS | Joined(rules.answered_there),
        look_alikes=("server.hung",),
        remediation=Remediation("escalate", ESCALATE),
        advice="See whether the server serves, on the server itself; ask who runs the network what answers for it.",
        component="middlebox",
        place="path",
        explains=_NOTHING_SPEAKS,
        culprit={"flow": "tcp to {address}:{port}", "hop": "{hop}", "middlebox": "{middlebox}"},
    ),
    Cause(
        code="firewall.idle_timeout",
        meaning="Something on the way forgets connections that are idle: they work at first, and hang or break after a pause.",
        summary="an idle connection from {host} to {name}:{port} is dead after {idle_s} s ({how}); one with keepalives lives",
        proof=_DROPPED_IN_THE_END & seen("pool.idle", keepalive_alive=True),
        ruled_out=seen("pool.idle", alive=True) | seen("pool.idle", keepalive_alive=False),
        look_alikes=("balancer.idle_timeout",),
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Let the application send keepalives (keepalives_idle of libpq) well within {idle_s} s, or have the timeout raised.",
        component="connection tracking",
        place="path",
        culprit={"idle_s": "{idle_s}", "how": "{how}", "keepalives_idle_s": "{keepalives_idle_s}"},
    ),
)

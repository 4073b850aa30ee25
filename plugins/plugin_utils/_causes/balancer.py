# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes behind a load balancer. Its members asked one by one tell which of them it is; through it, only that some answers differ.

A member that no host but the balancer may reach tells nothing: only members that differ from each other do.

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
    Pattern,
    Seen,
    containing,
    given,
    member_saw,
    seen,
    unseen,
)

_LOGIN = ("postgresql.startup", "postgresql.login")
Numbered = t.Tuple[int, Observation]
_Chosen = t.Callable[[t.Dict[str, t.Any]], bool]

# What haproxy says where no member takes the request (its page of error 503).
BALANCER_WORDS = containing("no server is available to handle this request")
_ASK_THE_MEMBERS = "the members asked one by one: name them in the endpoint's members, or look at the balancer's own statistics"
# A timer ends both at the same time, give or take the second in which it looks.
_SAME_TIMER_S = 1.5

# The request went through the balancer, and was not served.
_FAILED_THROUGH_IT = seen("http.response", "fail") | seen("http.burst", ("warn", "fail"))
# What a balancer answers, or lets through, where a member gives it nothing.
_NOTHING_FROM_A_MEMBER = seen("http.response", "fail", status=(500, 502, 503, 504)) | seen("http.burst", ("warn", "fail"))
_CLOSED_AT_ONCE = (
    seen("http.response", "fail", error=("closed", "reset"))
    | seen("tls.handshake", "fail", error=("closed", "reset"))
    | seen("postgresql.ssl_request", "fail", answer=("closed", "reset"))
    | seen("postgresql.startup", "fail", result=("closed", "reset"))
)


def _losing(case: Case) -> Match | None:
    """Of many requests on connections of their own, some are served, and others meet what a bad member makes of them."""
    losing = [
        (number, burst["data"]) for number, burst in case.of("http.burst", "client")
        if burst["data"].get("mixed")
        and (burst["data"].get("errors") or any(status.startswith("5") for status in burst["data"].get("statuses") or {}))
    ]
    return Match(tuple(number for number, _data in losing), losing[0][1]) if losing else None


LOSES_REQUESTS = Joined(_losing)


def _members(case: Case, check: str, status: str) -> list[Numbered]:
    return [(number, observation) for number, observation in case.of(check, "member") if observation["status"] == status]


def _names(observations: t.Iterable[Numbered]) -> str:
    return ", ".join(dict.fromkeys(observation["target"] for _number, observation in observations))


def _apart(bad: t.Sequence[Numbered], good: t.Sequence[Numbered]) -> Match | None:
    """Some members differ from the others, and which."""
    if not bad or not good:
        return None
    # The member's own address and port are not the endpoint's.
    seen_of_it = {key: value for key, value in bad[0][1]["data"].items() if key not in ("address", "port")}
    facts = {**seen_of_it, "members": _names(bad), "serving": _names(good), "detail": bad[0][1]["message"]}
    return Match(tuple(number for number, _observation in (*bad, *good)), facts)


def _unconnected(chosen: _Chosen) -> Pattern:
    """Members that could not be connected to, so, while others could."""

    def match(case: Case) -> Match | None:
        bad = [one for one in _members(case, "tcp.connect", "fail") if chosen(one[1]["data"])]
        return _apart(bad, _members(case, "tcp.connect", "ok"))

    return Joined(match)


def _refused(data: dict[str, t.Any]) -> bool:
    return data.get("answer") == "rst"


def _unanswered(data: dict[str, t.Any]) -> bool:
    """Also what this host itself, or a firewall on the way, does to a member that is well."""
    return data.get("answer") != "local" and data.get("icmp_from") != "self" and data.get("dropped_here") != "all"


def _ill(case: Case) -> Match | None:
    """Members that are connected to, and do not serve what others do."""
    return _apart(_members(case, "http.response", "fail"), _members(case, "http.response", "ok"))


def _refusing_logins(case: Case) -> Match | None:
    """Members that refuse the login as the balancer's address did, while others grant it. A standby may be left out on purpose."""
    here = {login["data"].get("sqlstate") for check in _LOGIN for _number, login in case.of(check, "client") if login["status"] == "fail"}
    bad = [one for check in _LOGIN for one in _members(case, check, "fail") if one[1]["data"].get("sqlstate") in here - {None, ""}]
    return _apart(bad, _members(case, "postgresql.login", "ok"))


_ILL = Joined(_ill)
_A_MEMBER_REFUSES = _unconnected(_refused)
_A_MEMBER_IS_SILENT = _unconnected(_unanswered)


def _fingerprints(case: Case) -> dict[str, list[int]]:
    """The certificates that came through the balancer, with the numbers of the observations that name them."""
    found: dict[str, list[int]] = {}
    for check in ("tls.verify", "http.response"):
        for number, observation in case.of(check, "client"):
            found.setdefault(_certificate(observation), []).append(number)
    for number, burst in case.of("http.burst", "client"):
        for fingerprint in burst["data"].get("certificates") or {}:
            found.setdefault(fingerprint, []).append(number)
    return {fingerprint: numbers for fingerprint, numbers in found.items() if fingerprint}


def _other_certificate(case: Case) -> Match | None:
    """A member's certificate does not verify while another's does, and the balancer passes on what its members serve."""
    bad, good = _members(case, "tls.verify", "fail"), _members(case, "tls.verify", "ok")
    through = _fingerprints(case)
    passed_on = {_certificate(one) for _number, one in (*bad, *good)} & set(through)
    match = _apart(bad, good)
    return match + Match(tuple(number for one in sorted(passed_on) for number in through[one])) if match and passed_on else None


def _two_certificates(case: Case) -> Match | None:
    """Connections to one name, by one family of addresses, meet a certificate that verifies and another that does not."""
    verified = _members_of_name(case, "ok")
    bad, good = [], []
    for number, failed in _members_of_name(case, "fail"):
        others = [one for one in verified if _family(one[1]) == _family(failed) and _certificate(one[1]) not in ("", _certificate(failed))]
        if _certificate(failed) and failed["data"].get("verify_code") and others:
            bad.append((number, failed))
            good += others
    match = _apart(bad, good)
    return Match(tuple(dict.fromkeys(match.numbers)), {**match.facts, "fingerprint_sha256": _certificate(bad[0][1])}) if match else None


def _members_of_name(case: Case, status: str) -> list[Numbered]:
    verified = [one for one in case.of("tls.verify", "client") if one[1]["status"] == status]
    if status == "ok" or case.endpoint.get("proxy"):  # what comes through a proxy may be the proxy's own
        return verified
    return verified + [one for one in case.of("http.response", "client") if one[1]["data"].get("error") == "tls_failed"]


def _certificate(observation: Observation) -> str:
    data = observation["data"]
    return str(data.get("fingerprint_sha256") or data.get("certificate_fingerprint_sha256") or "")


def _family(observation: Observation) -> bool:
    return ":" in observation["data"].get("address", "")


def _one_timer(case: Case) -> Match | None:
    """An idle connection is ended without a word, and one with keepalives at the same time: a timer that looks at what is sent."""
    ended = [(number, idle["data"]) for number, idle in case.of("pool.idle", "client") if _is_timer(idle["data"])]
    return Match(tuple(number for number, _data in ended), ended[0][1]) if ended else None


def _is_timer(data: dict[str, t.Any]) -> bool:
    after, kept_after = data.get("died_after_s"), data.get("keepalive_died_after_s")
    silently = data.get("how") in ("closed", "reset") and data.get("keepalive_alive") is False
    return silently and after is not None and kept_after is not None and abs(after - kept_after) <= _SAME_TIMER_S


_SAME_TIME = Joined(_one_timer)
_BEHIND_A_BALANCER = member_saw("tcp.connect")

CAUSES = (
    Cause(
        code="balancer.no_members",
        meaning="The load balancer has no healthy member to send the request to.",
        summary="the load balancer {name}:{port} has no healthy member",
        proof=(seen("http.response", "fail", status=503, body_excerpt=BALANCER_WORDS) & unseen(LOSES_REQUESTS))
        | (_CLOSED_AT_ONCE & Seen("tcp.connect", {"answer": "rst"}, "fail", side="member", every=True)),
        ruled_out=seen("http.response", error="", body_excerpt=lambda text: not BALANCER_WORDS(text)) | member_saw("tcp.connect", "ok"),
        look_alikes=("server.unhealthy",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Bring the members behind the load balancer back.",
        component="load balancer",
        place="server",
        explains=_CLOSED_AT_ONCE | _FAILED_THROUGH_IT,
        culprit={"endpoint": "{name}:{port}", "status": "{status}", "body": "{body_excerpt}"},
    ),
    Cause(
        code="balancer.member_down",
        meaning="One member behind the load balancer does not serve; the others do.",
        summary="behind {name}:{port}, {members} does not serve, and {serving} does: {detail}",
        proof=_A_MEMBER_REFUSES
        | ((_A_MEMBER_REFUSES | _A_MEMBER_IS_SILENT) & LOSES_REQUESTS)
        | (_ILL & unseen(_FAILED_THROUGH_IT)),
        suspicion=_A_MEMBER_IS_SILENT | LOSES_REQUESTS,
        ruled_out=_ILL & unseen(member_saw("tcp.connect", "fail")) & _FAILED_THROUGH_IT,
        look_alikes=("balancer.health_check_blind",),
        decide_by=_ASK_THE_MEMBERS,
        remediation=Remediation("drain_member", GUARDED),
        advice="Drain the member at the load balancer, repair it, and put it back.",
        component="load balancer",
        place="server",
        explains=(member_saw("http.response", "ok") & _NOTHING_FROM_A_MEMBER) | _CLOSED_AT_ONCE,
        culprit={"member": "{members}"},
    ),
    Cause(
        code="balancer.health_check_blind",
        meaning="The load balancer's health check passes a member that does not serve, so a share of the requests fails.",
        summary="behind {name}:{port}, {members} is ill, and the load balancer sends it requests: {detail}",
        proof=(_ILL & _FAILED_THROUGH_IT) | Joined(_refusing_logins),
        suspicion=LOSES_REQUESTS,
        ruled_out=_A_MEMBER_REFUSES | (member_saw("http.response", "ok") & unseen(member_saw("http.response", "fail"))),
        look_alikes=("balancer.member_down", "server.unhealthy"),
        decide_by=_ASK_THE_MEMBERS,
        remediation=Remediation("escalate", ESCALATE),
        advice="Let the health check ask for what clients ask for, and drain the member until it is well.",
        component="load balancer",
        place="server",
        explains=(_ILL & _FAILED_THROUGH_IT) | (
            Joined(_refusing_logins) & (seen("postgresql.startup", "fail") | seen("postgresql.login", "fail"))),
        culprit={"member": "{members}", "status": "{status}"},
    ),
    Cause(
        code="balancer.member_certificate",
        meaning="One member behind the load balancer, or one address of the name, serves a certificate that does not verify; others don't.",
        summary="behind {name}:{port}, the certificate of {members} does not verify, and that of {serving} does ({verify_message})",
        proof=Joined(_other_certificate) | Joined(_two_certificates),
        suspicion=LOSES_REQUESTS & seen("http.burst", errors=lambda errors: "tls_failed" in (errors or {})),
        ruled_out=member_saw("tls.verify", "ok") & unseen(member_saw("tls.verify", "fail")),
        look_alikes=("tls.hostname_mismatch", "tls.certificate_expired"),
        decide_by="the certificate of each member, asked for one by one",
        remediation=Remediation("redeploy_certificate", GUARDED),
        advice="Deploy on that member the certificate that the others have.",
        component="certificate",
        place="server",
        explains=seen("tls.verify", "fail") | seen("http.response", "fail", error="tls_failed") | seen("tls.certificate", "warn")
        | seen("http.burst", ("warn", "fail")) | seen("postgresql.login", "fail", error_kind=("tls_verify", "tls_name")),
        culprit={"member": "{members}", "fingerprint_sha256": "{fingerprint_sha256}"},
    ),
    Cause(
        code="balancer.idle_timeout",
        meaning="The load balancer ends connections that are idle for less time than the application keeps them.",
        summary="connections to {name}:{port} are ended after {died_after_s} idle seconds, without a word of the server's",
        proof=_SAME_TIME & _BEHIND_A_BALANCER,
        suspicion=_SAME_TIME & unseen(_BEHIND_A_BALANCER),
        ruled_out=seen("pool.idle", "fail", keepalive_alive=True) | seen("pool.idle", "fail", sqlstate=given) | seen("pool.idle", "ok"),
        look_alikes=("firewall.idle_timeout",),
        decide_by="whether a connection to a member itself lives longer",
        remediation=Remediation("fix_agent_config", GUARDED),
        advice="Let the pool recycle or test connections before {died_after_s} idle seconds, or raise the load balancer's idle timeout.",
        component="load balancer",
        place="path",
        explains=seen("pool.idle", "fail"),
        culprit={"timeout_s": "{died_after_s}", "ended_by": "{how}"},
    ),
)

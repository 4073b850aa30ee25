# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what was seen to what is wrong: a pure function of a case, without I/O, the same live, on a saved report and in tests.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import string
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import AT_WORK, COMPLAINS, NOT_THROUGH
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_words import cited
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import Cause
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes._firewall_evidence import only_the_probe
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Joined, Match, Seen, seen, unseen
from ansible_collections.connectivity.doctor.plugins.plugin_utils._pace import own_time

# What remains of certainty when a proof stands, for each look-alike that nothing has excluded.
_PROVED = 0.99
_OPEN_LOOK_ALIKE = 0.9
# What candidates share when nothing decides between them.
_UNDECIDED = 0.9

# What tells whether an endpoint of a scheme works, from the far end down; the first that was tried decides.
_FINAL_CHECKS: dict[str, tuple[tuple[str, dict[str, t.Any]], ...]] = {
    "postgresql": (("postgresql.login", {}), ("postgresql.startup", {"purpose": "as_libpq"}), ("postgresql.ssl_request", {})),
    "http": (("http.response", {}),),
    "https": (("http.response", {}),),
    "tls": (("tls.verify", {}), ("tls.handshake", {})),
    "grpcs": (("http.response", {}), ("tls.verify", {}), ("tls.handshake", {})),
    "tcp": (("tcp.connect", {}),),
    "grpc": (("http.response", {}), ("tcp.connect", {})),
}
_WORKS = ("ok", "warn")
# Where one of these failed, what comes after it was never tried.
_ON_THE_WAY = ("dns.resolve", "tcp.connect", "tls.handshake", "tls.verify", "tls.client_certificate", "proxy.connect")
# The endpoint's own proxy is none, so that nothing could be asked.
_NO_WAY = Seen("proxy.url", {"variable": "given"}, "fail")
# Of many requests through a balancer some were served: it works, with losses.
_WITH_LOSSES = Seen("http.burst", {"mixed": True})
# What stops this host's own look at the endpoint, and not its agent.
_ONLY_THE_PROBE = Joined(only_the_probe)
# A login that a pooler grants is worth nothing when the first query after it fails.
_AFTER_LOGIN = "postgresql.session"
_AGENT_RUNS = ("service.unit", "service.process")
# The last word of an agent that writes a failure once is no matter of moments.
_AGENT_NOT_HEARD = seen("logs.family", "warn", stands=True, family=NOT_THROUGH) & COMPLAINS & unseen(AT_WORK)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """``state`` of an endpoint and its root ``causes``, the surest first; ``reason`` where the state is unknown or nothing explains it."""

    state: str
    reason: str
    causes: tuple[dict[str, t.Any], ...]


def infer(case: Case) -> Verdict:
    """:returns: the smallest set of root causes that explains what failed."""
    proved = {cause.code: match for cause in CATALOGUE.values() if (match := cause.proof.match(case))}
    proved = _without_consequences(case, proved)
    works = _works(case)
    explained = {number for code, match in proved.items() for number in _explained(CATALOGUE[code], match, case)}
    suspected = _suspected(case, proved, explained)
    causes = []
    for code, match in (*proved.items(), *suspected.items()):
        excluded = _excluded(case, CATALOGUE[code])
        confidence = _certainty(CATALOGUE[code], excluded, proved) if code in proved else round(_UNDECIDED / len(suspected), 2)
        causes.append(_told(case, CATALOGUE[code], match, excluded, confidence, "" if code in proved else CATALOGUE[code].decide_by))
    causes.sort(key=lambda cause: -cause["confidence"])
    return _verdict(case, works, _agent_is_silent(case, proved), causes)


def _without_consequences(case: Case, proved: dict[str, Match]) -> dict[str, Match]:
    """A cause all of whose trouble another one explains is a consequence of that, and no root cause."""
    consequences: set[str] = set()
    for code in proved:
        explains = CATALOGUE[code].explains
        explained = explains.match(case) if explains and code not in consequences else None
        for other, other_match in proved.items() if explained else ():
            trouble = {number for number in other_match.numbers if case.observations[number]["status"] == "fail"}
            if other != code and trouble and trouble <= set(explained.numbers):
                consequences.add(other)
    return {
        code: match for code, match in proved.items()
        if code not in consequences and not set(CATALOGUE[code].follows_from) & set(proved)
    }


def _works(case: Case) -> bool | None:
    """True where the far end was reached by some address, False where it failed, None where that could not be told."""
    others = _ONLY_THE_PROBE.match(case)
    if others:
        return True if others.facts["connected"] else None
    if Seen(_AFTER_LOGIN, {}, "fail").match(case):
        return False
    if _WITH_LOSSES.match(case):
        return True
    for check, facts in _FINAL_CHECKS[case.endpoint["scheme"]]:
        if Seen(check, facts, _WORKS).match(case):
            return None if _untold(case) else True
        if Seen(check, facts, "fail").match(case):
            return False
    return False if _NO_WAY.match(case) or any(Seen(check, {}, "fail").match(case) for check in _ON_THE_WAY) else None


def _untold(case: Case) -> bool:
    """Whether the check at the far end itself could not tell, so that what works stops short of it."""
    check, facts = _FINAL_CHECKS[case.endpoint["scheme"]][0]
    return Seen(check, facts, "cannot_tell").match(case) is not None and Seen(check, facts, _WORKS).match(case) is None


def _explained(cause: Cause, match: Match, case: Case) -> set[int]:
    more = cause.explains.match(case) if cause.explains else None
    return {*match.numbers, *(more.numbers if more else ())}


def _suspected(case: Case, proved: t.Mapping[str, Match], explained: set[int]) -> dict[str, Match]:
    """Candidates for what no proof explains; those that something excludes are out."""
    found = {}
    for cause in CATALOGUE.values():
        match = cause.suspicion.match(case) if cause.suspicion and cause.code not in proved else None
        if match and not explained & set(match.numbers) and not (cause.ruled_out and cause.ruled_out.match(case)):
            found[cause.code] = match
    return found


def _excluded(case: Case, cause: Cause) -> list[dict[str, t.Any]]:
    excluded = []
    for code in cause.look_alikes:
        like = CATALOGUE.get(code)
        match = like.ruled_out.match(case) if like and like.ruled_out else None
        if match:
            excluded.append({"code": code, "by": list(match.numbers)})
    return excluded


def _certainty(cause: Cause, excluded: t.Iterable[dict[str, t.Any]], proved: t.Mapping[str, Match]) -> float:
    closed = {item["code"] for item in excluded} | set(proved)
    return round(_PROVED * _OPEN_LOOK_ALIKE ** sum(like not in closed for like in cause.look_alikes), 2)


def _as_text(value: t.Any) -> t.Any:
    """Lists and mappings of facts as a person writes them."""
    if isinstance(value, dict):
        return ", ".join("%s %s" % item for item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else value


class _Facts(t.Dict[str, t.Any]):
    def __missing__(self, key: str) -> str:
        return "unknown"


def _fill(template: str, facts: _Facts) -> str:
    """On one line: what a peer said must not look like lines of ours."""
    return " ".join(string.Formatter().vformat(template, (), facts).split())


def _culprit(cause: Cause, facts: _Facts) -> dict[str, str]:
    """What of it the evidence names: a culprit is told exactly, or not at all."""
    told = {}
    for key, template in cause.culprit.items():
        fields = [field for _text, field, _spec, _conversion in string.Formatter().parse(template) if field]
        if all(facts.get(field) not in (None, "") for field in fields):
            told[key] = _fill(template, facts)
    return told


def _told(
    case: Case, cause: Cause, match: Match, excluded: list[dict[str, t.Any]], confidence: float, decide_by: str
) -> dict[str, t.Any]:
    endpoint = case.endpoint
    facts = _Facts(endpoint)
    facts.update({key: _as_text(value) for key, value in match.facts.items()})
    facts.update(host=case.host, endpoint=endpoint["name"], url=endpoint["url"], name=endpoint["host"])
    place = {
        "client": case.host,
        "server": endpoint.get("server") or endpoint["host"],
        "path": "between %s and %s" % (case.host, endpoint["host"]),
        "observer": match.facts.get("observer", case.host),
    }
    told: dict[str, t.Any] = {
        "code": cause.code,
        "confidence": confidence,
        "locus": {"host": place[match.facts.get("place", cause.place)], "component": cause.component,
                  "direction": cause.direction or _direction(cause, match)},
        "summary": _fill(cause.summary, facts),
        "culprit": _culprit(cause, facts),
        "evidence": list(dict.fromkeys((*match.numbers, *cited(case, cause.code)))),
        "excluded": excluded,
        "remediation": {"action": cause.remediation.action, "class": cause.remediation.kind, "parameters": {}},
        "advice": _fill(cause.advice, facts),
        "documentation": "docs/causes/%s.md" % cause.code,
    }
    if decide_by:
        told["decide_by"] = decide_by
    return told


def _direction(cause: Cause, match: Match) -> str:
    """Of what may be on either side, the evidence tells which way it is about."""
    direction = match.facts.get("direction", "") if cause.place == "observer" else ""
    return direction if direction in ("inbound", "outbound") else ""


def _agent_is_silent(case: Case, proved: t.Iterable[str]) -> bool:
    """Whether the host's agent does not report, whatever the host itself reaches: it does not run, or a cause that was proved keeps it."""
    if any(Seen(check, {}, "fail").match(case) for check in _AGENT_RUNS):
        return True
    return any(silences.match(case) is not None for code in proved if (silences := CATALOGUE[code].silences))


def _verdict(case: Case, works: bool | None, agent_is_silent: bool, causes: list[dict[str, t.Any]]) -> Verdict:
    if Seen("host.connection", {}).match(case):
        return Verdict("unknown", _why_unknown(case), tuple(causes))
    unheard = _AGENT_NOT_HEARD.match(case)
    if works is False or agent_is_silent or (unheard and causes):
        return Verdict("down", "" if causes else "what failed matches no known cause", tuple(causes))
    if causes:
        return Verdict("degraded", "", tuple(causes))
    if works is None:
        return Verdict("unknown", _why_unknown(case), ())
    if unheard:
        said = case.observations[unheard.numbers[0]]["message"]
        return Verdict("unknown", "this host reaches it, and its agent says that it does not: %s" % said, ())
    slow = own_time(case)
    return Verdict("degraded" if slow else "healthy", slow, ())


def _why_unknown(case: Case) -> str:
    messages = [observation["message"] for observation in case.own()
                if observation["status"] == "cannot_tell" or observation["check"] == "host.connection"]
    return messages[0] if messages else "nothing was observed"

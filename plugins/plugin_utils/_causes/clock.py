# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Causes in time. Two clocks that differ don't tell which one is wrong; the majority of three or four does.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import email.utils
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause, Remediation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Observation,
    Pattern,
    containing,
    described,
    empty,
    every,
    seen,
    unseen,
)

_EXPIRED, _NOT_YET_VALID = 10, 9
_DENIED = (401, 403)
_DEFAULT_LIMIT_S = 5.0
_FEWEST_VOICES = 3
# An HTTP Date has whole seconds (RFC 9110, section 5.6.7).
_DATE_GRAIN_S = 1.0
# The shortest time for which one-time passwords are valid (RFC 6238, section 5.2); tokens have more.
_SHORTEST_WINDOW_S = 30.0
_ABOUT_TIME = containing("expired", "not yet valid", "before issued", "in the future", "too old", "clock", "skew", "timestamp")

_OFF_CONTROLLER = seen("clock.offset", ("warn", "fail"), reference="controller")
_OFF_SERVER = seen("clock.offset", ("warn", "fail"), reference="server")
_OUT_OF_TIME = seen("tls.verify", "fail", verify_code=(_EXPIRED, _NOT_YET_VALID))
# What the controller's clock says of the certificates, whatever this host's says.
_REALLY_EXPIRED = seen("tls.certificate", chain=lambda chain: any((link.get("days_left") or 0) < 0 for link in chain or ()))


@dataclasses.dataclass(frozen=True)
class _Clock:
    """``ahead_s``: of this host's clock; ``weight``: how many voices it is in a vote."""

    name: str
    ahead_s: float
    uncertainty_s: float
    weight: int
    numbers: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Vote:
    """``right_s``: how far the clock that the majority has is ahead of this host's."""

    clocks: t.Mapping[str, _Clock]
    right: t.Collection[str]
    right_s: float

    def error_s(self, name: str) -> float | None:
        """How far a clock is ahead of the majority's; None for a clock of the majority."""
        return None if name in self.right or name not in self.clocks else round(self.clocks[name].ahead_s - self.right_s, 1)

    def match(self, name: str, facts: t.Mapping[str, t.Any]) -> Match:
        """Every clock that was heard is evidence of which one is wrong."""
        numbers = tuple(number for clock in self.clocks.values() for number in clock.numbers)
        voices = ["this host" if clock == "host" else "the " + clock for clock in self.right]
        return Match(numbers, {"offset_s": self.error_s(name), "majority": " and ".join(voices), **facts})


def _limit_s(case: Case) -> float:
    return float(case.endpoint.get("thresholds", {}).get("clock_offset_s", _DEFAULT_LIMIT_S))


def _followed(case: Case) -> tuple[int, Observation] | None:
    """The time source that this host's clock follows; where the daemon does not say whom, any that its configuration names."""
    hidden = seen("clock.synchronization", "cannot_tell", running=True).match(case) is not None
    sources = [(number, source) for number, source in case.of("clock.source", "client") if not source["data"].get("error")]
    chosen = [one for one in sources if one[1]["data"].get("selected")] or (sources if hidden else [])
    return chosen[0] if chosen else None


def _clocks(case: Case) -> dict[str, _Clock]:
    """This host's clock and those that it was compared with. A clock that follows another one is no voice of its own."""
    clocks: dict[str, _Clock] = {}
    for number, offset in case.of("clock.offset", "client"):
        data = offset["data"]
        name = {"ntp": "time servers"}.get(data["reference"], data["reference"])
        known = clocks.get(name)
        if known is None:
            clocks[name] = _Clock(name, -data["offset_s"], data["uncertainty_s"], 1, (number,))
        else:
            clocks[name] = dataclasses.replace(known, numbers=(*known.numbers, number))
    servers = clocks.get("time servers")
    follows = servers is not None and abs(servers.ahead_s) <= _limit_s(case) + servers.uncertainty_s and _followed(case) is not None
    return {"host": _Clock("host", 0.0, 0.0, 0 if follows else 1), **clocks}


def _vote(case: Case) -> _Vote | None:
    """None where no majority says what the time is."""
    clocks, limit = _clocks(case), _limit_s(case)
    if sum(clock.weight for clock in clocks.values()) < _FEWEST_VOICES:
        return None

    def agreeing(one: _Clock) -> frozenset[str]:
        return frozenset(other.name for other in clocks.values()
                         if abs(one.ahead_s - other.ahead_s) <= limit + one.uncertainty_s + other.uncertainty_s)

    def weight(names: t.Collection[str]) -> int:
        return sum(clocks[name].weight for name in names)

    groups = {agreeing(clock): clock for clock in clocks.values()}
    best = max(groups, key=weight)
    if weight(best) < 2 or any(weight(other) >= weight(best) and not other & best for other in groups):
        return None
    return _Vote(clocks, [name for name in clocks if name in best], groups[best].ahead_s)


def _wrong(name: str) -> Joined:
    def outvoted(case: Case) -> Match | None:
        vote = _vote(case)
        return vote.match(name, {}) if vote and vote.error_s(name) is not None else None

    return Joined(outvoted)


def _in_the_majority(case: Case) -> Match | None:
    vote = _vote(case)
    return vote.match("host", {}) if vote and "host" in vote.right else None


def _undecided(case: Case) -> Match | None:
    return Match() if _vote(case) is None else None


def _where(pattern: Pattern) -> Joined:
    """It narrows, and is neither evidence nor explained."""
    return Joined(lambda case: Match() if pattern.match(case) else None)


def _wrong_source(case: Case) -> Match | None:
    """The source that this host's clock follows is outvoted, by the other clocks or by the other sources."""
    source, vote = _followed(case), _vote(case)
    if source is None:
        return None
    number, facts = source[0], source[1]["data"]
    if vote and vote.error_s("time servers") is not None:
        outvoted = vote.match("time servers", facts)
        return Match((number, *outvoted.numbers), outvoted.facts)
    for compared, offset in case.of("clock.offset", "client"):
        if facts["address"] in offset["data"].get("outliers", ()):
            ahead = offset["data"]["offset_s"] - facts["offset_ms"] / 1000
            return Match((number, compared), {**facts, "offset_s": round(ahead, 1), "majority": "the other time servers"})
    return None


def _outside_window(case: Case) -> Match | None:
    """A credential that is valid only for a while was refused by a server whose clock is not this host's."""
    offsets = seen("clock.offset", ("warn", "fail"), reference="server", source="http.response").match(case)
    refused = [(number, answer["data"]) for number, answer in case.of("http.response", "client") if _refused_for_time(case, answer["data"])]
    if not offsets or not refused:
        return None
    data = refused[0][1]
    return Match((*(number for number, _data in refused), *offsets.numbers), {**data, **_whose(case, data["clock_offset_s"])})


def _refused_for_time(case: Case, data: t.Mapping[str, t.Any]) -> bool:
    skew = data.get("clock_offset_s")
    is_refused = data.get("status") in _DENIED and bool(data.get("credential_sent"))
    return is_refused and skew is not None and abs(skew) > _limit_s(case) + _DATE_GRAIN_S and _for_time(case, data, skew)


def _for_time(case: Case, data: t.Mapping[str, t.Any], skew: float) -> bool:
    """Whether the time is why. A credential's own words decide, then the server's; else it is so where the clocks differ by enough."""
    begins, ends = data.get("credential_from"), data.get("credential_until")
    if begins is not None or ends is not None:
        served = email.utils.parsedate_to_datetime(data["date"]).timestamp()
        vote = _vote(case)
        right = served - skew + (vote.right_s if vote else 0.0)

        def within(now: float) -> bool:
            return (begins is None or begins <= now) and (ends is None or now <= ends)

        return not within(served) and (within(right) or within(served - skew))
    return _ABOUT_TIME(data.get("body_excerpt")) or _ABOUT_TIME(data.get("reason_phrase")) or abs(skew) >= _SHORTEST_WINDOW_S


def _whose(case: Case, skew: float) -> dict[str, t.Any]:
    """Whose clock it is that is wrong, where a majority says so."""
    vote = _vote(case)
    server = case.endpoint.get("server") or case.endpoint["host"]
    for name, place in (("host", case.host), ("server", server)):
        error = vote.error_s(name) if vote else None
        if error is not None:
            return {"observer": place, "wrong_clock": "the clock of %s is off by %s s" % (place, error), "offset_s": error}
    return {"wrong_clock": "the clocks of %s and %s differ by %s s" % (case.host, server, abs(skew)), "offset_s": -skew}


# Whose trouble a clock that drifts can be: an agent stamps what it sends, and certificates and tokens have their times.
_TIME_MATTERS = _where(described(agent=bool) | _OUT_OF_TIME | _OFF_SERVER | seen("http.response", "fail", status=_DENIED))
_DAEMON_STOPPED = seen(
    "clock.synchronization", "fail", running=False, enabled=True, unit_state=("inactive", "failed"), skipped=lambda skipped: not skipped)
# Where the kernel says that its clock is kept right, another program does it, such as one that follows a machine's own clock device.
_NEVER_ANSWERED = seen("clock.synchronization", "fail", running=True, reachable=0, configured=bool, kernel_synchronized=empty) | seen(
    "clock.synchronization", "cannot_tell", running=True, kernel_synchronized=False)
_NO_SOURCE = seen("clock.synchronization", "fail", running=True, sources=0, configured=empty, kernel_synchronized=empty)
# Without a way to anybody, that no time server answers is the least of it.
_HAS_NETWORK = _where(seen("tcp.connect", answer=("accepted", "rst")))

CAUSES = (
    Cause(
        code="clock.client_skew",
        meaning="The host's clock is wrong, so that certificates and tokens look expired or not yet valid to it.",
        summary="{host}'s clock is off by {offset_s} s",
        proof=_wrong("host") | (_OFF_CONTROLLER & _OUT_OF_TIME & unseen(seen("clock.offset", "ok", reference=("server", "ntp")))),
        suspicion=_OFF_SERVER & Joined(_undecided),
        ruled_out=Joined(_in_the_majority)
        | (seen("clock.offset", "ok", reference="controller") & unseen(seen("clock.offset", ("warn", "fail"), reference="ntp"))),
        look_alikes=("clock.server_skew", "tls.certificate_expired", "tls.certificate_not_yet_valid"),
        decide_by="a third clock, such as a time server that both can reach",
        explains=(_OUT_OF_TIME & unseen(_REALLY_EXPIRED))
        | (seen("postgresql.login", "fail", error_kind="tls_verify") & unseen(_REALLY_EXPIRED))
        | (seen("http.response", error="tls_failed") & unseen(_REALLY_EXPIRED)) | seen("tls.certificate", "warn"),
        follows_from=("clock.wrong_source", "clock.token_window"),
        remediation=Remediation("fix_time", GUARDED),
        advice="Set the host's clock by NTP, and keep it synchronized.",
        component="clock",
        culprit={"offset_s": "{offset_s}"},
    ),
    Cause(
        code="clock.server_skew",
        meaning="The server's clock is wrong; this host's is right.",
        summary="the clock of {name} is off by {offset_s} s",
        proof=_wrong("server"),
        suspicion=_OFF_SERVER & Joined(_undecided),
        ruled_out=seen("clock.offset", "ok", reference="server"),
        look_alikes=("clock.client_skew",),
        decide_by="a third clock, such as a time server that both can reach",
        follows_from=("clock.token_window",),
        remediation=Remediation("escalate", ESCALATE),
        advice="Have the server's clock set by NTP.",
        component="clock",
        place="server",
        culprit={"offset_s": "{offset_s}"},
    ),
    Cause(
        code="clock.not_synchronized",
        meaning="The host is set up to keep its clock right, and nothing does: its time daemon is stopped, or no source ever answers it.",
        summary="{host}: {daemon} does not keep the clock right (running: {running}, {reachable} of {sources} sources answer)",
        proof=_TIME_MATTERS & (
            _DAEMON_STOPPED | (_NEVER_ANSWERED & every("clock.source", "fail") & _HAS_NETWORK) | (_NO_SOURCE & _HAS_NETWORK)),
        ruled_out=seen("clock.synchronization", "ok"),
        look_alikes=("clock.wrong_source",),
        remediation=Remediation("start_time_daemon", AUTOMATIC),
        advice="Start and enable {unit}; give it time servers that answer this host by UDP, port 123.",
        component="time daemon",
        culprit={"unit": "{unit}", "state": "{unit_state}", "reachable_sources": "{reachable}"},
    ),
    Cause(
        code="clock.wrong_source",
        meaning="The host follows a time source that is wrong: the other clocks agree with each other, and not with it.",
        summary="{host} follows the time server {server} ({address}), which is off by {offset_s} s against {majority}",
        proof=Joined(_wrong_source),
        ruled_out=seen("clock.offset", "ok", reference="ntp") & seen("clock.offset", "ok", reference="controller"),
        look_alikes=("clock.client_skew",),
        remediation=Remediation("fix_time", GUARDED),
        advice="Take {server} out of {file}, and give the host time servers that agree, three or more.",
        component="time source",
        culprit={"source": "{server}", "address": "{address}", "offset_s": "{offset_s}", "file": "{file}", "line": "{line}"},
    ),
    Cause(
        code="clock.token_window",
        meaning="A credential that is valid only for a while is refused, as the clocks of host and server differ by more than that.",
        summary="{host}: {name} refuses the credential ({status}) for its time: {wrong_clock}",
        proof=Joined(_outside_window),
        ruled_out=seen("clock.offset", "ok", reference="server"),
        look_alikes=("credential.rejected",),
        decide_by="the same request when both clocks are right",
        explains=seen("http.response", "fail", status=_DENIED),
        remediation=Remediation("fix_time", GUARDED),
        advice="Set the wrong clock by NTP, and keep it synchronized; the credential itself may be good.",
        component="clock",
        place="observer",
        culprit={"offset_s": "{offset_s}", "status": "{status}"},
    ),
)

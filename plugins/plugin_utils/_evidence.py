# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language in which causes are written: patterns over observations, which say what shows a cause and what rules it out.

A pattern that matches names the observations it matched. They are the proof: take one away, and the cause is gone.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import dataclasses
import typing as t

Observation = t.Dict[str, t.Any]
_CONTROLLER = {"host": "controller", "address": "", "user": ""}


def concluded(
    check: str, status: str, target: str, data: dict[str, t.Any], message: str, reproduce: str = "", vantage: dict[str, str] | None = None,
) -> Observation:
    """An observation that the controller makes of others; it has no moment and takes no time."""
    return {
        "check": check, "status": status, "target": target, "vantage": vantage or dict(_CONTROLLER), "data": data,
        "message": message, "reproduce": reproduce, "started_at": "", "duration_ms": 0.0,
    }


@dataclasses.dataclass(frozen=True)
class Case:
    """All that was seen of one endpoint from one host: its own observations, the host's, and the server's own where it was asked."""

    host: str
    endpoint: t.Mapping[str, t.Any]
    observations: t.Sequence[Observation]

    def of(self, check: str, side: str) -> t.Iterator[tuple[int, Observation]]:
        """Observations of one check with their numbers.

        :param side: made by this host of the endpoint (``client``), of one member behind it (``member``), or by its server (``server``).
        """
        for number, observation in enumerate(self.observations):
            if observation["check"] == check and observation.get("side", "client") == side:
                yield number, observation

    def own(self) -> t.Iterator[Observation]:
        """What this host saw itself."""
        return (observation for observation in self.observations if observation.get("side", "client") == "client")


@dataclasses.dataclass(frozen=True)
class Match:
    """``numbers`` of the observations that matched, and their facts by name, the first observation's winning."""

    numbers: tuple[int, ...] = ()
    facts: t.Mapping[str, t.Any] = dataclasses.field(default_factory=dict)

    def __add__(self, other: Match) -> Match:
        numbers = tuple(dict.fromkeys((*self.numbers, *other.numbers)))
        return Match(numbers, {**other.facts, **self.facts})


class Pattern:
    """Something that a case shows, or doesn't."""

    def match(self, case: Case) -> Match | None:
        raise NotImplementedError

    def __and__(self, other: Pattern) -> Pattern:
        return _Both(self, other)

    def __or__(self, other: Pattern) -> Pattern:
        return _Either(self, other)


def _holds(wanted: t.Any, value: t.Any) -> bool:
    """A wanted fact is a value, a tuple of values, or a function of the value, which is None where the fact is missing."""
    if callable(wanted):
        return bool(wanted(value))
    return value in wanted if isinstance(wanted, tuple) else value == wanted


@dataclasses.dataclass(frozen=True)
class Seen(Pattern):
    """At least one observation of this check has these facts; every one that has them is evidence.

    With ``every``, all observations of the check must have them.
    """

    check: str
    facts: t.Mapping[str, t.Any]
    status: str | tuple[str, ...] | None = None
    side: str = "client"
    every: bool = False

    def match(self, case: Case) -> Match | None:
        numbers: list[int] = []
        facts: t.Mapping[str, t.Any] = {}
        for number, observation in case.of(self.check, self.side):
            if self._fits(observation):
                facts = facts or {"target": observation["target"], **observation["data"]}
                numbers.append(number)
            elif self.every:
                return None
        return Match(tuple(numbers), facts) if numbers else None

    def _fits(self, observation: Observation) -> bool:
        if self.status is not None and not _holds(self.status, observation["status"]):
            return False
        data = observation["data"]
        return all(_holds(wanted, data.get(key)) for key, wanted in self.facts.items())


def seen(check: str, wanted: str | tuple[str, ...] | None = None, /, **facts: t.Any) -> Seen:
    """The host itself saw this."""
    return Seen(check, facts, wanted)


def every(check: str, wanted: str | tuple[str, ...] | None = None, /, **facts: t.Any) -> Seen:
    """The host itself saw this and, of this check, nothing else."""
    return Seen(check, facts, wanted, every=True)


def server_saw(check: str, wanted: str | tuple[str, ...] | None = None, /, **facts: t.Any) -> Seen:
    """The endpoint's server saw this on its own side."""
    return Seen(check, facts, wanted, side="server")


def member_saw(check: str, wanted: str | tuple[str, ...] | None = None, /, **facts: t.Any) -> Seen:
    """The host saw this of one member behind the endpoint, asked directly."""
    return Seen(check, facts, wanted, side="member")


@dataclasses.dataclass(frozen=True)
class _Both(Pattern):
    first: Pattern
    second: Pattern

    def match(self, case: Case) -> Match | None:
        first = self.first.match(case)
        second = self.second.match(case) if first else None
        return first + second if first and second else None


@dataclasses.dataclass(frozen=True)
class _Either(Pattern):
    """All the branches that match are evidence, not only the first."""

    first: Pattern
    second: Pattern

    def match(self, case: Case) -> Match | None:
        first, second = self.first.match(case), self.second.match(case)
        return first + second if first and second else first or second


@dataclasses.dataclass(frozen=True)
class _Unseen(Pattern):
    pattern: Pattern

    def match(self, case: Case) -> Match | None:
        return Match() if self.pattern.match(case) is None else None


def unseen(pattern: Pattern) -> Pattern:
    """Nothing of the kind was seen. It narrows a pattern and is no evidence by itself."""
    return _Unseen(pattern)


@dataclasses.dataclass(frozen=True)
class _Described(Pattern):
    facts: t.Mapping[str, t.Any]

    def match(self, case: Case) -> Match | None:
        return Match() if all(_holds(wanted, case.endpoint.get(key)) for key, wanted in self.facts.items()) else None


def described(**facts: t.Any) -> Pattern:
    """The endpoint is described so by the user. It narrows a pattern and is no evidence by itself."""
    return _Described(facts)


@dataclasses.dataclass(frozen=True)
class Joined(Pattern):
    """A relation between several observations, given as a pure function of the case.

    Where a fact that it needs was not observed, as of a probe that could not tell, the relation is not shown.
    """

    function: t.Callable[[Case], Match | None]

    def match(self, case: Case) -> Match | None:
        try:
            return self.function(case)
        except KeyError:
            return None


def above(limit: float) -> t.Callable[[t.Any], bool]:
    return lambda value: value is not None and value > limit


def below(limit: float) -> t.Callable[[t.Any], bool]:
    return lambda value: value is not None and value < limit


def containing(*words: str) -> t.Callable[[t.Any], bool]:
    """Any of these words, in lower case, is in the text."""
    return lambda value: any(word in str(value or "").lower() for word in words)


def empty(value: t.Any) -> bool:
    return not value


def given(value: t.Any) -> bool:
    return bool(value)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The algebra of patterns: what matches, what is cited, and that nothing is cited which did not match."""
from __future__ import annotations

import itertools
import typing as t

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import (
    Case,
    Joined,
    Match,
    Pattern,
    above,
    below,
    containing,
    described,
    empty,
    every,
    member_saw,
    seen,
    server_saw,
    unseen,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import given as given_fact


def observation(check: str, status: str = "ok", side: str = "", **data: t.Any) -> dict[str, t.Any]:
    made = {"check": check, "status": status, "target": "the target", "data": data}
    return {**made, "side": side} if side else made


def case(*observations: dict[str, t.Any], **endpoint: t.Any) -> Case:
    return Case("web1", endpoint, observations)


def cited(pattern: Pattern, of: Case) -> tuple[int, ...] | None:
    match = pattern.match(of)
    return match.numbers if match else None


TWO = case(observation("a", "ok", x=1), observation("a", "fail", x=2), observation("b", "ok", side="server", x=1))


def test_each_side_has_its_own_observations() -> None:
    three = case(observation("a"), observation("a", side="member"), observation("a", side="server"))
    assert [cited(saw("a"), three) for saw in (seen, member_saw, server_saw)] == [(0,), (1,), (2,)]
    assert cited(every("a", "ok"), three) == (0,)


@pytest.mark.parametrize(("pattern", "numbers"), [
    (seen("a"), (0, 1)),
    (seen("a", "fail"), (1,)),
    (seen("a", ("fail", "ok")), (0, 1)),
    (seen("a", x=1), (0,)),
    (seen("a", x=(1, 2)), (0, 1)),
    (seen("a", x=3), None),
    (seen("a", y=None), (0, 1)),
    (seen("a", y=given_fact), None),
    (seen("a", x=above(1)), (1,)),
    (seen("a", x=below(2)), (0,)),
    (seen("a", "fail", x=1), None),
    (every("a", x=(1, 2)), (0, 1)),
    (every("a", x=1), None),
    (every("a", x=2), None),
    (every("c"), None),
    (seen("b"), None),
    (server_saw("b"), (2,)),
    (server_saw("b", x=2), None),
    (server_saw("a"), None),
    (unseen(seen("a", x=3)), ()),
    (unseen(seen("a", x=1)), None),
    (seen("a", x=1) & server_saw("b"), (0, 2)),
    (seen("a", x=1) & seen("b"), None),
    (seen("b") & seen("a", x=1), None),
    (seen("a", x=2) | seen("b"), (1,)),
    (seen("b") | seen("a", x=2), (1,)),
    (seen("a", x=2) | seen("a", x=1), (1, 0)),
    (seen("a") & seen("a", x=1), (0, 1)),
    (seen("b") | seen("c"), None),
    (seen("a", x=1) & unseen(seen("c")), (0,)),
    (Joined(lambda one: Match((2,), {"k": "v"}) if one.host == "web1" else None), (2,)),
])
def test_what_matches_and_what_is_cited(pattern: Pattern, numbers: tuple[int, ...] | None) -> None:
    assert cited(pattern, TWO) == numbers


def test_the_facts_of_the_first_observation_win() -> None:
    match = seen("a").match(TWO)
    assert match is not None and match.facts == {"target": "the target", "x": 1}
    both = (seen("a", x=2) & server_saw("b")).match(TWO)
    assert both is not None and both.facts["x"] == 2
    either = (seen("c") | server_saw("b")).match(TWO)
    assert either is not None and either.facts["x"] == 1


def test_what_is_described_by_the_user_is_no_evidence() -> None:
    assert described(proxy="").match(case(proxy="")) == Match()
    assert described(proxy="").match(case(proxy="http://p:1")) is None
    assert described(proxy=given_fact).match(case(proxy="http://p:1")) == Match()
    assert described(proxy=None).match(case()) == Match()


@pytest.mark.parametrize(("predicate", "value", "holds"), [
    (above(3), 4, True), (above(3), 3, False), (above(3), None, False),
    (below(3), 2, True), (below(3), 3, False), (below(3), None, False),
    (containing("https port"), "... to HTTPS port", True), (containing("x", "y"), "zyz", True), (containing("x"), None, False),
    (empty, [], True), (empty, None, True), (empty, "", True), (empty, [0], False),
    (given_fact, "a", True), (given_fact, 0, False), (given_fact, None, False),
])
def test_predicates_of_facts(predicate: t.Callable[[t.Any], bool], value: t.Any, holds: bool) -> None:
    assert predicate(value) is holds


_SEEN = st.builds(seen, st.sampled_from("ab"), st.sampled_from([None, "ok", "fail"]), x=st.integers(0, 2))
_PATTERNS = st.recursive(
    _SEEN | st.builds(server_saw, st.just("b"), x=st.integers(0, 2)) | st.builds(every, st.sampled_from("ab"), x=st.integers(0, 2)),
    lambda inner: st.builds(lambda a, b: a & b, inner, inner) | st.builds(lambda a, b: a | b, inner, inner) | st.builds(unseen, inner),
    max_leaves=6)
_CASES = st.lists(
    st.builds(observation, st.sampled_from("ab"), st.sampled_from(["ok", "fail"]), st.sampled_from(["", "server"]), x=st.integers(0, 2)),
    max_size=5).map(lambda observations: case(*observations))


@settings(max_examples=500, deadline=None)
@given(_PATTERNS, _PATTERNS, _CASES)
def test_the_laws_of_the_algebra(one: Pattern, other: Pattern, of: Case) -> None:
    first, second = one.match(of), other.match(of)
    both, either = (one & other).match(of), (one | other).match(of)
    assert (both is not None) == (first is not None and second is not None)
    assert (either is not None) == (first is not None or second is not None)
    assert (unseen(one).match(of) is None) == (first is not None)
    for match, parts in ((both, (first, second)), (either, (first, second))):
        if match is not None:
            numbers = set(itertools.chain.from_iterable(part.numbers for part in parts if part is not None))
            assert set(match.numbers) == numbers and len(match.numbers) == len(numbers)
            assert all(0 <= number < len(of.observations) for number in match.numbers)


@settings(max_examples=500, deadline=None)
@given(_SEEN, _CASES)
def test_what_was_seen_is_gone_with_all_its_evidence(pattern: Pattern, of: Case) -> None:
    match = pattern.match(of)
    if match is not None:
        rest = [one for number, one in enumerate(of.observations) if number not in match.numbers]
        assert match.numbers and pattern.match(case(*rest)) is None

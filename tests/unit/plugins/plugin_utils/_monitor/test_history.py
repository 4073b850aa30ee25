# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an endpoint's past makes of its present."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._monitor._history import advanced, window_s

_BEGAN = 1_800_000_000.0
Told = dict[str, t.Any]


def after(states: t.Iterable[str], every_s: float = 30, windows: tuple[str, ...] = ("5m", "1h")) -> list[Told]:
    """What is told after each of these runs."""
    told: list[Told] = []
    for number, state in enumerate(states):
        told.append(advanced(told[-1] if told else None, state, _BEGAN + number * every_s, 1, windows))
    return told


def test_the_first_run_has_no_state_before_it() -> None:
    (told,) = after(["down"])
    assert (told["previous"], told["changes"], told["since"]) == ("", 0, "2027-01-15T08:00:00.000Z")


def test_a_state_lasts_since_it_was_first_seen() -> None:
    told = after(["healthy", "healthy", "down", "down"])
    assert [one["since"][14:19] for one in told] == ["00:00", "00:00", "01:00", "01:00"]
    assert [one["changes"] for one in told] == [0, 0, 1, 1]
    assert told[-1]["previous"] == "healthy"


def test_a_window_has_the_runs_of_its_time_and_no_others() -> None:
    told = after(["down"] * 10 + ["healthy"] * 10)[-1]
    assert told["windows"] == {
        "5m": {"checks": 10, "successes": 10, "success_rate": 1.0}, "1h": {"checks": 20, "successes": 10, "success_rate": 0.5}}


def test_what_works_with_a_warning_succeeds_and_what_nobody_can_tell_does_not_count() -> None:
    told = after(["degraded", "unknown", "down", "healthy"])[-1]
    assert told["windows"]["5m"] == {"checks": 3, "successes": 2, "success_rate": 0.6667}
    assert told["totals"] == {"checks": 3, "successes": 2, "retries": 0}
    assert after(["unknown"])[-1]["windows"]["5m"]["success_rate"] is None


def test_retries_add_up() -> None:
    first = advanced(None, "down", _BEGAN, 4, ["5m"])
    assert advanced(first, "healthy", _BEGAN + 30, 2, ["5m"])["totals"]["retries"] == 4


@pytest.mark.parametrize(("states", "flapping"), [
    (["healthy"] * 20 + ["down"], False),
    (["healthy", "down"] * 3, False),
    (["healthy", "down"] * 4, True),
    (["healthy", "down"] * 4 + ["healthy"] * 17, True),
    (["healthy", "down"] * 4 + ["healthy"] * 18, False),
])
def test_flapping_begins_with_six_changes_of_twenty_and_ends_below_four(states: list[str], flapping: bool) -> None:
    assert after(states)[-1]["flapping"] is flapping


def test_the_past_is_bounded() -> None:
    told = after(["healthy"] * 200, every_s=1, windows=("1m",))
    assert len(told[-1]["recent"]) <= 61
    assert told[-1]["totals"]["checks"] == 200
    assert len(after(["healthy"] * 1600, every_s=1, windows=("1h",))[-1]["recent"]) == 1500


def test_a_clock_that_is_set_back_leaves_no_runs_of_the_future() -> None:
    told = after(["down"] * 5)[-1]
    again = advanced(told, "healthy", _BEGAN - 3600, 1, ["5m"])
    assert again["windows"]["5m"] == {"checks": 1, "successes": 1, "success_rate": 1.0}


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "-5m", "5d", "1.5h"])
def test_what_is_no_length_of_time_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        window_s(text)

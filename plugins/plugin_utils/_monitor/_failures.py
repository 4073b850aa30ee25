# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The last failures, with all that was observed, within bounds. Pure functions.


This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import json
import typing as t

from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp

Row = t.Mapping[str, t.Any]
Failure = t.Dict[str, t.Any]

_MOST_OF_AN_ENDPOINT = 3
_MOST = 30
# Characters, as JSON: of one failure's observations, and of all that are kept.
_LARGEST, _LARGEST_TOGETHER = 96 * 1024, 512 * 1024


def kept(failures: t.Sequence[Failure], name: str, before: Row | None, row: Row, at: float) -> list[Failure]:
    """:param failures: the newest first. :param before: the endpoint's entry of the last state file. :param row: of the report, now.

    :returns: with this one, where it is another trouble than before.
    """
    if row["state"] == "healthy" or (before and _trouble(before) == _trouble(row)):
        return list(failures)
    shown, left_out = _bounded(row)
    failure = {"endpoint": name, "at": timestamp(at), "left_out": left_out, "row": shown}
    return _newest([failure, *failures])


def of_endpoints(failures: t.Iterable[Failure], names: t.Container[str]) -> list[Failure]:
    """Without those of endpoints that are no longer looked at."""
    return [failure for failure in failures if failure["endpoint"] in names]


def _trouble(row: Row) -> tuple[str, list[str]]:
    return row["state"], sorted(cause["code"] for cause in row["causes"])


def _newest(failures: t.Iterable[Failure]) -> list[Failure]:
    chosen: list[Failure] = []
    size = 0
    for failure in failures:
        size += len(json.dumps(failure))
        of_it = sum(one["endpoint"] == failure["endpoint"] for one in chosen)
        if of_it < _MOST_OF_AN_ENDPOINT and len(chosen) < _MOST and size <= _LARGEST_TOGETHER:
            chosen.append(failure)
    return chosen


def _bounded(row: Row) -> tuple[dict[str, t.Any], int]:
    """The row with as many observations as there is room for: first those that a cause cites, then those of failures."""
    cited = {number for cause in row["causes"] for number in _cited(cause)}
    observations = row["observations"]
    ranked = sorted(range(len(observations)), key=lambda number: (number not in cited, observations[number]["status"] == "ok"))
    chosen, size = [], 0
    for number in ranked:
        size += len(json.dumps(observations[number]))
        if size <= _LARGEST:
            chosen.append(number)
    places = {number: place for place, number in enumerate(sorted(chosen))}
    shown = {**row, "observations": [observations[number] for number in places],
             "causes": [_renumbered(cause, places) for cause in row["causes"]]}
    return shown, len(observations) - len(chosen)


def _cited(cause: t.Mapping[str, t.Any]) -> list[int]:
    return [*cause["evidence"], *(number for like in cause["excluded"] for number in like["by"])]


def _renumbered(cause: t.Mapping[str, t.Any], places: t.Mapping[int, int]) -> dict[str, t.Any]:
    def moved(numbers: t.Iterable[int]) -> list[int]:
        return [places[number] for number in numbers if number in places]

    excluded = [{**like, "by": moved(like["by"])} for like in cause["excluded"]]
    return {**cause, "evidence": moved(cause["evidence"]), "excluded": excluded}

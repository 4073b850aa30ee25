# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as one page that needs no network: ``page.html`` with its style, its script, and the report as compact data.

The script builds the page from the data by text nodes only, and the page's own policy runs no other script: what a peer said can be shown,
and can do nothing. Texts are kept once and named by number, records are lists, so that ten thousand hosts fit.

This plugin util is private to the collection; it can change at any time.
"""
from __future__ import annotations

import base64
import hashlib
import json
import pathlib
import string
import typing as t

from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._reading import (
    WORST_FIRST,
    Cause,
    Endpoint,
    Observation,
    Report,
    evidence,
    rows,
    started_ms,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._renderers._text import visible, visible_lines

_FOLDER = pathlib.Path(__file__).parent
_STATUSES = ("ok", "warn", "fail", "cannot_tell", "skipped")
_TELLING = ("warn", "fail", "cannot_tell")
_OF_A_REMEDIATION = ("host", "endpoint", "code", "action", "summary", "result", "detail", "undo", "request")
# Up to so many observations the page has the words of all of them; beyond, of those that tell something. The timings are always there.
_MOST_FULL = 20_000
# What no one needs to the last digit, and what makes up most of the page.
_MS_DIGITS = 1


def render_html(report: Report) -> str:
    page = string.Template((_FOLDER / "page.html").read_text(encoding="utf-8"))
    style, script = ((_FOLDER / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return page.substitute(
        generated_at=_harmless(visible(report["generated_at"])), style=style, style_hash=_hash(style), script=script,
        script_hash=_hash(script), data=_harmless(json.dumps(_data(report), separators=(",", ":"))),
    )


def _hash(text: str) -> str:
    """As a content security policy names an inline element (CSP level 3, 2.3.1)."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _harmless(encoded: str) -> str:
    """JSON without what HTML could take for markup: the same text for a JSON reader."""
    return encoded.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class _Texts:
    """Each text once, by its number."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self.shown)
            self.shown.append(visible(text))
        return number


def _data(report: Report) -> dict[str, t.Any]:
    """What ``page.js`` reads; the order of the fields of each list is written there once more, and nowhere else."""
    texts = _Texts()
    names = {name: number for number, name in enumerate(dict.fromkeys(row.name for row in rows(report)))}
    hosts = {host: number for number, host in enumerate(report["hosts"])}
    every_word = sum(len(row.endpoint["observations"]) for row in rows(report)) <= _MOST_FULL
    return {
        "generated_at": report["generated_at"],
        "duration_s": report["duration_s"],
        "summary": report["summary"],
        "states": WORST_FIRST,
        "statuses": _STATUSES,
        "every_word": every_word,
        "endpoints": list(map(visible, names)),
        "hosts": [
            [visible(host), [_cell(names[name], endpoint, texts, every_word) for name, endpoint in seen["endpoints"].items()]]
            for host, seen in report["hosts"].items()
        ],
        "incidents": [_incident(incident, names, hosts) for incident in report["incidents"]],
        "remediations": [["\n".join(visible_lines(one.get(key, ""))) for key in _OF_A_REMEDIATION] for one in report["remediations"]],
        "of_a_remediation": _OF_A_REMEDIATION,
        "texts": texts.shown,
    }


def _incident(incident: t.Mapping[str, t.Any], names: t.Mapping[str, int], hosts: t.Mapping[str, int]) -> list[t.Any]:
    return [incident["code"], names[incident["endpoint"]], [hosts[host] for host in incident["hosts"]],
            visible(incident["shared"].get("group", "")), visible(incident["summary"]), incident["next"]]


def _cell(name: int, endpoint: Endpoint, texts: _Texts, every_word: bool) -> list[t.Any]:
    observations = endpoint["observations"]
    cited = {number for cause in endpoint["causes"] for number in _cited(cause)}
    # What the server saw, it saw later and by its own clock: that has no place among the host's own.
    starts = [None if observation.get("side") == "server" else started_ms(observation) for observation in observations]
    first = min((start for start in starts if start is not None), default=0.0)
    return [
        name,
        WORST_FIRST.index(endpoint["state"]),
        texts.number(endpoint["reason"]),
        texts.number(endpoint["url"]),
        list(map(texts.number, endpoint["workflow"])),
        [_cause(cause, evidence(endpoint, cause), texts) for cause in endpoint["causes"]],
        [
            _observation(observation, None if start is None else round(start - first, _MS_DIGITS), texts,
                         every_word or number in cited or (endpoint["state"] != "healthy" and observation["status"] in _TELLING))
            for number, (observation, start) in enumerate(zip(observations, starts))
        ],
    ]


def _cited(cause: Cause) -> t.Iterator[int]:
    yield from cause["evidence"]
    for excluded in cause["excluded"]:
        yield from excluded["by"]


def _cause(cause: Cause, shown_by: list[int], texts: _Texts) -> list[t.Any]:
    locus = cause["locus"]
    return [
        texts.number(cause["code"]),
        cause["confidence"],
        texts.number(cause["summary"]),
        texts.number(" ".join(filter(None, (locus["host"], locus["component"], locus["direction"])))),
        [texts.number(text) for pair in cause["culprit"].items() for text in pair],
        shown_by,
        [[texts.number(excluded["code"]), excluded["by"]] for excluded in cause["excluded"]],
        texts.number(cause["advice"]),
        texts.number(cause["remediation"]["class"]),
        texts.number(cause.get("decide_by", "")),
        texts.number(cause["documentation"]),
    ]


def _observation(observation: Observation, start: float | None, texts: _Texts, in_words: bool) -> list[t.Any]:
    """Only what is told in words has the last three fields."""
    timing = [texts.number(observation["check"]), _STATUSES.index(observation["status"]), texts.number(observation["target"]), start,
              round(observation["duration_ms"], _MS_DIGITS)]
    if not in_words:
        return timing
    elsewhere = observation["vantage"]["host"] if observation.get("side") == "server" else ""
    return [*timing, texts.number(observation["message"]), texts.number(observation["reproduce"]), texts.number(elsewhere)]

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two reports side by side."""
from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._comparison import KINDS, Change, compare, render_changes
from ansible_collections.connectivity.doctor.plugins.plugin_utils._report import SCHEMA
from ansible_collections.connectivity.doctor.tests.support.hostile_texts import HOSTILE
from ansible_collections.connectivity.doctor.tests.support.reports import fleet, of_hosts, poisoned, recorded

_ILL = "server-loopback-only"
_OTHER = "server-not-running"
_OPEN = "vantage-refused-everywhere"
_DEGRADED = "network-ipv6-broken"
_HEALTHY = "healthy-database"


def _report(**cases: str) -> dict[str, t.Any]:
    """Each host, by its name, with the only endpoint of a recorded case, called ``db``."""
    return of_hosts({
        host: {"facts": {}, "endpoints": {"db": endpoint}}
        for host, case in cases.items() for endpoint in recorded(case)["hosts"][case]["endpoints"].values()
    })


@pytest.mark.parametrize(("before", "after", "kind"), [
    (_HEALTHY, _ILL, "broke"), (_HEALTHY, _DEGRADED, "broke"), (_ILL, _HEALTHY, "healed"), (_DEGRADED, _HEALTHY, "healed"),
    (_ILL, _OTHER, "changed"), (_ILL, _DEGRADED, "changed"), (_OPEN, _ILL, "changed"),
    (_ILL, _ILL, None), (_HEALTHY, _HEALTHY, None), (_OPEN, _OPEN, None),
])
def test_kinds(before: str, after: str, kind: str | None) -> None:
    changes = compare(_report(web1=before), _report(web1=after))
    assert {kind: len(found) for kind, found in changes.items()} == {each: int(each == kind) for each in KINDS}


def test_rows_that_come_and_go() -> None:
    changes = compare(_report(web1=_HEALTHY, web2=_ILL), _report(web1=_HEALTHY, web3=_ILL))
    assert changes["new"] == [Change("web3", "db", None, ("down", ("server.loopback_only",)))]
    assert changes["gone"] == [Change("web2", "db", ("down", ("server.loopback_only",)), None)]
    assert not changes["broke"] and not changes["healed"] and not changes["changed"]


def test_what_cannot_be_told_any_more_is_not_called_broken() -> None:
    told, untold = _report(web1=_HEALTHY), _report(web1=_HEALTHY)
    untold["hosts"]["web1"]["endpoints"]["db"]["state"] = "unknown"
    assert [change.kind for change in compare(told, untold)["changed"]] == ["changed"]
    assert [change.kind for change in compare(untold, told)["changed"]] == ["changed"]


def test_a_candidate_that_became_certain_has_changed() -> None:
    before, after = _report(web1=_ILL), _report(web1=_ILL)
    before["hosts"]["web1"]["endpoints"]["db"]["causes"] = [
        {**cause, "decide_by": "ask it"} for cause in after["hosts"]["web1"]["endpoints"]["db"]["causes"]]
    (change,) = compare(before, after)["changed"]
    assert (change.before, change.after) == (("down", ("server.loopback_only?",)), ("down", ("server.loopback_only",)))


def test_there_and_back_are_each_others_reverse() -> None:
    one = _report(a=_HEALTHY, b=_ILL, c=_ILL, d=_HEALTHY)
    other = _report(a=_ILL, b=_HEALTHY, c=_OTHER, e=_HEALTHY)
    there, back = compare(one, other), compare(other, one)
    reverse = {"broke": "healed", "healed": "broke", "changed": "changed", "new": "gone", "gone": "new"}
    assert all(len(found) == 1 for found in there.values())
    for kind in KINDS:
        assert {(change.host, change.endpoint, change.before, change.after) for change in there[kind]} == {
            (change.host, change.endpoint, change.after, change.before) for change in back[reverse[kind]]}


def test_hosts_with_the_same_change_share_a_line() -> None:
    hosts = ["web%02d" % number for number in range(12)]
    before = _report(**dict.fromkeys(hosts, _HEALTHY), other=_ILL)
    after = _report(**dict.fromkeys(hosts, _ILL), other=_HEALTHY)
    assert render_changes(compare(before, after), before) == [
        "Compared with the report of 2026-01-01T00:00:00Z: 12 broke, 1 healed",
        "  broke: db on 12 hosts (%s …): healthy → down (server.loopback_only)" % ", ".join(hosts[:10]),
        "  healed: db on other: down (server.loopback_only) → healthy",
    ]


def test_nothing_has_changed() -> None:
    report = fleet(5)
    assert render_changes(compare(report, report), report) == ["Compared with the report of 2026-01-01T00:00:00Z: nothing has changed"]


@pytest.mark.parametrize("before", [
    None, [], {}, "x", {"schema": "other"}, {"schema": SCHEMA}, {"schema": SCHEMA, "hosts": []}, {"schema": SCHEMA, "hosts": {"a": 5}},
    {"schema": SCHEMA, "hosts": {"a": {"endpoints": {"b": {"state": "down"}}}}},
    {"schema": SCHEMA, "hosts": {"a": {"endpoints": {"b": {"state": "down", "causes": [{"code": 5}]}}}}},
])
def test_what_is_no_report_is_refused(before: t.Any) -> None:
    with pytest.raises(ValueError, match="is no report of schema|is damaged"):
        compare(json.loads(json.dumps(before)), fleet(2))


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_names_stay_on_their_line(text: str) -> None:
    before, after = poisoned(_report(web1=_HEALTHY), text), poisoned(_report(web1=_ILL), text)
    lines = render_changes(compare(before, after), before)
    assert len(lines) == 2 and all(line.isprintable() and len(line) < 10_000 for line in lines)

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a line of a log is true now, and what shows that an agent reports: the moments that separate an alarm from a false one."""
from __future__ import annotations

import datetime
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import (
    AT_WORK,
    COMPLAINS,
    CONNECTED,
    REFUSED,
    REFUSED_AGAIN,
    REFUSED_BY_SERVER,
    WORKS_WITH_IT,
    said_at_start,
)
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation, Pattern

NOW = datetime.datetime(2026, 11, 20, 12, 0, 0, tzinfo=datetime.UTC)
HOUR = 3600.0


def at(seconds_ago: float) -> str:
    moment = NOW - datetime.timedelta(seconds=seconds_ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def observation(check: str, status: str = "ok", /, **data: t.Any) -> Observation:
    return {"check": check, "status": status, "target": "x", "vantage": {}, "data": data, "message": "", "started_at": at(0)}


def said(family: str = "auth", last: float = 5.0, first: float = 20.0, count: int = 6, recovered: bool = False) -> Observation:
    return observation("logs.family", "ok" if recovered else "warn", family=family, count=count, first_at=at(first), last_at=at(last),
                       recovered=recovered, samples=[])


def started(ago: float) -> Observation:
    return observation("service.process", started=at(ago))


def works(ago: float | None) -> Observation:
    return observation("logs.source", works_at=at(ago) if ago is not None else "")


def connected(address: str = "10.0.0.5", port: int = 8200, state: str = "ESTABLISHED") -> Observation:
    return observation("service.connections", peers=[{"address": address, "port": port, "state": state, "count": 1}])


RESOLVED = observation("dns.resolve", addresses=["fd00::5", "10.0.0.5"], literal=False, error="")
EDITED = observation("service.configuration", "warn", newer_than_process=["/etc/agent.conf"])
MISDIRECTED = observation("agent_config.endpoint", "fail", differs=["host"])


def shows(pattern: Pattern, *observations: Observation) -> bool:
    return pattern.match(Case("web1", {"name": "apm", "port": 8200, "agent": "netdata"}, [RESOLVED, *observations])) is not None


@pytest.mark.parametrize(("line", "is_true_now"), [
    (said(), True),
    (said(last=5, first=5, count=1), True),
    (said(last=59, first=59, count=1), True),
    (said(last=61, first=61, count=1), False),
    # One failure forty minutes ago, and never a word since.
    (said(last=2400, first=2400, count=1), False),
    # It used to say so every five seconds, and has stopped.
    (said(last=70, first=120, count=11), False),
    # It says so every minute and a half, and the next one is due.
    (said(last=200, first=1100, count=11), True),
    # However seldom: after five minutes it would have tried.
    (said(last=301, first=3600, count=3), False),
    (said(recovered=True), False),
    (said("disk_full"), False),
])
def test_how_long_a_complaint_is_true(line: Observation, is_true_now: bool) -> None:
    assert shows(REFUSED, line) is is_true_now
    assert shows(COMPLAINS, line) is is_true_now


def test_what_the_process_before_this_one_wrote_is_over() -> None:
    assert shows(REFUSED, said(last=5), started(HOUR))
    assert not shows(REFUSED, said(last=5), started(4.9))


def test_a_single_refusal_may_be_of_a_moment_that_is_over() -> None:
    assert shows(REFUSED_AGAIN, said(count=2))
    assert not shows(REFUSED_AGAIN, said(first=5, count=1))


@pytest.mark.parametrize("broken", [
    {"first_at": "", "last_at": ""}, {"first_at": None, "last_at": "yesterday"}, {"last_at": "9999-99-99T00:00:00Z"},
])
def test_a_line_without_a_time_is_not_true_now(broken: dict[str, t.Any]) -> None:
    line = said()
    assert not shows(REFUSED, {**line, "data": {**line["data"], **broken}})
    assert not shows(REFUSED, {**line, "started_at": ""})


@pytest.mark.parametrize(("line", "process", "told"), [
    (said("credential_missing", last=HOUR - 1, first=HOUR - 1, count=1), started(HOUR), True),
    # In the second of the start, of which a log has only the whole seconds.
    (said("credential_missing", last=HOUR + 0.5, first=HOUR + 0.5, count=1), started(HOUR), True),
    (said("credential_missing", last=HOUR + 2, first=HOUR + 2, count=1), started(HOUR), False),
    (said("credential_missing", last=HOUR - 1, recovered=True), started(HOUR), False),
    (said("credential_missing", last=10), None, False),
])
def test_what_an_agent_says_once_is_true_as_long_as_it_runs(line: Observation, process: Observation | None, told: bool) -> None:
    case = Case("web1", {}, [line, *([process] if process else [])])
    assert (said_at_start(case, ("credential_missing",)) is not None) is told


@pytest.mark.parametrize(("connections", "is_there"), [
    (connected(), True),
    (connected("fd00::5"), True),
    (connected(port=8201), False),
    (connected("10.0.0.6"), False),
    (connected(state="SYN_SENT"), False),
    (observation("service.connections", "cannot_tell", reason="not_permitted"), False),
])
def test_connected_is_who_has_a_connection_to_the_endpoint_itself(connections: Observation, is_there: bool) -> None:
    assert shows(CONNECTED, connections) is is_there


@pytest.mark.parametrize(("observations", "at_work"), [
    ([connected()], True),
    ([connected(), said("refused", last=HOUR)], True),
    # Accepted and thrown out again, over and over.
    ([connected(), said()], False),
    ([works(600), started(HOUR)], True),
    ([works(600), started(300)], False),  # of the process before
    ([works(None), started(HOUR)], False),
    ([works(600), said("refused", last=500), started(HOUR)], False),
    ([works(600), said("refused", last=500), started(300)], False),
    ([works(400), said("refused", last=500, recovered=True), started(HOUR)], True),
    ([works(400), said("disk_full", last=300), started(HOUR)], True),
    # Its log says that it works, and it sends to somebody else.
    ([works(600), started(HOUR), MISDIRECTED], False),
    ([connected(), MISDIRECTED], True),
    ([], False),
])
def test_an_agent_is_at_work(observations: list[Observation], at_work: bool) -> None:
    assert shows(AT_WORK, *observations) is at_work
    assert shows(WORKS_WITH_IT, *observations) is at_work
    assert not shows(WORKS_WITH_IT, *observations, EDITED), "what the file says now is not what the process works with"


def told_once(**changed: t.Any) -> Observation:
    """By an agent that writes a failure once, half an hour ago."""
    line = said(last=1800, first=1800, count=1, **changed)
    line["data"]["stands"] = True
    return line


def test_what_is_written_once_holds_until_something_else_is_written() -> None:
    assert shows(REFUSED_AGAIN, started(HOUR), told_once())
    assert not shows(REFUSED_AGAIN, started(HOUR), told_once(recovered=True))
    assert not shows(REFUSED_AGAIN, started(600), told_once())


def told_by_server(about: str = "10.0.1.7", family: str = "auth") -> Observation:
    line = said(family)
    line["data"]["about"] = about
    return {**line, "side": "server"}


@pytest.mark.parametrize(("line", "counts"), [
    (told_by_server(), True),
    (told_by_server(family="timeout"), False),
    # Of whichever client.
    (told_by_server(about=""), False),
    ({**told_by_server(), "side": "client"}, False),
])
def test_the_servers_log_counts_where_it_names_this_client(line: Observation, counts: bool) -> None:
    assert shows(REFUSED_BY_SERVER, started(HOUR), line) == counts


def test_what_the_server_said_before_the_agent_was_started_is_over() -> None:
    assert not shows(REFUSED_BY_SERVER, started(1), told_by_server())


def test_what_a_server_says_of_an_agent_is_not_said_of_an_endpoint_without_one() -> None:
    case = Case("web1", {"name": "gateway", "port": 8200, "agent": ""}, [RESOLVED, started(HOUR), told_by_server()])
    assert REFUSED_BY_SERVER.match(case) is None

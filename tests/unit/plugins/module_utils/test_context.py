# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe works with: the time that is left, the observations it makes, the commands it runs."""
from __future__ import annotations

import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._context import Context, Deadline
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import STATUSES, Recorder


@pytest.fixture
def context():
    return Context(Recorder(), Deadline(5), {"host": "web1", "address": "", "user": "root"}, ["hunter2"], {"endpoint": "db"})


def test_a_deadline_gives_what_is_left_and_never_nothing():
    deadline = Deadline(0.2)
    assert 0.1 < deadline.remaining() <= 0.2
    assert deadline.allow(10) <= 0.2 and deadline.allow(0.05) == 0.05
    time.sleep(0.25)
    assert deadline.remaining() == 0.0
    assert deadline.allow(10) == 0.001  # a socket timeout of 0 would mean 'do not block'
    assert Deadline(-5).allow(1) == 0.001


def test_an_observation_has_all_fields(context):
    started = time.time() - 0.25
    made = context.observe("tcp.connect", "fail", "10.0.0.5:1", "refused", data={"error": "ECONNREFUSED"}, started=started,
                           reproduce="nc", address="10.0.0.2")
    assert 240 < made.pop("duration_ms") < 1000
    assert made.pop("started_at").endswith("Z")
    assert made == {
        "check": "tcp.connect", "status": "fail", "target": "10.0.0.5:1", "data": {"error": "ECONNREFUSED"}, "message": "refused",
        "reproduce": "nc", "endpoint": "db", "vantage": {"host": "web1", "address": "10.0.0.2", "user": "root"},
    }
    assert context.vantage["address"] == ""  # one observation's address is not the next one's


def test_a_clock_that_was_set_back_makes_no_negative_duration(context):
    assert context.observe("a.b", "ok", "t", "m", started=time.time() + 100)["duration_ms"] == 0


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_taken_and_no_other(context, status):
    context.observe("a.b", status, "t", "m")
    with pytest.raises(ValueError, match="unknown status"):
        context.observe("a.b", status.upper(), "t", "m")
    assert [one["status"] for one in context.recorder.seal()] == [status]


def test_an_observation_of_the_host_names_no_endpoint(context):
    assert "endpoint" not in context.labelled({}).observe("a.b", "ok", "t", "m")
    assert context.labelled({"endpoint": "apm"}).observe("a.b", "ok", "t", "m")["endpoint"] == "apm"


def test_texts_are_masked_also_for_another_endpoint(context):
    assert context.labelled({"endpoint": "apm"}).text(b"x hunter2") == "x ********"


def test_a_command_has_no_more_time_than_the_host():
    context = Context(Recorder(), Deadline(0.3), {"host": "web1"})
    began = time.monotonic()
    assert context.command(["sleep", "30"], seconds=20).problem == "timed_out"
    assert time.monotonic() - began < 2

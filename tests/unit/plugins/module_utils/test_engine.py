# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans run by the engine: on real sockets, and with probes that a test makes up to crash, hang or boast."""
from __future__ import annotations

import contextlib
import socket
import sys
import threading
import time
import types

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _observation, _probes
from ansible_collections.connectivity.doctor.plugins.module_utils._engine import run_plan
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import Outcome
from ansible_collections.connectivity.doctor.tests.support.black_hole import BlackHole


def run(*steps, deadline=10.0, secrets=None):
    return run_plan({"deadline_s": deadline, "host": "web1", "steps": list(steps), "secrets": secrets or {}})


def step(probe, *then, endpoint="e", each=None, **parameters):
    made = {"probe": probe, "endpoint": endpoint, "parameters": parameters, "then": list(then)}
    return dict(made, each=each) if each else made


def of(result, check):
    return [observation for observation in result["observations"] if observation["check"] == check]


@pytest.fixture
def probe(monkeypatch):
    """Adds a probe made from a function, under a name; its arguments' specification may be given."""

    def add(name, function, **arguments):
        module = types.ModuleType("%s.%s" % (_probes.__name__, name))
        module.ARGUMENTS = arguments
        module.run = function
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return add


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_all_black_holes_of_a_host_together_take_one_timeout():
    with contextlib.ExitStack() as stack:
        holes = [stack.enter_context(BlackHole()) for _hole in range(12)]
        steps = [step("dns", step("tcp", endpoint="hole %d" % number, each="addresses", host=hole.address, port=hole.port,
                                  connect_timeout=1.0), host=hole.address) for number, hole in enumerate(holes)]
        began = time.monotonic()
        result = run(*steps)
        elapsed = time.monotonic() - began
    connects = of(result, "tcp.connect")
    assert len(connects) == 12
    assert {observation["data"]["error"] for observation in connects} == {"TIMEOUT"}
    assert {observation["endpoint"] for observation in connects} == {"hole %d" % number for number in range(12)}
    assert elapsed < 3.0  # 12 s one after another


def test_black_holes_end_with_the_deadline_where_that_comes_first():
    with BlackHole() as hole:
        began = time.monotonic()
        result = run(step("tcp", address=hole.address, host=hole.address, port=hole.port, connect_timeout=30.0), deadline=1.0)
        elapsed = time.monotonic() - began
    assert elapsed < 2.0
    assert [observation["data"]["error"] for observation in of(result, "tcp.connect")] == ["TIMEOUT"]


def test_probes_that_ignore_the_deadline_are_left_behind_all_at_once(probe):
    ended = threading.Event()
    probe("stuck", lambda parameters, context: ended.wait(30) and Outcome(True))
    began = time.monotonic()
    result = run(*(step("stuck", step("tcp", host="h", address="127.0.0.1", port=1), name="number %d" % number) for number in range(20)),
                 deadline=0.5)
    elapsed = time.monotonic() - began
    ended.set()
    unfinished = of(result, "stuck.run")
    assert {(observation["status"], observation["data"]["reason"]) for observation in unfinished} == {("cannot_tell", "deadline")}
    assert sorted(observation["target"] for observation in unfinished) == sorted("number %d" % number for number in range(20))
    assert elapsed < 2.0  # one grace period, not twenty


def test_what_hangs_below_a_probe_that_did_not_end_is_told_too(probe):
    ended = threading.Event()
    probe("stuck", lambda parameters, context: ended.wait(30) and Outcome(True))
    result = run(step("stuck", step("tcp", step("tls", host="db", port=5432), host="db", port=5432), host="db"), deadline=0.3)
    ended.set()
    skipped = {observation["check"]: observation for observation in result["observations"] if observation["status"] == "skipped"}
    assert set(skipped) == {"tcp.run", "tls.run"}
    assert {observation["data"]["waited_for"] for observation in skipped.values()} == {"stuck"}


def test_nothing_is_recorded_after_the_answer_was_given(probe):
    def late(parameters, context):
        time.sleep(1.2)
        context.observe("late.word", "ok", "t", "too late")
        return Outcome(True)

    probe("late", late)
    result = run(step("late"), deadline=0.2)
    count = len(result["observations"])
    time.sleep(1.3)
    assert len(result["observations"]) == count and not of(result, "late.word")


def test_a_crash_is_an_observation_and_the_others_go_on(listening):
    """The real probe, without the address that the plan owes it."""
    result = run(
        step("tcp", step("tls", host="127.0.0.1", port=1), host="127.0.0.1", port=70000, endpoint="bad"),
        step("tcp", host="127.0.0.1", address="127.0.0.1", port=listening, endpoint="good"),
    )
    (crash,) = of(result, "tcp.run")
    assert (crash["status"], crash["endpoint"], crash["target"]) == ("cannot_tell", "bad", "127.0.0.1:70000")
    assert crash["data"]["reason"] == "probe_crashed"
    assert crash["data"]["exception"] == "KeyError"
    assert crash["data"]["where"].partition(":")[0] == "tcp.py"
    (good,) = of(result, "tcp.connect")
    assert (good["status"], good["endpoint"]) == ("ok", "good")
    (skipped,) = of(result, "tls.run")
    assert skipped["data"] == {"waited_for": "tcp"} and skipped["endpoint"] == "e"


def test_a_probe_that_is_not_there_is_a_crash_of_its_own_step_only(listening):
    result = run(step("no_such_probe", name="x"), step("tcp", host="h", address="127.0.0.1", port=listening))
    (missing,) = of(result, "no_such_probe.run")
    assert missing["data"]["exception"] == "ModuleNotFoundError"
    assert [observation["status"] for observation in of(result, "tcp.connect")] == ["ok"]


def test_an_exit_inside_a_probe_does_not_end_the_others(probe, listening):
    def leaves(parameters, context):
        raise SystemExit(3)

    probe("leaves", leaves)
    result = run(step("leaves", step("tcp", host="h", address="127.0.0.1", port=listening), name="x"),
                 step("tcp", host="h", address="127.0.0.1", port=listening))
    assert [observation["status"] for observation in of(result, "tcp.connect")] == ["ok"]
    (crash,) = of(result, "leaves.run")
    assert crash["data"]["reason"] == "probe_crashed" and crash["data"]["exception"] == "SystemExit"


def test_a_failed_step_skips_its_whole_branch_by_name_of_what_failed():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        result = run(step("dns", step("tcp", step("tls", step("http", host="h", port=port), host="h", port=port),
                                      each="addresses", host="127.0.0.1", port=port), host="127.0.0.1"))
    assert [observation["data"]["answer"] for observation in of(result, "tcp.connect")] == ["rst"]
    skipped = [observation for observation in result["observations"] if observation["status"] == "skipped"]
    assert [(observation["check"], observation["target"], observation["data"]["waited_for"]) for observation in skipped] == [
        ("tls.run", "127.0.0.1:%d" % port, "tcp"), ("http.run", "127.0.0.1:%d" % port, "tcp")]
    assert all(observation["message"] == "not tried, as tcp did not pass" for observation in skipped)


def test_each_item_of_an_output_runs_once_all_at_the_same_time(probe):
    together = threading.Barrier(3, timeout=5)
    probe("many", lambda parameters, context: Outcome(True, {"addresses": [{"address": "10.0.0.%d" % i} for i in range(3)]}))

    def meets(parameters, context):
        together.wait()  # breaks unless all three are here at once
        context.observe("met.here", "ok", parameters["address"], "met")
        return Outcome(True)

    probe("meets", meets)
    result = run(step("many", step("meets", each="addresses", port=1)))
    assert sorted(observation["target"] for observation in of(result, "met.here")) == ["10.0.0.0", "10.0.0.1", "10.0.0.2"]


def test_a_step_without_each_gets_the_item_of_the_one_above(probe):
    got = []
    probe("many", lambda parameters, context: Outcome(True, {"addresses": [{"address": "10.0.0.9"}]}))
    probe("first", lambda parameters, context: Outcome(True))
    probe("second", lambda parameters, context: got.append(parameters) or Outcome(True))
    run(step("many", step("first", step("second", port=7), each="addresses")))
    assert got == [{"address": "10.0.0.9", "port": 7}]


def test_observations_carry_the_labels_of_their_step_also_where_it_crashed_or_never_ran(probe):
    def crashes(parameters, context):
        raise ValueError("no")

    probe("sees", lambda parameters, context: context.observe("sees.this", "ok", "x", "seen") and Outcome(False))
    probe("crashes", crashes)
    labels = {"endpoint": "db", "side": "member"}
    result = run(dict(step("sees", dict(step("later"), **labels)), **labels), dict(step("crashes"), **labels), step("sees"))
    told = {(one["check"], one.get("endpoint"), one.get("side")) for one in result["observations"]}
    assert told == {("sees.this", "db", "member"), ("later.run", "db", "member"), ("crashes.run", "db", "member"),
                    ("sees.this", "e", None)}


def test_an_output_that_is_empty_skips_what_would_run_for_each(probe):
    probe("none", lambda parameters, context: Outcome(True, {"addresses": []}))
    result = run(step("none", step("tcp", each="addresses", host="db", port=1)))
    assert [observation["status"] for observation in of(result, "tcp.run")] == ["skipped"]


def test_hundreds_of_steps_all_run_within_the_bound_of_threads(probe):
    running, most, lock = [0], [0], threading.Lock()

    def counts(parameters, context):
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1
        context.observe("counted.here", "ok", str(parameters["number"]), "counted")
        return Outcome(True)

    probe("counts", counts)
    result = run(*(step("counts", number=number) for number in range(300)))
    assert {observation["target"] for observation in of(result, "counted.here")} == {str(number) for number in range(300)}
    assert 1 < most[0] <= 64


def test_a_secret_reaches_the_probe_by_its_name_and_is_masked_in_texts(probe):
    def echoes(parameters, context):
        assert parameters["password"] == "hunter2-canary"
        context.observe("echo.word", "fail", "t", context.text("login with 'hunter2-canary' failed"),
                        data={"detail": context.text(b"\xffhunter2-canary\x00")})
        raise RuntimeError("could not use hunter2-canary")

    probe("echoes", echoes)
    result = run(step("echoes", host="h", password={"secret": "e.password"}), secrets={"e.password": "hunter2-canary"})
    assert "hunter2-canary" not in repr(result)
    (word,) = of(result, "echo.word")
    assert word["message"] == "login with '********' failed"
    (crash,) = of(result, "echoes.run")
    assert crash["data"]["exception"] == "RuntimeError"
    assert crash["data"]["detail"] == "could not use ********"


def test_a_secret_that_the_plan_does_not_have_is_nothing(probe):
    got = []
    probe("takes", lambda parameters, context: got.append(parameters["password"]) or Outcome(True))
    run(step("takes", password={"secret": "e.password"}))
    assert got == [None]


def test_no_more_observations_than_the_bound(probe):
    def boasts(parameters, context):
        for number in range(_observation.MAXIMUM_OBSERVATIONS + 500):
            context.observe("boast.word", "ok", str(number), "more")
        return Outcome(True)

    probe("boasts", boasts)
    result = run(step("boasts"))
    assert len(result["observations"]) == _observation.MAXIMUM_OBSERVATIONS


def test_arguments_are_filled_as_a_module_would(probe, monkeypatch, tmp_path):
    got = []
    monkeypatch.setenv("HOME", str(tmp_path))
    probe("takes", lambda parameters, context: got.append(parameters) or Outcome(True),
          ca_file={"type": "path"}, files={"type": "list", "elements": "path", "default": []}, seconds={"type": "float", "default": 5.0},
          text={"type": "str"})
    run(step("takes", ca_file="~/root.crt", files=["~/a", "/b"], text="~"), step("takes", seconds=1.0))
    assert sorted(got, key=len) == [
        {"files": [], "seconds": 1.0},
        {"ca_file": str(tmp_path / "root.crt"), "files": [str(tmp_path / "a"), "/b"], "seconds": 5.0, "text": "~"},
    ]


def test_the_facts_of_a_run():
    before = time.time()
    facts = run()["facts"]
    assert before <= facts["clock_at_start"] <= facts["clock_at_end"] <= time.time()
    assert facts["python"] == "%d.%d.%d" % sys.version_info[:3]
    assert facts["elapsed_ms"] >= 0 and facts["cpu_ms"] > 0


def test_an_observation_says_where_it_was_made(listening):
    (connect,) = of(run(step("tcp", host="h", address="127.0.0.1", port=listening)), "tcp.connect")
    assert connect["vantage"]["host"] == "web1" and connect["vantage"]["address"] == "127.0.0.1" and connect["vantage"]["user"]


@pytest.mark.parametrize(("found", "ports"), [([], []), ([{"port": 7}], [7])])
def test_an_optional_step_leaves_no_trace_where_there_is_nothing_to_run_it_for(probe, found, ports):
    probe("finder", lambda parameters, context: Outcome(True, {"others": found}))
    probe("other", lambda parameters, context: context.observe("other.seen", "ok", "t", "there", data=parameters) or Outcome(True))
    result = run(step("finder", dict(step("other", each="others"), optional=True)))
    assert [observation["data"]["port"] for observation in result["observations"]] == ports

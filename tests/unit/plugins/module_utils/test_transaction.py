# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions on real files: confirmed, rolled back, left behind by a killed run, and fought over by two."""
from __future__ import annotations

import json
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _transaction_revert as reverting
from ansible_collections.connectivity.doctor.plugins.module_utils._transaction import TransactionError, Transactions, Undo


@pytest.fixture
def transactions(tmp_path):
    return Transactions(str(tmp_path / "transactions"))


@pytest.fixture
def changed(tmp_path):
    """Files that a change makes, alters, deletes and turns into something else."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "altered").write_bytes(b"old\r\n\xff")
    (folder / "altered").chmod(0o640)
    (folder / "deleted").write_text("here")
    (folder / "link").symlink_to("deleted")
    return folder


def snapshot(folder):
    return {path.name: reverting.describe(str(path)) for path in sorted(folder.iterdir())}


def files_of(folder):
    return [str(folder / name) for name in ("altered", "deleted", "link", "made")]


def change(folder):
    (folder / "altered").write_text("new")
    (folder / "altered").chmod(0o600)
    (folder / "deleted").unlink()
    (folder / "link").unlink()
    (folder / "link").write_text("a file now")
    (folder / "made").write_text("new")


def begin(transactions, name, undo, deadline=60, about=None, cooldown=3600):
    return transactions.begin(name, about or {"summary": "a change", "key": "k"}, undo, deadline, cooldown)


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_rolled_back_is_as_before_to_the_byte(transactions, changed):
    before = snapshot(changed)
    begin(transactions, "one", Undo(files_of(changed)))
    change(changed)
    assert snapshot(changed) != before
    assert transactions.roll_back("one") == []
    assert snapshot(changed) == before
    assert transactions.state("one") == "rolled_back"


def test_folders_that_were_made_for_a_file_go_with_it_and_others_stay(transactions, tmp_path):
    made, shared = tmp_path / "new" / "folder" / "file", tmp_path / "common" / "file"
    begin(transactions, "one", Undo([str(made), str(shared)]))
    for file in (made, shared):
        file.parent.mkdir(parents=True)
        file.write_text("new")
    (shared.parent / "of others").write_text("stays")
    assert transactions.roll_back("one") == []
    assert not made.parent.parent.exists()
    assert [one.name for one in shared.parent.iterdir()] == ["of others"]


def test_confirmed_stays_and_can_be_undone_later(transactions, changed):
    before = snapshot(changed)
    begin(transactions, "one", Undo(files_of(changed)))
    change(changed)
    after = snapshot(changed)
    transactions.commit("one")
    assert snapshot(changed) == after and transactions.state("one") == "committed"
    transactions.roll_back("one")
    assert snapshot(changed) == before


def test_without_confirmation_the_host_puts_itself_back(transactions, changed):
    before = snapshot(changed)
    begin(transactions, "one", Undo(files_of(changed)), deadline=1)
    change(changed)
    wait_until(lambda: transactions.state("one") == "reverted_itself")
    assert snapshot(changed) == before
    with pytest.raises(TransactionError, match="has put itself back, as nobody confirmed it in time"):
        transactions.commit("one")


@pytest.mark.parametrize("end", ["commit", "roll_back"])
def test_what_a_slow_play_changes_after_that_is_put_back_when_it_ends(transactions, changed, end):
    before = snapshot(changed)
    begin(transactions, "one", Undo(files_of(changed)), deadline=1)
    wait_until(lambda: transactions.state("one") == "reverted_itself")
    change(changed)
    if end == "commit":
        with pytest.raises(TransactionError, match="nobody confirmed it in time"):
            transactions.commit("one")
    else:
        assert transactions.roll_back("one") == []
    assert snapshot(changed) == before and transactions.state("one") == "reverted_itself"


def test_a_timer_that_comes_after_the_confirmation_does_nothing(transactions, changed):
    begin(transactions, "one", Undo(files_of(changed)), deadline=1)
    change(changed)
    transactions.commit("one")
    after = snapshot(changed)
    time.sleep(1.8)
    assert snapshot(changed) == after and transactions.state("one") == "committed"


def test_two_runs_do_not_fight(transactions, changed):
    begin(transactions, "one", Undo(files_of(changed)), about={"summary": "open the firewall"})
    with pytest.raises(TransactionError, match=r"another run is changing this host \(open the firewall\); it ends, or puts itself back"):
        begin(transactions, "two", Undo())
    transactions.roll_back("one")
    assert begin(transactions, "two", Undo(), about={"key": "other"})["refused"] == ""


def test_what_an_earlier_run_left_open_is_put_back_by_the_next(transactions, changed, monkeypatch):
    """As after a reboot, which takes the timer away."""
    before = snapshot(changed)
    monkeypatch.setattr(Transactions, "_arm", lambda *_arguments: None)
    begin(transactions, "lost", Undo(files_of(changed)), deadline=0.2, about={"summary": "was lost"})
    change(changed)
    time.sleep(0.3)
    begun = begin(transactions, "next", Undo(), about={"key": "other"})
    assert [(one["name"], one["about"]["summary"]) for one in begun["left_behind"]] == [("lost", "was lost")]
    assert snapshot(changed) == before


def test_what_put_itself_back_is_told_to_the_next_and_not_to_the_one_after_it(transactions, changed):
    begin(transactions, "one", Undo(files_of(changed)), deadline=1, about={"summary": "was killed"})
    wait_until(lambda: transactions.state("one") == "reverted_itself")
    told = begin(transactions, "two", Undo(), about={})["left_behind"]
    assert [(one["name"], one["state"], one["about"]["summary"]) for one in told] == [("one", "reverted_itself", "was killed")]
    transactions.commit("two")
    assert begin(transactions, "three", Undo(), about={})["left_behind"] == []


def test_what_nobody_confirmed_is_tried_once_more_and_then_not_at_once(transactions):
    """A run that is killed says nothing of the change; a change that cuts its run off would do so again."""
    for name in ("one", "two"):
        assert begin(transactions, name, Undo(), deadline=1)["refused"] == ""
        wait_until(lambda one=name: transactions.state(one) == "reverted_itself")
    assert "nobody came back to confirm it, for the second time" in begin(transactions, "three", Undo())["refused"]
    assert begin(transactions, "four", Undo(), about={"key": "other"})["refused"] == ""


def test_settled_is_put_back_only_if_its_time_is_over(transactions, changed, monkeypatch):
    before = snapshot(changed)
    monkeypatch.setattr(Transactions, "_arm", lambda *_arguments: None)
    begin(transactions, "lost", Undo(files_of(changed)), deadline=0.3)
    change(changed)
    assert transactions.settle("lost") == "open" and snapshot(changed) != before
    time.sleep(0.4)
    assert transactions.settle("lost") == "reverted_itself" and snapshot(changed) == before
    assert transactions.settle("never begun") == ""


def test_what_is_killed_before_its_timer_runs_was_never_begun(transactions, tmp_path, monkeypatch):
    def killed(*_arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Transactions, "_arm", killed)
        begin(transactions, "half", Undo())
    assert transactions.known() == []
    begin(transactions, "next", Undo())
    assert not (tmp_path / "transactions" / "half").exists()


def test_putting_back_that_is_killed_in_the_middle_is_done_to_its_end_by_the_next(transactions, tmp_path, monkeypatch):
    """The file is restored already, and what reads it must still be told."""
    file, read = tmp_path / "read.conf", tmp_path / "read"
    file.write_text("old")
    begin(transactions, "one", Undo([str(file)], reloads=[["cp", str(file), str(read)]]))
    file.write_text("new")

    def killed(argv):
        raise KeyboardInterrupt(argv)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reverting, "_run", killed)
        transactions.roll_back("one")
    assert file.read_text() == "old" and not read.exists() and transactions.state("one") == "open"
    assert transactions.roll_back("one") == []
    assert read.read_text() == "old"


def test_what_a_killed_writer_left_beside_a_file_goes_and_what_is_not_of_it_stays(transactions, tmp_path):
    folder = tmp_path / "unit.d"
    begin(transactions, "one", Undo([str(folder / "own.conf")]))
    folder.mkdir()
    for name in (".connectivity-doctor-x1", ".ansible_tmpx2own.conf"):
        (folder / name).write_text("half")
    (tmp_path / ".ansible_tmpx3other.conf").write_text("of others")
    assert transactions.roll_back("one") == []
    assert not folder.exists() and (tmp_path / ".ansible_tmpx3other.conf").exists()


def test_a_file_that_cannot_be_written_whole_stays_as_it_is_with_nothing_beside_it(tmp_path):
    (tmp_path / "file").write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            reverting.replace(str(tmp_path / "file"), b"a secret" * 100, 0o600, (os.getuid(), os.getgid()))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("file", "old")]


def test_what_did_not_help_is_not_tried_again_at_once(transactions, changed):
    begin(transactions, "one", Undo(files_of(changed)))
    transactions.roll_back("one")
    assert "did not help" in begin(transactions, "two", Undo())["refused"]
    assert transactions.state("two") == ""
    assert begin(transactions, "three", Undo(), cooldown=0)["refused"] == ""
    transactions.commit("three")
    assert begin(transactions, "four", Undo(), about={"key": "other"})["refused"] == ""


def test_commands_undo_what_is_no_file(transactions, tmp_path):
    (tmp_path / "rule").write_text("there")
    begin(transactions, "one", Undo(commands=[["rm", str(tmp_path / "rule")], ["false"], ["no-such-program"]]))
    problems = transactions.roll_back("one")
    assert not (tmp_path / "rule").exists()
    assert len(problems) == 2 and problems[0].startswith("false ended with 1") and "no-such-program" in problems[1]


@pytest.mark.parametrize("touched", [True, False])
def test_what_was_put_back_is_read_again_and_only_then(transactions, tmp_path, touched):
    file, read = tmp_path / "read.conf", tmp_path / "read"
    file.write_text("old")
    begin(transactions, "one", Undo([str(file)], reloads=[["cp", str(file), str(read)]]))
    if touched:
        file.write_text("new")
    assert transactions.roll_back("one") == []
    assert (read.read_text() if read.exists() else "") == ("old" if touched else "")


def test_a_change_of_the_same_file_must_be_undone_before_the_one_that_it_built_upon(transactions, tmp_path):
    shared, other = tmp_path / "shared", tmp_path / "other"
    shared.write_text("0")
    for number, files in enumerate(([shared], [shared, other], [other])):
        begin(transactions, "t%d" % number, Undo([str(file) for file in files]))
        for file in files:
            file.write_text("after %d" % number)
        transactions.commit("t%d" % number)
    for name, later in (("t0", "t1"), ("t1", "t2")):
        with pytest.raises(TransactionError, match="transaction %s has changed the same file since %s; roll it back first" % (later, name)):
            transactions.roll_back(name)
    assert shared.read_text() == "after 1"
    for name in ("t2", "t1", "t0"):
        assert transactions.roll_back(name) == []
    assert shared.read_text() == "0" and not other.exists()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", ".."])
def test_a_name_cannot_lead_elsewhere(transactions, name):
    with pytest.raises(TransactionError, match="no name of a transaction"):
        begin(transactions, name, Undo())


def test_what_cannot_be_put_back_is_not_begun(transactions, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TransactionError, match="no ordinary file"):
        begin(transactions, "one", Undo([str(tmp_path / "pipe")]))
    assert transactions.state("one") == ""


def test_nobody_else_can_read_what_is_kept(transactions, changed, tmp_path):
    begin(transactions, "one", Undo(files_of(changed)))
    folder = tmp_path / "transactions"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert all(not path.stat().st_mode & 0o077 for path in (folder / "one").iterdir())


def test_few_closed_ones_are_kept(transactions, tmp_path):
    for number in range(55):
        begin(transactions, "n%03d" % number, Undo(), about={"key": str(number)})
        transactions.commit("n%03d" % number)
    assert len(transactions.known()) <= 52


_KILLED = """
import sys, json
sys.path.insert(0, sys.argv[1])
from ansible_collections.connectivity.doctor.plugins.module_utils._transaction import Transactions, Undo
from pathlib import Path
folder, etc = sys.argv[2], Path(sys.argv[3])
transactions = Transactions(folder)
transactions.begin("one", {"summary": "s"}, Undo([str(etc / name) for name in ("a", "b")]), 1, 0)
for name in ("a", "b"):
    (etc / (name + ".new")).write_text("new " * 1000)
    (etc / (name + ".new")).replace(etc / name)
transactions.commit("one")
"""


@pytest.mark.parametrize("seed", range(20))
def test_killed_at_any_moment_the_files_are_all_old_or_all_new(tmp_path, seed):
    """The run is killed; within the deadline the host is in one of the two states, and knows in which, or the next run does."""
    etc = tmp_path / "etc"
    etc.mkdir()
    for name in ("a", "b"):
        (etc / name).write_text("old " * 1000)
    collections = next(path for path in sys.path if os.path.isdir(os.path.join(path, "ansible_collections", "connectivity", "doctor")))
    run = subprocess.Popen([sys.executable, "-c", _KILLED, collections, str(tmp_path / "t"), str(etc)])
    time.sleep(random.Random(seed).uniform(0.0, 0.35))
    run.send_signal(signal.SIGKILL)
    run.wait()
    transactions = Transactions(str(tmp_path / "t"))
    wait_until(lambda: transactions.state("one") != reverting.OPEN, 8.0)
    contents = {(etc / name).read_text().split(" ")[0] for name in ("a", "b")}
    assert contents == ({"new"} if transactions.state("one") == "committed" else {"old"})


def test_the_copy_that_the_timer_runs_needs_nothing_of_the_collection(transactions, changed, tmp_path):
    before = snapshot(changed)
    begin(transactions, "one", Undo(files_of(changed)))
    change(changed)
    folder = tmp_path / "transactions" / "one"
    subprocess.run([sys.executable, "-I", str(folder / "revert.py"), str(folder)], check=True, cwd="/", env={})
    assert snapshot(changed) == before
    assert json.loads((folder / "state.json").read_text())["state"] == "reverted_itself"

# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The logs probe on real files: large, rotated, compressed, damaged, silent."""
from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import resource
import shutil
import time

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _command
from ansible_collections.connectivity.doctor.plugins.module_utils._engine import _prepared
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import timestamp
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import logs
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

REFUSED = "Failed to connect to '127.0.0.1', port '19999' (errno 111, Connection refused)"
RECOVERED = "STREAM child [send to 127.0.0.1:19999]: established link with negotiated capabilities: VCAPS"


def line(ago, text):
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() - ago)) + ": netdata ERROR : MAIN : " + text + "\n"


def probe(*files, **parameters):
    return run_probe("logs", _prepared(logs.ARGUMENTS, {"files": [str(file) for file in files], **parameters}))


def families(result):
    return {observation["data"]["family"]: observation for observation in result.observations if observation["check"] == "logs.family"}


def write(path, content, ago=0.0):
    openers = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
    with openers.get(path.suffix, open)(path, "wb") as file:
        file.write(content.encode())
    os.utime(path, (time.time() - ago, time.time() - ago))
    return path


def test_failures_by_family_in_the_window(tmp_path):
    log = write(tmp_path / "error.log", line(7200, REFUSED) * 30 + line(600, REFUSED) + line(500, "all is well") + line(400, REFUSED)
                + line(300, "No route to host") + "    at continued: Connection reset by peer\n")
    result = probe(log)
    assert not result.outcome.passed
    found = families(result)
    assert set(found) == {"refused", "unreachable", "reset"}
    refused = found["refused"]
    assert refused["status"] == "warn"
    assert (refused["data"]["count"], refused["data"]["recovered"], refused["data"]["recovered_at"]) == (2, False, "")
    assert refused["data"]["first_at"] < refused["data"]["last_at"] < found["unreachable"]["data"]["last_at"]
    assert found["reset"]["data"]["last_at"] == found["unreachable"]["data"]["last_at"]  # it belongs to the line above
    assert refused["data"]["sources"] == [str(log)]
    assert len(refused["data"]["samples"]) == 2
    source = result.one("logs.source")
    assert source["status"] == "ok"
    assert {key: source["data"][key] for key in ("lines", "silent", "truncated", "timed")} == {
        "lines": 5, "silent": False, "truncated": False, "timed": True}
    assert 290 < source["data"]["silent_for_s"] < 320


def test_the_last_state_wins(tmp_path):
    log = write(tmp_path / "error.log", line(500, REFUSED) + line(400, RECOVERED) + line(300, "No route to host") + line(200, RECOVERED))
    result = probe(log)
    assert result.outcome.passed
    found = families(result)
    assert {family: observation["status"] for family, observation in found.items()} == {"refused": "ok", "unreachable": "ok"}
    assert found["refused"]["data"]["recovered_at"] < found["unreachable"]["data"]["recovered_at"]
    with open(log, "a", encoding="utf-8") as file:
        file.write(line(100, REFUSED))
    found = families(probe(log))
    assert (found["refused"]["data"]["recovered"], found["unreachable"]["data"]["recovered"]) == (False, True)


def test_when_it_last_said_that_it_works(tmp_path):
    log = write(tmp_path / "error.log", line(7200, RECOVERED) + line(500, RECOVERED) + line(400, REFUSED) + line(300, RECOVERED))
    silent = write(tmp_path / "other.log", line(300, "all is well"))
    sources = {one["data"]["source"]: one["data"]["works_at"] for one in probe(log, silent).observations if one["check"] == "logs.source"}
    assert timestamp(time.time() - 302) <= sources[str(log)] <= timestamp(time.time() - 298)
    assert sources[str(silent)] == ""


def test_within_one_second_the_order_of_the_lines_counts(tmp_path):
    assert families(probe(write(tmp_path / "a", line(9, REFUSED) + line(9, RECOVERED))))["refused"]["data"]["recovered"] is True
    assert families(probe(write(tmp_path / "b", line(9, RECOVERED) + line(9, REFUSED))))["refused"]["data"]["recovered"] is False


def test_lines_about_one_client_only(tmp_path):
    """As the log of a server has them, of all its clients."""
    said = "failed to accept an incoming connection: from %s: zbx_tls_accept(): gnutls_handshake() failed: -31 Error in password/key file."
    log = write(tmp_path / "server.log", line(30, said % "10.0.1.7") + line(20, said % "10.0.1.8") + line(10, RECOVERED))
    found = families(probe(log, about="10.0.1.7"))
    assert set(found) == {"auth"}
    data = found["auth"]["data"]
    assert (data["count"], data["recovered"], data["about"], data["stands"]) == (1, False, "10.0.1.7", False)
    assert families(probe(log, about="10.0.1.9")) == {}
    assert families(probe(log, says_once=True))["auth"]["data"]["stands"] is True


def test_what_becomes_of_data_that_a_server_refuses_is_told_by_the_newest_status(tmp_path):
    log = write(tmp_path / "agent.log", line(9, "server returned HTTP status 401 Unauthorized") + line(8, "HTTP status 403 Forbidden")
                + line(7, "server returned HTTP status 429 Too Many Requests") + line(6, REFUSED))
    found = families(probe(log, fates={"dropped": [401], "retried": [429, 111]}))
    told = {name: (family["data"]["status"], family["data"]["fate"]) for name, family in found.items()}
    assert told == {"auth": (401, "dropped"), "rate_limited": (429, "retried"), "refused": (0, "")}
    assert all(family["data"]["fate"] == "" for family in families(probe(log)).values())


def test_recovery_in_one_log_of_a_failure_in_another(tmp_path):
    first = write(tmp_path / "a.log", line(500, REFUSED))
    second = write(tmp_path / "b.log", line(400, RECOVERED))
    assert families(probe(first, second))["refused"]["data"]["recovered"] is True
    assert families(probe(second, first))["refused"]["data"]["recovered"] is True


@pytest.mark.parametrize("suffix", ["", ".gz", ".xz", ".bz2"])
def test_rotated_files_count_as_far_as_the_window_goes(tmp_path, suffix):
    log = write(tmp_path / "error.log", line(60, "well"))
    write(tmp_path / ("error.log.1" + suffix), line(1200, REFUSED) + line(1100, "No route to host"), ago=1100)
    write(tmp_path / "error.log.2.gz", line(90000, "Connection reset by peer"), ago=90000)
    write(tmp_path / "error.log.bak", line(60, "certificate has expired"))
    result = probe(log)
    assert set(families(result)) == {"refused", "unreachable"}
    source = result.one("logs.source")["data"]
    assert source["files"] == [str(log), str(tmp_path / ("error.log.1" + suffix))]
    assert source["lines"] == 3


def test_names_of_rotated_files(tmp_path):
    log = write(tmp_path / "agent.log", line(60, "well"))
    for name in ("agent-20261120.log", "agent-2026-11-20T06-33-41.000.log.gz", "agent.log-20261120", "agent.log.3.xz"):
        write(tmp_path / name.replace(".000", ""), line(120, REFUSED), ago=120)
    for name in ("other.log.1", "agent.log.old", "agent.logs", "agentx-1.log"):
        write(tmp_path / name, line(120, REFUSED), ago=120)
    assert families(probe(log))["refused"]["data"]["count"] == 4


def test_silence_is_told_as_silence(tmp_path):
    log = write(tmp_path / "error.log", line(7200, REFUSED), ago=7200)
    empty = write(tmp_path / "empty.log", "", ago=100)
    result = probe(log, empty)
    assert families(result) == {}
    stale, nothing = (observation for observation in result.observations if observation["check"] == "logs.source")
    assert (stale["status"], stale["data"]["silent"], stale["data"]["lines"]) == ("warn", True, 0)
    assert 7190 < stale["data"]["silent_for_s"] < 7260
    assert nothing["status"] == "warn"
    assert (nothing["data"]["silent"], nothing["data"]["silent_for_s"], nothing["data"]["last_at"]) == (True, None, "")


def test_a_log_without_times_counts_by_the_time_of_the_file(tmp_path):
    fresh = write(tmp_path / "fresh.log", "Connection refused\n" * 3, ago=60)
    old = write(tmp_path / "old.log", "No route to host\n" * 3, ago=86400)
    result = probe(fresh, old)
    assert set(families(result)) == {"refused"}
    assert [observation["data"]["timed"] for observation in result.observations if observation["check"] == "logs.source"] == [False, False]


def test_ten_gibibytes_in_bounded_time_and_memory(tmp_path):
    free = shutil.disk_usage(tmp_path).free
    if free < 100 * 2**20:
        pytest.skip("not enough space for a sparse file's end")
    log = tmp_path / "large.log"
    with open(log, "wb") as file:
        file.truncate(10 * 2**30)
        file.seek(0, os.SEEK_END)
        for number in range(60000):
            file.write(line(3000 - number / 20, "request %d of many, which went as it should and says so at some length" % number).encode())
        file.write((line(1, REFUSED) * 5).encode())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    result = probe(log)
    assert time.monotonic() - began < 8
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024  # KiB
    assert families(result)["refused"]["data"]["count"] == 5
    assert result.one("logs.source")["data"]["lines"] > 30000
    holes = tmp_path / "holes.log"
    with open(holes, "wb") as file:
        file.truncate(10 * 2**30)
    began = time.monotonic()
    source = probe(holes).one("logs.source")["data"]
    assert time.monotonic() - began < 3
    assert (source["lines"], source["truncated"]) == (0, True)


def test_a_file_that_unpacks_without_end_is_cut(tmp_path):
    log = write(tmp_path / "error.log", line(60, "well"))
    with gzip.open(tmp_path / "error.log.1.gz", "wb", compresslevel=1) as file:
        block = b"\0" * 2**20
        for _mebibyte in range(300):
            file.write(block)
    began = time.monotonic()
    result = probe(log)
    assert time.monotonic() - began < 8
    assert result.one("logs.source")["data"]["truncated"] is True


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".bz2"])
def test_damaged_files_are_told(tmp_path, suffix):
    log = write(tmp_path / "error.log", line(60, REFUSED))
    rotated = write(tmp_path / ("error.log.1" + suffix), "".join(line(1200 + n % 60, "x%d" % n) for n in range(5000)), ago=1200)
    raw = rotated.read_bytes()
    for content in (raw[:len(raw) // 2], b"nothing of that kind", raw[:40] + os.urandom(200) + raw[240:]):
        rotated.write_bytes(content)
        result = probe(log)
        assert (result.one("logs.source")["status"], result.one("logs.source")["data"]["error"]) == ("cannot_tell", "damaged")
        assert families(result)["refused"]["data"]["count"] == 1


def test_what_is_no_log(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, error in (("none", "missing"), ("fifo", "not_a_file")):
        source = probe(tmp_path / name).one("logs.source")
        assert (source["status"], source["data"]["error"], source["data"]["silent"]) == ("cannot_tell", error, False)


def test_random_bytes(tmp_path):
    log = tmp_path / "error.log"
    log.write_bytes(os.urandom(300000) + line(10, REFUSED).encode() + os.urandom(1000))
    assert families(probe(log))["refused"]["data"]["count"] >= 1
    json.dumps(probe(log).observations).encode("utf-8")


def test_secrets_in_samples_are_masked(tmp_path):
    key = "6f1b24c8-93d5-4c02-9a4e-0d5c7be8a911"
    log = write(tmp_path / "error.log", line(60, "API key '%s' is not allowed. Forbidding access." % key)
                + line(50, "http://user:hunter2@proxy: Connection refused"))
    result = probe(log)
    assert set(families(result)) == {"auth", "refused"}
    text = json.dumps(result.observations)
    assert key not in text and "hunter2" not in text


def test_own_patterns_and_bad_ones(tmp_path):
    log = write(tmp_path / "error.log", line(60, "E7 tenant unknown") + line(50, "E0 fine"))
    result = probe(log, signatures={"tenant": "E7"}, recovered=["E0"])
    assert families(result)["tenant"]["data"]["recovered"] is True
    assert families(result)["tenant"]["data"]["last_at"][:19] == timestamp(time.time() - 60)[:19]
    broken = probe(log, signatures={"tenant": "("}).one("logs.source")
    assert (broken["status"], broken["data"]["reason"]) == ("cannot_tell", "bad_pattern")


def test_units_that_failed_say_why(tmp_path, monkeypatch):
    """What systemctl and journalctl of Debian 12 print of an nginx whose key is not its certificate's."""
    said = "SSL_CTX_use_PrivateKey() failed (SSL: error:05800074:x509 certificate routines::key values mismatch)"
    entry = json.dumps({"__REALTIME_TIMESTAMP": str(int(time.time() * 1e6)), "MESSAGE": said})
    listed = "nginx.service loaded failed failed A high performance web server"
    for program, output in (("systemctl", listed), ("journalctl", entry)):
        (tmp_path / program).write_text("#!/bin/sh\necho '%s'\n" % output)
        (tmp_path / program).chmod(0o755)
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "%s:/usr/bin:/bin" % tmp_path)
    monkeypatch.setenv("PATH", "%s:/usr/bin:/bin" % tmp_path)
    found = families(probe(failed_units=True))
    assert (list(found), found["tls_server_key"]["data"]["sources"]) == (["tls_server_key"], ["nginx.service"])
    assert families(probe()) == {}, "nobody asked"


def test_where_no_unit_failed_there_is_nothing_to_read(monkeypatch):
    monkeypatch.setitem(_command._ENVIRONMENT, "PATH", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert probe(failed_units=True).observations == []


def test_no_journal_is_told():
    source = probe(unit="nowhere.service").one("logs.source")
    assert source["data"]["kind"] == "journal"
    assert source["data"]["silent"] or source["data"]["error"] in ("no_journal", "not_permitted", "failed")

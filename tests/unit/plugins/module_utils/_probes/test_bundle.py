# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is collected of a host: real files and commands, bounded, and none that may not be shown."""
from __future__ import annotations

import base64
import os
import time
import zlib

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _bundle_reading, _bundle_sources
from ansible_collections.connectivity.doctor.plugins.module_utils._bundle_reading import LARGEST, matching, read_file
from ansible_collections.connectivity.doctor.plugins.module_utils._probes import bundle
from ansible_collections.connectivity.doctor.tests.support.probe_runner import run_probe

_SECRET = "k7Qx92-canary"


@pytest.fixture(autouse=True)
def little_else(monkeypatch):
    """Of what every host is asked, as much as shows how."""
    monkeypatch.setattr(_bundle_sources, "COMMANDS", (
        ("host/said.txt", "fact", ("sh", "-c", "echo %s and known-41" % _SECRET)),
        ("host/fails.txt", "fact", ("sh", "-c", "echo no >&2; exit 3")),
        ("host/none.txt", "fact", ("no-such-command",))))
    monkeypatch.setattr(_bundle_sources, "CONFIGURATIONS", ("/etc/hosts",))
    monkeypatch.setattr(_bundle_sources, "UNITS", ())


def collected(deadline=20.0, secrets=(), **parameters):
    """By source, what was told of it; with the text where there is one."""
    result = run_probe("bundle", {"key": "the-key", **parameters}, deadline, ["the-key", *secrets])
    found = {}
    for observation in result.observations:
        data = observation["data"]
        if observation["check"] == "bundle.file":
            text = zlib.decompress(base64.b64decode(data["content"])).decode() if "content" in data else None
            found[data["source"]] = dict(data, text=text)
    return found


def test_a_secret_of_a_configuration_is_in_no_file_and_no_command(tmp_path):
    (tmp_path / "a.conf").write_text("api_key = %s\nport = 1\n" % _SECRET)
    (tmp_path / "a.log").write_text("%s lost %s\n" % (time.strftime("%Y-%m-%d %H:%M:%S"), _SECRET))
    found = collected(files=[str(tmp_path / "a.*")], secrets=["known-41"])
    texts = {source: one["text"] for source, one in found.items() if one["text"] is not None}
    assert not any(_SECRET in text or "known-41" in text for text in texts.values())
    token = texts[str(tmp_path / "a.conf")].split("\n")[0].split(" = ")[1]
    assert token.startswith("REDACTED_") and token in texts[str(tmp_path / "a.log")] and "lost" in texts[str(tmp_path / "a.log")]
    said = next(one for source, one in found.items() if "echo " in source and one["member"] == "host/said.txt")
    assert said["text"].startswith(token) and said["redacted"] == {"known": 2}
    assert not any(_SECRET in source for source in found)
    assert found[str(tmp_path / "a.conf")]["member"] == "config" + str(tmp_path / "a.conf")
    fails = next(one for one in found.values() if one["member"] == "host/fails.txt")
    assert fails["text"] == "no\n\n(exit code 3)\n"
    assert found["no-such-command"]["reason"] == "not_found"


@pytest.mark.parametrize(("parts", "members"), [
    (["config"], {"config/etc/hosts"}), (["diagnostics"], {"host/said.txt", "host/fails.txt", "host/none.txt"}),
    (["logs"], {"logs/journal/kernel.log"}), ([], set()),
])
def test_only_the_parts_that_were_asked_for_are_there_and_files_that_were_named(tmp_path, parts, members):
    (tmp_path / "named.conf").write_text("x = 1\n")
    found = {one["member"] for one in collected(parts=parts, files=[str(tmp_path / "*.conf")]).values() if "/var/" not in one["member"]}
    assert found == members | {"config" + str(tmp_path / "named.conf")}


def test_what_is_no_text_or_may_not_be_shown_is_told_and_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(_bundle_reading, "NEVER", (*_bundle_sources.NEVER, "*/secret-store*"))
    (tmp_path / "binary").write_bytes(b"ab\0cd")
    (tmp_path / "huge").write_bytes(b"x" * (2 << 20))
    (tmp_path / "secret-store").write_text("x")
    os.symlink(str(tmp_path / "secret-store"), str(tmp_path / "link"))
    os.mkfifo(str(tmp_path / "fifo"))
    names = {"binary": "binary", "huge": "too_large", "secret-store": "never_collected", "link": "never_collected", "fifo": "not_a_file",
             "gone": "missing"}
    assert {name: read_file(str(tmp_path / name)).problem for name in names} == names
    assert read_file("/etc/shadow").problem == read_file("/proc/self/environ").problem == "never_collected"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs files of other users")
def test_a_link_that_another_user_has_laid_is_not_followed(tmp_path):
    (tmp_path / "file").write_text("x")
    os.symlink(str(tmp_path / "file"), str(tmp_path / "link"))
    assert read_file(str(tmp_path / "link")).text == "x"
    os.chown(str(tmp_path / "link"), 12345, 12345, follow_symlinks=False)
    assert read_file(str(tmp_path / "link")).problem == "link_of_another_user"


def test_a_long_file_is_cut_and_bytes_that_are_no_text_are_written_out(tmp_path):
    (tmp_path / "long").write_text("line\n" * 150000)
    (tmp_path / "latin").write_bytes(b"b\xfcro \x1b[31m\n")
    assert len(read_file(str(tmp_path / "long")).text) == LARGEST and read_file(str(tmp_path / "long")).truncated
    assert read_file(str(tmp_path / "latin")).text == "b\\xfcro \\x1b[31m\n"


def test_patterns_find_a_bounded_number_of_files(tmp_path):
    for number in range(60):
        (tmp_path / ("%02d.conf" % number)).write_text("")
    assert matching([str(tmp_path / "*.conf"), str(tmp_path / "00.conf"), str(tmp_path / "gone")]) == [
        *(str(tmp_path / ("%02d.conf" % number)) for number in range(50)), str(tmp_path / "gone")]


def test_what_does_not_fit_or_comes_too_late_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "_MOST_BYTES", 1000)
    for name in ("a", "b"):
        (tmp_path / (name + ".conf")).write_text("x" * 900)
    files = [str(tmp_path / "*.conf")]
    reasons = {source: one.get("reason") for source, one in collected(files=files, parts=[]).items()}
    assert reasons == {str(tmp_path / "a.conf"): None, str(tmp_path / "b.conf"): "bundle_full"}
    late = collected(deadline=0.2, files=files)
    assert {one["reason"] for one in late.values()} == {"deadline"}


def test_names_and_addresses_are_mapped_with_the_names_that_the_host_knows(tmp_path, monkeypatch):
    (tmp_path / "hosts").write_text("10.77.2.20 db1.lab.example db1\n")
    (tmp_path / "a.conf").write_text("server = db1.lab.example:1\naddress = 10.77.2.20\nother = web7\n")
    monkeypatch.setattr(bundle, "_own_names", lambda configurations: ["db1.lab.example"])
    found = collected(files=[str(tmp_path / "a.conf")], map_places=True, names=["web7"], parts=[])
    (text,) = (one["text"] for one in found.values())
    assert not any(real in text for real in ("db1", "lab.example", "10.77", "web7")) and "server = n" in text

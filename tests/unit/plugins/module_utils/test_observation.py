# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Texts of peers made safe, times written, and the recorder under many threads."""
from __future__ import annotations

import json
import random
import threading

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils import _observation
from ansible_collections.connectivity.doctor.plugins.module_utils._observation import Recorder, clean_text, timestamp


@pytest.mark.parametrize(("text", "cleaned"), [
    ("plain", "plain"),
    (b"b\xc3\xbcro", "büro"),
    (b"\xff\xfe", "\\xff\\xfe"),
    ("tab\tand\nline", "tab\tand\nline"),
    ("\x1b[31mred\x07\x00\r", "\\x1b[31mred\\x07\\x00\\x0d"),
    ("\u202egnp.exe", "\\x202egnp.exe"),
    ("\ud800", "\\ud800"),
    (OSError(2, "gone"), "[Errno 2] gone"),
    (None, "None"),
    ("", ""),
])
def test_texts_are_made_safe(text, cleaned):
    assert clean_text(text) == cleaned


@pytest.mark.parametrize("text", ["x" * 5000, b"x" * 5000, "ü" * 5000, ("ü" * 5000).encode(), "\x00" * 5000])
def test_texts_are_bounded(text):
    assert len(clean_text(text)) == _observation.MAXIMUM_TEXT + 1
    assert clean_text(text).endswith("…")
    assert len(clean_text(text, limit=10)) == 11


@pytest.mark.parametrize(("text", "secrets", "cleaned"), [
    ("login hunter2 failed", ["hunter2"], "login ******** failed"),
    (b"login hunter2 failed", ["hunter2"], "login ******** failed"),
    ("hunter2hunter2", ["hunter2"], "****************"),
    ("nothing", [""], "nothing"),
    ("ü-secret", ["ü-secret"], "********"),
    ("hunter22 and hunter2", ["hunter2", "hunter22"], "******** and ********"),
    ("ab\x00cd", ["ab\x00cd"], "********"),
])
def test_secrets_are_masked(text, secrets, cleaned):
    assert clean_text(text, secrets) == cleaned


@pytest.mark.parametrize("kind", ["text", "bytes"])
def test_no_part_of_a_secret_is_left_where_the_text_is_cut(kind):
    """Wherever the secret lies: before, at, or behind the place of the cut; and however much masking shortens the text."""
    secret = "s3cr3t-canary-" + "0123456789" * 30
    for before in (0, 1, 30, 39, 40, 41, 100, 150, 159, 160, 161):
        text = "x" * before + secret + "y" * 100
        cleaned = clean_text(text.encode() if kind == "bytes" else text, [secret], 40)
        assert "s3cr3t" not in cleaned and "0123456789" not in cleaned, before
        many = (secret + "x") * 5
        assert "s3cr3t" not in clean_text(many.encode() if kind == "bytes" else many, [secret], 40)


def test_whatever_comes_can_be_written_as_json_and_shown():
    source = random.Random(20260105)
    for _round in range(2000):
        data = source.getrandbits(8 * 40).to_bytes(40, "big")
        cleaned = clean_text(data if source.random() < 0.5 else data.decode("utf-16", "surrogatepass"))
        assert cleaned.encode("utf-8")
        assert all(character.isprintable() or character in "\n\t" for character in cleaned)
        json.dumps(cleaned)


@pytest.mark.parametrize(("seconds", "text"), [
    (0, "1970-01-01T00:00:00.000Z"), (1767225600.5, "2026-01-01T00:00:00.500Z"), (1767225599.9996, "2025-12-31T23:59:59.999Z"),
])
def test_times_are_rfc_3339_in_utc(seconds, text):
    assert timestamp(seconds) == text


def test_many_threads_record_and_nothing_is_lost_or_taken_after_the_seal():
    recorder = Recorder()
    threads = [threading.Thread(target=lambda: [recorder.add({"n": number}) for number in range(100)]) for _thread in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sealed = recorder.seal()
    assert len(sealed) == 1000
    recorder.add({"n": "late"})
    assert len(recorder.seal()) == 1000

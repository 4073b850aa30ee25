# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small reader of YAML beside PyYAML: it agrees with it, or says that it can't tell."""
from __future__ import annotations

import random

import pytest

from ansible_collections.connectivity.doctor.plugins.module_utils._config.document import BeyondReader, SyntaxProblem
from ansible_collections.connectivity.doctor.plugins.module_utils._config.yaml import read_small_yaml, read_yaml

AGENT = """\
# the agent
api_key: abc   # secret
proxy:
  https: http://p:3128
  no_proxy:
    - a
    - b
exporters:
  otlphttp/2:
    endpoint: "https://apm.example:4318"
    headers: {}
    tls:
      insecure: false
  list:
  - name: x
    y: z
  - name: "q:r"
hosts: ["https://a:1", "b"]
apm-server.host: 127.0.0.1:8200
empty:
text: |-
  line
last: 'it''s'
"""

PIECES = ("a", "b", "host", "key: v", "- x", "-", "  ", " ", "\n", "\n", "\n  ", "\n    ", "'q'", '"d q"', ": ", ":", "x", "#c", " # c",
          "[1, 2]", "[]", "{}", "|", "\t", "http://h:1", "~", "- a: 1", "a:\n  - b\n  - c: d\n    e: f", "\n- ", "k:", "true", ">", "---\n",
          "é", "&a ", "*a", "!t ", "%", "@", "`", "?", "? ", ",", "\r\n", "\x00", "\ufeff")


def outcome(reader, text):
    try:
        return "read", [(entry.key, entry.value) for entry in reader(text)]
    except SyntaxProblem as problem:
        assert problem.line >= 1 and problem.column >= 1 and problem.problem
        return "syntax", None
    except BeyondReader:
        return "beyond", None


def test_an_agents_file_is_read_alike_with_its_lines():
    pytest.importorskip("yaml")
    assert read_small_yaml(AGENT) == read_yaml(AGENT)
    entries = {entry.key: entry for entry in read_small_yaml(AGENT)}
    assert entries["exporters.otlphttp/2.endpoint"][1:3] == ("https://apm.example:4318", 10)
    assert entries["exporters.list.1.name"][1:3] == ("q:r", 17)
    assert entries["hosts.0"].value == "https://a:1"
    assert entries["last"].value == "it's"


@pytest.mark.parametrize("seed", range(3))
def test_random_texts_agree_or_are_beyond(seed):
    pytest.importorskip("yaml")
    rng = random.Random(seed)
    seen = {"read": 0, "syntax": 0, "beyond": 0}
    for _round in range(1200):
        text = "".join(rng.choice(PIECES) for _piece in range(rng.randint(1, 14)))
        small, full = outcome(read_small_yaml, text), outcome(read_yaml, text)
        seen[small[0]] += 1
        assert small[0] == "beyond" or small == full, repr(text)
    assert min(seen.values()) > 50, seen


@pytest.mark.parametrize(("text", "line", "column"), [
    ("a: 1\n\tb: 2\n", 2, 1),
    ("a: 1\n  b: 2\n", 2, 4),
    ("a: b: c\n", 1, 5),
    ("a:\n  b: 1\n c: 2\n", 3, 2),
    ("a: 1\nb\n", 2, 1),
])
def test_mistakes_have_their_place(text, line, column):
    pytest.importorskip("yaml")
    for reader in (read_small_yaml, read_yaml):
        with pytest.raises(SyntaxProblem) as caught:
            reader(text)
        assert caught.value.line in (line, line + 1)  # PyYAML names the line after, where a colon is missing
    with pytest.raises(SyntaxProblem) as caught:
        read_small_yaml(text)
    assert (caught.value.line, caught.value.column) == (line, column)


def test_a_document_that_grows_is_not_followed():
    pytest.importorskip("yaml")
    bomb = "a0: &a0 [x, x]\n" + "".join("a%d: &a%d [%s]\n" % (n, n, ", ".join(["*a%d" % (n - 1)] * 9)) for n in range(1, 9))
    for reader in (read_small_yaml, read_yaml):
        with pytest.raises(BeyondReader):
            reader(bomb)
    with pytest.raises((BeyondReader, SyntaxProblem)):
        read_yaml("[" * 5000)

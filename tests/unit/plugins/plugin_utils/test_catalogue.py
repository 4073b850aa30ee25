# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The catalogue as a whole: every entry is complete, and names only codes, checks and facts that there are."""
from __future__ import annotations

import ast
import pathlib
import re
import string
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _causes, _evidence, _inference
from ansible_collections.connectivity.doctor.plugins.plugin_utils._cause import AUTOMATIC, ESCALATE, GUARDED, Cause
from ansible_collections.connectivity.doctor.plugins.plugin_utils._causes import CATALOGUE
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import SCHEMES, parse_endpoints
from ansible_collections.connectivity.doctor.plugins.plugin_utils._spool import HostRecord

# Causes that are named as look-alikes, and that no probe can tell yet.
PLANNED: set[str] = set()

_PLUGINS = pathlib.Path(_causes.__file__).parents[2]
# What writes facts: the probes, what the controller adds, and the relations in the causes themselves.
_WRITERS = [*(_PLUGINS / "module_utils").rglob("*.py"), *pathlib.Path(_causes.__file__).parent.glob("*.py"),
            *(_PLUGINS / "plugin_utils" / name for name in ("_certificates.py", "_enrichment.py", "_fleet.py", "_report.py"))]
# What the inference adds for every sentence.
_ALWAYS = {"host", "endpoint", "url", "name", "port", "target"}


def _words() -> tuple[set[str], set[str]]:
    """What the code that records writes into mappings or documents as a fact, and strings that look like the name of a check."""
    keys, checks = set(_ALWAYS), set()
    for path in _WRITERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Dict):
                keys |= {key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            elif isinstance(node, ast.keyword) and node.arg and "_causes" not in path.parts:
                keys.add(node.arg)
            elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
                keys.add(node.slice.value)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "_causes" not in path.parts:
                keys.update(re.findall(r"``([a-z0-9_]+)``", node.value))
                if re.fullmatch(r"[a-z_]+\.[a-z_]+", node.value):
                    checks.add(node.value)
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints(["tcp://h:1"], "web1"))
    return keys | set(record.endpoints[0]), checks


KEYS, CHECKS = _words()


def _leaves(pattern: t.Any) -> t.Iterator[t.Any]:
    """The patterns that a pattern is made of."""
    parts = [value for value in vars(pattern).values() if isinstance(value, _evidence.Pattern)]
    if not parts:
        yield pattern
    for part in parts:
        yield from _leaves(part)


@pytest.fixture(params=sorted(CATALOGUE))
def cause(request: pytest.FixtureRequest) -> Cause:
    return CATALOGUE[request.param]


def test_there_are_as_many_causes_as_entries() -> None:
    entries = [cause.code for layer in _causes.LAYERS for cause in layer.CAUSES]
    assert sorted(entries) == sorted(set(entries))
    assert len(entries) >= 40


def test_an_entry_is_complete(cause: Cause) -> None:
    assert re.fullmatch(r"[a-z]+\.[a-z0-9_]+", cause.code)
    assert cause.layer == cause.code.partition(".")[0]
    for text in (cause.meaning, cause.advice):
        assert (text[0].isupper() or text.startswith("resolv.conf")) and text.endswith("."), text
    assert cause.summary and not cause.summary.endswith(".")
    assert cause.component and cause.culprit
    assert cause.direction in ("", "inbound", "outbound")
    assert cause.place in ("client", "server", "path", "observer")
    assert cause.remediation.kind in (AUTOMATIC, GUARDED, ESCALATE) and re.fullmatch(r"[a-z_]+", cause.remediation.action)


def test_a_candidate_says_what_would_decide(cause: Cause) -> None:
    assert cause.suspicion is None or cause.decide_by


def test_codes_that_are_named_exist_or_are_planned(cause: Cause) -> None:
    for code in (*cause.look_alikes, *cause.follows_from):
        assert code in CATALOGUE or code in PLANNED, code
        assert code != cause.code


def test_what_is_planned_is_not_there_yet() -> None:
    assert not PLANNED & set(CATALOGUE)


def test_a_look_alike_can_be_excluded(cause: Cause) -> None:
    """Each says what rules it out, or certainty could never be told from a guess."""
    assert [code for code in cause.look_alikes if code in CATALOGUE and CATALOGUE[code].ruled_out is None] == []


def test_sentences_name_only_facts_that_somebody_records(cause: Cause) -> None:
    for text in (cause.summary, cause.advice, *cause.culprit.values()):
        for _literal, field, form, _conversion in string.Formatter().parse(text):
            assert field is None or (field in KEYS and not form), "%s in %r" % (field, text)


def test_a_sentence_renders_with_whatever_facts_there_are(cause: Cause) -> None:
    facts = _inference._Facts({key: "<%s>" % key for key in KEYS})
    for text in (cause.summary, cause.advice, *cause.culprit.values()):
        assert "{" not in _inference._fill(text, facts) and "unknown" not in _inference._fill(text, facts).split()


def test_patterns_name_only_checks_and_facts_that_somebody_records(cause: Cause) -> None:
    for pattern in (cause.proof, cause.suspicion, cause.ruled_out, cause.explains):
        for leaf in _leaves(pattern) if pattern else ():
            if isinstance(leaf, _evidence.Seen):
                assert leaf.check in CHECKS, leaf
                statuses = leaf.status if isinstance(leaf.status, tuple) else (leaf.status,)
                assert set(statuses) <= {None, "ok", "warn", "fail", "cannot_tell", "skipped"}
            facts = getattr(leaf, "facts", {})
            assert set(facts) <= KEYS, set(facts) - KEYS


def test_nothing_observed_is_no_cause_and_no_verdict() -> None:
    for scheme in SCHEMES:
        (endpoint,) = _described("%s://h:1" % scheme)
        verdict = _inference.infer(_evidence.Case("web1", endpoint, []))
        assert (verdict.state, verdict.causes, verdict.reason) == ("unknown", (), "nothing was observed")


def _described(url: str) -> list[dict[str, t.Any]]:
    record = HostRecord("web1", "client")
    record.describe(parse_endpoints([url], "web1"))
    return record.endpoints

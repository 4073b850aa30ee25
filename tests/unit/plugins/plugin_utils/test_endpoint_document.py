# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An endpoint as a document and back: all that a host needs of it, and none of its secrets."""
from __future__ import annotations

import dataclasses
import json
import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils import _endpoint_document, _plan
from ansible_collections.connectivity.doctor.plugins.plugin_utils._agents import known_agents
from ansible_collections.connectivity.doctor.plugins.plugin_utils._endpoints import parse_endpoints

_CANARY = "s3cr3t-canary"
_ENTRIES: list[t.Any] = [
    "https://apm.example.com:8200/health?deep=1",
    {"name": "db", "url": "postgresql://me@db.example.com/x?sslmode=verify-full", "password": _CANARY, "server": "db1",
     "pool": {"size": 3}, "members": ["10.0.0.1:5432", "10.0.0.2:5433"], "thresholds": {"latency_ms": 250},
     "addresses": ["10.0.0.5"]},
    {"name": "shop", "url": "https://apm.example.com", "agent": {"inherits": "elastic_apm", "unit": "shop"}, "credential": _CANARY},
    {"name": "any", "url": "https://apm.example.com", "agent": "auto", "credential": _CANARY},
    *({"name": agent, "url": "https://apm.example.com", "agent": agent} for agent in known_agents()),
]


@pytest.mark.parametrize("entry", _ENTRIES, ids=str)
def test_a_host_makes_the_same_plan_of_it(entry: t.Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_plan.random, "token_hex", lambda size: "00" * size)  # a salt is another in every plan
    (endpoint,) = parse_endpoints([entry], "web1")
    text = json.dumps(_endpoint_document.document(endpoint))
    assert _CANARY not in text
    again = _endpoint_document.endpoint_of(json.loads(text), _endpoint_document.secrets(endpoint))
    plans = [json.loads(json.dumps(_plan.client_plan([one], "web1", 10.0))) for one in (endpoint, again)]
    assert plans[0] == plans[1]
    assert dataclasses.replace(again, agent=None) == dataclasses.replace(endpoint, agent=None)


def test_its_secrets_are_told_apart() -> None:
    (endpoint,) = parse_endpoints([_ENTRIES[1]], "web1")
    assert _endpoint_document.secrets(endpoint) == {"password": _CANARY}

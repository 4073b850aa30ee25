# Copyright (c) 2026 the connectivity.doctor contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cause is told with the agent's own words: of every recorded fault of an agent that complained of it, lines of a log are cited."""
from __future__ import annotations

import typing as t

import pytest

from ansible_collections.connectivity.doctor.plugins.plugin_utils._agent_evidence import NOT_THROUGH, complaints, said_by_server
from ansible_collections.connectivity.doctor.plugins.plugin_utils._evidence import Case, Observation
from ansible_collections.connectivity.doctor.plugins.plugin_utils._inference import infer
from ansible_collections.connectivity.doctor.tests.support.changed_cases import RECORDED, never, verdict, where

_SAID = (*NOT_THROUGH, "too_large", "rate_limited")


def case_of(name: str) -> Case:
    recorded = RECORDED[name]
    described = {key: value for key, value in recorded["endpoint"].items() if key != "observations"}
    return Case(recorded["host"], {**described, "name": recorded["endpoint_name"]}, recorded["endpoint"]["observations"])


def said(case: Case) -> bool:
    """The agent that runs now complains, or its server does about it."""
    runs = [one["status"] for check in ("service.unit", "service.process") for _number, one in case.of(check, "client")]
    return "fail" not in runs and bool(complaints(case, _SAID) or said_by_server(case, _SAID))


_COMPLAINING = sorted(name for name, recorded in RECORDED.items() if recorded["expect"] and recorded["endpoint"].get("agent")
                      and said(case_of(name)))


def cited_lines(case: Case, cause: t.Mapping[str, t.Any]) -> list[Observation]:
    return [case.observations[number] for number in cause["evidence"] if case.observations[number]["check"] == "logs.family"]


@pytest.mark.parametrize("name", _COMPLAINING)
def test_every_fault_of_which_an_agent_complains_is_told_with_its_lines(name: str) -> None:
    case = case_of(name)
    lines = [line for cause in infer(case).causes for line in cited_lines(case, cause)]
    assert lines and all(line["data"]["samples"] and not line["data"]["recovered"] for line in lines)


def test_many_agents_complain() -> None:
    assert len(_COMPLAINING) >= 25
    assert {RECORDED[name]["endpoint"]["agent"] for name in _COMPLAINING} >= {
        "collectd", "elastic_apm", "netdata", "newrelic_apm", "opentelemetry_sdk", "prometheus", "zabbix_agent2"}


def test_a_cause_that_is_not_about_it_is_told_without_the_lines() -> None:
    """A full disk keeps nobody from being let in."""
    name = "host-disk-full"

    def now(family: Observation) -> Observation:
        return {**family, "data": {**family["data"], "last_at": family["started_at"], "recovered": False, "stands": True}}

    (cause,) = verdict(name, where("logs.family", family="refused")(now)).causes
    assert cause["code"] == "host.disk_full" and not cited_lines(case_of(name), cause)


def test_the_lines_are_no_proof() -> None:
    """Without them the cause is the same, and as sure."""
    name = "otlp-server-stopped"
    (with_lines,), (without,) = verdict(name).causes, verdict(name, where("logs.family")(never)).causes
    assert cited_lines(case_of(name), with_lines)
    assert (with_lines["code"], with_lines["confidence"]) == (without["code"], without["confidence"])
